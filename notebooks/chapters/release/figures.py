"""The picture of the chapter, and what released images look like."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.data import datasets
from helpers.models.families import FAMILIES
from helpers.report.pictures import WIDTH, mosaic, name_rows, show
from helpers.report.style import panels

from . import tables

LINES = {  # mechanism, public, synthetic, soft: how it is drawn
    ("release", "simulator", 1000, True): ("one release, 1,000 images a class", "-", "D"),
    ("release", "simulator", 100, False): ("one release, no public image", "-", "P"),
    ("release", "folder", 100, False): ("one release, public folder", "--", "P"),
    ("means", "", 100, False): ("class means, no public image", ":", "v"),
    ("evolution", "simulator", 100, False): ("Private Evolution", ":", "X"),
    ("prior", "simulator", 100, False): ("DP-SGD, prior of a public VAE", ":", "d"),
    **{
        (model, "", 100, False): (f"DP-SGD, {FAMILIES[model].title}", ":", FAMILIES[model].marker)
        for model in ("vae", "gan", "ddpm")
    },
}
PUBLIC = {
    "mnist": {"simulator": "strokes", "folder": "letters"},
    "organamnist": {"simulator": "phantoms", "folder": "validation"},
    "bloodmnist": {"folder": "training"},
    "corn": {"folder": "training"},
}


def answer(names: Sequence[str], epsilons: Sequence[float]) -> Figure:
    """Accuracy against epsilon for every mechanism, a panel per data set.

    Dashed is what the private images themselves give, dotted is chance; bars are 90 % intervals.
    """
    figure, axes = panels(1, len(names), size=(3.9 * len(names), 4.4))
    for axis, name in zip(axes[0], names, strict=True):
        _panel(axis, name, epsilons)
        axis.set_title(datasets.about(name).title)
        axis.set_xscale("log")
        axis.set_xticks(list(epsilons), [f"{e:g}" for e in epsilons])
        axis.minorticks_off()
        axis.set_xlabel("ε (δ = 10⁻³)")
        axis.set_ylim(0, 1)
    axes[0, 0].set_ylabel("accuracy trained on synthetic images")
    handles = {}
    for axis in axes[0]:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8
    )
    return figure


def _panel(axis: Axes, name: str, epsilons: Sequence[float]) -> None:
    found = tables.accuracies()
    for place, ((mechanism, kind, synthetic, soft), how) in enumerate(LINES.items()):
        public = PUBLIC[name].get(kind, "") if kind else ""
        if kind and not public:
            continue
        keys = [(name, mechanism, public, 10, synthetic, soft, 0, float(e)) for e in epsilons]
        there = [(e, found[key]) for e, key in zip(epsilons, keys, strict=True) if key in found]
        if not there:
            continue
        means = np.array([interval.mean for _, interval in there])
        bars = np.array([[i.mean - i.low, i.high - i.mean] for _, i in there]).T
        title, line, marker = how
        family = FAMILIES.get({"release": "one_shot"}.get(mechanism, mechanism))
        colour = family.colour if family else f"C{place}"
        axis.errorbar(
            [e for e, _ in there], means, bars, label=title, linestyle=line, marker=marker,
            color=colour, capsize=2,
        )  # fmt: skip
    axis.axhline(tables.ceiling(name).mean, color="0.3", linestyle="--", label="private images")
    chance = 1 / len(datasets.about(name).classes)
    axis.axhline(chance, color="0.3", linestyle=":", label="chance: ε = 0")


def images(pixels: np.ndarray, classes: Sequence[str], title: str, *, shown: int = 10) -> Figure:
    """Released images uint8 [classes * n, S, S], sorted by class: a row per class."""
    rows = pixels.reshape(len(classes), -1, *pixels.shape[1:])[:, :shown]
    size = WIDTH, 0.64 * len(classes) + 0.3
    figure, axes = panels(size=size)
    figure.set_dpi(200)
    show(axes[0, 0], title, mosaic(rows))
    name_rows(axes[0, 0], list(classes), height=pixels.shape[1])
    return figure
