"""Committed results: what the study found, as small files that need no data set to be read.

`data/results/<dataset>.csv` is tidy (one row per cell and metric, sorted, six significant digits),
`<dataset>.json` says where it came from (data, versions, machine, times, and the key of each cell),
and `<dataset>/` holds what figures need and a table cannot hold. Cells of the scales `smoke` and
`quick` are collected beside the store instead. What depends on the machine's speed stands in
the JSON alone, so that the CSV is a function of the seeds.
"""

import csv
import datetime
import importlib.metadata
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..data import assets, datasets, draws, files
from ..data.datasets import Dataset
from ..data.sources import to_bytes
from ..metrics import measures
from ..metrics.evaluation import EVALUATIONS
from ..models.families import REFERENCES
from . import compute, execute, host
from .cell import LEVELS, MODELS, SEEDS, grid
from .compute import Cell

_COLUMNS = ("dataset", "model", "arm", "sigma", "seed", "scale", "metric", "value")
_PACKAGES = ("torch", "torchvision", "opacus", "dp-accounting", "numpy", "scipy", "scikit-learn")


# What the JSON keeps of a cell's record, beside its metrics in the CSV.
_PROVENANCE = ("key", "core_seconds", "training_core_seconds", "images_per_second")


@dataclass(frozen=True)
class Results:
    """Results of a list of cells of one data set."""

    cells: list[Cell]
    frame: pd.DataFrame  # tidy, the columns of the CSV
    provenance: dict
    folder: Path

    def arrays(self, cell: Cell) -> dict[str, np.ndarray]:
        """What the cell keeps for figures: samples, points on the plane, distances."""
        return _required(self.folder / f"{cell.name}.npz")

    def reference(self) -> dict[str, np.ndarray]:
        """Real images and the public plane of the data set."""
        return _required(self.folder / "reference.npz")


def _required(path: Path) -> dict[str, np.ndarray]:
    arrays = files.read_arrays(path)
    if arrays is None:
        raise FileNotFoundError(f"{path} is missing; `python -m helpers study` collects it")
    return arrays


def results_root(scale: str) -> Path:
    """Where results of a scale are collected: committed from `compact` on, else with the store."""
    committed = scale in ("compact", "paper")
    return assets.root() / "results" if committed else compute.runs_root() / "results"


def obtain(cells: Sequence[Cell], *, workers: int = 1, device: str = "auto") -> Results:
    """The cells' results: from the collected files where they are current, else computed now.

    Reading needs no data set. `workers` and `device` as in `execution.outcomes`. Raises
    `RuntimeError` naming the cells that failed, with causes.
    """
    dataset, scale = _one_dataset(cells)
    folder = results_root(scale)
    records = _collected(folder, dataset)
    if missing := [cell for cell in cells if cell not in records]:
        failures = execute.run(missing, workers=workers, device=device)
        collect(cells)
        if failures:
            causes = "; ".join(f"{f.cell.name}: {f.cause}" for f in failures)
            raise RuntimeError(f"{len(failures)} of {len(missing)} cells failed: {causes}")
        for _ in range(9):  # another process may have collected at the same time, over these
            if (records := _collected(folder, dataset)).keys() >= set(cells):
                break
            collect(cells)
    return _results({cell: records[cell] for cell in cells}, folder, dataset)


def available(dataset: str, scale: str = "compact") -> Results | None:
    """What is collected of the study's grid on a data set; nothing is computed.

    For chapters that judge all results together, and have to say what is missing. `None` if there
    is nothing.
    """
    folder = results_root(scale)
    models = [*MODELS, *REFERENCES]
    asked = set(grid(dataset, models, LEVELS, SEEDS, scale))
    records = {c: r for c, r in _collected(folder, dataset).items() if c in asked}
    return _results(records, folder, dataset) if records else None


def _results(records: dict[Cell, dict], folder: Path, dataset: str) -> Results:
    frame = pd.DataFrame(_rows(records), columns=_COLUMNS)
    provenance = files.read_json(folder / f"{dataset}.json")
    return Results(sorted(records), frame, provenance, folder / dataset)


def collect(cells: Iterable[Cell]) -> Path:
    """Bring the done ones of `cells` into the collected files, beside those already there.

    Cells that were collected under other presets are dropped. Returns the CSV's path. Collecting
    the same store again gives the same bytes.
    """
    cells = list(cells)
    name, scale = _one_dataset(cells)
    dataset, root = datasets.load(name), results_root(scale)
    records = _collected(root, name)
    _check_same_data(root, dataset)
    for cell in cells:
        record = compute.read_record(cell, dataset)
        arrays = compute.read_arrays(cell, dataset)
        if record is not None and arrays is not None:
            records[cell] = record
            files.write_arrays(root / name / f"{cell.name}.npz", arrays)
    if records:
        files.write_arrays(root / name / "reference.npz", _reference(dataset, scale))
        _write(root, dataset, records)
    return root / f"{name}.csv"


def _check_same_data(root: Path, dataset: Dataset) -> None:
    provenance = files.read_json(root / f"{dataset.name}.json")
    if provenance and provenance["data"]["checksum"] != dataset.checksum:
        raise ValueError(
            f"{root / dataset.name}.csv was computed on other images of {dataset.name} "
            f"({provenance['data']['source']}) than those found now ({dataset.source}); "
            "provide the same file, or move the collected results away"
        )


def _one_dataset(cells: Sequence[Cell]) -> tuple[str, str]:
    names, scales = {cell.dataset for cell in cells}, {cell.scale for cell in cells}
    if len(names) != 1 or len(scales) != 1:
        raise ValueError(f"cells of one data set and scale are needed; got {names} and {scales}")
    return names.pop(), scales.pop()


def _collected(root: Path, dataset: str) -> dict[Cell, dict]:
    """Records of the collected cells that are current under the present presets."""
    provenance = files.read_json(root / f"{dataset}.json")
    table = root / f"{dataset}.csv"
    if provenance is None or not table.exists():
        return {}
    records: dict[Cell, dict] = {}
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            cell = Cell(
                row["dataset"],
                row["model"],
                row["arm"],
                float(row["sigma"]),
                int(row["seed"]),
                row["scale"],
            )
            about = provenance["cells"].get(cell.name)
            if about and about["key"] == cell.measurement_key(provenance["data"]["checksum"]):
                metrics = records.setdefault(cell, about | {"metrics": {}})["metrics"]
                metrics[row["metric"]] = float(row["value"])
    return records


def _rows(records: dict[Cell, dict]) -> list[tuple]:
    return [
        (*astuple(cell), metric, float(f"{value:.6g}"))
        for cell, record in sorted(records.items())
        for metric, value in sorted(record["metrics"].items())
    ]


def _write(root: Path, dataset: Dataset, records: dict[Cell, dict]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for *cell, metric, value in _rows(records):
        writer.writerow([*cell, metric, f"{value:.6g}"])
    with files.atomic(root / f"{dataset.name}.csv", "w") as file:
        file.write(text.getvalue())
    files.write_json(root / f"{dataset.name}.json", _provenance(root, dataset, records))


def _provenance(root: Path, dataset: Dataset, records: dict[Cell, dict]) -> dict:
    """Where the table came from. The date moves only when a cell does."""
    about = {
        cell.name: {name: record[name] for name in _PROVENANCE}
        for cell, record in sorted(records.items())
    }
    old = files.read_json(root / f"{dataset.name}.json") or {}
    if old.get("cells") == about:
        return old
    return {
        "data": {
            "name": dataset.name,
            "checksum": dataset.checksum,
            "source": dataset.source,
            "train": dataset.counts("train"),
            "test": dataset.counts("test"),
            "note": dataset.note,
        },
        "cells": about,
        "core_seconds": round(sum(record["core_seconds"] for record in records.values())),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "host": host.host(),
        "date": datetime.date.today().isoformat(),
    }


def _reference(dataset: Dataset, scale: str) -> dict[str, np.ndarray]:
    """A few real images per class, and the public pool on its own Isomap plane."""
    pool = draws.public(dataset, dataset.public_per_class)
    reducer = measures.public_isomap(dataset, EVALUATIONS[scale])
    images = to_bytes(pool.images)
    shown = [
        images[pool.labels == c][: measures.SHOWN_PER_CLASS] for c in range(len(dataset.classes))
    ]
    return {
        "images": np.stack(shown),
        "points": reducer.transform(pool.images).astype(np.float32),
        "labels": pool.labels.numpy().astype(np.int16),
        "classes": np.array(dataset.classes),
        "query_class": np.int64(dataset.query_class),
    }
