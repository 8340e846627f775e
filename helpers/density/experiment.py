"""The experiment behind the choice of reducer and ratio estimator (NFL, section 4.1).

A unit is (data set, seed, fitted images per class, reducer): the reducer is fitted, scored on
unseen images and, at the largest size, every ratio estimator is tried behind it on pairs of samples
whose ratio is known (`truth`). Units are kept in the store one by one, so that a run can be killed
and resumed, and collected into `data/results/density_estimators.csv` (tidy, one row per number) and
`.json` (provenance). What the numbers mean for the paper's claims is decided in `verdict`.
"""

import csv
import datetime
import importlib.metadata
import io
import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from tqdm import tqdm

from .. import assets, datasets, density, process, store
from ..randomness import generator as stream
from . import Reducer, preservation, ratios, truth
from .truth import Scene

NAME = "density_estimators"
VERSION = 1  # raise when a number changes its meaning: units are then computed again
DATASETS = (truth.BLOBS, "mnist", "octmnist", "organamnist")
MAPS = tuple(density.REDUCERS)  # reducers that new images can be sent through
SCORED_ONLY = ("tsne-joint", "flow-density")  # no map to a plane: nothing is estimated behind them
COLUMNS = (
    "dataset",
    "seed",
    "per_class",
    "reducer",
    "estimator",
    "setting",
    "leak",
    "fraction",
    "size",
    "metric",
    "value",
)
_PACKAGES = ("torch", "zuko", "umap-learn", "numba", "scikit-learn", "scipy", "numpy")
_FLOW_COMPONENTS = 8  # of the flow whose own density is scored


@dataclass(frozen=True)
class Design:
    """Everything that decides the numbers, besides the data."""

    per_class: tuple[int, ...] = (10, 100)  # fitted images: the paper's scarcity, and plenty
    unseen: int = 600  # images that scores are computed on
    neighbors: tuple[int, ...] = (5, 10, 20, 50)  # k of the scores
    size: int = 1000  # N, images in each sample of a pair
    clean: int = 4000  # pool that samples are drawn from without replacement
    planted: int = 1000  # pool of planted images
    fractions: tuple[float, ...] = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.2)
    slow_fractions: tuple[float, ...] = (0.0, 0.01, 0.05, 0.2)  # for the slow estimators
    pairs: int = 40  # simulated pairs of samples
    slow_pairs: int = 6
    study_per_class: int = 100  # the study's sets: so many synthetic images per class


FULL = Design()
SMOKE = Design(  # seconds, for tests
    per_class=(3, 8),
    unseen=40,
    neighbors=(3, 5),
    size=100,
    clean=250,
    planted=60,
    fractions=(0.0, 0.1, 0.5),
    slow_fractions=(0.0, 0.5),
    pairs=3,
    slow_pairs=2,
    study_per_class=11,
)
DESIGNS = {"full": FULL, "smoke": SMOKE}


@dataclass(frozen=True, order=True)
class Unit:
    """One fitted reducer and all that is measured with it."""

    dataset: str
    seed: int
    per_class: int
    reducer: str

    def __post_init__(self):
        known = (*datasets.NAMES, truth.BLOBS)
        if self.dataset not in known:
            raise ValueError(
                f"data set {self.dataset!r} is unknown; allowed: {', '.join(sorted(known))}"
            )
        if self.reducer not in MAPS + SCORED_ONLY:
            allowed = ", ".join(MAPS + SCORED_ONLY)
            raise ValueError(f"reducer {self.reducer!r} is unknown; allowed: {allowed}")
        stream(self.seed, "check")

    @property
    def name(self) -> str:
        """E.g. `mnist-s0-n10-isomap`."""
        return f"{self.dataset}-s{self.seed}-n{self.per_class}-{self.reducer}"


@dataclass(frozen=True, order=True)
class Row:
    """One number. Columns that do not apply are empty or 0."""

    dataset: str
    seed: int
    per_class: int
    reducer: str
    estimator: str  # "" for the reducers' scores
    setting: float  # the estimator's setting, or k of a score
    leak: str  # what was planted, "" for the scores
    fraction: float  # how much of the sample is planted
    size: int  # N of the samples, 0 for the scores
    metric: str
    value: float


def units(
    names: Sequence[str], seeds: Sequence[int], reducers: Sequence[str], design: Design = FULL
) -> list[Unit]:
    """All units of a slice, sorted. Raises `ValueError` for an element that is not allowed."""
    for axis, values in {"datasets": names, "seeds": seeds, "reducers": reducers}.items():
        if isinstance(values, str) or not values:
            raise ValueError(f"{axis} is {values!r}; it must be a list with at least one element")
    return sorted(
        Unit(name, seed, per_class, reducer)
        for name in set(names)
        for seed in set(seeds)
        for per_class in design.per_class
        for reducer in set(reducers)
    )


# Computing


def compute(unit: Unit, design: Design = FULL) -> list[Row]:
    """The unit's rows, from the store or computed now on one thread and kept."""
    path = _path(unit, design)
    record = store.read_json(path)
    if record is None:
        started = time.process_time()
        with process.one_thread():
            rows = _measure(unit, design)
        seconds = time.process_time() - started
        record = {"rows": [astuple(row) for row in rows], "core_seconds": round(seconds, 2)}
        store.write_json(path, record)
    return [Row(*row) for row in record["rows"]]


def _path(unit: Unit, design: Design) -> Path:
    return assets.root() / "runs" / NAME / f"{unit.name}-{_key(unit, design)}.json"


def _key(unit: Unit, design: Design) -> str:
    return _hash(unit, design, _checksum(unit.dataset))


def _hash(unit: Unit, design: Design, checksum: str) -> str:
    """Changes with anything that decides the unit's numbers."""
    settings = {name: estimator.values for name, estimator in ratios.ESTIMATORS.items()}
    return store.content_hash(VERSION, unit, design, settings, checksum)


def _checksum(name: str) -> str:
    return "" if name == truth.BLOBS else datasets.load(name).checksum


def _measure(unit: Unit, design: Design) -> list[Row]:
    scene = truth.scene(
        unit.dataset,
        unit.seed,
        fitted=max(design.per_class),
        unseen=design.unseen,
        clean=design.clean,
        planted=design.planted,
    )
    groups = scene.fitted.split(max(design.per_class))
    public = torch.cat([group[: unit.per_class] for group in groups])
    generator = stream(unit.seed, f"density/{unit.reducer}/{unit.per_class}")
    if unit.reducer in SCORED_ONLY:
        return list(_score_only(unit, public, scene, design, generator))
    reducer = density.fit(unit.reducer, public, generator=generator)
    rows = list(_scores(unit, reducer, public, scene, design))
    if unit.per_class == max(design.per_class):
        rows += _responses(unit, reducer, scene, design)
    return rows


def _row(unit: Unit, metric: str, value: float, **where: Any) -> Row:
    """A row of the unit; columns not given in `where` do not apply."""
    empty = {"estimator": "", "setting": 0.0, "leak": "", "fraction": 0.0, "size": 0}
    return Row(**vars(unit), **(empty | where), metric=metric, value=float(value))


def _scores(
    unit: Unit, reducer: Reducer, public: torch.Tensor, scene: Scene, design: Design
) -> Iterator[Row]:
    points = reducer.transform(scene.unseen)
    for k in design.neighbors:
        value = preservation.density_preservation(scene.unseen, points, k)
        yield _row(unit, "density_spearman", value, setting=float(k))
    paper = preservation.density_preservation_paper(
        public, reducer.transform(public), scene.unseen, points
    )
    for name, value in paper._asdict().items():
        yield _row(unit, f"{name}_paper", value)


def _score_only(
    unit: Unit,
    public: torch.Tensor,
    scene: Scene,
    design: Design,
    generator: torch.Generator,
) -> Iterator[Row]:
    if unit.reducer == "tsne-joint":
        points = density.tsne_joint(public, scene.unseen, generator=generator)

        def score(k: int) -> float:
            return preservation.density_preservation(scene.unseen, points, k)
    else:
        flow = density.flow(public, generator=generator, n_components=_FLOW_COMPONENTS)
        logs = flow.log_density(scene.unseen)

        def score(k: int) -> float:
            return preservation.density_agreement(scene.unseen, logs, k)

    for k in design.neighbors:
        yield _row(unit, "density_spearman", score(k), setting=float(k))


def _responses(unit: Unit, reducer: Reducer, scene: Scene, design: Design) -> Iterator[Row]:
    """Every estimator on pairs of samples on the plane, for each kind and fraction of leak."""
    sizes = [len(part) for part in scene.leaks.values()]
    together = torch.cat([scene.query, scene.clean, *scene.leaks.values()])
    points = reducer.transform(together)
    query, clean, *leaks = np.split(points, np.cumsum([1, len(scene.clean), *sizes[:-1]]))
    for kind, planted in zip(scene.leaks, leaks, strict=True):
        images = scene.query, scene.clean, scene.leaks[kind]
        yield from _shares(unit, kind, images, (query, clean, planted), design)
        for name, estimator in ratios.ESTIMATORS.items():
            fractions = design.slow_fractions if estimator.slow else design.fractions
            pairs = design.slow_pairs if estimator.slow else design.pairs
            for fraction in fractions:
                drawn = [
                    _pair(clean, planted, design.size, fraction, unit.seed, number)
                    for number in range(pairs)
                ]
                for setting in _settings(name, unit.reducer):
                    values = [estimator.estimate(*pair, query, setting) for pair in drawn]
                    where = {"leak": kind, "fraction": fraction, "size": design.size}
                    where |= {"estimator": name, "setting": float(setting)}
                    yield from _summary(unit, values, where)
    if unit.dataset != truth.BLOBS:
        yield from _study_null(unit, clean, query, design)


def _settings(name: str, reducer: str) -> tuple[float, ...]:
    """All settings behind the study's reducer; of a slow estimator its default behind the rest."""
    estimator = ratios.ESTIMATORS[name]
    return (estimator.default,) if estimator.slow and reducer != "isomap" else estimator.values


def _pair(
    clean: np.ndarray, planted: np.ndarray, size: int, fraction: float, seed: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Two samples [size, d] without a common row, the first with a fraction of planted points.

    Drawn without replacement from one pool: the counts of the two near a point differ exactly as
    much as those of independent samples do. The same `number` gives the same draw at any fraction.
    """
    random = np.random.default_rng([seed, number])
    order, copies = random.permutation(len(clean)), random.permutation(len(planted))
    m = round(fraction * size)
    first = np.concatenate([planted[copies[:m]], clean[order[m:size]]])
    return first, clean[order[size : 2 * size]]


def _summary(unit: Unit, values: Sequence[float], where: dict[str, Any]) -> Iterator[Row]:
    yield _row(unit, "mean", np.mean(values), **where)
    yield _row(unit, "sd", np.std(values, ddof=1), **where)
    if where["fraction"] == 0:
        yield _row(unit, "abs_q95", np.quantile(np.abs(values), 0.95), **where)


def _shares(
    unit: Unit, kind: str, images: Sequence, points: Sequence, design: Design
) -> Iterator[Row]:
    """Which share of planted images is nearer to the query than a share b of clean ones, b = k/N.

    In the space of images, and on the plane: a map that carries near-copies away loses them.
    """
    share = min(ratios.ESTIMATORS["knn"].default / design.size, 1.0)
    flat = [part.flatten(1).double().numpy() for part in images]
    for metric, (query, clean, planted) in {"inside_images": flat, "inside_plane": points}.items():
        radius = np.quantile(np.linalg.norm(clean - query, axis=1), share)
        inside = (np.linalg.norm(planted - query, axis=1) <= radius).mean()
        yield _row(unit, metric, inside, leak=kind, setting=share)


def _study_null(unit: Unit, clean: np.ndarray, query: np.ndarray, design: Design) -> Iterator[Row]:
    """The study's estimator on clean pairs of the study's own size, where that is another."""
    size = design.study_per_class * len(datasets.load(unit.dataset).classes)
    if size == design.size or 2 * size > len(clean):
        return
    k = min(ratios.ESTIMATORS["knn"].default, size)
    drawn = [_pair(clean, clean, size, 0.0, unit.seed, number) for number in range(design.pairs)]
    values = [ratios.knn(*pair, query, k) for pair in drawn]
    where = {"estimator": "knn", "setting": float(k), "leak": "none", "fraction": 0.0}
    yield from _summary(unit, values, where | {"size": size})


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
    return Results(frame[mask].reset_index(drop=True), store.read_json(root / f"{NAME}.json"))


def results_root(design: str) -> Path:
    """The committed results for the full design, a folder beside the store for others."""
    return assets.root() / ("results" if design == "full" else f"runs/{NAME}/results-{design}")


def run(wanted: Iterable[Unit], design: Design = FULL, *, workers: int = 1) -> None:
    """Compute the units that the store lacks, on `workers` processes of one thread each."""
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1")
    missing = [unit for unit in wanted if store.read_json(_path(unit, design)) is None]
    jobs = Parallel(n_jobs=workers, return_as="generator_unordered")(
        delayed(compute)(unit, design) for unit in missing
    )
    for _ in tqdm(jobs, total=len(missing), unit="fit", disable=None):
        pass


def _current(root: Path, design: Design) -> set[Unit]:
    """The collected units that were computed under the present design and version."""
    provenance = store.read_json(root / f"{NAME}.json")
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
    old = store.read_json(root / f"{NAME}.json") or {"units": [], "data": {}}
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
        record = store.read_json(_path(unit, design))
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
    with store.atomic(root / f"{NAME}.csv", "w") as file:
        file.write(text.getvalue())
    if old["units"] == abouts:
        return  # the date moves only when a unit does
    from .. import results  # with all of the study: only who writes waits for it

    host = {"processor": results._processor(), "cores": os.cpu_count()}
    host |= {"python": platform.python_version(), "system": platform.system()}
    provenance = {
        "data": data,
        "units": abouts,
        "core_seconds": round(sum(about["core_seconds"] for about in abouts)),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "host": host,
        "date": datetime.date.today().isoformat(),
    }
    store.write_json(root / f"{NAME}.json", provenance)
