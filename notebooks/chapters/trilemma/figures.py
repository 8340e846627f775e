"""The figures of the chapter. Colours and markers are those of the families everywhere."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chapters import nfl
from helpers.report.style import COLOURS, MARKERS, levels, panels, trained

from . import CRITERIA, accuracy
from .study import FAMILIES
from .tables import SHOWN, at, here, interval, on_paper, radar, values

Frames = Mapping[str, pd.DataFrame]
_COLOURS = {**{name: COLOURS[name] for name in nfl.MODELS}, "real": (0.35, 0.35, 0.35)}
_MARKERS = {**{name: MARKERS[name] for name in nfl.MODELS}, "real": "*"}
_ROWS = {  # of the figure of gains: setting, multiple and how it is written
    ("synthetic", 1): "alone",
    ("synthetic", 3): "alone, 3x",
    ("real_synthetic", 1): "with the private",
    ("real_synthetic", 3): "with the private, 3x",
    ("combined_unflipped", 1): "both, turned",
    ("combined", 1): "both, turned, flipped",
    ("combined", 3): "both, turned, flipped, 3x",
}


def gains(frames: Frames, level: str = "sgd") -> Figure:
    """Accuracy minus that of the private images alone, seed by seed, per setting (TRI Fig. 5)."""
    figure, (axes,) = panels(1, len(frames), size=(1.6 + 2.5 * len(frames), 4.4))
    for axis, (name, frame) in zip(axes, frames.items(), strict=True):
        axis.axvline(0, color="black", linewidth=1)
        for place, (setting, multiple) in enumerate(_ROWS):
            _gain(axis, frame, place, accuracy(setting, multiple), level)
        axis.set(title=nfl.DATA_TITLES[name], ylim=(len(_ROWS) - 0.4, -0.6))
        axis.set_xlabel("points of accuracy")
        axis.set_yticks(range(len(_ROWS)), list(_ROWS.values()) if axis is axes[0] else [])
    handles = [
        axes[0].plot([], [], _MARKERS[m], color=_COLOURS[m], label=title)[0]
        for m, title in SHOWN.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _gain(axis: Axes, frame: pd.DataFrame, place: int, metric: str, level: str) -> None:
    """One row: each family and the yardstick, with its interval."""
    alone = values(frame, nfl.MODELS[0], level, accuracy("real"))
    for model, offset in zip(SHOWN, np.linspace(-0.27, 0.27, len(SHOWN)), strict=True):
        found = interval(100 * (values(frame, model, at(model, level), metric) - alone))
        if found is None:
            continue
        half = found.high - found.mean
        style = {"color": _COLOURS[model], "markersize": 6, "linewidth": 1.2}
        axis.errorbar(found.mean, place + offset, xerr=half, fmt=_MARKERS[model], **style)


def against_noise(frames: Frames) -> Figure:
    """The six criteria against the noise, a column of panels per data set.

    Bands are 90 % intervals over seeds; dash-dotted is what unseen real images score.
    """
    figure, axes = panels(
        len(CRITERIA), len(frames), size=(1 + 2.9 * len(frames), 0.8 + 1.9 * len(CRITERIA))
    )
    for column, (name, frame) in enumerate(frames.items()):
        names = levels(trained(frame[frame["model"].isin(nfl.MODELS)]))
        axes[0, column].set_title(nfl.DATA_TITLES[name])
        for row, (metric, criterion) in enumerate(CRITERIA.items()):
            axis = axes[row, column]
            _curves(axis, frame, metric, names)
            if column == 0:
                arrow = "↑" if criterion.better > 0 else "↓"
                axis.set_ylabel(f"{criterion.title} {arrow}\n{criterion.measure}", fontsize=9)
        axes[-1, column].set_xlabel("noise multiplier σ")
    figure.align_ylabels(axes[:, 0])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _curves(axis: Axes, frame: pd.DataFrame, metric: str, names: list[str]) -> None:
    for model in nfl.MODELS:
        found = [interval(values(frame, model, name, metric)) for name in names]
        there = [i for i, one in enumerate(found) if one is not None]
        mean, low, high = (np.array([found[i][end] for i in there]) for end in range(3))
        colour = COLOURS[model]
        axis.plot(there, mean, f"{MARKERS[model]}-", color=colour, label=SHOWN[model], markersize=5)
        axis.fill_between(there, low, high, color=colour, alpha=0.2)
    unseen = values(frame, "real", "none", metric)
    if len(unseen):
        axis.axhline(unseen.mean(), color="0.35", linestyle="-.", label=SHOWN["real"])
    if metric == "images_per_second":
        axis.set_yscale("log")
    axis.set_xticks(range(len(names)), [name.removesuffix("ped") for name in names], fontsize=9)


def radars(frames: Frames, noisy: str = "0.4") -> Figure:
    """TRI's radar from its own tables, ours without noise, and ours with noise on the same scale.

    The dashed line in ours is unseen real images on that scale; beyond the rim it is cut.
    """
    plain = here(frames, "sgd")
    drawn = {
        "TRI, four data sets": (radar(on_paper()), None),
        "here, without noise": (radar(plain), radar(here(frames, "sgd", ["real"]), plain)),
        f"here, σ = {noisy}": (radar(here(frames, noisy), plain), None),
    }
    figure = panels(1, 1, size=(9.2, 3.7))[0]
    figure.clear()
    angles = np.linspace(0, 2 * np.pi, len(CRITERIA), endpoint=False)
    for place, (title, (found, unseen)) in enumerate(drawn.items(), start=1):
        axis = figure.add_subplot(1, len(drawn), place, projection="polar")
        for model, family in FAMILIES.items():
            row = found.loc[model if model in found.index else family]
            _polygon(axis, angles, row, color=COLOURS[family], marker=MARKERS[family])
        if unseen is not None:
            _polygon(axis, angles, unseen.loc["real"], color="0.35", linestyle="--", marker="*")
        axis.set_title(title, pad=14)
        axis.set_theta_offset(np.pi / 2)
        axis.set_theta_direction(-1)
        names = [criterion.title.replace(" ", "\n") for criterion in CRITERIA.values()]
        axis.set_xticks(angles, names, fontsize=9)
        axis.tick_params(axis="x", pad=5)
        axis.set(ylim=(0, 1.0), yticks=[0.25, 0.5, 0.75, 1.0], yticklabels=[])
    handles = [
        figure.axes[0].plot([], [], color=_COLOURS[m], marker=_MARKERS[m], label=title)[0]
        for m, title in SHOWN.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _polygon(axis: Axes, angles: np.ndarray, row: pd.Series, **style) -> None:
    """A closed line through the six values, cut at the rim; what is missing leaves a gap."""
    found = row[list(CRITERIA)].clip(0, 1).to_numpy(float)
    axis.plot([*angles, angles[0]], [*found, found[0]], linewidth=1.6, markersize=5, **style)
