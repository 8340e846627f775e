"""Images as figures: synthetic ones, references, and those nearest to private ones.

Each function takes results and returns a matplotlib figure; charts are in `figures`.
"""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..models.families import REFERENCES
from ..study.cell import Cell
from ..study.results import Results
from .figures import cells_of
from .style import TITLES, panels, title
from .tables import value

WIDTH = 6.76  # inches of a figure of images: a page of the book, at 100 pixels each
ACROSS = 11  # images that stand side by side in it
_GAP = 2  # white pixels between images


def mosaic(images: np.ndarray, gap: int = _GAP) -> np.ndarray:
    """Images uint8 [rows, columns, H, W] (or [.., 3]) tiled into one, white between them."""
    rows, columns, height, width, *colours = images.shape
    size = rows * (height + gap) - gap, columns * (width + gap) - gap
    sheet = np.full((*size, *colours), 255, np.uint8)
    for r in range(rows):
        for c in range(columns):
            y, x = r * (height + gap), c * (width + gap)
            sheet[y : y + height, x : x + width] = images[r, c]
    return sheet


def samples(results: Results, model: str, *, seed: int = 0, shown: int = 2) -> Figure:
    """Real images, and one model's per level below; a column per class (NFL Fig. 7)."""
    cells = cells_of(results, model, seed)
    real = results.reference()
    sets = [("real images", real["images"])]
    sets += [(_titled(results, c), results.arrays(c)["samples"]) for c in cells]
    return _stack([(name, images[:, :shown]) for name, images in sets], real["classes"])


def _stack(sets: Sequence[tuple[str, np.ndarray]], classes: np.ndarray) -> Figure:
    """Sets of images uint8 [classes, n, H, W] (or [.., 3]) below each other, classes as columns.

    As wide as a page of the book, in pixels of half the size: no image shows smaller than 56.
    """
    across = max(1, ACROSS // len(classes))  # images of a class side by side
    sheets = [_rows(images, across) for _, images in sets]
    height = WIDTH / (len(classes) * across) * len(sheets[0]) + 0.22
    figure, axes = panels(len(sets), size=(WIDTH, height * len(sets) + 0.25))
    figure.set_dpi(200)
    figure.get_layout_engine().set(h_pad=0.01, hspace=0.01)
    for axis, (name, _), sheet in zip(axes[:, 0], sets, sheets, strict=True):
        show(axis, "", mosaic(sheet))
        axis.set_title(name, loc="left", fontsize=9, pad=3)
    _name_classes(axes[0, 0], classes, across * (sets[0][1].shape[3] + _GAP))
    return figure


def _rows(images: np.ndarray, across: int) -> np.ndarray:
    """Images [classes, n, ..] as rows of all classes, each with so many side by side."""
    classes, n, *shape = images.shape
    across = min(across, n)
    whole = images[:, : n - n % across].reshape(classes, -1, across, *shape)
    return whole.swapaxes(0, 1).reshape(-1, classes * across, *shape)


def _name_classes(axis: Axes, classes: np.ndarray, width: int) -> None:
    """Write each class's name above its columns, `width` pixels wide in all."""
    longest = max(len(str(name)) for name in classes)
    axis.xaxis.tick_top()
    turned = {"rotation": 30, "ha": "left"} if longest * len(classes) > 120 else {}
    axis.set_xticks([width * (i + 0.5) for i in range(len(classes))], classes, fontsize=8, **turned)
    axis.tick_params(length=0, pad=1)


def _titled(results: Results, cell: Cell) -> str:
    """A cell's level, what the accountant guarantees of it, and its seed."""
    bound = "no guarantee"
    if cell.arm == "dp":
        epsilon = value(results.frame, "epsilon_1e-3", cell.model, cell.level)
        bound = f"ε = {epsilon:,.0f} at δ = 10⁻³"
    return f"{TITLES[cell.model]}, {title(cell)}, {bound}, seed {cell.seed}"


def show(axis: Axes, name: str, sheet: np.ndarray) -> None:
    """Draw a sheet [H, W] or [H, W, 3], without axes, under its name."""
    grey = {"cmap": "gray", "vmin": 0, "vmax": 255} if sheet.ndim == 2 else {}
    axis.imshow(sheet, **grey)
    axis.set(title=name, xticks=[], yticks=[])
    axis.grid(visible=False)
    sns.despine(ax=axis, left=True, bottom=True)


def name_rows(axis: Axes, names: Sequence[str], height: int) -> None:
    """Write a name beside each row of a mosaic of images `height` pixels high."""
    middles = [(height + _GAP) * row + height / 2 for row in range(len(names))]
    axis.set_yticks(middles, names)
    axis.tick_params(length=0)


def references(results: Results, *, seed: int = 0, shown: int = 2) -> Figure:
    """What the reference generators give, rows each, a column per class."""
    cells = [c for c in results.cells if c.is_reference and c.seed == seed]
    cells.sort(key=lambda cell: list(REFERENCES).index(cell.model))
    sets = [(f"{REFERENCES[c.model]}, seed {seed}", results.arrays(c)["samples"]) for c in cells]
    sets = [(name, images[:, :shown]) for name, images in sets]
    return _stack(sets, results.reference()["classes"])


def gallery(results: Results, model: str, *, seed: int = 0) -> Figure:
    """Per class the synthetic image nearest to a private one, above or left of it; rows per level.

    They are the images a reader should worry about first: see `privacy.copy_rate`.
    """
    cells = cells_of(results, model, seed)
    sets = [(_titled(results, c), results.arrays(c)["gallery"]) for c in cells]
    return _stack(sets, results.reference()["classes"])
