"""The picture that the book opens with: the same ten digits, what they are worth, what they keep.

Each row shows the first image of each class of seed 0, and means over the seeds there are.
"""

from typing import NamedTuple

from matplotlib.figure import Figure

from helpers.report.pictures import mosaic, show
from helpers.report.style import number, panels
from helpers.study import results
from helpers.study.cell import Cell
from helpers.study.results import Results

from .release import tables

DIGITS = 10  # of a row
WIDTH = 6.76  # inches: the picture on a page of the book, at 100 pixels each
TILE = 0.58  # of a digit and the gap after it: 56 pixels and 2
_GAP = 1  # pixel of a digit's 28


class Panel(NamedTuple):
    """A row: a cell whose images are shown; `release` where a target of epsilon is told."""

    title: str
    model: str
    level: str | float
    metric: str = "accuracy"
    release: float | None = None  # the epsilon at which releases were measured


PANELS = (
    Panel("private images", "copies", "sgd", "accuracy_real"),
    Panel("DDPM, no noise", "ddpm", "sgd"),
    Panel("DDPM, σ = 0.4", "ddpm", 0.4),
    Panel("DDPM, DP-SGD", "ddpm", 10.8),
    Panel("one release", "one_shot", 0.406, release=10),
    Panel("one release", "one_shot", 1.04, release=3),
    Panel("simulator alone", "one_shot", 100, release=0),
)


def strip() -> Figure:
    """The rows below each other, each beside its accuracy and its guarantee."""
    figure, axes = panels(len(PANELS), size=(WIDTH, (TILE + 0.06) * len(PANELS)))
    figure.set_layout_engine("none")
    figure.set_dpi(200)
    wide, high = DIGITS * TILE / WIDTH, 1 / len(PANELS)
    for row, (axis, panel) in enumerate(zip(axes[:, 0], PANELS, strict=True)):
        found = _found(panel)
        digits = found.arrays(_cell(found))["samples"][:, 0]
        show(axis, "", mosaic(digits[None], _GAP))
        axis.set_position((1 - wide, 1 - high * (row + 1), wide, 0.94 * high))
        told = f"accuracy {number(accuracy(panel), 2)}\n{guarantee(panel)}"
        middle = 1 - high * (row + 0.53)
        figure.text(0, middle, f"{panel.title}\n\n", va="center", fontsize=7.5, weight="bold")
        figure.text(0, middle, f"\n{told}", va="center", fontsize=7.5)
    return figure


def accuracy(panel: Panel) -> float:
    """Of a classifier trained on the images, over the seeds that were measured."""
    if panel.release is not None:
        return tables.of("mnist", "release", "strokes", panel.release).mean
    frame = _found(panel).frame
    return frame[frame["metric"] == panel.metric]["value"].mean()


def guarantee(panel: Panel) -> str:
    """The epsilon at delta 1e-3 of the panel's images, in words."""
    if panel.release is not None:
        return f"ε = {panel.release:g}" if panel.release else "ε ≈ 0"  # 0.009 of those shown
    frame = _found(panel).frame
    epsilons = frame[frame["metric"] == "epsilon_1e-3"]["value"]
    return f"ε = {number(epsilons.mean(), 0)}" if len(epsilons) else "no guarantee"


def _found(panel: Panel) -> Results:
    axes = {"models": [panel.model], "levels": [panel.level], "seeds": [0, 1, 2]}
    found = results.available("mnist", **axes)
    if found is None:
        raise LookupError(f"no cell of {panel.model} at {panel.level} is collected on MNIST")
    return found


def _cell(found: Results) -> Cell:
    return next(cell for cell in found.cells if cell.seed == 0)
