"""What stands in the store: which cells of a slice are done, running, failed or missing.

Only small files are read here, without PyTorch: where the cells of a slice are kept, and under
which keys, is worked out once by the part that knows networks and data, and remembered beside the
store for as long as neither the program nor the data change. This module computes no cell.
"""

import csv
import functools
import json
import os
import socket
import statistics
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..data import assets, files

if TYPE_CHECKING:
    from .compute import Cell

STATES = ("done", "running", "failed", "missing")
BEAT_SECONDS = 15  # between two signs of life of a cell in flight
STALE_SECONDS = 120  # without a sign of life, a cell is not in flight any more


@dataclass(frozen=True)
class Slice:
    """A part of the grid, as it is asked for."""

    datasets: tuple[str, ...]
    models: tuple[str, ...]
    sigmas: tuple[str, ...]  # "sgd", "clipped" or a noise multiplier
    seeds: tuple[int, ...]
    scale: str

    def cells(self) -> "list[Cell]":
        """Its cells, sorted. Raises `ValueError` for an element that is not allowed."""

        from .cell import grid

        grids = (
            grid(name, self.models, self.sigmas, self.seeds, self.scale) for name in self.datasets
        )
        return sorted({cell for cells in grids for cell in cells})


@dataclass(frozen=True)
class Place:
    """Where a cell is kept, and the key its record has if it is done."""

    dataset: str
    model: str
    arm: str
    sigma: float
    seed: int
    scale: str
    name: str
    folder: str  # below `runs`
    key: str
    roles: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The cell's folder."""
        return runs_root() / self.folder

    @property
    def level(self) -> str:
        """The arm, or in the arm `dp` the noise multiplier."""
        return f"{self.sigma:g}" if self.arm == "dp" else self.arm


class Plan(NamedTuple):
    """The cells of a slice, and where their results are collected."""

    places: list[Place]
    results: Path


@dataclass(frozen=True)
class Standing:
    """How far a cell is."""

    place: Place
    state: str  # one of STATES
    detail: str = ""  # why it failed, or where it runs
    roles: tuple[str, ...] = ()  # trainings that are finished
    lasting: bool = False  # of a failure: it would fail again
    record: dict[str, Any] | None = None  # of a cell that is done


def runs_root() -> Path:
    """The folder of the store."""
    return assets.root() / "runs"


# Places


def place(cell: "Cell") -> Place:
    """Where the cell is kept; loads its data set."""
    from ..data import datasets
    from . import compute

    dataset = datasets.load(cell.dataset)
    folder = compute.folder(cell, dataset).relative_to(runs_root())
    key = cell.measurement_key(dataset.checksum)
    return Place(**asdict(cell), name=cell.name, folder=str(folder), key=key, roles=cell.roles)


def plan(asked: Slice) -> Plan:
    """The places of a slice, remembered from the last time if nothing has changed since.

    Raises `ValueError` for an element that is not allowed, `assets.Unavailable` without the data.
    """
    path = runs_root() / "plans" / f"{files.content_hash(asked)}.json"
    current = files.content_hash(program(), _data_files(asked.datasets))
    kept = files.read_json(path)
    if not isinstance(kept, dict) or kept.get("current") != current:
        kept = {"current": current, **_work_out(asked)}
        with suppress(files.Unwritable):  # it is only slower without
            files.write_json(path, kept)
    places = [Place(**each | {"roles": tuple(each["roles"])}) for each in kept["places"]]
    return Plan(places, assets.root() / kept["results"])


def _work_out(asked: Slice) -> dict[str, Any]:
    from . import results

    places = [asdict(place(cell)) for cell in asked.cells()]
    where = results.results_root(asked.scale).relative_to(assets.root())
    return {"places": places, "results": str(where)}


@functools.cache
def program() -> str:
    """A hash of this package's source code."""
    root = Path(__file__).parent.parent
    sources = sorted(root.rglob("*.py"))
    return files.content_hash({str(f.relative_to(root)): files.file_hash(f) for f in sources})


def _data_files(names: Sequence[str]) -> list[Any]:
    """Whatever `datasets.load` may read: path, size and time of each file."""
    given = os.environ.get("NFL_DATA")
    folders = [Path(given)] if given else []
    raw = assets.root() / "raw"
    paths = [folder / f"{name}.npz" for folder in [*folders, raw] for name in names]
    paths += sorted(raw.glob("*/*"))
    stats = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in paths if f.is_file()]
    return [given, stats, metadata.version("scikit-learn")]  # which carries the digits


# Standings


def standing(place: Place) -> Standing:
    """How far the cell is, from the files in its folder. Damaged ones count as missing."""
    record = _json(place.path / "metrics.json")
    if record.get("key") == place.key and _whole(place.path / "arrays.npz", record.get("arrays")):
        return Standing(place, "done", roles=place.roles, record=record)
    roles = tuple(role for role in place.roles if (place.path / f"{role}.npz").exists())
    if (beats := heartbeats(place.path)) and (alive := [b for b in beats if b.alive]):
        return Standing(place, "running", f"on {alive[0].host}, process {alive[0].pid}", roles)
    failure = _json(place.path / "failed.json")
    if failure.get("key") == place.key:
        lasting = bool(failure.get("lasting")) and failure.get("program") == program()
        return Standing(place, "failed", str(failure.get("cause")), roles, lasting)
    return Standing(place, "missing", roles=roles)


def with_collected(plan: Plan, standings: Iterable[Standing]) -> list[Standing]:
    """The standings, where a cell counts as done too if its results are collected and current.

    Committed results outlive the store; those of the small scales are a part of it and prove
    nothing without it.
    """
    standings = list(standings)
    if plan.results.is_relative_to(runs_root()):
        return standings
    names = sorted({each.place.dataset for each in standings})
    kept = {name: _Collected.read(plan.results, name) for name in names}
    return [
        Standing(each.place, "done", "collected", each.place.roles, record=record)
        if each.state in ("failed", "missing")
        and (record := kept[each.place.dataset].record(each.place))
        else each
        for each in standings
    ]


def _json(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty if it is absent, damaged or no mapping."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _whole(path: Path, expected: str | None) -> bool:
    return path.is_file() and files.file_hash(path) == expected


class Heartbeat(NamedTuple):
    """The sign of life of a cell in flight: a file that its process touches now and then."""

    path: Path
    host: str
    pid: int
    alive: bool


def heartbeat_path(folder: Path) -> Path:
    """The file this process touches while it computes the cell of `folder`."""
    return folder / f"running.{socket.gethostname()}.{os.getpid()}"


def heartbeats(folder: Path) -> list[Heartbeat]:
    """All signs of life in a cell's folder. Dead: too old, or of a process that is gone."""
    found = []
    for path in sorted(folder.glob("running.*")):
        host, _, pid = path.name.removeprefix("running.").rpartition(".")
        with suppress(FileNotFoundError, ValueError):
            fresh = time.time() - path.stat().st_mtime < STALE_SECONDS
            here = host == socket.gethostname()
            found.append(Heartbeat(path, host, int(pid), fresh and not (here and _gone(int(pid)))))
    return found


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is there, and another user's
        return False
    return False


# Summaries


class Remaining(NamedTuple):
    """What is still to be computed."""

    core_seconds: float  # of the cells that can be estimated
    unknown: list[str]  # models of which no finished cell tells how long they take


def remaining(standings: Iterable[Standing]) -> Remaining:
    """The core time of the cells not done, from what finished cells of their model took.

    Of the same data set if there are any in the slice, else of another one; of the same scale.
    Finished trainings of a cell are not counted again.
    """
    standings = list(standings)
    seconds, unknown = 0.0, set()
    for each in standings:
        if each.state == "done":
            continue
        records = _alike(each.place, standings)
        if not records:
            unknown.add(each.place.model)
            continue
        total = statistics.fmean(r["core_seconds"] for r in records)
        training = statistics.fmean(r["training_core_seconds"] for r in records)
        seconds += total - training * len(each.roles) / len(each.place.roles)
    return Remaining(seconds, sorted(unknown))


def _alike(place: Place, standings: list[Standing]) -> list[dict[str, Any]]:
    """Records to estimate a cell's time from."""
    done = [s for s in standings if s.record and s.place.model == place.model]
    same = [s.record for s in done if s.place.dataset == place.dataset]
    return same or [s.record for s in done] or _elsewhere(runs_root(), place.model, place.scale)


@functools.cache
def _elsewhere(root: Path, model: str, scale: str) -> list[dict[str, Any]]:
    """Records of cells outside the slice."""
    paths = root.glob(f"*/{model}-*-{scale}-*/metrics.json")
    records = [_json(path) for path in paths]
    return [r for r in records if {"core_seconds", "training_core_seconds"} <= r.keys()]


def collected(plan: Plan, in_store: Sequence[Standing]) -> bool:
    """Whether the collected results hold just what the store has of these cells."""
    for name in {each.dataset for each in plan.places}:
        kept = _Collected.read(plan.results, name)
        for each in in_store:
            if not each.record or each.place.dataset != name:
                continue
            record = kept.record(each.place) or {}
            metrics = {k: float(f"{v:.6g}") for k, v in each.record["metrics"].items()}
            if record.get("metrics") != metrics or not _whole(
                kept.arrays(each.place), each.record["arrays"]
            ):
                return False
    return True


class _Collected(NamedTuple):
    """The collected results of a data set, as far as they can be read."""

    folder: Path
    about: dict[str, Any]  # of the JSON, by the cell's name
    table: dict[tuple, dict[str, float]]  # metrics by model, arm, sigma, seed and scale

    @classmethod
    def read(cls, root: Path, name: str) -> "_Collected":
        about = _json(root / f"{name}.json").get("cells", {})
        return cls(root / name, about, _table(root / f"{name}.csv"))

    def arrays(self, place: Place) -> Path:
        """The file with what figures need of the cell."""
        return self.folder / f"{place.name}.npz"

    def record(self, place: Place) -> dict[str, Any] | None:
        """The cell's times and `metrics`, if they are collected under its present key."""
        about = self.about.get(place.name, {})
        metrics = self.table.get((place.model, place.arm, place.sigma, place.seed, place.scale))
        if about.get("key") != place.key or not metrics or not self.arrays(place).is_file():
            return None
        return about | {"metrics": metrics}


def _table(path: Path) -> dict[tuple, dict[str, float]]:
    """The values of a collected table by cell; empty if it is absent or damaged."""
    values: dict[tuple, dict[str, float]] = {}
    try:
        with path.open(newline="") as file:
            for row in csv.DictReader(file, strict=True):
                level = row["model"], row["arm"], float(row["sigma"])
                cell = (*level, int(row["seed"]), row["scale"])
                values.setdefault(cell, {})[row["metric"]] = float(row["value"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, csv.Error):
        return {}
    return values
