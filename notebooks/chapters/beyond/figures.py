"""The figures of both pages, from what is collected."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.data import datasets, files
from helpers.models.families import FAMILIES
from helpers.report.pictures import mosaic, name_rows, show
from helpers.report.style import panels

from . import experiment, tables
from .plan import BASELINES, BLOOD, CORN, Plan

CORN_NAMES = ("grey leaf spot", "common rust", "northern blight", "healthy")
_SETTINGS = {"synthetic": "alone", "real+synthetic": "with real", "combined": "both, turned"}


def _pictures(plan: Plan, models: Sequence[str], prefix: str = "") -> dict[str, np.ndarray]:
    """Images by title: of unseen real ones, and of the models that are collected."""
    kept = files.read_arrays(experiment.results(plan, "npz"))
    sets = {"unseen real images": kept[f"{prefix}real"]}
    return sets | {
        FAMILIES[m].title: kept[f"{prefix}{m}"] for m in models if f"{prefix}{m}" in kept
    }


def samples(models: Sequence[str], shown: int = 8) -> Figure:
    """Real and synthetic leaves, a panel per model, a row per class."""
    sets = _pictures(CORN, models)
    figure, axes = panels(2, 2, size=(9.6, 5.4))
    for axis, (title, images) in zip(axes.flat, sets.items(), strict=False):
        show(axis, title, mosaic(images[:, :shown]))
    for axis in axes.flat[len(sets) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        name_rows(axis, list(CORN_NAMES), height=32)
    return figure


def samples_by_number(models: Sequence[str], shown: int = 4) -> Figure:
    """Real and synthetic cells, a row of panels per number of images, a row per class."""
    plans = experiment.collected(BLOOD)
    sets = [_pictures(plan, models) for plan in plans]
    wide = max(map(len, sets))
    figure, axes = panels(len(plans), wide, size=(2.3 * wide, 4.3 * len(plans)))
    for row, plan, pictures in zip(axes, plans, sets, strict=True):
        for axis in row[len(pictures) :]:
            axis.set_visible(False)
        for axis, (title, images) in zip(row, pictures.items(), strict=False):
            made = "" if title == next(iter(pictures)) else f", n = {plan.per_class}"
            show(axis, title + made, mosaic(images[:, :shown]))
        name_rows(row[0], datasets.DATASETS[plan.dataset].classes, height=28)
    return figure


def nearest(plan: Plan, models: Sequence[str]) -> Figure:
    """Of each class the image nearest to a training image, above that one; a panel per model."""
    sets = _pictures(plan, models, "nearest/")
    classes, _, side = next(iter(sets.values())).shape[:3]
    rows = -(-len(sets) // 2)
    figure, axes = panels(rows, 2, size=(9.2, rows * (8.6 / classes + 0.35)))
    for axis, (title, pairs) in zip(axes.flat, sets.items(), strict=False):
        show(axis, title, mosaic(pairs.swapaxes(0, 1)))
    for axis in axes.flat[len(sets) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        name_rows(axis, ["image", "nearest"], height=side)
    return figure


def by_number(models: Sequence[str]) -> Figure:
    """Accuracy against the number of real images of each class, a panel per generator, at 1x."""
    frames = {p.per_class: tables.frame(p, models) for p in experiment.collected(BLOOD)}
    figure, axes = panels(1, len(models), size=(3.06 * len(models), 3.6))
    for axis, model in zip(axes[0], models, strict=True):
        for name, (setting, label) in _LINES.items():
            key = (setting, "", 0) if setting in BASELINES else (setting, model, 1)
            points = {n: tables.interval(tables.values(f, *key)) for n, f in frames.items()}
            points = {n: point for n, point in points.items() if point}
            means = [point.mean for point in points.values()]
            halves = [point.high - point.mean if point.n > 1 else 0 for point in points.values()]
            axis.errorbar(list(points), means, halves, fmt=name, capsize=2, label=label)
        axis.set(title=FAMILIES[model].title, xscale="log", xlabel="real images of each class")
        axis.set_xticks(list(frames), list(frames), minor=False)
        axis.minorticks_off()
        axis.sharey(axes[0, 0])
    axes[0, 0].set_ylabel("accuracy")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


_LINES = {  # format: setting, words
    "k-": ("real", "real alone"),
    "k--": ("geometric", "real, turned and flipped"),
    "C3o:": ("synthetic", "synthetic alone"),
    "C0s-": ("real+synthetic", "real and synthetic"),
    "C0D--": ("combined", "both, turned and flipped"),
}


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
