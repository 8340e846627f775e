"""The collected results as files, their only reader and writer.

`data/results/<dataset>.csv` is tidy (one row per cell and metric, sorted, six significant digits),
`<dataset>.json` says where it came from (data, versions, machine, times, and the key of each cell),
and `<dataset>/` holds what figures need and a table cannot hold. They are of one set of images, by
its checksum; results of other images stand beside them, as `<dataset>-<checksum>`. Cells of the
scales `smoke` and `quick` are collected below the store instead. What depends on the machine's
speed stands in the JSON alone, so that the CSV is a function of the seeds.

Nothing committed is deleted, or overwritten because it could not be read.
"""

import csv
import functools
import io
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from ..data import files, places
from ..data.files import Damaged
from ..data.records import DATASETS
from . import store
from .cell import Cell

COLUMNS = (*(field.name for field in fields(Cell)), "metric", "value")
PROVENANCE = ("key", "core_seconds", "training_core_seconds", "images_per_second")

Row = tuple[str, str, str, float, int, str]  # the fields of a cell


@dataclass(frozen=True)
class Collected:
    """What is collected of the images of one data set."""

    table: Path  # the CSV; beside it the JSON and the folder of arrays
    provenance: Mapping[str, Any]  # the JSON; empty if nothing is collected
    rows: Mapping[Row, Mapping[str, float]]  # metrics by cell, whatever presets it was computed by

    @property
    def checksum(self) -> str:
        """Of the images; "" if nothing is collected."""
        return self.provenance["data"]["checksum"] if self.provenance else ""

    def arrays_path(self, cell: Cell) -> Path:
        """The file with what figures need of the cell."""
        return self.table.with_suffix("") / f"{cell.name}.npz"

    def record(self, cell: Cell) -> dict[str, Any] | None:
        """What is kept of a cell: its times and `metrics`, if they are of the present presets.

        Metrics of a measure that has another version by now are left out.
        """
        metrics = self.rows.get(astuple(cell))
        about = self.provenance["cells"].get(cell.name) if metrics else None
        if about is None or about["key"] != cell.measurement_key(self.checksum):
            return None
        return {**about, "metrics": store.current({**about, "metrics": metrics})}

    def records(self) -> dict[Cell, dict[str, Any]]:
        """All cells of the present presets, with their records."""
        found = {}
        for row in self.rows:
            cell = _cell(row)
            record = self.record(cell) if cell else None
            if record:
                found[cell] = record
        return found


def _cell(row: Row) -> Cell | None:
    """The cell of a row; `None` if there is no such model any more."""
    try:
        return Cell(*row)
    except ValueError:
        return None


def root(scale: str, dataset: str = "") -> Path:
    """Where results of a scale are collected: committed from `compact` on, else with the store.

    Those of a data set of one's own show private images: they stay in the store.
    """
    committed = scale in ("compact", "paper") and (not dataset or dataset in DATASETS)
    return places.committed() / "results" if committed else store.runs_root() / "results"


def stem(name: str, checksum: str, primary: str) -> str:
    """The name of the files for images of a checksum beside those of the checksum `primary`.

    Of a checksum the first eight digits or more may be given.
    """
    return name if not primary or primary.startswith(checksum) else f"{name}-{checksum[:8]}"


def read(root: Path, name: str, checksum: str = "") -> Collected:
    """What is collected of a data set: of the images of `checksum`, else of the main ones.

    Raises `files.Damaged` for a file that is damaged, naming it, its line and what to do.
    """
    main = _read(root, name, _stamp(root, name))
    other = stem(name, checksum, main.checksum)
    return main if other == name else _read(root, other, _stamp(root, other))


def _stamp(root: Path, name: str) -> tuple:
    """Changes when the files do, for the cache of what is read."""
    paths = root / f"{name}.json", root / f"{name}.csv"
    return tuple((p.stat().st_mtime_ns, p.stat().st_size) if p.exists() else None for p in paths)


@functools.lru_cache(maxsize=32)
def _read(root: Path, name: str, stamp: tuple) -> Collected:
    table, about = root / f"{name}.csv", root / f"{name}.json"
    if stamp == (None, None):
        return Collected(table, {}, {})
    try:
        return Collected(table, _provenance(about), dict(_rows(table)))
    except Damaged as error:
        if not root.is_relative_to(store.runs_root()):
            raise
        warnings.warn(f"{error}; it is made again", stacklevel=3)
        return Collected(table, {}, {})


def _provenance(path: Path) -> dict[str, Any]:
    text = _text(path)
    try:
        content = json.loads(text)
        content["data"]["checksum"], content["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, str(error)) from None
    return content


def _rows(path: Path) -> Iterator[tuple[Row, dict[str, float]]]:
    rows: dict[Row, dict[str, float]] = {}
    reader = csv.DictReader(io.StringIO(_text(path)), strict=True)
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"its columns must be {', '.join(COLUMNS)}")
        for line in reader:
            dataset, model, arm, sigma, seed, scale, metric, value = (line[c] for c in COLUMNS)
            row = dataset, model, arm, float(sigma), int(seed), scale
            rows.setdefault(row, {})[metric] = float(value)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise _damaged(path, f"line {reader.line_num}: {error}") from None
    return iter(rows.items())


def _text(path: Path) -> str:
    """The file's text, if no merge has left its marks in it."""
    try:
        files.check_no_conflict(path)
        return path.read_text()
    except FileNotFoundError:
        raise _damaged(path, "it is missing") from None
    except UnicodeDecodeError as error:
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, why: str) -> Damaged:
    return Damaged(
        f"{path} is damaged: {why}. It is left as it is; mend it, or take the committed file: "
        f"git checkout HEAD -- {path}"
    )


# Writing


def write(kept: Collected, records: Mapping[Cell, Mapping[str, Any]], about: dict) -> None:
    """Bring cells into the collected files; rows of other cells stay.

    `about` is what the JSON says beside the cells: data, versions, host and date. It moves only
    when a cell does. The same records give the same bytes.
    """
    rows = dict(kept.rows) | {astuple(cell): record["metrics"] for cell, record in records.items()}
    cells = dict(kept.provenance.get("cells", {})) | {
        cell.name: _kept(record) for cell, record in records.items()
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows):
        for metric in sorted(rows[row]):
            writer.writerow([*row, metric, f"{rows[row][metric]:.6g}"])
    with files.atomic(kept.table, "w") as file:
        file.write(text.getvalue())
    if kept.provenance.get("cells") == cells:
        return
    seconds = round(sum(cell["core_seconds"] for cell in cells.values()))
    provenance = {**about, "cells": cells, "core_seconds": seconds}
    files.write_json(kept.table.with_suffix(".json"), provenance)


def _kept(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the JSON keeps of a record; of its measures those that are not the original ones."""
    names = (*PROVENANCE, "measures") if record.get("measures") else PROVENANCE
    return {name: record[name] for name in names}
