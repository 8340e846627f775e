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

from . import figures, models, presets, tables, titles
from .randomness import generator as stream

FACTORS = {"1/4": "-quarter", "1": "", "4": "-4x", "16": "-16x"}  # the variants' suffixes


def names(families: Sequence[str], factors: Sequence[str]) -> list[str]:
    """The models of some families and factors of size, e.g. "vae" and "4" -> "vae-4x".

    Raises `ValueError` for a factor that is not one of `FACTORS`.
    """
    for factor in factors:
        if factor not in FACTORS:
            raise ValueError(f"size {factor!r} is unknown; allowed: {', '.join(FACTORS)}")
    return [f"{family}{FACTORS[factor]}" for family in families for factor in factors]


def with_size(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of sized models, with columns `family` and `factor`, in order of both.

    Of the seeds that all of these models have, since each draws its own private images.
    """
    sizes = {f"{m}{end}": (m, factor) for m in presets.MODELS for factor, end in FACTORS.items()}
    rows = frame[frame["model"].isin(list(sizes))]
    per_seed = rows.groupby("seed")["model"].nunique()
    rows = rows[rows["seed"].isin(per_seed.index[per_seed == rows["model"].nunique()])]
    pairs = [sizes[model] for model in rows["model"]]
    family = pd.Categorical([pair[0] for pair in pairs], list(presets.MODELS), ordered=True)
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
    texts = {m: [f"{v:,.{tables.DIGITS.get(m, 3)}f}" for v in found[m]] for m in metrics}
    index = found.index.set_levels([titles.MODELS[m] for m in found.index.levels[0]], level=0)
    seeds = with_size(frame).groupby(["family", "factor"], observed=True)["seed"].nunique()
    shown = pd.DataFrame(texts, index=index).assign(seeds=seeds.to_numpy())
    return shown.rename_axis(["model", "times the size"])


def slopes(frame: pd.DataFrame, metric: str) -> pd.Series:
    """By family, the change of a metric when the noised parameters are quadrupled.

    It is the slope of the least-squares line through the family's sizes, of which it needs two.
    """
    found = means(frame, ["noised_parameters", metric])
    lines = {
        family: np.polyfit(np.log(rows["noised_parameters"]) / math.log(4), rows[metric], 1)[0]
        for family, rows in found.groupby("family", observed=True)
        if len(rows) > 1
    }
    return pd.Series(lines, dtype=float)


def authors_sizes() -> dict[str, int]:
    """The noised parameters of the authors' networks, by family (ten classes)."""
    return {
        name: models.count_parameters(
            models.build(name, "paper", classes=10, generator=stream(0, "count")).noised
        )
        for name in presets.MODELS
    }


def split(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Differences between two families: at equal size, and by the authors' sizes alone.

    The first is measured at the compact size. The second is the mean slope over families times the
    number of quadruplings between the two networks of the authors: what their sizes would add if
    nothing else differed.
    """
    at_one = means(frame, metrics).xs("1", level="factor")
    quadruplings = {m: math.log(size, 4) for m, size in authors_sizes().items()}
    rows = {}
    for metric in metrics:
        digits, slope = tables.DIGITS.get(metric, 3), slopes(frame, metric).mean()
        for first, second in itertools.combinations(at_one.index, 2):
            by_family = at_one.loc[first, metric] - at_one.loc[second, metric]
            by_size = slope * (quadruplings[first] - quadruplings[second])
            rows[metric, f"{titles.MODELS[first]} − {titles.MODELS[second]}"] = {
                "at equal size": f"{by_family:+.{digits}f}",
                "by the authors' sizes": f"{by_size:+.{digits}f}",
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["metric", "models"])


def figure(frame: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """Each metric against the number of noised parameters, one line per family."""
    drawn, axes = figures.panels(1, len(metrics), size=(1 + 3.2 * len(metrics), 3.4))
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
            f"{figures.MARKERS[family]}-",
            color=figures.COLOURS[family],
            label=titles.MODELS[family],
        )
    axis.set(xscale="log", xlabel="noised parameters", title=figures.LABELS.get(metric, metric))
