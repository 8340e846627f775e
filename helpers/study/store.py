"""The resumable store: what has been trained and measured of each cell, one folder per cell.

A folder's name is readable and ends in a hash of all that decides the trainings. It holds a file
per role, the arrays that figures need and, once the cell is done, its record; while the cell is in
flight a sign of life, and after a failure its cause. Nothing is locked: two processes that compute
the same cell write the same content. Only small files are read here, without PyTorch.
"""

import functools
import os
import socket
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..data import files, places
from ..metrics.evaluation import MEASURES, ON_DEMAND, ORIGINAL
from ..metrics.records import METRICS
from .cell import Cell

BEAT_SECONDS = 15  # between two signs of life of a cell in flight
STALE_SECONDS = 120  # without a sign of life, a cell is not in flight any more


def runs_root() -> Path:
    """The folder of the store."""
    return places.root() / "runs"


def folder(cell: Cell, checksum: str) -> Path:
    """Where the cell's runs and measures on the images of a checksum are kept."""
    return runs_root() / cell.dataset / f"{cell.name}-{cell.training_key(checksum)}"


def checkpoint_path(place: Path, role: str) -> Path:
    """Where a training under way in a cell's folder keeps its state."""
    return place / f"{role}.checkpoint.npz"


# Records


def record(cell: Cell, checksum: str) -> dict[str, Any] | None:
    """The cell's record under the present presets, if its arrays are whole; it may lack measures.

    A record has `metrics` (name -> number), `key`, `measures` (see `versions`) and times.
    """
    place = folder(cell, checksum)
    kept = files.read_json(place / "metrics.json")
    if not isinstance(kept, dict) or kept.get("key") != cell.measurement_key(checksum):
        return None
    return kept if files.intact(place / "arrays.npz", kept["arrays"]) else None


def held(record: Mapping[str, Any]) -> list[str]:
    """The measures that a record holds in their present version."""
    told = dict.fromkeys(ORIGINAL, 1) | record.get("measures", {})
    return [name for name, measure in MEASURES.items() if told.get(name) == measure.version]


def lacking(record: Mapping[str, Any], asked: Collection[str] = ()) -> list[str]:
    """Of the measures `asked` for, those that a record does not hold; of all, if none are, but for
    those on demand that it never held."""
    kept, told = held(record), record.get("measures", {})
    due = asked or [name for name in MEASURES if name in told or name not in ON_DEMAND]
    return [name for name in MEASURES if name in due and name not in kept]


def current(record: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of the measures that a record holds: none of another version's."""
    return without(record["metrics"], lacking(record))


def without(metrics: Mapping[str, float], measures: Collection[str]) -> dict[str, float]:
    """The metrics that are not of these measures."""
    return {
        n: v for n, v in metrics.items() if n not in METRICS or METRICS[n].measure not in measures
    }


def versions(names: Collection[str]) -> dict[str, int]:
    """What a record with these measures says of them, 0 for an original one that it lacks.

    Of original ones in their first version it says nothing.
    """
    told = {name: MEASURES[name].version if name in names else 0 for name in MEASURES}
    return {n: v for n, v in told.items() if v != (1 if n in ORIGINAL else 0)}


def arrays(cell: Cell, checksum: str) -> dict[str, Any] | None:
    """What the cell keeps for figures, if it is there."""
    return files.read_arrays(folder(cell, checksum) / "arrays.npz")


# Signs of life


class Heartbeat(NamedTuple):
    """The sign of life of a cell in flight: a file that its process touches now and then."""

    path: Path
    host: str
    pid: int
    alive: bool

    def __str__(self) -> str:
        return f"on {self.host}, process {self.pid}"


def heartbeat_path(place: Path) -> Path:
    """The file this process touches while it computes the cell of the folder `place`."""
    return place / f"running.{socket.gethostname()}.{os.getpid()}"


def heartbeats(place: Path) -> list[Heartbeat]:
    """All signs of life in a cell's folder.

    Dead: too old, so far in the future that no clock of a cluster explains it, or of a process that
    is gone.
    """
    found = []
    for path in sorted(place.glob("running.*")):
        host, _, pid = path.name.removeprefix("running.").rpartition(".")
        with suppress(FileNotFoundError, ValueError):
            fresh = abs(time.time() - path.stat().st_mtime) < STALE_SECONDS
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


def clear(place: Path) -> None:
    """Remove what killed processes left: temporary files, and signs of a life that is over."""
    dead = [beat.path for beat in heartbeats(place) if not beat.alive]
    with suppress(OSError):  # a read-only store is met, and told, when a cell is kept
        files.sweep(place)
        for path in dead:
            path.unlink(missing_ok=True)


# Failures


def keep_failure(cell: Cell, checksum: str, cause: str, *, lasting: bool) -> None:
    """Write why the cell failed into its folder, unless it is the folder that fails.

    `lasting`: it would fail again, as long as the program stays as it is.
    """
    content = {
        "cause": cause,
        "host": socket.gethostname(),
        "key": cell.measurement_key(checksum),
        "lasting": lasting,
        "program": program(),
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    with suppress(files.Unwritable):
        files.write_json(folder(cell, checksum) / "failed.json", content)


@functools.cache
def program() -> str:
    """A hash of this package's source code."""
    root = Path(__file__).parent.parent
    sources = sorted(root.rglob("*.py"))
    return files.content_hash({str(f.relative_to(root)): files.file_hash(f) for f in sources})
