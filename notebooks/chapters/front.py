"""The picture that the book opens with: the same ten digits, what they are worth, what they keep.

Each panel shows the first image of each class of seed 0, and means over the seeds there are.
"""

from typing import NamedTuple

from matplotlib.figure import Figure

from helpers.report.pictures import mosaic, show
from helpers.report.style import number, panels
from helpers.study import results
from helpers.study.cell import Cell
from helpers.study.results import Results

from .release import tables

SIZE = 10  # digits of a panel, in two columns


class Panel(NamedTuple):
    """A cell whose images are shown, under a title; `epsilon` where a release's target is told."""

    title: str
    model: str
    level: str | float
    metric: str = "accuracy"
    release: float | None = None  # the epsilon at which releases were measured


PANELS = (
    Panel("private images", "copies", "sgd", "accuracy_real"),
    Panel("DDPM, no noise", "ddpm", "sgd"),
    Panel("DDPM, σ = 0.4", "ddpm", 0.4),
    Panel("DDPM by DP-SGD", "ddpm", 10.8),
    Panel("one release", "one_shot", 0.406, release=10),
    Panel("one release", "one_shot", 1.04, release=3),
    Panel("the simulator alone", "one_shot", 100, release=0),
)


def strip() -> Figure:
    """The panels side by side, each over its accuracy and its guarantee."""
    figure, axes = panels(1, len(PANELS), size=(1.55 * len(PANELS), 4.6))
    for axis, panel in zip(axes[0], PANELS, strict=True):
        found = _found(panel)
        digits = found.arrays(_cell(found))["samples"][:, 0]
        show(axis, panel.title, mosaic(digits.reshape(2, SIZE // 2, 28, 28).swapaxes(0, 1)))
        axis.set_xlabel(f"accuracy {number(accuracy(panel), 2)}\n{guarantee(panel)}", fontsize=10)
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
