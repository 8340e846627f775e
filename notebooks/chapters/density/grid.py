"""What the experiment on density estimators computes: its design, its units and their rows.

A unit is (data set, seed, fitted images per class, reducer): the reducer is fitted, scored on
unseen images and, at the largest size, every ratio estimator is tried behind it on pairs of samples
whose ratio is known (`truth`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from chapters import nfl
from helpers.data import datasets
from helpers.randomness import generator as stream

from .. import density
from . import truth

DATASETS = (truth.BLOBS, *nfl.DATA)  # what the page speaks of; any other can be tried
MAPS = tuple(density.REDUCERS)  # reducers that new images can be sent through
SCORED_ONLY = ("tsne-joint", "flow-density")  # no map to a plane: nothing is estimated behind them


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
        if self.dataset != truth.BLOBS:
            datasets.about(self.dataset)  # or an error that says what is known
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


COLUMNS = tuple(field.name for field in fields(Row))


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
