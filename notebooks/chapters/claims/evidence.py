"""What the seeds say of No Free Lunch: quantities of the study, one number per seed.

Both sides of a comparison share the seed, and with it the private images, so differences, slopes
and means are formed seed by seed; their spread over seeds is what a claim is decided by. A quantity
remembers which settings it needs, so that a missing cell has a name.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from chapters import nfl
from chapters.verdicts import ENOUGH, Part, Quantity, Setting, combine, mean
from helpers.metrics.records import METRICS
from helpers.report import style

PATH = {"sgd": 0.0, "0.1": 0.1, "0.2": 0.2, "0.3": 0.3, "0.4": 0.4}  # the paper's five sigmas
NOISE = tuple(PATH)[1:]
TITLES = nfl.DATA_TITLES | nfl.MODEL_TITLES
# Margins of the rules.
FLAT = 10.0  # per cent: the paper calls up to 7.5 stable and from 12 on a change (its Table 1)
ABOUT = 0.1  # "about 0.6" and "near chance", in accuracy
STABLE = 0.05  # in accuracy: half the rise that the paper reports for the GAN
LEAK = math.log(2)  # nats: the density doubled; twice the sampling deviation of one estimate


@dataclass(frozen=True)
class Evidence:
    """The results that claims are judged by, in the corrected form or in the authors'."""

    numbers: Mapping[tuple[str, str, str, str], Mapping[int, float]]  # of a setting and metric
    density: pd.DataFrame | None  # of the experiment on density estimators
    authors: bool

    def at(self, dataset: str, model: str, level: str, metric: str) -> Quantity:
        """A metric at one setting; the authors' form of it where that is asked for."""
        name = (authors_form(metric) or metric) if self.authors else metric
        values = self.numbers.get((dataset, model, level, name), {})
        needs = frozenset({Setting(TITLES[dataset], TITLES[model], level)})
        return Quantity(values, needs, needs if len(values) < ENOUGH else frozenset())

    def over(self, dataset: str, model: str, levels: Sequence[str], metric: str) -> Quantity:
        """The mean of a metric over levels."""
        return mean(*(self.at(dataset, model, level, metric) for level in levels))

    def slope(
        self, dataset: str, model: str, metric: str, levels: Sequence[str] = tuple(PATH)
    ) -> Quantity:
        """The least-squares slope of a metric over sigma, per 0.1 of sigma; sigma is 0 at "sgd"."""
        sigmas = np.array([PATH[level] for level in levels])
        weights = (sigmas - sigmas.mean()) / ((sigmas - sigmas.mean()) ** 2).sum()
        parts = [self.at(dataset, model, level, metric) for level in levels]
        return combine(lambda *values: 0.1 * weights @ np.array(values), *parts)

    def change(
        self, dataset: str, model: str, metric: str, first: str = "sgd", last: str = "0.4"
    ) -> Quantity:
        """How much a metric grows from one level to another."""
        return self.at(dataset, model, last, metric) - self.at(dataset, model, first, metric)

    def growth(
        self, dataset: str, model: str, metric: str, first: str = "sgd", last: str = "0.4"
    ) -> Quantity:
        """The same in per cent of the first level's value, which must be positive."""
        ends = [self.at(dataset, model, level, metric) for level in (first, last)]
        return combine(lambda a, b: 100 * (b / a - 1), *ends)


def authors_form(metric: str) -> str:
    """The name of the authors' form of a metric; "" if there is none."""
    return METRICS[metric].authors if metric in METRICS else ""


def gather(
    study: pd.DataFrame, density: pd.DataFrame | None = None, *, authors: bool = False
) -> Evidence:
    """Evidence from a tidy frame of the study (columns of `data/results/<dataset>.csv`).

    Raises `ValueError` if a cell has two values of one metric, as with two scales at once.
    """
    numbers: dict[tuple[str, str, str, str], dict[int, float]] = {}
    for row in study.itertuples(index=False):
        level = style.level(row.arm, row.sigma)
        seeds = numbers.setdefault((row.dataset, row.model, level, row.metric), {})
        if row.seed in seeds:
            raise ValueError("a cell has two values of one metric; give results of one scale only")
        seeds[row.seed] = row.value
    return Evidence(numbers, density, authors)


def rank_correlation(first: Sequence[Quantity], second: Sequence[Quantity]) -> Quantity:
    """Per seed, Spearman's correlation of two lists of quantities; 0 if all of one are equal."""
    n = len(first)

    def correlate(*values: np.ndarray) -> np.ndarray:
        ranks = rankdata(np.array(values).reshape(2, n, -1), axis=1)
        ranks = ranks - ranks.mean(axis=1, keepdims=True)
        products = (ranks[0] * ranks[1]).sum(axis=0)
        scale = np.sqrt((ranks**2).sum(axis=1).prod(axis=0))
        return np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)

    return combine(correlate, *first, *second)


def one(dataset: str, model: str, what: str, quantity: Quantity, **region: float) -> Part:
    """A part on one model; `region` and `digits` as in `Part`."""
    return Part(f"{TITLES[dataset]}, {what}: {TITLES[model]}", quantity, **region)


def more(
    dataset: str, pair: str, what: str, of: Callable[[str], Quantity], digits: int = 3
) -> Part:
    """The part "the first of two models has more", the pair named as in "vae gan"."""
    first, second = pair.split()
    label = f"{TITLES[dataset]}, {what}: {TITLES[first]} − {TITLES[second]}"
    return Part(label, of(first) - of(second), low=0, digits=digits)
