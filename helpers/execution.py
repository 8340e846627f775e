"""Running many cells: in this process or several, each cell once, failures set aside.

Workers have one thread each: cells are the parallelism (joblib).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from joblib import Parallel, delayed
from tqdm import tqdm

from . import datasets, study
from .study import Cell

# What a cell may fail of without stopping the others; anything else is an error of the program.
_FAILURES = (ValueError, RuntimeError, OSError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class Failure:
    """A cell that could not be computed, and why."""

    cell: Cell
    cause: str


def run(cells: Iterable[Cell], *, workers: int = 1, progress: bool | None = None) -> list[Failure]:
    """Compute the cells that are not done, one thread per worker; returns those that failed.

    `progress`: a bar on stderr; `None` for one in a terminal only, not in a notebook's output.
    """
    missing = [
        cell for cell in cells if study.read_record(cell, datasets.load(cell.dataset)) is None
    ]
    if not missing:
        return []
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1")
    jobs = Parallel(n_jobs=workers, return_as="generator_unordered")(
        delayed(_attempt)(cell) for cell in missing
    )
    outcomes = tqdm(
        jobs, total=len(missing), unit="cell", disable=None if progress is None else not progress
    )
    return sorted((f for f in outcomes if f is not None), key=lambda failure: failure.cell)


def _attempt(cell: Cell) -> Failure | None:
    """Run a cell; a failure is returned with its cause, so that the others go on."""
    try:
        study.run_cell(cell)
    except _FAILURES as error:
        return Failure(cell, f"{type(error).__name__}: {error}")
    return None
