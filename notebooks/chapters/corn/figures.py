"""The figures of the page, from what is collected."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.data import files
from helpers.models.families import FAMILIES
from helpers.report.pictures import mosaic, name_rows, show
from helpers.report.style import panels

from . import experiment, tables

SHORT = ("grey leaf spot", "common rust", "northern blight", "healthy")
_SETTINGS = {"synthetic": "alone", "real+synthetic": "with real", "combined": "both, turned"}


def _pictures(models: Sequence[str], prefix: str = "") -> dict[str, np.ndarray]:
    """Images by title: of unseen real ones, and of the models that are collected."""
    kept = files.read_arrays(experiment.results() / f"{experiment.NAME}.npz")
    sets = {"unseen real images": kept[f"{prefix}real"]}
    return sets | {
        FAMILIES[m].title: kept[f"{prefix}{m}"] for m in models if f"{prefix}{m}" in kept
    }


def samples(models: Sequence[str], shown: int = 8) -> Figure:
    """Real and synthetic images, a panel per model, a row per class."""
    sets = _pictures(models)
    figure, axes = panels(2, 2, size=(9.6, 5.4))
    for axis, (title, images) in zip(axes.flat, sets.items(), strict=False):
        show(axis, title, mosaic(images[:, :shown]))
    for axis in axes.flat[len(sets) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        name_rows(axis, list(SHORT), height=32)
    return figure


def nearest(models: Sequence[str]) -> Figure:
    """Of each class the image nearest to a training image, above that one; a panel per model."""
    sets = _pictures(models, "nearest/")
    figure, axes = panels(1, len(sets), size=(2.6 * len(sets), 1.9))
    for axis, (title, pairs) in zip(axes[0], sets.items(), strict=True):
        show(axis, title, mosaic(pairs.swapaxes(0, 1)))
    name_rows(axes[0, 0], ["image", "nearest"], height=32)
    return figure


def gains(found: pd.DataFrame) -> Figure:
    """Points of accuracy over real images alone, seed by seed with 90 % intervals, per setting."""
    table, models = tables.gains(found), tables.collected(found)
    multiples = sorted(m for m in table["multiple"].unique() if m)
    there = set(zip(table["setting"], table["multiple"], strict=True))
    rows = [(s, m) for s in _SETTINGS for m in multiples if (s, m) in there]
    figure, axes = panels(size=(7.6, 0.42 * len(rows) + 1.6))
    axis = axes[0, 0]
    axis.axvline(0, color="black", linewidth=1)
    for model, offset in zip(models, np.linspace(-0.22, 0.22, len(models)), strict=True):
        family = FAMILIES[model]
        for place, (setting, multiple) in enumerate(rows):
            at = (table["model"] == model) & (table["setting"] == setting)
            for gain in table[at & (table["multiple"] == multiple)]["gain"]:
                half = 0.0 if gain.n == 1 else 100 * (gain.high - gain.mean)
                style = {"color": family.colour, "capsize": 2}
                x, y = 100 * gain.mean, place + offset
                axis.errorbar(x, y, xerr=half, fmt=family.marker, **style)
        axis.plot([], [], family.marker, color=family.colour, label=family.title)
    axis.set_yticks(range(len(rows)), [f"{_SETTINGS[s]}, {m}x" for s, m in rows])
    axis.set(ylim=(len(rows) - 0.5, -0.5), xlabel="points of accuracy over real images alone")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure
