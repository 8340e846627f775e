"""The criterion as figures: fronts in the metrics' own units, and the triangle of weights."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chapters import nfl
from helpers.metrics.records import DIMENSIONS, direction
from helpers.metrics.statistics import mean_interval
from helpers.report import scores
from helpers.report.style import COLOURS, MARKERS, TITLES, level, levels, ordered, panels

from .. import criterion
from . import FORMAL, Judged
from . import tables as criterion_tables
from .stability import SURE

AXES = {
    "fid": "fidelity: FID  (← better)",
    "accuracy": "utility: TSTR accuracy  (better →)",
    "mia_auc": "leak: membership AUC  (← better)",
    FORMAL: "accountant's ε at δ = 10⁻³  (← better)",
}
PANELS = (("fid", "accuracy"), ("mia_auc", "accuracy"), ("fid", "mia_auc"), (FORMAL, "accuracy"))
PALE = 0.25
LEFT = ("ddpm",)  # whose levels stand to the left of the points
SIDE = 300  # pixels along a side of the triangle
DOTS = 24  # steps along a side between the dots of doubt
NAMED = 0.1  # a region needs this share of the triangle to be named in it


def _axis_name(metric: str, upright: bool) -> str:
    text = AXES[metric]
    return text.replace("→", "↑").replace("←", "↓") if upright else text


# Pareto fronts


def fronts(name: str, judged: Judged) -> Figure:
    """Four panels of a data set: the three pairs of dimensions, and the accountant's reading.

    Means over seeds with 90 % t intervals; a thin line joins a model's levels from no clipping to
    most noise, and the level stands beside a point where there is room. Pale is what another cell
    beats in all three headline metrics; the black line is the front of the panel's own two.
    """
    kept = criterion.front(criterion.losses(judged).mean(axis=2).T)
    figure, axes = panels(2, 2, size=(9.4, 8.2))
    n = len(judged.seeds)
    title = f"{nfl.DATA_TITLES.get(name, name)}, {n} {'seed' if n == 1 else 'seeds'}"
    figure.suptitle(title + ", withdrawn" * criterion_tables.withdrawn(judged))
    for axis, (x, y) in zip(axes.flat, PANELS, strict=True):
        if x == FORMAL:
            _formal(axis, judged, kept)
        else:
            _points(axis, judged, (x, y), kept)
            _join(axis, judged, (x, y))
            _staircase(axis, judged, (x, y))
            _reference(axis, judged, (x, y))
        axis.set(xlabel=_axis_name(x, False), ylabel=_axis_name(y, True))
        axis.margins(0.1)
    models = ordered(model for model, _ in judged.cells)
    marks = [Line2D([], [], color=COLOURS[m], marker=MARKERS[m], linestyle="") for m in models]
    names = [TITLES[m] for m in models]
    figure.legend(marks, names, loc="outside upper right", ncols=3, frameon=False)
    figure.draw_without_rendering()  # only then is known how large a text is
    for axis in figure.axes:
        _thin_out(axis)
    return figure


def _points(axis: Axes, judged: Judged, pair: tuple[str, str], kept: np.ndarray) -> None:
    x, y = (scores.values(judged, metric) for metric in pair)
    for i, cell in enumerate(judged.cells):
        across, up = mean_interval(list(x[i])), mean_interval(list(y[i]))
        bars = [[[abs(v.low - v.mean)], [abs(v.high - v.mean)]] for v in (across, up)]
        seen = across.n > 1
        axis.errorbar(
            across.mean,
            up.mean,
            xerr=bars[0] if seen else None,
            yerr=bars[1] if seen else None,
            alpha=1 if kept[i] else PALE,
            elinewidth=0.8,
            **_mark(cell[0]),
        )
        _level(axis, cell, (across.mean, up.mean), kept[i])


def _mark(model: str) -> dict:
    return {"color": COLOURS[model], "marker": MARKERS[model], "linestyle": ""}


def _level(axis: Axes, cell: tuple[str, str], at: tuple[float, float], kept: bool) -> None:
    dx, side = (-6, "right") if cell[0] in LEFT else (6, "left")
    above = level("dp", 0.2), level("dp", 0.4), "sgd"
    dy = 5 if cell[1] in above else -12
    axis.annotate(
        cell[1].replace("clipped", "clip"),
        at,
        xytext=(dx, dy),
        textcoords="offset points",
        ha=side,
        fontsize=8,
        color=COLOURS[cell[0]],
        alpha=1 if kept else 0.5,
    )


def _join(axis: Axes, judged: Judged, pair: tuple[str, str]) -> None:
    """A thin line through each model's levels, in the order of noise."""
    x, y = (scores.values(judged, metric).mean(axis=1) for metric in pair)
    for model in dict.fromkeys(name for name, _ in judged.cells):
        own = [name == model for name, _ in judged.cells]
        style = {"color": COLOURS[model], "linewidth": 0.8, "alpha": 0.5, "zorder": 1}
        axis.plot(x[own], y[own], **style)


def _thin_out(axis: Axes) -> None:
    """Hide the labels that would lie over others; those of the front stay first."""
    kept = []
    for text in sorted(axis.texts, key=lambda text: text.get_alpha() or 1, reverse=True):
        box = text.get_window_extent()
        text.set_visible(not box.count_overlaps(kept))
        kept += [box] if text.get_visible() else []


def _staircase(axis: Axes, judged: Judged, pair: tuple[str, str]) -> None:
    """The border of what is reached in two metrics."""
    lost = criterion.losses(judged, pair).mean(axis=2).T
    edge = lost[criterion.front(lost)]
    x, y = edge[np.argsort(edge[:, 0])].T * [[-direction(metric)] for metric in pair]
    axis.step(x, y, where="post", color="black", linewidth=1, zorder=1)


def _reference(axis: Axes, judged: Judged, pair: tuple[str, str]) -> None:
    """Other real images, where one would like to be; their accuracy is not the ceiling's."""
    names = ["accuracy_real" if metric == "accuracy" else metric for metric in pair]
    ends = [
        scores.anchor(judged, metric, "ceiling" if metric == "accuracy_real" else "real").mean()
        for metric in names
    ]
    if np.isfinite(ends).all():
        axis.plot(*ends, marker="*", markersize=11, color="0.35", linestyle="", zorder=1)
        axis.annotate("score 1", ends, xytext=(6, 5), textcoords="offset points", fontsize=8)


def _formal(axis: Axes, judged: Judged, kept: np.ndarray) -> None:
    """Utility against the accountant's epsilon, without noise at infinity."""
    epsilon = scores.values(judged, FORMAL).mean(axis=1)
    accuracy = scores.values(judged, "accuracy").mean(axis=1)
    top = 10.0 ** np.ceil(np.log10(np.nanmax(epsilon, initial=1e4)) + 0.7)
    for i, cell in enumerate(judged.cells):
        at = (top if np.isnan(epsilon[i]) else epsilon[i]), accuracy[i]
        axis.plot(*at, alpha=1 if kept[i] else PALE, **_mark(cell[0]))
        _level(axis, cell, at, kept[i])
    axis.set_xscale("log")
    axis.axvspan(1, 10, color="tab:green", alpha=0.12)
    axis.text(10, accuracy.min(), " commonly\n called\n private", fontsize=8, va="bottom")
    ticks = [10.0**k for k in range(0, int(np.log10(top)))]
    axis.set_xticks([*ticks, top], ["1", "10", *(f"$10^{k}$" for k in range(2, len(ticks))), "∞"])
    axis.minorticks_off()


# The triangle of weights

HEIGHT = np.sqrt(3) / 2
CORNERS = np.array([[0.5, HEIGHT], [1.0, 0.0], [0.0, 0.0]])  # of `DIMENSIONS`


def weights(found: Mapping[str, Judged]) -> Figure:
    """Which cell is best at each weighting of the dimensions, a triangle per data set.

    At a corner only its dimension counts, at the cross all count the same. A colour per model,
    lighter with more noise; its marker and the level stand in the middle of each region. Dotted
    where the winner is best in less than 90 % of the resamplings of the seeds, or there is one.
    """
    ready = criterion_tables.scored(found)
    columns = max(len(ready), 1)
    figure, axes = plt.subplots(
        1, columns, figsize=(4.2 * columns, 4.9), squeeze=False, layout="constrained"
    )
    plt.close(figure)
    for axis in axes[0]:
        axis.set_axis_off()
    for axis, (name, judged) in zip(axes[0], ready.items(), strict=False):
        _triangle(axis, judged)
        axis.set_title(nfl.DATA_TITLES.get(name, name), pad=12)
    return figure


def _pixels() -> tuple[np.ndarray, np.ndarray]:
    """Weights [N, 3] of the pixels inside the triangle, and where these are [rows, columns]."""
    x, y = np.meshgrid(
        (np.arange(SIDE) + 0.5) / SIDE, np.arange(0.5 / SIDE, HEIGHT, 1 / SIDE), indexing="xy"
    )
    up = y / HEIGHT
    grid = np.stack([up, x - up / 2, 1 - x - up / 2], axis=-1)
    inside = (grid >= 0).all(axis=-1)
    return grid[inside], inside


def _triangle(axis: Axes, judged: Judged) -> None:
    parts = criterion.profile(judged)
    grid, inside = _pixels()
    won = criterion.winners(parts, grid)
    picture = np.ones((*inside.shape, 4))
    picture[..., 3] = inside
    picture[inside, :3] = np.stack([_shade(judged, i) for i in range(len(judged.cells))])[won]
    axis.imshow(picture, origin="lower", extent=(0, 1, 0, HEIGHT), interpolation="nearest")
    coarse = criterion.simplex(DOTS)
    unsure = coarse[criterion_tables.certainty(judged, coarse) < SURE] @ CORNERS
    axis.plot(*unsure.T, ".", color="black", markersize=1.5)
    share = criterion_tables.shares(judged)
    for i in np.flatnonzero(share >= NAMED):
        _name_region(axis, judged.cells[i], (grid @ CORNERS)[won == i])
    axis.plot(*CORNERS.mean(axis=0), marker="+", color="black", markersize=10, markeredgewidth=2)
    for (x, y), name in zip(CORNERS, DIMENSIONS, strict=True):
        side = "bottom" if y > 0 else "top"
        shift = y + 0.015 if y > 0 else -0.015
        axis.text(x, shift, f"only {name}", ha="center", va=side, fontsize=9)
    axis.set(xlim=(-0.14, 1.14), ylim=(-0.1, HEIGHT + 0.08))
    _shares(axis, judged, share)


def _shares(axis: Axes, judged: Judged, share: np.ndarray) -> None:
    """Below the triangle, every cell that is best somewhere (in 0.5 % of it), with its share."""
    chosen = [i for i in np.argsort(-share, kind="stable") if share[i] >= 0.005]
    marks = [
        Line2D([], [], **(_mark(judged.cells[i][0]) | {"color": _shade(judged, i)})) for i in chosen
    ]
    texts = [f"{_name(judged.cells[i])}: {share[i]:.0%}" for i in chosen]
    axis.legend(
        marks,
        texts,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=2,
        frameon=False,
        fontsize=8,
    )


def _shade(judged: Judged, i: int) -> np.ndarray:
    """The model's colour, lighter with each further level of noise."""
    model, level = judged.cells[i]
    order = [name for name in levels(judged.frame) if name != "none"]
    lighter = 0.7 * order.index(level) / max(len(order) - 1, 1)
    return (1 - lighter) * np.array(COLOURS[model]) + lighter


def _name(cell: tuple[str, str]) -> str:
    return f"{TITLES[cell[0]]} {cell[1]}"


def _name_region(axis: Axes, cell: tuple[str, str], region: np.ndarray) -> None:
    """The marker and the name at the point of the region nearest to its mean."""
    at = region[((region - region.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    axis.plot(*at, marker=MARKERS[cell[0]], color="white", markeredgecolor="black")
    box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1}
    style = {"textcoords": "offset points", "ha": "center", "va": "top", "fontsize": 8}
    axis.annotate(_name(cell), at, xytext=(0, -7), bbox=box, **style)
