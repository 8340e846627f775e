"""One cell in one process, as every worker computes it: in flight, then done or failed.

Nothing is locked: a cell in flight has a file that its process touches now and then, and whoever
meets a fresh one does other cells first. A cell that fails leaves the reason in its folder. This
module knows nothing of other cells or processes.
"""

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..data import assets, datasets, files
from ..metrics.evaluation import MEASURES
from . import status, store, trainings
from .cell import Cell

# What a cell may fail of without stopping the others; anything else is an error of the program.
_FAILURES = (ValueError, RuntimeError, OSError, ArithmeticError, MemoryError)
_WATCH_SECONDS = 2  # between two looks at whether the parent process is still there
_ONE_CELL = threading.Lock()  # a process has one cell in flight, whatever threads it has


@dataclass(frozen=True)
class Outcome:
    """What became of a cell."""

    cell: Cell
    # "done"; "trained"; "failed"; "skipped", as it failed before; "elsewhere": in flight there
    state: str
    cause: str = ""
    peak_memory: int = 0  # bytes, the most its process has had so far
    unwritable: bool = False  # it failed because the store cannot be written


def attempt(
    cell: Cell,
    parent: int | None,
    device: str,
    measures: Collection[str] = (),
    train_only: bool = False,
) -> Outcome:
    """Compute a cell that is neither done nor in flight; a failure is kept in its folder.

    `parent` is the process whose death ends this one; `None` for none. `device` and `measures` are
    as in `compute.run_cell`, of which nothing is imported to `train_only`.
    """
    checksum, end = None, "trained" if train_only else "done"
    try:
        with _ONE_CELL:
            checksum = datasets.identity(cell.dataset).checksum
            if status.standing(cell, checksum, measures).state == "done":
                return Outcome(cell, "done", peak_memory=peak_memory())
            place = store.folder(cell, checksum)
            with _in_flight(place, parent) as free:
                if not free:
                    return Outcome(cell, "elsewhere")
                if train_only:
                    trainings.runs(cell, cell.roles_for(measures or MEASURES), device=device)
                else:
                    from . import compute

                    compute.run_cell(cell, device=device, measures=measures)
                (place / "failed.json").unlink(missing_ok=True)
    except _FAILURES as error:
        cause = f"{type(error).__name__}: {error}"
        if checksum is not None:
            store.keep_failure(cell, checksum, cause, lasting=_is_lasting(error))
        unwritable = isinstance(error, files.Unwritable)
        return Outcome(
            cell, "failed", str(error) if unwritable else cause, peak_memory(), unwritable
        )
    return Outcome(cell, end, peak_memory=peak_memory())


def _is_lasting(error: BaseException) -> bool:
    """Whether a cell would fail again: not if the machine lacked a disk, memory or a network."""
    of_machine = isinstance(error, OSError | MemoryError | assets.Unavailable)
    return not of_machine and "memory" not in str(error).lower()


@contextmanager
def _in_flight(place: Path, parent: int | None) -> Iterator[bool]:
    """Whether the cell of the folder is this process's to compute, with a sign of life if it is.

    Of two that begin at the same instant, the first by name goes on.
    """
    mine, over = store.heartbeat_path(place), threading.Event()
    if _others(place, mine):
        yield False
        return
    with files.atomic(mine, "w") as file:
        json.dump({"since": time.strftime("%Y-%m-%dT%H:%M:%S%z")}, file)
    beating = threading.Thread(target=_beat, args=(mine, over, parent), daemon=True)
    try:
        if any(other < mine for other in _others(place, mine)):
            yield False
            return
        beating.start()
        yield True
    finally:
        over.set()
        if beating.is_alive():
            beating.join()
        with suppress(OSError):
            mine.unlink(missing_ok=True)


def _others(place: Path, mine: Path) -> list[Path]:
    return [beat.path for beat in store.heartbeats(place) if beat.alive and beat.path != mine]


def _beat(mine: Path, over: threading.Event, parent: int | None) -> None:
    """Touch the sign of life until it is over; end the process if its parent is gone.

    A loky worker would otherwise compute its cell to the end, and the next one, after a kill.
    """
    next_beat = time.monotonic()
    while not over.wait(_WATCH_SECONDS):
        if parent not in (None, os.getpid()) and os.getppid() != parent:
            mine.unlink(missing_ok=True)
            os._exit(1)
        if time.monotonic() >= next_beat:
            next_beat = time.monotonic() + store.BEAT_SECONDS
            with suppress(OSError):
                os.utime(mine)


def peak_memory() -> int:
    """The most memory this process has had so far, in bytes."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024  # Linux counts in kilobytes
