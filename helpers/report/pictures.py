"""Images as figures: synthetic ones, references, and those nearest to private ones.

Each function takes results and returns a matplotlib figure; charts are in `figures`.
"""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..models.families import REFERENCES
from ..study.results import Results
from .figures import cells_of
from .style import panels, title

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


def samples(results: Results, model: str, *, seed: int = 0, shown: int = 6) -> Figure:
    """Synthetic images of one model, a panel per level, a row per class (NFL Fig. 7)."""
    cells = cells_of(results, model, seed)
    real = results.reference()
    sets = [("real", real["images"])]
    sets += [(title(cell), results.arrays(cell)["samples"]) for cell in cells]
    return _mosaics(sets, real["classes"], shown)


def _mosaics(sets: list[tuple[str, np.ndarray]], classes: np.ndarray, shown: int) -> Figure:
    """A panel per set of images uint8 [classes, n, H, W] (or [.., 3]), a row per class."""
    inch = min(max(0.27, 2.2 / len(classes)), 10 / (shown * len(sets)))  # of one image
    label = 0.08 * max(len(str(name)) for name in classes)
    size = (inch * shown * len(sets) + label + 0.3, 0.97 * inch * len(classes) + 0.5)
    figure, axes = panels(1, len(sets), size=size)
    for axis, (name, images) in zip(axes[0], sets, strict=True):
        show(axis, name, mosaic(images[:, :shown]))
    name_rows(axes[0, 0], classes.tolist(), height=sets[0][1].shape[2])
    return figure


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


def references(results: Results, *, seed: int = 0, shown: int = 6) -> Figure:
    """What the reference generators give, a panel each, a row per class."""
    cells = [c for c in results.cells if c.is_reference and c.seed == seed]
    cells.sort(key=lambda cell: list(REFERENCES).index(cell.model))
    sets = [(REFERENCES[c.model], results.arrays(c)["samples"]) for c in cells]
    return _mosaics(sets, results.reference()["classes"], shown)


def gallery(results: Results, model: str, *, seed: int = 0) -> Figure:
    """Per class the synthetic image nearest to a private one, above that one; a panel per level.

    They are the images a reader should worry about first: see `privacy.copy_rate`.
    """
    cells = cells_of(results, model, seed)
    rows = -(-len(cells) // 2)
    figure, axes = panels(rows, 2, size=(8.6, 1.15 * rows))
    for axis, cell in zip(axes.flat, cells, strict=False):
        pairs = results.arrays(cell)["gallery"]
        show(axis, title(cell), mosaic(pairs.swapaxes(0, 1)))
        name_rows(axis, ["synthetic", "private"], height=pairs.shape[2])
    for axis in axes.flat[len(cells) :]:
        axis.set_visible(False)
    return figure
