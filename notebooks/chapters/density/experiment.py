"""The experiment behind the choice of reducer and ratio estimator (NFL, section 4.1).

Units (`grid`) are kept in the store one by one, so that a run can be killed and resumed, and
collected into `data/results/density_estimators.csv` (tidy, one row per number) and `.json`
(provenance). What the numbers mean for the paper's claims is decided in
`claims.estimators`.
"""

import datetime
import importlib.metadata
import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from helpers.data import datasets, files, places
from helpers.study import host

from . import measures, ratios, truth
from .grid import COLUMNS, DATASETS, DESIGNS, FULL, MAPS, SCORED_ONLY, Design, Row, Unit, units

NAME = "density_estimators"
VERSION = 1  # raise when a number changes its meaning: units are then computed again
_PACKAGES = ("torch", "zuko", "umap-learn", "numba", "scikit-learn", "scipy", "numpy")
_UNIT = [field.name for field in fields(Unit)]


# Computing


def compute(unit: Unit, design: Design = FULL) -> list[Row]:
    """The unit's rows, from the store or computed now on one thread and kept."""

    def measure() -> dict:
        started = time.process_time()
        with host.one_thread():
            rows = [astuple(row) for row in measures.measure(unit, design)]
        return {"rows": rows, "core_seconds": round(time.process_time() - started, 2)}

    return [Row(*row) for row in files.memo(_path(unit, design), measure)["rows"]]


def _path(unit: Unit, design: Design) -> Path:
    key = _key(unit, design, _checksum(unit.dataset))
    return places.root() / "runs" / NAME / f"{unit.name}-{key}.json"


def _key(unit: Unit, design: Design, checksum: str) -> str:
    """Changes with anything that decides the unit's numbers."""
    settings = {name: estimator.values for name, estimator in ratios.ESTIMATORS.items()}
    return files.content_hash(VERSION, unit, design, settings, checksum)


def _checksum(name: str) -> str:
    return "" if name == truth.BLOBS else datasets.identity(name).checksum


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


# Collecting


def obtain(
    names: Sequence[str] = DATASETS,
    seeds: Sequence[int] = (0, 1, 2),
    reducers: Sequence[str] = MAPS + SCORED_ONLY,
    *,
    per_class: Sequence[int] = (),
    design: str = "full",
    workers: int = 1,
) -> pd.DataFrame:
    """The numbers of a slice: from the collected files where they are current, else computed now.

    `per_class` are some of the design's sizes; all by default. Columns as in the CSV. Reading needs
    no data set. Raises `ValueError` for an element that is not allowed, or if what is collected
    cannot be read.
    """
    if design not in DESIGNS:
        raise ValueError(f"design {design!r} is unknown; allowed: {', '.join(DESIGNS)}")
    chosen, root = DESIGNS[design], results_root(design)
    sizes = per_class or chosen.per_class
    if not set(sizes) <= set(chosen.per_class):
        allowed = ", ".join(map(str, chosen.per_class))
        raise ValueError(f"per_class is {list(sizes)}; allowed: {allowed}")
    wanted = [u for u in units(names, seeds, reducers, chosen) if u.per_class in sizes]
    if missing := sorted(set(wanted) - set(_current(root, chosen))):
        run(missing, chosen, workers=workers)
        collect(missing, chosen, root)
    return _of(_read(root), wanted)


def results_root(design: str) -> Path:
    """The committed results for the full design, a folder beside the store for others."""
    if design == "full":
        return places.committed() / "results"
    return places.root() / "runs" / NAME / f"results-{design}"


def collected() -> pd.DataFrame | None:
    """All that is collected of the full design; `None` if there is nothing."""
    root = results_root("full")
    return _read(root) if _current(root, FULL) else None


def _read(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / f"{NAME}.csv", keep_default_na=False)


def _of(frame: pd.DataFrame, wanted: Iterable[Unit]) -> pd.DataFrame:
    """The rows of some units."""
    rows = pd.MultiIndex.from_frame(frame[_UNIT]).isin([astuple(unit) for unit in wanted])
    return frame[rows].reset_index(drop=True)


def _provenance(root: Path) -> dict:
    return files.read_json(root / f"{NAME}.json") or {"units": [], "data": {}}


def _current(root: Path, design: Design) -> dict[Unit, dict]:
    """What is known of the collected units of the present design and version."""
    if not (root / f"{NAME}.csv").exists():
        return {}
    provenance = _provenance(root)
    found = {Unit(*(about[name] for name in _UNIT)): about for about in provenance["units"]}
    data = provenance["data"]
    keys = {unit: _key(unit, design, data.get(unit.dataset, "")) for unit in found}
    return {unit: about for unit, about in found.items() if about["key"] == keys[unit]}


def collect(wanted: Iterable[Unit], design: Design, root: Path) -> Path:
    """Bring the done ones of `wanted` into the collected files, beside those there; the CSV's path.

    Collecting the same store again gives the same bytes. Raises `ValueError` if the collected
    numbers are of other images.
    """
    abouts, old = _current(root, design), _provenance(root)
    data = {unit.dataset: old["data"].get(unit.dataset, "") for unit in abouts}
    new = {}
    for unit in wanted:
        checksum = _checksum(unit.dataset)
        if data.setdefault(unit.dataset, checksum) != checksum:
            raise ValueError(
                f"{root / NAME}.csv was computed on other images of {unit.dataset} than those "
                "found now; provide the same file, or move the collected results away"
            )
        record = files.read_json(_path(unit, design))
        if record is not None:
            new[unit] = pd.DataFrame(record["rows"], columns=COLUMNS)
            about = {"key": _key(unit, design, checksum), "core_seconds": record["core_seconds"]}
            abouts[unit] = vars(unit) | about
    if kept := set(abouts) - set(new):
        new[None] = _of(_read(root), kept)
    _write_rows(root / f"{NAME}.csv", pd.concat(new.values(), ignore_index=True))
    _write_provenance(root, [abouts[unit] for unit in sorted(abouts)], data, old)
    return root / f"{NAME}.csv"


def _write_rows(path: Path, frame: pd.DataFrame) -> None:
    texts = {name: frame[name].map("{:g}".format) for name in ("setting", "fraction")}
    texts["value"] = frame["value"].map("{:.5g}".format)
    frame = frame.sort_values(list(COLUMNS)).assign(**texts)
    with files.atomic(path, "w") as file:
        frame.to_csv(file, index=False, lineterminator="\n")


def _write_provenance(root: Path, abouts: list[dict], data: dict, old: dict) -> None:
    if old["units"] == abouts:
        return  # the date moves only when a unit does
    provenance = {
        "data": {name: checksum for name, checksum in data.items() if checksum},
        "units": abouts,
        "core_seconds": round(sum(about["core_seconds"] for about in abouts)),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "host": host.host(),
        "date": datetime.date.today().isoformat(),
    }
    files.write_json(root / f"{NAME}.json", provenance)
