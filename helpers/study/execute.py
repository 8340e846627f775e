"""Running many cells: in this process, in several, or on a Dask cluster; failures set aside.

Cells are the parallelism, so a worker has one thread; joblib's loky runs the workers of a machine.
A failed cell never stops the others. This module knows neither models nor metrics.
"""

import asyncio
import os
import socket
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..data import datasets, files, places
from . import status, store
from .cell import Cell
from .work import Outcome, attempt

_CRASHES = 3  # deaths of its process after which a cell has failed
_CONNECT_SECONDS = 5  # to reach a Dask scheduler
_WORKER_SECONDS = 600  # to wait for its first worker: a queue may be long
_VISIBLE_SECONDS = 30  # for a file of another machine to be seen on this one


@dataclass(frozen=True)
class Failure:
    """A cell that could not be computed, and why."""

    cell: Cell
    cause: str


def run(cells: Iterable[Cell], **how: Any) -> list[Failure]:
    """Compute the cells that are not done; returns those that failed, now or before, sorted.

    `how` are the arguments of `outcomes`.
    """
    ends = outcomes(cells, **how)
    failures = [Failure(end.cell, end.cause) for end in ends if end.state != "done"]
    return sorted(failures, key=lambda failure: failure.cell)


def outcomes(
    cells: Iterable[Cell],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    device: str = "auto",
    measures: Collection[str] = (),
    train_only: bool = False,
    retry_failed: bool = False,
    progress: bool | None = None,
) -> Iterator[Outcome]:
    """Compute the cells that are not done, each on one thread; yields what became of each of them.

    - `workers`: processes on this machine; 1 computes in this one.
    - `scheduler`: address of a Dask scheduler whose workers compute instead, e.g. tcp://host:8786.
    - `device`: where trainings run, and the networks that measure; see `devices.resolve`.
    - `measures`: those to be taken, and what they need trained; all if none are named.
    - `train_only`: measure nothing.
    - `retry_failed`: compute those too that would fail again: the others that failed (of a full
      disk, a lack of memory or of a network) are tried again in any case, and all are after a
      change of the program.
    - `progress`: a bar on stderr; `None` for one in a terminal only, not in a notebook's output.

    Raises `ValueError` for arguments that are not allowed, `ConnectionError` if the scheduler
    cannot be reached, `store.Unwritable` as soon as the store cannot be written.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1")
    wanted, skipped = _select(cells, retry_failed, measures)
    yield from skipped
    if not wanted:
        return
    how = {"device": device, "measures": measures, "train_only": train_only}
    if scheduler is not None:
        compute = partial(_on_cluster, address=scheduler, how=how)
    else:
        from ..training import devices

        devices.resolve(device)
        compute = partial(_on_this_machine, workers=workers, how=how)
    with _bar(len(wanted), progress) as bar:
        for outcome in _settled(wanted, compute):
            if outcome.unwritable:
                raise files.Unwritable(outcome.cause)
            bar.update()
            yield outcome


def _bar(total: int, shown: bool | None) -> AbstractContextManager:
    """A bar on stderr; none on a machine for trainings without tqdm."""
    if find_spec("tqdm") is None:
        return nullcontext(SimpleNamespace(update=lambda: None))
    from tqdm import tqdm

    return tqdm(total=total, unit="cell", disable=None if shown is None else not shown)


def _select(
    cells: Iterable[Cell], retry_failed: bool, measures: Collection[str]
) -> tuple[list[Cell], list[Outcome]]:
    """The cells to compute, and those that failed before and are left alone."""
    wanted, skipped = [], []
    for cell in cells:
        checksum = _checksum(cell)
        if (store.folder(cell, checksum) / "metrics.json").exists():
            store.record(cell, checksum)  # warns of what is damaged
        now = status.standing(cell, checksum, measures)
        if now.lasting and not retry_failed:
            cause = f"{now.detail} (not tried again without --retry-failed)"
            skipped.append(Outcome(cell, "skipped", cause))
        elif now.state != "done":
            store.clear(store.folder(cell, checksum))
            wanted.append(cell)
    return wanted, skipped


def _checksum(cell: Cell) -> str:
    return datasets.identity(cell.dataset).checksum


def _settled(cells: list[Cell], compute: Callable) -> Iterator[Outcome]:
    """The cells' outcomes; cells in flight elsewhere are awaited, and computed if that fails."""
    while cells:
        elsewhere = []
        with closing(compute(cells)) as ends:
            for outcome in ends:
                if outcome.state == "elsewhere":
                    elsewhere.append(outcome.cell)
                else:
                    yield outcome
        cells = elsewhere
        _await(cells)


def _await(cells: list[Cell]) -> None:
    """Return when one of the cells in flight elsewhere is in flight no more; say what for."""
    told = False
    while cells:
        standings = [status.standing(cell, _checksum(cell)) for cell in cells]
        if any(each.state != "running" for each in standings):
            return
        if not told:
            names = "; ".join(f"{each.cell.full_name} {each.detail}" for each in standings)
            warnings.warn(f"waiting for what is computed elsewhere: {names}", stacklevel=2)
            told = True
        time.sleep(1)


# On this machine


def _on_this_machine(cells: list[Cell], workers: int, how: dict[str, Any]) -> Iterator[Outcome]:
    """In this process, or in loky's; a cell whose process dies again and again has failed."""
    left, crashes = list(cells), Counter()
    while left:
        try:
            with closing(_jobs(list(left), workers, how)) as jobs:
                for outcome in jobs:
                    left.remove(outcome.cell)
                    yield outcome
        except BrokenProcessPool as error:
            crashes.update(_crashed(left) or left)
            for cell in [cell for cell in left if crashes[cell] >= _CRASHES]:
                left.remove(cell)
                yield _crash(cell, str(error))


def _jobs(cells: list[Cell], workers: int, how: dict[str, Any]) -> Generator[Outcome]:
    """Outcomes as they come."""
    if workers == 1:
        return (attempt(cell, os.getpid(), **how) for cell in cells)
    from joblib import Parallel, delayed

    jobs = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    return jobs(delayed(attempt)(cell, os.getpid(), **how) for cell in cells)


def _crashed(cells: list[Cell]) -> list[Cell]:
    """The cells that were in flight in a process that is gone."""
    found = []
    for cell in cells:
        place = store.folder(cell, _checksum(cell))
        if any(not beat.alive for beat in store.heartbeats(place)):
            found.append(cell)
            store.clear(place)
    return found


def _crash(cell: Cell, reason: str) -> Outcome:
    """The outcome of a cell whose process died."""
    said = reason.partition("\n")[0]
    cause = f"its process died {_CRASHES} times, as for lack of memory: {said}"
    store.keep_failure(cell, _checksum(cell), cause, lasting=False)
    return Outcome(cell, "failed", cause)


# On a cluster


def _on_cluster(cells: list[Cell], address: str, how: dict[str, Any]) -> Iterator[Outcome]:
    """On the workers of a Dask scheduler.

    Through Dask's own client: joblib's Dask backend waits for ever on a cell that Dask has given up
    since its workers died (joblib 1.6.0).
    """
    from distributed import as_completed

    folders = {"NFL_HOME": str(places.root().resolve()), "NFL_DATA": os.environ.get("NFL_DATA")}
    with _client(address) as client:
        futures = {
            client.submit(
                _remote_attempt,
                cell,
                folders,
                how,
                pure=False,
                key=f"{cell.name}-{uuid.uuid4().hex}",
            ): cell
            for cell in cells
        }
        ends = as_completed(futures, loop=client.loop, with_results=True, raise_errors=False)
        for future, result in ends:
            cell = futures[future]
            if future.status == "finished":
                yield _seen(result, how["measures"])
            else:
                reason = result[1] if isinstance(result, tuple) else result
                yield _lost(cell, f"{type(reason).__name__}: {reason}")
            future.release()


def _lost(cell: Cell, reason: str) -> Outcome:
    """The outcome of a cell that Dask has given up."""
    cause = f"the cluster lost it: {reason}"
    store.keep_failure(cell, _checksum(cell), cause, lasting=False)
    return Outcome(cell, "failed", cause)


def _seen(outcome: Outcome, measures: Collection[str]) -> Outcome:
    """The outcome, if this machine sees what the worker says it has kept."""
    if outcome.state != "done":
        return outcome
    checksum = _checksum(outcome.cell)
    for _ in range(_VISIBLE_SECONDS):
        if status.standing(outcome.cell, checksum, measures).state == "done":
            return outcome
        time.sleep(1)
    place = store.folder(outcome.cell, checksum)
    cause = (
        f"a worker has computed it, but it is not in {place}: the workers must see this very "
        "folder, and have the same program and the same images"
    )
    return Outcome(outcome.cell, "failed", cause)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    """A client of the scheduler, once it has a worker of one thread."""
    from distributed import Client
    from distributed.comm import get_address_host_port

    try:
        host, port = get_address_host_port(address)
    except ValueError as error:
        allowed = "give its address as in tcp://host:8786"
        raise ValueError(f"scheduler is {address!r} ({error}); {allowed}") from error
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
        with ThreadPoolExecutor(1) as thread:  # in a notebook this thread has a loop of its own
            thread.submit(asyncio.run, _identity(address)).result()
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        reason = str(error) or "something else is there, as the dashboard at 8787"
        advice = "Start one with `dask scheduler`, or check the address and the firewall"
        raise ConnectionError(
            f"no Dask scheduler answers at {address}: {reason}. {advice}"
        ) from None
    with client:
        _check_workers(client, address)
        yield client


async def _identity(address: str) -> dict:
    """What a scheduler says of itself; `TimeoutError` from what speaks another language.

    A client waits for ever for an answer of a port that is no scheduler's (distributed 2026.8.0).
    """
    from distributed.core import rpc

    async with rpc(address, timeout=_CONNECT_SECONDS) as scheduler:
        return await asyncio.wait_for(scheduler.identity(), _CONNECT_SECONDS)


def _check_workers(client: Any, address: str) -> None:
    """Wait for a first worker; raise unless all have one thread."""
    if not client.nthreads():
        advice = f"start some with `dask worker {address} --nthreads 1`"
        warnings.warn(f"the scheduler at {address} has no workers yet; {advice}", stacklevel=2)
        try:
            client.wait_for_workers(1, timeout=_WORKER_SECONDS)
        except TimeoutError:
            limit = f"in {_WORKER_SECONDS} seconds"
            raise ConnectionError(f"no worker came to {address} {limit}; {advice}") from None
    many = {worker: n for worker, n in client.nthreads().items() if n != 1}
    if many:
        raise ValueError(
            f"a worker must have one thread, but {many} has more; start workers with --nthreads 1, "
            "and --nworkers for as many as there are cores"
        )


def _remote_attempt(cell: Cell, folders: dict[str, str | None], how: dict[str, Any]) -> Outcome:
    """`attempt` on another machine, in the folders of the one that asks for it."""
    for name, folder in folders.items():
        if folder and not Path(folder).is_dir():
            host = socket.gethostname()
            cause = f"{host} has no folder {folder} ({name}); all machines must see the same store"
            return Outcome(cell, "failed", cause)
        if folder:
            os.environ[name] = folder
        else:
            os.environ.pop(name, None)
    return attempt(cell, None, **how)
