"""What stands: which cells of a slice are done, running, failed or missing, and on which images.

Only small files are read here, without PyTorch, and no data set where all is collected. This module
computes no cell.
"""

import functools
import json
import statistics
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data import datasets, files
from ..metrics.evaluation import MEASURES
from . import collected, store
from .cell import Cell

STATES = ("done", "running", "failed", "missing")


@dataclass(frozen=True)
class Standing:
    """How far a cell is."""

    cell: Cell
    state: str  # one of STATES
    detail: str = ""  # why it failed, where it runs, or what a collected record lacks
    roles: tuple[str, ...] = ()  # trainings that are finished
    lasting: bool = False  # of a failure: it would fail again
    record: dict[str, Any] | None = None  # of what is measured, all of it in a cell that is done


class Images(NamedTuple):
    """The images of a data set that a question or a run is about."""

    dataset: str
    checksum: str  # "" if they are not here and nothing is collected of them
    source: str  # where they are, in words
    others: str = ""  # the checksum of the collected results if those are of other images

    def __str__(self) -> str:
        short = f", sha256 {self.checksum[:12]}" if self.checksum else ""
        text = f"{self.dataset}: {self.source}{short}"
        if not self.others:
            return text
        own = collected.stem(self.dataset, self.checksum, self.others)
        return (
            f"{text}; not the images of the collected results (sha256 {self.others[:12]}), which "
            f"stay as they are: results of these are {own}"
        )


def images(name: str, scale: str, *, fetch: bool = False) -> Images:
    """The images that cells of a data set are of: those found here, else of the collected results.

    `fetch` downloads them if they are not here. Raises as `datasets.identity` does.
    """
    kept = collected.read(collected.root(scale, name), name).checksum
    if fetch or datasets.ready(name) or not (kept or name in datasets.DATASETS):
        found = datasets.identity(name)
        others = kept if kept not in ("", found.checksum) else ""
        return Images(name, found.checksum, found.source, others)
    if kept:
        return Images(name, kept, "those of the collected results; none are here")
    fetched = "a run fetches them" if datasets.obtainable(name) else "nor can they be fetched"
    return Images(name, "", f"none here; {fetched}")


# Standings


def standings(
    cells: Iterable[Cell], found: Mapping[str, Images], measures: Collection[str] = ()
) -> list[Standing]:
    """How far the cells are in the store, on the images of their data sets; see `standing`."""
    checksums = {name: images.checksum for name, images in found.items()}
    return [
        standing(cell, checksums[cell.dataset], measures)
        if checksums[cell.dataset]
        else Standing(cell, "missing")
        for cell in cells
    ]


def standing(cell: Cell, checksum: str, measures: Collection[str] = ()) -> Standing:
    """How far the cell is, from the files in its folder. Damaged ones count as missing.

    It is done with the `measures` that are named, or with all if none are.
    """
    place, key = store.folder(cell, checksum), cell.measurement_key(checksum)
    record = _json(place / "metrics.json")
    whole = record.get("key") == key and _whole(place / "arrays.npz", record.get("arrays"))
    if whole and not store.lacking(record, measures):
        return Standing(cell, "done", roles=cell.roles, record=record)
    roles = tuple(role for role in cell.roles if (place / f"{role}.npz").exists())
    under_way = "; ".join(_under_way(cell, place, set(cell.roles) - set(roles)))
    if alive := [beat for beat in store.heartbeats(place) if beat.alive]:
        return Standing(cell, "running", "; ".join(filter(None, (str(alive[0]), under_way))), roles)
    failure = _json(place / "failed.json")
    if failure.get("key") == key:
        lasting = bool(failure.get("lasting")) and failure.get("program") == store.program()
        return Standing(cell, "failed", str(failure.get("cause")), roles, lasting)
    lacks = f"lacks {', '.join(store.lacking(record, measures))}" if whole else under_way
    return Standing(cell, "missing", lacks, roles, record=record if whole else None)


def _under_way(cell: Cell, place: Path, roles: Collection[str]) -> Iterator[str]:
    """How far trainings have kept their state, and what is left of them."""
    for role in sorted(roles):
        with suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):
            with np.load(store.checkpoint_path(place, role)) as kept:  # the large array stays there
                step, seconds = int(kept["step"]), float(kept["seconds"])
            steps = cell.preset.training.steps
            left = duration(seconds / step * (steps - step))
            yield f"{role} kept at step {step:,} of {steps:,}, about {left} of it left"


def duration(seconds: float) -> str:
    """A time as text, e.g. `1.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def with_collected(
    standings: Iterable[Standing], found: Mapping[str, Images], measures: Collection[str] = ()
) -> list[Standing]:
    """The standings, where a cell counts as done too if its results are collected and current.

    Committed results outlive the store; those of the small scales are a part of it and prove
    nothing without it. A collected cell that lacks measures is done unless they are named.
    """
    return [_collected(each, found[each.cell.dataset], measures) for each in standings]


def _collected(each: Standing, images: Images, measures: Collection[str]) -> Standing:
    cell, root = each.cell, collected.root(each.cell.scale, each.cell.dataset)
    if each.state in ("done", "running") or root.is_relative_to(store.runs_root()):
        return each
    kept = collected.read(root, cell.dataset, images.checksum)
    record = kept.record(cell)
    if record is None or not kept.arrays_path(cell).is_file():
        return each
    lacks, detail = ", ".join(store.lacking(record)), "collected"
    if measures and store.lacking(record, measures):
        detail = each.detail or f"collected; lacks {lacks}"
        return replace(each, detail=detail, record=each.record or record)
    if lacks:
        detail += f"; lacks {lacks}: its images are not kept, --measures trains it again"
    return Standing(cell, "done", detail, cell.roles, record=record)


def is_collected(standings: Sequence[Standing], found: Mapping[str, Images]) -> bool:
    """Whether the collected results hold just what the store has of these cells."""
    for each in standings:
        if not each.record:
            continue
        root = collected.root(each.cell.scale, each.cell.dataset)
        kept = collected.read(root, each.cell.dataset, found[each.cell.dataset].checksum)
        record = kept.record(each.cell) or {"metrics": {}}
        metrics = {name: float(f"{v:.6g}") for name, v in store.current(each.record).items()}
        same = metrics.items() <= record["metrics"].items()
        lacks = store.lacking(each.record)  # of such a cell the collected arrays hold more
        if not same or not (lacks or _whole(kept.arrays_path(each.cell), each.record["arrays"])):
            return False
    return True


def _json(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty if it is absent, damaged or no mapping."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _whole(path: Path, expected: str | None) -> bool:
    return path.is_file() and files.file_hash(path) == expected


# Summaries


class Remaining(NamedTuple):
    """What is still to be computed."""

    core_seconds: float  # of the cells that can be estimated
    unknown: list[str]  # models of which no finished cell tells how long they take


def remaining(standings: Iterable[Standing], measures: Collection[str] = ()) -> Remaining:
    """The core time of the cells not done, from what finished cells of their model took.

    Of the same data set if there are any in the slice, else of another one; of the same scale.
    Finished trainings of a cell are not counted again. Where `measures` are named it is the time of
    the trainings they need: what a measure takes alone is not kept.
    """
    standings = list(standings)
    seconds, unknown = 0.0, set()
    for each in standings:
        if each.state == "done":
            continue
        records = _alike(each.cell, standings)
        if not records:
            unknown.add(each.cell.model)
            continue
        total = statistics.fmean(r["core_seconds"] for r in records)
        training = statistics.fmean(r["training_core_seconds"] for r in records)
        per_role = statistics.fmean(_per_role(each.cell, r) for r in records)
        to_train = set(each.cell.roles_for(measures or MEASURES)) - set(each.roles)
        seconds += per_role * len(to_train)
        seconds += 0 if measures else total - training
    return Remaining(seconds, sorted(unknown))


def _per_role(cell: Cell, record: dict[str, Any]) -> float:
    """The core time of one training, of those that the record's measures took."""
    trained = len(cell.roles_for(store.held(record)))
    return record["training_core_seconds"] / max(1, trained)


def _alike(cell: Cell, standings: list[Standing]) -> list[dict[str, Any]]:
    """Records to estimate a cell's time from."""
    done = [s for s in standings if s.record and s.cell.model == cell.model]
    same = [s.record for s in done if s.cell.dataset == cell.dataset]
    return same or [s.record for s in done] or _elsewhere(store.runs_root(), cell.model, cell.scale)


@functools.cache
def _elsewhere(root: Path, model: str, scale: str) -> list[dict[str, Any]]:
    """Records of cells outside the slice."""
    records = [_json(path) for path in root.glob(f"*/{model}-*-{scale}-*/metrics.json")]
    return [r for r in records if {"core_seconds", "training_core_seconds"} <= r.keys()]
