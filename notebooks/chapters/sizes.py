"""Is it the family or the size? Each model at several sizes, under the same noise (defect D7).

At one noise multiplier and clipping norm the norm of the noise grows with the square root of the
number of noised parameters, so models of different sizes do not meet on equal terms. Here every
family has from a quarter to sixteen times the noised parameters of its compact model. How a metric
rises or falls within a family is the effect of the size; how the families differ at one size is the
effect of the family. No model is trained here.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chapters import nfl
from helpers.metrics.records import record
from helpers.models import networks
from helpers.randomness import generator as stream
from helpers.report.style import COLOURS, MARKERS, TITLES, number, panels

FACTORS = {"1/4": "-quarter", "1": "", "4": "-4x", "16": "-16x"}  # the variants' suffixes


def names(families: Sequence[str], factors: Sequence[str]) -> list[str]:
    """The models of some families and factors of size, e.g. "vae" and "4" -> "vae-4x".

    Raises `ValueError` for a factor that is not one of `FACTORS`.
    """
    for factor in factors:
        if factor not in FACTORS:
            raise ValueError(f"size {factor!r} is unknown; allowed: {', '.join(FACTORS)}")
    return [f"{family}{FACTORS[factor]}" for family in families for factor in factors]


def titles(families: Sequence[str], factors: Sequence[str]) -> dict[str, str]:
    """How these models are written, e.g. "vae-4x" -> "VAE, 4 times"."""
    words = {"1/4": ", a quarter", "1": "", "4": ", 4 times", "16": ", 16 times"}
    written = [f"{TITLES[family]}{words[factor]}" for family in families for factor in factors]
    return dict(zip(names(families, factors), written, strict=True))


def with_size(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of sized models, with columns `family` and `factor`, in order of both.

    Of the seeds that all of these models have, since each draws its own private images.
    """
    sizes = {f"{m}{end}": (m, factor) for m in nfl.MODELS for factor, end in FACTORS.items()}
    rows = frame[frame["model"].isin(list(sizes))]
    per_seed = rows.groupby("seed")["model"].nunique()
    rows = rows[rows["seed"].isin(per_seed.index[per_seed == rows["model"].nunique()])]
    pairs = [sizes[model] for model in rows["model"]]
    family = pd.Categorical([pair[0] for pair in pairs], list(nfl.MODELS), ordered=True)
    factor = pd.Categorical([pair[1] for pair in pairs], list(FACTORS), ordered=True)
    return rows.assign(family=family, factor=factor).sort_values(["family", "factor"])


def means(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Means over seeds of some metrics, one row per family and factor, one level of noise."""
    rows = with_size(frame)
    values = rows[rows["metric"].isin(metrics)].pivot_table(
        index=["family", "factor"], columns="metric", values="value", observed=True
    )
    return values.reindex(columns=list(metrics))


def table(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The same as text, with the number of seeds."""
    found = means(frame, metrics)
    texts = {
        record(m).title: [number(value, record(m).digits) for value in found[m]] for m in metrics
    }
    index = found.index.set_levels([TITLES[m] for m in found.index.levels[0]], level=0)
    seeds = with_size(frame).groupby(["family", "factor"], observed=True)["seed"].nunique()
    shown = pd.DataFrame(texts, index=index).assign(seeds=seeds.to_numpy())
    return shown.rename_axis(["model", "times the size"])


def steps(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """By family, the change of a metric per quadrupling of the noised parameters.

    One column per step from a size to the next larger one that is there, e.g. "4 to 16".
    """
    found = means(frame, ["noised_parameters", metric]).unstack("factor")
    quadruplings = np.log(found["noised_parameters"]) / math.log(4)
    changes = found[metric].diff(axis=1) / quadruplings.diff(axis=1)
    named = [f"{first} to {last}" for first, last in itertools.pairwise(changes.columns)]
    return pd.DataFrame(changes.iloc[:, 1:].to_numpy(), index=list(changes.index), columns=named)


def authors_sizes() -> dict[str, int]:
    """The noised parameters of the authors' networks, by family (ten classes)."""
    return {
        name: networks.count_parameters(
            networks.build(name, "paper", classes=10, generator=stream(0, "count")).noised
        )
        for name in nfl.MODELS
    }


def split(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Differences between two families: at equal size, and by the authors' sizes alone.

    The first is measured at the compact size. The others are what the sizes of the authors'
    networks would add if nothing else differed: the number of quadruplings between the two, times
    the mean over families of the change per quadrupling, in all steps and in the last. A single
    size has no steps, and the table then has the first column only.
    """
    at_one = means(frame, metrics).xs("1", level="factor")
    quadruplings = {m: math.log(size, 4) for m, size in authors_sizes().items()}
    rows = {}
    for metric in metrics:
        digits, changes = record(metric).digits, steps(frame, metric).mean()
        for first, second in itertools.combinations(at_one.index, 2):
            by_family = at_one.loc[first, metric] - at_one.loc[second, metric]
            between = quadruplings[first] - quadruplings[second]
            row = {"at equal size": by_family}
            if len(changes):
                row["authors' sizes, all steps"] = changes.mean() * between
                row["authors' sizes, last step"] = changes.iloc[-1] * between
            pair = f"{TITLES[first]} − {TITLES[second]}"
            rows[record(metric).title, pair] = {
                name: number(value, digits, signed=True) for name, value in row.items()
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["metric", "models"])


def answers(frame: pd.DataFrame) -> dict[str, float]:
    """The numbers of the chapter's prose, of those sizes that are there.

    `fid_fall_<family>`: from a quarter to four times the size; `fid_rise_<family>`: from there to
    sixteen times; `accuracy_<family>`: from the compact size to sixteen times; `noise_to_signal`:
    at sixteen times, over families; `family`: the GAN's FID minus the DDPM's at the compact size.
    """
    found = means(frame, ["fid", "accuracy", "noise_to_signal"])
    changes = {
        "fid_fall": ("fid", "4", "1/4"),
        "fid_rise": ("fid", "4", "16"),
        "accuracy": ("accuracy", "1", "16"),
    }
    values = {}
    for (name, (metric, before, after)), family in itertools.product(changes.items(), nfl.MODELS):
        if {(family, before), (family, after)} <= set(found.index):
            difference = found.loc[(family, after), metric] - found.loc[(family, before), metric]
            values[f"{name}_{family}"] = float(difference)
    if "16" in found.index.get_level_values("factor"):
        largest = found.xs("16", level="factor")
        values["noise_to_signal"] = float(largest["noise_to_signal"].mean())
    if {("gan", "1"), ("ddpm", "1")} <= set(found.index):
        values["family"] = float(found["fid"]["gan", "1"] - found["fid"]["ddpm", "1"])
    return values


def figure(frame: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """Each metric against the number of noised parameters, one line per family."""
    drawn, axes = panels(1, len(metrics), size=(1 + 3.2 * len(metrics), 3.4))
    found = means(frame, ["noised_parameters", *metrics])
    for axis, metric in zip(axes[0], metrics, strict=True):
        _lines(axis, found, metric)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return drawn


def _lines(axis: Axes, found: pd.DataFrame, metric: str) -> None:
    for family, rows in found.groupby("family", observed=True):
        axis.plot(
            rows["noised_parameters"],
            rows[metric],
            f"{MARKERS[family]}-",
            color=COLOURS[family],
            label=TITLES[family],
        )
    axis.set(xscale="log", xlabel="noised parameters", title=record(metric).title)
