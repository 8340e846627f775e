"""Results: what the study found, read from the collected files, and computed where it is not there.

Reading needs neither a data set nor the store. The files themselves are `collected`'s.
"""

import datetime
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..data import datasets, files
from ..metrics.evaluation import MEASURES
from . import collected, store
from .cell import Cell, grid, level
from .collected import Collected

_PACKAGES = ("torch", "torchvision", "opacus", "dp-accounting", "numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Results:
    """Results of a list of cells of one data set."""

    cells: list[Cell]
    frame: pd.DataFrame  # tidy, the columns of the CSV
    provenance: Mapping
    folder: Path

    def arrays(self, cell: Cell) -> dict[str, np.ndarray]:
        """What the cell keeps for figures: samples, points on the plane, distances."""
        return _required(self.folder / f"{cell.name}.npz")

    def reference(self) -> dict[str, np.ndarray]:
        """Real images and the public plane of the data set."""
        return _required(self.folder / "reference.npz")


def cube(frame: pd.DataFrame) -> pd.DataFrame:
    """A tidy frame as a row per (dataset, model, level, seed) and a column per metric.

    NaN where there is none.
    """
    levels = [level(*pair) for pair in zip(frame["arm"], frame["sigma"], strict=True)]
    axes = ["dataset", "model", "level", "seed"]
    return frame.assign(level=levels).pivot(index=axes, columns="metric", values="value")


def _required(path: Path) -> dict[str, np.ndarray]:
    arrays = files.read_arrays(path)
    if arrays is None:
        raise FileNotFoundError(f"{path} is missing; `python -m helpers study` collects it")
    return arrays


def obtain(
    cells: Sequence[Cell], *, images: str = "", workers: int = 1, device: str = "auto"
) -> Results:
    """The cells' results: from the collected files where they are current, else computed now.

    Those of the main collected images if they hold all the cells, else of the images found here;
    `images`, a checksum or its first eight digits or more, asks for the results of just these.
    Reading needs no data set. `workers` and `device` as in `execute.outcomes`. Raises
    `RuntimeError` naming the cells that failed, with causes, and `ValueError` for images that are
    neither collected nor here.
    """
    name, scale = _one_dataset(cells)
    kept = _completed(collected.read(collected.root(scale, name), name, images), cells)
    if kept.records().keys() >= set(cells):
        return _results(kept, cells)
    found = datasets.identity(name)
    if not found.checksum.startswith(images):
        raise ValueError(
            f"results of {name} on the images {images} are asked for; neither are they collected "
            f"nor are those images here, but {found.checksum[:12]} ({found.source})"
        )
    kept = collected.read(collected.root(scale, name), name, found.checksum)
    missing = sorted(set(cells) - kept.records().keys())
    if missing:
        from . import execute  # takes PyTorch, which reading what is collected does not

        failures = execute.run(missing, workers=workers, device=device)
        kept = collect(cells)
        if failures:
            causes = "; ".join(f"{f.cell.name}: {f.cause}" for f in failures)
            raise RuntimeError(f"{len(failures)} of {len(missing)} cells failed: {causes}")
        for _ in range(9):  # another process may have collected at the same time, over these
            if kept.records().keys() >= set(cells):
                break
            kept = collect(cells)
    return _results(kept, cells)


def available(
    dataset: str,
    *,
    models: Sequence[str],
    levels: Sequence[str | float],
    seeds: Sequence[int],
    scale: str = "compact",
) -> Results | None:
    """What is collected of some axes of the grid on a data set; nothing is computed.

    For chapters that judge all results together, and have to say what is missing. `None` if there
    is nothing.
    """
    kept = collected.read(collected.root(scale, dataset), dataset)
    asked = set(grid(dataset, models, levels, seeds, scale))
    cells = asked & kept.records().keys()
    return _results(kept, cells) if cells else None


def _completed(kept: Collected, cells: Iterable[Cell]) -> Collected:
    """The collected cells with the new or changed measures of what is kept of them.

    Measures of the synthetic images, which are not kept, are not taken.
    """
    new = {}
    for cell, record in kept.records().items():
        names = [n for n in store.lacking(record) if MEASURES[n].inputs == "arrays"]
        if names and cell in set(cells):
            new[cell] = _with_measures(kept.arrays_path(cell), cell, record, names)
    if not new:
        return kept
    collected.write(kept, new, dict(kept.provenance))
    return collected.read(kept.table.parent, cells[0].dataset, kept.checksum)


def _with_measures(path: Path, cell: Cell, record: dict, names: list[str]) -> dict:
    """The record with measures of its arrays; what they keep for figures joins the file."""
    from . import compute

    arrays = _required(path)
    measured = compute.of_arrays(cell, names, arrays)
    if measured.arrays:
        files.write_arrays(path, arrays | measured.arrays)
    metrics = store.without(store.current(record), names) | measured.metrics
    return record | {"metrics": metrics, "measures": store.versions([*store.held(record), *names])}


def _results(kept: Collected, cells: Iterable[Cell]) -> Results:
    """Of the measures' present versions; a metric of another one is absent."""
    records = kept.records()
    rows = [
        (*astuple(cell), metric, float(f"{value:.6g}"))
        for cell in sorted(set(cells))
        for metric, value in sorted(records[cell]["metrics"].items())
    ]
    frame = pd.DataFrame(rows, columns=collected.COLUMNS)
    return Results(sorted(set(cells)), frame, kept.provenance, kept.table.with_suffix(""))


def collect(cells: Iterable[Cell]) -> Collected:
    """Bring the done ones of `cells` into the collected files of their images.

    What is there of other cells stays, and of a cell that holds some measures alone the others that
    are there. Collecting the same store again gives the same bytes.
    """
    cells = list(cells)
    name, scale = _one_dataset(cells)
    images = datasets.identity(name)
    root = collected.root(scale, name)
    kept, records = collected.read(root, name, images.checksum), {}
    for cell in cells:
        record = store.record(cell, images.checksum)
        arrays = store.arrays(cell, images.checksum)
        if record is not None and arrays is not None:
            there = kept.record(cell) if store.lacking(record) else None
            if there is not None:
                record = _joined(there, record)
                before = _required(kept.arrays_path(cell))
                arrays = before | {k: v for k, v in arrays.items() if not k.startswith("history/")}
            records[cell] = record
            files.write_arrays(kept.arrays_path(cell), arrays)
    if records:
        _keep_reference(kept, name, scale)
        collected.write(kept, records, _about(name, images.source))
    return collected.read(root, name, images.checksum)


def _joined(there: dict, record: dict) -> dict:
    """The collected record of a whole cell with the measures that the new one holds."""
    again = store.held(record)
    metrics = store.without(there["metrics"], again) | store.current(record)
    return there | {"metrics": metrics, "measures": store.versions([*store.held(there), *again])}


def _one_dataset(cells: Sequence[Cell]) -> tuple[str, str]:
    names, scales = {cell.dataset for cell in cells}, {cell.scale for cell in cells}
    if len(names) != 1 or len(scales) != 1:
        raise ValueError(f"cells of one data set and scale are needed; got {names} and {scales}")
    return names.pop(), scales.pop()


def _keep_reference(kept: Collected, name: str, scale: str) -> None:
    from . import compute

    path = kept.table.with_suffix("") / "reference.npz"
    files.memo(path, lambda: compute.reference(datasets.load(name), scale))


def _about(name: str, source: str) -> dict:
    """What the collected JSON says of the data, the versions and the machine."""
    from . import host

    dataset = datasets.load(name)
    return {
        "data": {
            "name": name,
            "checksum": dataset.checksum,
            "source": source,
            "train": dataset.counts("train"),
            "test": dataset.counts("test"),
            "note": dataset.note,
        },
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "host": host.host(),
        "date": datetime.date.today().isoformat(),
    }
