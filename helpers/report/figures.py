"""Results as figures. Each function takes results and returns a matplotlib figure.

One colour and one marker per model, the same in every figure; bands are 90 % t intervals over
seeds.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..metrics.records import record
from ..study.cell import Cell
from ..study.results import Results
from ..training import accounting
from . import tables
from .style import (
    COLOURS,
    MARKERS,
    TITLES,
    level,
    levels,
    ordered,
    panels,
    title,
    trained,
    with_level,
    written,
)


def plane(results: Results) -> Figure:
    """The public images on the Isomap plane, the query class marked (NFL Fig. 5, 13, 14)."""
    reference = results.reference()
    points, labels = reference["points"], reference["labels"]
    figure, ((axis,),) = panels(size=(6.4, 5.4))
    palette = sns.color_palette("tab20", len(reference["classes"]))
    for c, name in enumerate(reference["classes"]):
        chosen, query = points[labels == c], c == reference["query_class"]
        axis.scatter(
            *chosen.T,
            s=26 if query else 12,
            marker="*" if query else "o",
            color=palette[c],
            edgecolor="black" if query else "none",
            linewidth=0.4,
            label=f"{name} (query class)" if query else str(name),
        )
    axis.set(xlabel="first Isomap coordinate", ylabel="second Isomap coordinate")
    longest = max(len(str(name)) for name in reference["classes"])
    columns = 2 if longest > 15 else 4
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return figure


def curves(
    results: Results, metrics: Sequence[str], *, columns: int = 3, ceiling: bool = True
) -> Figure:
    """Each metric against sigma, one line per model with its 90 % band (NFL Fig. 10, 16, 18).

    Below each noise multiplier stand the accountant's epsilon at delta 1e-3 and the noise-to-signal
    ratio, over the models. Dash-dotted is what other real images score (the model "real"), where
    the results hold it. Among the accuracies, the dashed line is the real-data ceiling and the
    dotted one is chance.
    """
    rows = -(-len(metrics) // columns)
    figure, axes = panels(rows, columns, size=(3.4 * columns, 3.2 * rows))
    for axis, metric in zip(axes.flat, metrics, strict=False):
        _curve(axis, results.frame, metric)
        if metric == "accuracy" and ceiling:
            _accuracy_levels(axis, results)
    for axis in axes.flat[len(metrics) :]:
        axis.set_visible(False)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _curve(axis: Axes, frame: pd.DataFrame, metric: str) -> None:
    table = tables.intervals(frame, metric)
    floor = table[table["model"] == "real"]["mean"]
    if not floor.empty:
        axis.axhline(floor.item(), color="0.3", linestyle="-.", linewidth=1)
        if floor.item() > 0:  # at 0 the curves end there too
            axis.text(0, floor.item(), "other real images", va="bottom", fontsize=8)
    names, table = levels(trained(frame)), trained(table)
    for model in ordered(table["model"]):
        group = table[table["model"] == model]
        at = [names.index(name) for name in group["level"]]
        axis.plot(
            at, group["mean"], f"{MARKERS[model]}-", color=COLOURS[model], label=TITLES[model]
        )
        axis.fill_between(at, group["low"], group["high"], color=COLOURS[model], alpha=0.2)
    axis.set(title=record(metric).title, xlabel="noise multiplier σ")
    ticks = [_tick(trained(frame), name) for name in names]
    axis.set_xticks(range(len(names)), ticks, fontsize=8)
    means = pd.concat([table["mean"], floor])
    if means.empty:  # the scale leaves this metric out
        return
    margin = 0.4 * max(np.ptp(means), 1e-9)  # a band of few seeds may leave the panel
    low, high = axis.get_ylim()
    axis.set_ylim(max(low, means.min() - margin), min(high, means.max() + margin))


def _tick(frame: pd.DataFrame, name: str) -> str:
    """A level, below it epsilon at delta 1e-3, below that the noise-to-signal ratio."""
    lines = [name]
    for metric, unit in (("epsilon_1e-3", "ε {}"), ("noise_to_signal", "n/s {}")):
        table = tables.intervals(frame, metric)
        values = table[table["level"] == name]["mean"]
        if values.empty:
            lines.append(unit.format("∞"))
            continue
        if metric == "noise_to_signal":  # the same within 10 % for all models
            values = pd.Series([values.mean()])
        lines.append(unit.format(_range(values.min(), values.max())))
    return "\n".join(lines)


def _range(low: float, high: float) -> str:
    """The least room for two positive numbers: 0.21, 970–1k, 26–36k."""
    low, high = (f"{v / 1000:.0f}k" if v >= 1000 else f"{v:.2g}" for v in (low, high))
    return low if low == high else f"{low.removesuffix('k')}–{high}"


def _accuracy_levels(axis: Axes, results: Results) -> None:
    frame = results.frame
    real = frame[frame["metric"] == "accuracy_real"]["value"].mean()
    chance = 1 / len(results.reference()["classes"])
    axis.axhline(real, color="0.3", linestyle="--", linewidth=1)
    axis.axhline(chance, color="0.3", linestyle=":", linewidth=1)
    right = axis.get_xlim()[1]
    axis.text(right, real, "private images ", ha="right", va="bottom", fontsize=8)
    axis.text(right, chance, "chance ", ha="right", va="bottom", fontsize=8)
    axis.set_ylim(0, 1)


def ecdf(results: Results, models: Sequence[str], *, seed: int = 0) -> Figure:
    """Distances to the nearest training image, a panel per model (NFL Fig. 11, 15, 17).

    Synthetic images have one curve per level, hold-out images the black one.
    """
    figure, axes = panels(1, len(models), size=(1 + 3.4 * len(models), 3.6))
    colours = _level_colours(results)
    for axis, model in zip(axes[0], models, strict=True):
        cells = cells_of(results, model, seed)
        for cell in cells:
            distances = results.arrays(cell)["distances_synthetic"]
            axis.ecdf(distances, color=colours[title(cell)], label=title(cell))
        holdout = results.arrays(cells[0])["distances_holdout"]
        axis.ecdf(holdout, color="black", linewidth=2, label="hold-out images")
        axis.set(title=TITLES[model], xlabel="distance to the nearest training image")
    axes[0, 0].set_ylabel("share of images")
    axes[0, -1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def typical(results: Results) -> list[str]:
    """Levels that stand for the others: the least noise, and 0.2 or else the most there is."""
    names = levels(trained(results.frame))
    return list(dict.fromkeys([names[0], "0.2" if "0.2" in names else names[-1]]))


def histograms(results: Results, models: Sequence[str], *, seed: int = 0, bins: int = 30) -> Figure:
    """Where ablated and victim runs put their images on the plane, the query a cross (Fig. 8).

    At the `typical` levels. Counts per square, on one scale in a row; the part of the plane that
    public images occupy.
    """
    frame = results.reference()["points"]
    edges = [np.linspace(low, high, bins + 1) for low, high in zip(*_extent(frame), strict=True)]
    shown = [(name, role) for name in typical(results) for role in ("ablated", "victim")]
    figure, axes = panels(len(models), len(shown), size=(2.4 * len(shown), 2.2 * len(models) + 0.4))
    for row, model in zip(axes, models, strict=True):
        arrays = {level(c.arm, c.sigma): results.arrays(c) for c in cells_of(results, model, seed)}
        counts = [np.histogram2d(*arrays[n][f"points_{r}"].T, edges)[0] for n, r in shown]
        top = np.percentile(np.stack(counts), 99.5)
        for axis, (name, role), count in zip(row, shown, counts, strict=True):
            axis.pcolormesh(*edges, count.T, cmap="rocket_r", vmin=0, vmax=top)
            axis.plot(*arrays[name]["points_query"][0], "+", color="tab:cyan", ms=13, mew=2.5)
            axis.set(title=f"{TITLES[model]}, {written(name)}: {role}", xticks=[], yticks=[])
    return figure


def _level_colours(results: Results) -> dict[str, tuple[float, ...]]:
    """A colour per level with noise, from little (dark) to much; grey without."""
    names = levels(trained(results.frame))
    noisy = [written(name) for name in names if not name.isalpha()]
    palette = dict(zip(noisy, sns.color_palette("viridis", len(noisy)), strict=True))
    return {"sgd": (0.45, 0.45, 0.45), "clipped": (0.7, 0.7, 0.7)} | palette


def _extent(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the part of the plane that holds all but the outermost points [N, 2]."""
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    return low - 0.1 * (high - low), high + 0.1 * (high - low)


def coverage(results: Results, model: str, *, seed: int = 0) -> Figure:
    """Public images on the plane in grey, the model's images above them (NFL Fig. 9).

    At the `typical` levels and, between them, clipped without noise.
    """
    names = {*typical(results), "clipped"}
    cells = [c for c in cells_of(results, model, seed) if level(c.arm, c.sigma) in names]
    figure, axes = panels(1, len(cells), size=(3.2 * len(cells), 3.2))
    public = results.reference()["points"]
    for axis, cell in zip(axes[0], cells, strict=True):
        axis.scatter(*public.T, s=6, color="0.75", label="public images")
        points = results.arrays(cell)["points_full"]
        axis.scatter(*points.T, s=6, color=COLOURS[model], label=f"{TITLES[model]} images")
        axis.set(title=title(cell), xticks=[], yticks=[])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2, markerscale=2, frameon=False
    )
    return figure


def training(results: Results, model: str, *, seed: int = 0) -> Figure:
    """How the full run went, per level: loss, gradient norms, and the signal left under the noise.

    The norm is the median over records before clipping; the dotted line is the clipping norm C.
    The signal-to-noise ratio is the norm of the clipped sum over the expected norm of the noise.
    """
    cells = cells_of(results, model, seed)
    figure, axes = panels(1, 3, size=(12, 3.4))
    shown = {"loss": "mean loss", "norm": "median gradient norm", "snr": "signal-to-noise"}
    for cell, colour in zip(cells, sns.color_palette("viridis", len(cells)), strict=True):
        history = results.arrays(cell)
        for axis, name in zip(axes[0], shown, strict=True):
            values = history[f"history/{name}"]
            if np.isfinite(values).any():
                axis.plot(history["history/step"], values, color=colour, label=title(cell))
    for axis, (name, heading) in zip(axes[0], shown.items(), strict=True):
        axis.set(title=heading, xlabel="step", yscale="linear" if name == "loss" else "log")
    axes[0, 1].axhline(cells[0].preset.training.max_grad_norm, color="0.3", linestyle=":")
    axes[0, 0].legend(frameon=False)
    return figure


def accountant(sigmas: Sequence[float], steps: Sequence[int], *, delta: float) -> Figure:
    """The accountant's epsilon at full batch against sigma, a line per number of steps."""
    figure, ((axis,),) = panels(size=(6.4, 4.0))
    for run, colour in zip(steps, sns.color_palette("viridis", len(steps)), strict=True):
        values = [accounting.epsilon(sigma, steps=run, delta=delta) for sigma in sigmas]
        axis.plot(sigmas, values, color=colour, label=f"{run:,} steps")
    axis.axhspan(0, 10, color="tab:green", alpha=0.12)
    axis.text(sigmas[0], 10, " commonly called private: ε ≤ 10", va="top", fontsize=8)
    axis.set(xscale="log", yscale="log", xlabel="noise multiplier σ", ylabel="ε at full batch")
    axis.legend(frameon=False)
    return figure


def trade_off(results: Results, fidelity: str = "fd_lite0") -> Figure:
    """Utility against fidelity and against empirical epsilon, one point per cell.

    Colour is the model, shape the level. Better is up and to the left in both panels.
    """
    index = ["model", "level", "seed"]
    wide = (
        with_level(trained(results.frame))
        .pivot_table(index=index, columns="metric", values="value", observed=True)
        .reset_index()
    )
    colours = {TITLES[model]: COLOURS[model] for model in wide["model"]}
    wide["model"] = wide["model"].map(TITLES)
    figure, ((left, right),) = panels(1, 2, size=(9, 3.8))
    for axis, x in ((left, fidelity), (right, "epsilon_hat")):
        sns.scatterplot(
            wide,
            x=x,
            y="accuracy",
            hue="model",
            style="level",
            palette=colours,
            s=90,
            ax=axis,
            legend=axis is right,
        )
        axis.set(xlabel=record(x).title, ylabel=record("accuracy").title)
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def cells_of(results: Results, model: str, seed: int) -> list[Cell]:
    """The cells of one model and seed, from no clipping to most noise."""
    return [c for c in _ordered(results) if c.model == model and c.seed == seed]


def _ordered(results: Results) -> list[Cell]:
    names = levels(results.frame)
    return sorted(results.cells, key=lambda c: names.index(level(c.arm, c.sigma)))
