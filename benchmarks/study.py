"""What the study's engine costs: speed-up of workers, Dask against loky, overhead, quick answers.

- speed-up and Dask: a grid of 24 equal cells (the VAE at the scale `smoke` on digits, 24 seeds)
  by one worker, by two, and by two Dask workers, in turn and with workers that have been started
  before: on a study of hours their start is nothing;
- overhead: what writing the files of a compact cell and handing it to one of two workers take, as a
  share of the cell's core-seconds;
- answers: the whole command from the shell on a grid of 162 cells that are done.

Ratios are medians over rounds of the ratio within a round, so that whatever else the machine does
falls on all alike.

    python benchmarks/study.py [--rounds 3] [--cells 24]
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report
from distributed import LocalCluster

from helpers import study
from helpers.data import datasets, files
from helpers.study import compute, execute, results, store
from helpers.study.cell import LEVELS, MODELS, Cell

# 3 models, 6 levels, 9 seeds: 162 cells
ANSWERED = ["--scale", "quick", "--models", *MODELS, "--seeds", *map(str, range(9))]


def seconds(cells: list[Cell], **how) -> float:
    """The time on the wall to compute the cells anew, with all else there is kept."""
    shutil.rmtree(store.runs_root() / "features", ignore_errors=True)
    for kept in (store.runs_root() / "digits").glob("*"):
        if kept.name != "baselines":  # what all cells of a data set share
            shutil.rmtree(kept)
    began = time.perf_counter()
    failures = execute.run(cells, progress=False, **how)
    elapsed = time.perf_counter() - began
    if failures:
        raise ValueError(f"{failures[0].cell.name} failed: {failures[0].cause}")
    return elapsed


def speeds(cells: list[Cell], rounds: int) -> dict[str, list[float]]:
    """Seconds of the grid by each way of running it."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        ways = {
            "1 worker": {"workers": 1},
            "2 workers": {"workers": 2},
            "2 Dask workers": {"scheduler": cluster.scheduler_address},
        }
        for way in ways.values():  # imports, caches, and what all cells share
            seconds(cells, **way)
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                found[name].append(round(seconds(cells, **way), 2))
            print({name: times[-1] for name, times in found.items()}, flush=True)
    return found


def handed_out(cell: Cell, *, device: str) -> None:
    """A cell without work, so that what remains is the engine's own."""
    del cell, device


def overhead(source: Path, cells: list[Cell], rounds: int) -> dict[str, float]:
    """Core-seconds that the engine adds to a cell: writing its files, and handing it out.

    Files: those of the finished cell in `source`. Handing out: cells without work in this process,
    with their choice, their signs of life and all looks at the store.
    """
    arrays = {path.name: files.read_arrays(path) for path in source.glob("*.npz")}
    took: dict[str, list[float]] = {"files": [], "handing out": []}
    real, compute.run_cell = compute.run_cell, handed_out
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            for name, content in arrays.items():
                files.write_arrays(Path(folder) / name, content)
            files.file_hash(Path(folder) / "arrays.npz")
            took["files"].append(time.process_time() - began)
        began = time.process_time()
        seconds(cells, workers=1)
        took["handing out"].append((time.process_time() - began) / len(cells))
    compute.run_cell = real
    return {name: round(statistics.median(values), 4) for name, values in took.items()}


def compact_cell(runs: Path) -> tuple[Path, dict]:
    """The quickest trained compact cell of a store: its folder and its record."""
    records = {
        path.parent: files.read_json(path)
        for model in MODELS
        for path in runs.glob(f"*/{model}-*-compact-*/metrics.json")
    }
    if not records:
        advice = "run `python -m helpers study --dataset mnist` for a while"
        raise FileNotFoundError(f"no finished compact cell in {runs} to compare with; {advice}")
    quickest = min(records, key=lambda folder: records[folder]["core_seconds"])
    return quickest, records[quickest]


def answers(source: Path, record: dict, rounds: int) -> dict[str, list[float]]:
    """Seconds of whole commands on 162 cells of digits, each with the files of the one in `source`.

    The first answer after a change of the program works out where the cells are kept; it is timed
    by itself.
    """
    command = [sys.executable, "-m", "helpers", "study", "--dataset", "digits", *ANSWERED]

    def timed(*more: str) -> float:
        began, used = time.perf_counter(), children()
        said = subprocess.run([*command, *more], check=True, capture_output=True, text=True)
        if "162" not in said.stdout:
            raise ValueError(f"expected 162 finished cells: {said.stdout}")
        found["core-seconds of an answer"].append(round(children() - used, 2))
        return round(time.perf_counter() - began, 2)

    checksum = datasets.identity("digits").checksum
    cells = study.grid("digits", MODELS, LEVELS, range(9), "quick")
    for cell in cells:
        place = store.folder(cell, checksum)
        place.mkdir(parents=True)
        shutil.copyfile(source / "arrays.npz", place / "arrays.npz")
        key = cell.measurement_key(checksum)
        files.write_json(place / "metrics.json", record | {"key": key})
    results.collect(cells)
    found = {"core-seconds of an answer": [], "--status": [], "warm re-run": []}
    found["first --status"] = [timed("--status")]
    for _ in range(rounds):
        found["--status"].append(timed("--status"))
        found["warm re-run"].append(timed())
    return found


def children() -> float:
    """Core-seconds of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ratio(above: list[float], below: list[float]) -> float:
    """The median of the ratios of a round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--cells", type=int, default=24, help="cells of the grid; default 24")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    source, record = compact_cell(store.runs_root())
    load = [round(os.getloadavg()[0], 1)]
    with tempfile.TemporaryDirectory() as home:
        os.environ["NFL_HOME"] = home
        cells = study.grid("digits", ["vae"], [0.5], list(range(arguments.cells)), "smoke")
        shared = overhead(source, cells, rounds)
        print(shared, flush=True)
        answered = answers(source, record, rounds)
        print(answered, flush=True)
        shutil.rmtree(store.runs_root())
        timed = speeds(cells, rounds)
    load.append(round(os.getloadavg()[0], 1))
    share = sum(shared.values()) / record["core_seconds"]
    bars = [
        report.bar(
            f"2 workers / 1 worker, speed on {len(cells)} equal cells",
            ratio(timed["1 worker"], timed["2 workers"]),
            ">= 1.8",
        ),
        report.bar("store and dispatch / a compact cell, core-seconds", share, "<= 0.03"),
        report.bar(
            "Dask / loky, seconds on two workers each",
            ratio(timed["2 Dask workers"], timed["2 workers"]),
            "<= 1.1",
        ),
        report.bar("warm re-run of 162 cells, seconds", max(answered["warm re-run"]), "<= 5"),
        report.bar("--status of 162 cells, seconds", max(answered["--status"]), "<= 2"),
    ]
    report.write(
        "study",
        bars,
        packages=("torch", "joblib", "distributed"),
        seconds=timed | answered,
        overhead=shared | {"compact cell": record["core_seconds"]},
        rounds=rounds,
        load_average={"before": load[0], "after": load[1]},
    )


if __name__ == "__main__":
    main()
