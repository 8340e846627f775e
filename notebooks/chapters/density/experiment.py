"""The experiment behind the choice of reducer and ratio estimator (NFL, section 4.1).

Units (`grid`) are kept in the store one by one, so that a run can be killed and resumed, and
collected into `data/results/density_estimators.csv` (tidy, one row per number) and `.json`
(provenance). What the numbers mean for the paper's claims is decided in `verdict`.
"""

import csv
import datetime
import importlib.metadata
import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from helpers.data import assets, datasets, files
from helpers.study import host

from . import measures, ratios, truth
from .grid import COLUMNS, DATASETS, DESIGNS, FULL, MAPS, SCORED_ONLY, Design, Row, Unit, units

NAME = "density_estimators"
VERSION = 1  # raise when a number changes its meaning: units are then computed again
_PACKAGES = ("torch", "zuko", "umap-learn", "numba", "scikit-learn", "scipy", "numpy")


# Computing


def compute(unit: Unit, design: Design = FULL) -> list[Row]:
    """The unit's rows, from the store or computed now on one thread and kept."""
    path = _path(unit, design)
    record = files.read_json(path)
    if record is None:
        started = time.process_time()
        with host.one_thread():
            rows = measures.measure(unit, design)
        seconds = time.process_time() - started
        record = {"rows": [astuple(row) for row in rows], "core_seconds": round(seconds, 2)}
        files.write_json(path, record)
    return [Row(*row) for row in record["rows"]]


def _path(unit: Unit, design: Design) -> Path:
    return assets.root() / "runs" / NAME / f"{unit.name}-{_key(unit, design)}.json"


def _key(unit: Unit, design: Design) -> str:
    return _hash(unit, design, _checksum(unit.dataset))


def _hash(unit: Unit, design: Design, checksum: str) -> str:
    """Changes with anything that decides the unit's numbers."""
    settings = {name: estimator.values for name, estimator in ratios.ESTIMATORS.items()}
    return files.content_hash(VERSION, unit, design, settings, checksum)


def _checksum(name: str) -> str:
    return "" if name == truth.BLOBS else datasets.load(name).checksum


# Collecting


@dataclass(frozen=True)
class Results:
    """The collected numbers of a slice."""

    frame: pd.DataFrame  # the columns of the CSV
    provenance: dict


def obtain(
    names: Sequence[str] = DATASETS,
    seeds: Sequence[int] = (0, 1, 2),
    reducers: Sequence[str] = MAPS + SCORED_ONLY,
    *,
    design: str = "full",
    workers: int = 1,
) -> Results:
    """The numbers of a slice: from the collected files where they are current, else computed now.

    Reading needs no data set. Raises `ValueError` for an element that is not allowed.
    """
    if design not in DESIGNS:
        raise ValueError(f"design {design!r} is unknown; allowed: {', '.join(DESIGNS)}")
    chosen, root = DESIGNS[design], results_root(design)
    wanted = units(names, seeds, reducers, chosen)
    if set(wanted) - _current(root, chosen):
        run(wanted, chosen, workers=workers)
        collect(wanted, chosen, root)
    frame = pd.read_csv(root / f"{NAME}.csv", keep_default_na=False)
    keys = pd.MultiIndex.from_frame(frame[[f.name for f in fields(Unit)]])
    mask = keys.isin([astuple(unit) for unit in wanted])
    return Results(frame[mask].reset_index(drop=True), files.read_json(root / f"{NAME}.json"))


def results_root(design: str) -> Path:
    """The committed results for the full design, a folder beside the store for others."""
    return assets.root() / ("results" if design == "full" else f"runs/{NAME}/results-{design}")


def run(wanted: Iterable[Unit], design: Design = FULL, *, workers: int = 1) -> None:
    """Compute the units that the store lacks, on `workers` processes of one thread each."""
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1")
    missing = [unit for unit in wanted if files.read_json(_path(unit, design)) is None]
    jobs = Parallel(n_jobs=workers, return_as="generator_unordered")(
        delayed(compute)(unit, design) for unit in missing
    )
    for _ in tqdm(jobs, total=len(missing), unit="fit", disable=None):
        pass


def _current(root: Path, design: Design) -> set[Unit]:
    """The collected units that were computed under the present design and version."""
    provenance = files.read_json(root / f"{NAME}.json")
    if provenance is None or not (root / f"{NAME}.csv").exists():
        return set()
    found = set()
    for about in provenance["units"]:
        unit = Unit(*(about[f.name] for f in fields(Unit)))
        data = provenance["data"].get(unit.dataset, "")
        if about["key"] == _hash(unit, design, data):
            found.add(unit)
    return found


def collect(wanted: Iterable[Unit], design: Design, root: Path) -> Path:
    """Bring the done ones of `wanted` into the collected files, beside those there; the CSV's path.

    Collecting the same store again gives the same bytes. Raises `ValueError` if the collected
    numbers are of other images.
    """
    old = files.read_json(root / f"{NAME}.json") or {"units": [], "data": {}}
    kept = _current(root, design)
    abouts = {_unit_of(about): about for about in old["units"] if _unit_of(about) in kept}
    rows = _read_rows(root / f"{NAME}.csv", set(abouts))
    data = {name: old["data"][name] for name in {unit.dataset for unit in abouts} & {*old["data"]}}
    for unit in wanted:
        checksum = _checksum(unit.dataset)
        if data.get(unit.dataset, checksum) != checksum:
            raise ValueError(
                f"{root / NAME}.csv was computed on other images of {unit.dataset} than those "
                "found now; provide the same file, or move the collected results away"
            )
        record = files.read_json(_path(unit, design))
        if record is not None:
            data |= {unit.dataset: checksum} if checksum else {}
            about = {"key": _key(unit, design), "core_seconds": record["core_seconds"]}
            abouts[unit] = vars(unit) | about
            rows[unit] = [Row(*row) for row in record["rows"]]
    _write(root, rows, [abouts[unit] for unit in sorted(abouts)], data, old)
    return root / f"{NAME}.csv"


def _unit_of(about: dict) -> Unit:
    return Unit(*(about[f.name] for f in fields(Unit)))


def _read_rows(path: Path, kept: set[Unit]) -> dict[Unit, list[Row]]:
    rows: dict[Unit, list[Row]] = {}
    if kept and path.exists():
        with path.open(newline="") as file:
            for line in csv.DictReader(file):
                row = Row(**{f.name: f.type(line[f.name]) for f in fields(Row)})
                unit = Unit(row.dataset, row.seed, row.per_class, row.reducer)
                if unit in kept:
                    rows.setdefault(unit, []).append(row)
    return rows


def _write(
    root: Path, rows: dict[Unit, list[Row]], abouts: list[dict], data: dict, old: dict
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(row for group in rows.values() for row in group):
        *where, value = astuple(row)
        writer.writerow([*(f"{c:g}" if isinstance(c, float) else c for c in where), f"{value:.5g}"])
    with files.atomic(root / f"{NAME}.csv", "w") as file:
        file.write(text.getvalue())
    if old["units"] == abouts:
        return  # the date moves only when a unit does
    provenance = {
        "data": data,
        "units": abouts,
        "core_seconds": round(sum(about["core_seconds"] for about in abouts)),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "host": host.host(),
        "date": datetime.date.today().isoformat(),
    }
    files.write_json(root / f"{NAME}.json", provenance)
