"""Results as figures. Each function takes results and returns a matplotlib figure.

One colour and one marker per model, the same in every figure; bands are 90 % t intervals over
seeds.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..metrics.records import record
from ..study.cell import Cell
from ..study.results import Results
from . import tables
from .style import (
    COLOURS,
    MARKERS,
    TITLES,
    level,
    levels,
    ordered,
    panels,
    trained,
)


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
            accuracy_levels(axis, results)
    for axis in axes.flat[len(metrics) :]:
        axis.set_visible(False)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _curve(axis: Axes, frame: pd.DataFrame, metric: str) -> None:
    table = tables.intervals(frame, metric)
    other_real(axis, table, at=0)
    names, rows = levels(trained(frame)), trained(table)
    for model in ordered(rows["model"]):
        group = rows[rows["model"] == model]
        at = [names.index(name) for name in group["level"]]
        axis.plot(
            at, group["mean"], f"{MARKERS[model]}-", color=COLOURS[model], label=TITLES[model]
        )
        axis.fill_between(at, group["low"], group["high"], color=COLOURS[model], alpha=0.2)
    axis.set(title=record(metric).title, xlabel="noise multiplier σ")
    ticks = [_tick(trained(frame), name) for name in names]
    axis.set_xticks(range(len(names)), ticks, fontsize=8)
    limit(axis, table["mean"])


def other_real(axis: Axes, table: pd.DataFrame, *, at: float) -> None:
    """A line at what other real images score, where `tables.intervals` has them; its name at x."""
    floor = table[table["model"] == "real"]["mean"]
    if not floor.empty:
        axis.axhline(floor.item(), color="0.3", linestyle="-.", linewidth=1)
        if floor.item() > 0:  # at 0 the curves end there too
            axis.text(at, floor.item(), "other real images", va="bottom", fontsize=8)


def limit(axis: Axes, means: pd.Series) -> None:
    """Show all means, and of their bands what is near: a band of few seeds may leave the panel."""
    if means.empty:  # the scale leaves this metric out
        return
    margin = 0.4 * max(np.ptp(means), 1e-9)
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


def accuracy_levels(axis: Axes, results: Results) -> None:
    """Lines at the ceiling and at chance, on an axis of accuracies from 0 to 1."""
    frame = results.frame
    real = frame[frame["metric"] == "accuracy_real"]["value"].mean()
    chance = 1 / len(results.reference()["classes"])
    axis.axhline(real, color="0.3", linestyle="--", linewidth=1)
    axis.axhline(chance, color="0.3", linestyle=":", linewidth=1)
    right = axis.get_xlim()[1]
    axis.text(right, real, "private images ", ha="right", va="bottom", fontsize=8)
    axis.text(right, chance, "chance ", ha="right", va="bottom", fontsize=8)
    axis.set_ylim(0, 1)


def cells_of(results: Results, model: str, seed: int) -> list[Cell]:
    """The cells of one model and seed, from no clipping to most noise."""
    return [c for c in _ordered(results) if c.model == model and c.seed == seed]


def _ordered(results: Results) -> list[Cell]:
    names = levels(results.frame)
    return sorted(results.cells, key=lambda c: names.index(level(c.arm, c.sigma)))
