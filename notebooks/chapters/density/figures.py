"""The experiment as figures: scores, estimates against truth, responses to leaks."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chapters import nfl
from helpers.report.style import panels

from . import grid, ratios, tables, truth

_ORDER = grid.MAPS + grid.SCORED_ONLY
_TITLES = nfl.DATA_TITLES | nfl.DENSITY_TITLES
_COLOURS = dict(zip(_ORDER, sns.color_palette("tab10", len(_ORDER)), strict=True))
_LINES = {"knn": "-", "kde": "--", "kde-cv": ":", "logistic": "-.", "neural": (0, (1, 2, 4, 2))}
_ESTIMATORS = dict(
    zip(ratios.ESTIMATORS, sns.color_palette("colorblind", len(ratios.ESTIMATORS)), strict=True)
)


def scores(frame: pd.DataFrame, k: int = tables.SCORE_K) -> Figure:
    """The reducers' scores, a panel per data set, a mark per number of fitted images (NFL Fig. 4).

    Means over seeds with 90 % t intervals.
    """
    table = frame[(frame["metric"] == "density_spearman") & (frame["setting"] == k)]
    names = tables.names(frame)
    figure, axes = panels(1, len(names), size=(1.9 * len(names) + 1.6, 4.2))
    shown = [name for name in _ORDER if name in set(table["reducer"])][::-1]
    sizes = sorted(table["per_class"].unique())
    for axis, name in zip(axes[0], names, strict=True):
        for size, shift, marker in zip(sizes, (-0.13, 0.13), "os", strict=False):
            some = table[(table["dataset"] == name) & (table["per_class"] == size)]
            found = tables.intervals(some, "reducer").reindex(shown).dropna(subset="mean")
            at = np.array([shown.index(reducer) for reducer in found.index]) - shift
            _bars(axis, found, at, marker, sns.color_palette("colorblind")[sizes.index(size)])
        axis.set(title=_title(name), ylim=(-0.6, len(shown) - 0.4))
        texts = map(_title, shown) if axis is axes[0, 0] else [""] * len(shown)
        axis.set_yticks(range(len(shown)), list(texts))
        axis.axvline(0, color="0.3", linewidth=0.8)
    figure.supxlabel("Spearman correlation", fontsize="medium")
    marks = axes[0, 0].collections[: 2 * len(sizes) : 2]  # each is followed by its intervals
    texts = [f"fitted to {size} per class" for size in sizes]
    figure.legend(marks, texts, loc="outside upper center", ncols=len(sizes), frameon=False)
    return figure


def _title(name: str) -> str:
    return _TITLES.get(name, name)


def _bars(axis: Axes, found: pd.DataFrame, at: np.ndarray, marker: str, colour) -> None:
    """Means as marks with their intervals; where there is one seed, no interval."""
    axis.scatter(found["mean"], at, marker=marker, s=26, color=colour, zorder=3)
    low, high = (found[side].fillna(found["mean"]) for side in ("low", "high"))
    axis.hlines(at, low, high, color=colour, linewidth=1.6)


def over_k(frame: pd.DataFrame, per_class: int) -> Figure:
    """The reducers' mean scores against the number of neighbours k, a panel per data set."""
    table = frame[(frame["metric"] == "density_spearman") & (frame["per_class"] == per_class)]
    names = tables.names(frame)
    figure, axes = panels(1, len(names), size=(1.9 * len(names) + 1.6, 3.9))
    for axis, name in zip(axes[0], names, strict=True):
        some = table[table["dataset"] == name]
        wide = some.pivot_table(index="setting", columns="reducer", values="value")
        for reducer in [r for r in _ORDER if r in wide]:
            style = {"color": _COLOURS[reducer], "label": _title(reducer)}
            width = 2.6 if reducer == "isomap" else 1.3
            axis.plot(wide.index, wide[reducer], "o-", markersize=3, linewidth=width, **style)
        axis.set(title=_title(name), xlabel="neighbours k", xscale="log")
        axis.set_xticks(wide.index, [f"{k:g}" for k in wide.index])
        axis.minorticks_off()
    axes[0, 0].set_ylabel("Spearman correlation")
    _legend(figure, axes[0, -1], 5)
    return figure


def _legend(figure: Figure, axis: Axes, columns: int) -> None:
    """What one panel labels, below all of them."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)


def against_truth(frame: pd.DataFrame, reducer: str = "isomap") -> Figure:
    """Mean estimates on the blobs against the exact log ratio, a panel per estimator and leak.

    One line per setting, the default thick; the dashed line is the truth.
    """
    table = frame[(frame["dataset"] == truth.BLOBS) & (frame["reducer"] == reducer)]
    table = table[table["metric"] == "mean"]
    columns = len(ratios.ESTIMATORS)
    figure, axes = panels(2, columns, size=(1.85 * columns, 4.6))
    for row, leak in enumerate(truth.WIDTHS):
        for axis, (name, estimator) in zip(axes[row], ratios.ESTIMATORS.items(), strict=True):
            some = table[(table["leak"] == leak) & (table["estimator"] == name)]
            wide = some.pivot_table(index="fraction", columns="setting", values="value")
            exact = [truth.blob_log_ratio(f, leak) for f in wide.index]
            _settings(axis, exact, wide, estimator.default)
            axis.axline((0, 0), slope=1, color="0.3", linestyle="--", linewidth=1)
            axis.sharey(axes[row, 0])
            if row == 0:
                axis.set_title(_title(name))
            else:
                axis.set_xlabel("true ln ratio")
            if row == 0 and len(estimator.values) > 1:
                axis.legend(
                    fontsize=8,
                    frameon=False,
                    title=estimator.setting,
                    title_fontsize=8,
                    borderpad=0,
                    labelspacing=0.15,
                    handlelength=1,
                )
        axes[row, 0].set_ylabel(f"{leak} leak:\nmean estimate")
    return figure


def _settings(axis: Axes, x, wide: pd.DataFrame, default: float) -> None:
    for setting, colour in zip(wide, sns.color_palette("viridis", wide.shape[1]), strict=True):
        width = 2.6 if setting == default else 1.2
        axis.plot(
            x,
            wide[setting],
            "o-",
            markersize=3,
            color=colour,
            linewidth=width,
            label=f"{setting:g}",
        )


def over_settings(frame: pd.DataFrame, reducer: str = "isomap", fraction: float = 0.05) -> Figure:
    """Mean estimate at one fraction of leak against the estimator's setting, a panel per estimator.

    The settings are spaced evenly; one line per data set, of the blobs the sharp leak. The black
    bar is as high as the tolerance of C15's rule.
    """
    table = frame[(frame["reducer"] == reducer) & (frame["fraction"] == fraction)]
    table = table[(table["metric"] == "mean") & table["leak"].isin(["copies", "sharp"])]
    shown = [name for name, estimator in ratios.ESTIMATORS.items() if len(estimator.values) > 1]
    names = tables.names(frame)
    colours = dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))
    figure, axes = panels(1, len(shown), size=(2.2 * len(shown) + 0.4, 3.5))
    for axis, estimator in zip(axes[0], shown, strict=True):
        some = table[table["estimator"] == estimator]
        wide = some.pivot_table(index="setting", columns="dataset", values="value")
        for name in names:
            axis.plot(range(len(wide)), wide[name], "o-", color=colours[name], label=_title(name))
        axis.sharey(axes[0, 0])
        axis.vlines(-0.35, 0, tables.TOLERANCE, color="black", linewidth=5)
        axis.set(title=_title(estimator), xlabel=ratios.ESTIMATORS[estimator].setting)
        axis.set_xticks(range(len(wide)), [f"{s:g}" for s in wide.index])
    axes[0, 0].set_ylabel("mean estimate (nats)")
    _legend(figure, axes[0, -1], len(names))
    return figure


def responses(frame: pd.DataFrame, reducer: str = "isomap") -> Figure:
    """Mean estimates against the fraction of near-copies, a panel per real data set.

    Each estimator at its default; the grey band is +-2 deviations of the study's estimate without
    a leak, the black line the exact growth of mass around the query at the resolution k / N.
    """
    table = frame[(frame["reducer"] == reducer) & (frame["leak"] == "copies")]
    names = tables.real(frame)
    figure, axes = panels(1, len(names), size=(2.9 * len(names) + 0.4, 3.9))
    for axis, name in zip(axes[0], names, strict=True):
        some = table[table["dataset"] == name]
        tried = sorted(some["fraction"].unique())
        known = [tables.mass_truth(frame, name, fraction) for fraction in tried]
        axis.plot(tried, known, color="black", linewidth=1.8, label="mass, exact")
        for estimator, about in ratios.ESTIMATORS.items():
            mine = some[(some["estimator"] == estimator) & (some["setting"] == about.default)]
            means = mine[mine["metric"] == "mean"].groupby("fraction")["value"].mean()
            style = {"color": _ESTIMATORS[estimator], "linestyle": _LINES[estimator]}
            axis.plot(
                means.index, means, marker="o", markersize=3, label=_title(estimator), **style
            )
            if estimator == "knn":
                null = mine[(mine["metric"] == "sd") & (mine["fraction"] == 0)]["value"]
                axis.axhspan(-2 * null.mean(), 2 * null.mean(), color="0.5", alpha=0.2)
        axis.set(title=_title(name), xlabel="fraction of near-copies")
        axis.set_xscale("symlog", linthresh=0.002, linscale=0.5)
        axis.set_xticks([0, 0.002, 0.01, 0.05, 0.2], ["0", "0.002", "0.01", "0.05", "0.2"])
        axis.minorticks_off()
    axes[0, 0].set_ylabel("mean ln ratio (nats)")
    _legend(figure, axes[0, -1], 6)
    return figure


def pairs(frame: pd.DataFrame) -> Figure:
    """Every pair of reducer and estimator: error on the blobs, and separation of a 1 % leak."""
    table = tables.pairs(frame)
    figure, axes = panels(1, 2, size=(9.2, 4.0))
    titles = {
        "error": "error against exact truth (nats)\nlower is better",
        "at_1_percent": "1 % near-copies, in null deviations\nhigher is better",
    }
    for axis, (column, title) in zip(axes[0], titles.items(), strict=True):
        wide = table[column].unstack("estimator")
        wide = wide.reindex(index=[r for r in grid.MAPS if r in wide.index])
        wide = wide[[e for e in ratios.ESTIMATORS if e in wide]]
        wide = wide.rename(index=_title, columns=lambda name: _title(name).replace(" ", "\n"))
        colours = "rocket" if column == "error" else "rocket_r"
        sns.heatmap(wide, annot=True, fmt=".1f", cmap=colours, ax=axis, cbar=False)
        axis.set(title=title, ylabel="", xlabel="")
        axis.tick_params(axis="y", labelrotation=0)
    return figure
