"""Noise in comparable units: what a run leaves of its signal, ours and the authors' (defect D7).

Equal sigmas are not equal noise. The norm of the noise grows with the square root of the noised
parameters, and the largest signal with the records of a step: their ratio is the noise-to-signal of
a step. Over T steps signals add up to T times as much and independent noise to sqrt(T) times as
much, so that a run has 1 / sqrt(T) of a step's ratio. By it levels are matched, network by network;
the ratio of a step is shown beside it. What is left out: learning rates that fall, and gradients
that are shorter than the clipping norm, of which the ratio is larger.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from helpers.metrics.evaluation import PRIVATE_PER_CLASS
from helpers.metrics.records import record
from helpers.models import families, networks
from helpers.randomness import generator as stream
from helpers.report import tables
from helpers.report.figures import accuracy_levels, limit, other_real
from helpers.report.style import COLOURS, MARKERS, TITLES, number, ordered, panels, trained
from helpers.study import results
from helpers.study.results import Results
from helpers.training import accounting

SIGMAS = (0.1, 0.2, 0.3, 0.4)  # the paper's, with noise
CLASSES = 10  # of MNIST
BATCH = 64  # the authors'


@dataclass(frozen=True)
class Run:
    """A private training: how many parameters are noised, records a step has, and steps."""

    parameters: int
    records: float
    steps: int

    def of_a_step(self, sigma: float) -> float:
        """The norm of the noise over the largest norm of the clipped sum."""
        return accounting.noise_to_signal(
            sigma, parameters=self.parameters, expected_batch=self.records
        )

    def of_the_run(self, sigma: float) -> float:
        """The same of all steps together."""
        return self.of_a_step(sigma) / math.sqrt(self.steps)


def ours(model: str, classes: int = CLASSES, scale: str = "compact") -> Run:
    """Our training of a model on ten images of each class."""
    training = families.preset(model, scale).training
    records = training.sample_rate * classes * PRIVATE_PER_CLASS
    return Run(_size(model, classes, scale), records, training.steps)


def authors(model: str, classes: int = CLASSES) -> Run:
    """The authors' training of the family, of 10,000 epochs whatever the number of images n.

    An epoch has n / 64 batches, rounded up; the preset has the steps of MNIST's, which are two.
    """
    n, family = classes * PRIVATE_PER_CLASS, families.family_of(model)
    epochs = families.preset(family, "paper").training.steps // _batches(
        CLASSES * PRIVATE_PER_CLASS
    )
    return Run(_size(family, classes, "paper"), divisor(n), epochs * _batches(n))


def divisor(n: int) -> int:
    """The records of a step by which Opacus divides: n over the number of batches, rounded down."""
    return n // _batches(n)


def _batches(n: int) -> int:
    return math.ceil(n / BATCH)


@cache
def _size(model: str, classes: int, scale: str) -> int:
    network = networks.build(model, scale, classes=classes, generator=stream(0, "count"))
    return networks.count_parameters(network.noised)


def levels(model: str, scale: str = "compact", classes: int = CLASSES) -> list[float]:
    """Our noise multipliers, of three digits, at which a run has the authors' at `SIGMAS`."""
    one, theirs = ours(model, classes, scale).of_the_run(1.0), authors(model, classes)
    return [float(f"{theirs.of_the_run(sigma) / one:.3g}") for sigma in SIGMAS]


def collected(
    dataset: str, models: Sequence[str], seeds: Sequence[int], classes: int, scale: str
) -> pd.DataFrame | None:
    """What is collected at the matched levels of some models and seeds, tidy; `None` if nothing.

    A level that is one of `SIGMAS` itself is in the grid by sigma already, and left out.
    """
    frames = []
    for model in models:
        asked = [sigma for sigma in levels(model, scale, classes) if sigma not in SIGMAS]
        axes = {"models": [model], "levels": asked, "seeds": seeds, "scale": scale}
        found = results.available(dataset, **axes)
        frames += [found.frame] if found else []
    return pd.concat(frames, ignore_index=True) if frames else None


# The page


def table(models: Sequence[str], classes: int, scale: str) -> pd.DataFrame:
    """Both trainings of each family: what they noise, and the ratio at the least and most noise.

    The last column has the noise multipliers that are the same noise, by the run, in the other's
    training.
    """
    rows = {}
    for model in models:
        pair = {"ours": ours(model, classes, scale), "the paper's": authors(model, classes)}
        for (name, run), other in zip(pair.items(), reversed(pair.values()), strict=True):
            same = [run.of_the_run(sigma) / other.of_the_run(1.0) for sigma in SIGMAS]
            rows[TITLES[model], name] = [
                *(number(count, 0) for count in (run.parameters, run.records, run.steps)),
                _ends([run.of_a_step(sigma) for sigma in SIGMAS]),
                _ends([run.of_the_run(sigma) for sigma in SIGMAS]),
                _ends(same),
            ]
    columns = ["noised parameters", "records a step", "steps"]
    columns += ["n/s of a step", "n/s of the run", "σ of the other"]
    index = pd.MultiIndex.from_tuples(rows, names=["model", "training"])
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def _ends(values: Sequence[float]) -> str:
    return f"{values[0]:.2g} to {values[-1]:.2g}"


def answers(models: Sequence[str], classes: int, scale: str) -> dict[str, float]:
    """The numbers of the prose.

    `noise_<model>_there`: our most noise, as a sigma of the authors' training; `..._here`: theirs
    as a sigma of ours; `noise_step_most`, `..._least`: how many times our noise-to-signal of a step
    theirs is at the same sigma, over models; `noise_run_most`, `..._least`: that of the run;
    `noise_size_most`, `..._least`: how many times as many parameters theirs noises.
    """
    pairs = {model: (ours(model, classes, scale), authors(model, classes)) for model in models}
    step = [theirs.of_a_step(1) / own.of_a_step(1) for own, theirs in pairs.values()]
    run = {m: theirs.of_the_run(1) / own.of_the_run(1) for m, (own, theirs) in pairs.items()}
    found = {f"noise_{model}_there": SIGMAS[-1] / times for model, times in run.items()}
    found |= {f"noise_{model}_here": SIGMAS[-1] * times for model, times in run.items()}
    size = [theirs.parameters / own.parameters for own, theirs in pairs.values()]
    for name, times in (("step", step), ("run", list(run.values())), ("size", size)):
        found |= {f"noise_{name}_least": min(times), f"noise_{name}_most": max(times)}
    return found


def told(matched: pd.DataFrame | None) -> str:
    """What is collected at the authors' noise, and what the most of it leaves, in words."""
    if matched is None:
        return "The noise of the paper was not tried on these images."
    counts = matched.groupby("model")["sigma"].nunique()
    each = ", ".join(f"{TITLES[m]} at {counts[m]} of {len(SIGMAS)}" for m in ordered(counts.index))
    said = f"Open marks have the noise of the paper: {each} levels, {_seeds(matched)}."
    worth = at_most(matched, "accuracy")
    if not worth:
        return said
    each = ", ".join(f"{value:.2f} ({TITLES[m]})" for m, value in worth.items())
    most = f"At the most of it, the paper's σ = {SIGMAS[-1]:g}"
    return f"{said} {most}, images train a classifier to {each}."


def at_most(matched: pd.DataFrame | None, metric: str) -> dict[str, float]:
    """A metric's mean over seeds at the most of the authors' noise, by model.

    Empty unless all of `SIGMAS` are there for all models.
    """
    rows = matched[matched["metric"] == metric] if matched is not None else pd.DataFrame()
    if rows.empty or any(rows.groupby("model")["sigma"].nunique() < len(SIGMAS)):
        return {}
    most = rows.groupby("model")["sigma"].max()
    return {m: tables.value(rows, metric, m, f"{most[m]:g}") for m in ordered(most.index)}


# Figures


def rule(models: Sequence[str], classes: int, scale: str) -> Figure:
    """Our sigmas (marks) and the paper's (strokes) on one axis of noise, two rows a family."""
    figure, ((axis,),) = panels(size=(7, 0.8 * len(models) + 1))
    for row, model in enumerate(models):
        for side, run, mark in (
            (-1, ours(model, classes, scale), MARKERS[model]),
            (1, authors(model, classes), "|"),
        ):
            at, y = [run.of_the_run(sigma) for sigma in SIGMAS], row + 0.13 * side
            axis.plot(at, [y] * len(at), mark, color=COLOURS[model], markersize=9, mew=1.8)
            for x, sigma in zip(at, SIGMAS, strict=True):
                above = {"xytext": (0, -7 * side), "textcoords": "offset points", "ha": "center"}
                side_up = "bottom" if side < 0 else "top"
                axis.annotate(f"{sigma:g}", (x, y), va=side_up, fontsize=8, **above)
        axis.axhline(row + 0.5, color="0.8", linewidth=0.8)
    axis.set(ylim=(len(models) - 0.5, -0.5), xlabel="noise-to-signal of the run")
    axis.set_yticks(range(len(models)), [f"{TITLES[m]}: our σ\nthe paper's σ" for m in models])
    axis.grid(False, axis="y")
    _decades(axis)
    return figure


def curves(
    results: Results,
    metrics: Sequence[str],
    matched: pd.DataFrame | None = None,
    *,
    columns: int = 2,
) -> Figure:
    """Each metric against the noise-to-signal of the run, one line per model with its 90 % band.

    Filled: the grid by sigma, from the arm that is clipped without noise; open and dashed: the
    levels at the authors' noise, where they are collected. Below an axis, in its colour, a mark at
    each of the paper's four sigmas in the authors' training of the family.
    """
    if matched is not None:
        matched = matched[matched["metric"].isin(metrics)]
        matched = None if matched.empty else matched
    rows = -(-len(metrics) // columns)
    figure, axes = panels(rows, columns, size=(3.4 * columns, 3.2 * rows))
    for axis, metric in zip(axes.flat, metrics, strict=False):
        _curve(axis, results, matched, metric)
        if metric == "accuracy":
            accuracy_levels(axis, results)
    for axis in axes.flat[len(metrics) :]:
        axis.set_visible(False)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    plain = {"color": "0.3", "linestyle": ""}
    if matched is not None:
        handles.append(Line2D([], [], marker="o", markerfacecolor="none", **plain))
        labels.append(f"at the paper's noise, {_seeds(matched)}")
    handles.append(Line2D([], [], marker="|", markersize=8, markeredgewidth=2, **plain))
    labels.append("the paper's σ = 0.1, 0.2, 0.3, 0.4")
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _seeds(frame: pd.DataFrame) -> str:
    """Over how many seeds the levels are: "1 seed", "3 seeds", "1 to 3 seeds"."""
    counts = frame.groupby(["model", "sigma"])["seed"].nunique()
    least, most = counts.min(), counts.max()
    return f"{least} to {most} seeds" if least < most else f"{most} seed{'' if most == 1 else 's'}"


def _curve(axis: Axes, found: Results, matched: pd.DataFrame | None, metric: str) -> None:
    classes, scale = len(found.reference()["classes"]), found.cells[0].scale
    grid = tables.intervals(found.frame, metric)
    models = ordered(trained(grid)["model"])
    runs = {model: ours(model, classes, scale) for model in models}
    noises = sorted({run.of_the_run(SIGMAS[0]) for run in runs.values()})
    without = noises[0] / 2 if noises else 1.0  # where no noise stands on an axis without a 0
    other_real(axis, grid, at=without)
    there = matched is not None and metric in set(matched["metric"])
    tried = tables.intervals(matched, metric) if there else grid.iloc[:0]
    for model, run in runs.items():
        style = {"marker": MARKERS[model], "color": COLOURS[model]}
        _line(axis, grid[grid["model"] == model], run, without, label=TITLES[model], **style)
        open_ = {"markerfacecolor": "white", "linestyle": "--", "linewidth": 1}
        _line(axis, tried[tried["model"] == model], run, without, **style, **open_)
    axis.set(title=record(metric).title, xlabel="noise-to-signal of the run")
    _decades(axis, without)
    limit(axis, pd.concat([grid["mean"], tried["mean"]]))
    _strokes(axis, {model: authors(model, classes) for model in models})


def _line(axis: Axes, rows: pd.DataFrame, run: Run, without: float, **style: object) -> None:
    """A model's means with their bands, from no noise (clipped) to the most."""
    rows = rows[rows["level"] != "sgd"]
    at = [without if name == "clipped" else run.of_the_run(float(name)) for name in rows["level"]]
    rows = rows.assign(at=at).sort_values("at")
    axis.plot(rows["at"], rows["mean"], **style)
    axis.fill_between(rows["at"], rows["low"], rows["high"], color=style["color"], alpha=0.15)


def _strokes(axis: Axes, theirs: Mapping[str, Run]) -> None:
    """Below the axis, a row per model, a stroke at each of the paper's sigmas."""
    for row, (model, run) in enumerate(theirs.items()):
        down = ScaledTranslation(0, -(6 + 6 * row) / 72, axis.figure.dpi_scale_trans)
        place = axis.get_xaxis_transform() + down
        at = [run.of_the_run(sigma) for sigma in SIGMAS]
        style = {"color": COLOURS[model], "markersize": 5, "mew": 2, "clip_on": False}
        axis.plot(at, [0] * len(at), "|", transform=place, **style)
        low, high = axis.get_xlim()
        axis.set_xlim(low, max(high, 1.15 * at[-1]))
    axis.tick_params(axis="x", pad=6 + 6 * len(theirs))


def _decades(axis: Axes, without: float | None = None) -> None:
    """A logarithmic axis with its numbers written out, and "none" where there is no noise."""
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    ticks = [k * 10.0**e for e in range(-4, 3) for k in (1, 2, 5)]
    ticks = [tick for tick in ticks if (1.5 * without if without else low) < tick < high]
    named = {without: "none"} if without else {}
    named |= {tick: f"{tick:g}" for tick in ticks}
    axis.set_xticks(list(named), list(named.values()), fontsize=8)
    axis.minorticks_off()
