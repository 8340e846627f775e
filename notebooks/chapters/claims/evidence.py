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

from chapters import matched, nfl
from chapters.pooling import Pool, Term
from chapters.quantities import ENOUGH, Quantity, Setting, combine, mean
from chapters.verdicts import Part
from helpers.data.records import DATASETS
from helpers.metrics.records import METRICS
from helpers.models.families import family_of
from helpers.report import style

PATH = {"sgd": 0.0, "0.1": 0.1, "0.2": 0.2, "0.3": 0.3, "0.4": 0.4}  # the paper's five sigmas
NOISE = tuple(PATH)[1:]
PLAIN = "gan-plain"  # the GAN whose collapse C10 is about: without instance noise
TITLES = nfl.DATA_TITLES | nfl.MODEL_TITLES | {PLAIN: "GAN without instance noise"}
# Margins of the rules.
FLAT = 10.0  # per cent: the paper calls up to 7.5 stable and from 12 on a change (its Table 1)
ABOUT = 0.1  # "about 0.6" and "near chance", in accuracy
STABLE = 0.05  # in accuracy: half the rise that the paper reports for the GAN
HALF_WAY, NEAR_CHANCE, MOVED = 0.5, 0.2, 0.1  # shares of the way from chance to the ceiling
LEAK = math.log(2)  # nats: the density doubled; twice the sampling deviation of one estimate

# Why another scale may contradict what the compact one shows.
LARGER = "the noise can be matched, the networks are not: the authors' are larger and train longer"
OTHER_DDPM = f"their DDPM starts off its manifold (D20), ours does not; and {LARGER}"


# Which level of ours stands for one of the paper's, of a data set and model.
Lens = Callable[[str, str, str], str]


def equal_sigma(dataset: str, model: str, level: str) -> str:
    """The level of the same sigma."""
    return level


@dataclass(frozen=True)
class Evidence:
    """The results that claims are judged by, in the corrected form or in the authors', at the
    levels of noise that stand for the paper's."""

    numbers: Mapping[Term, Mapping[int, float]]  # by seed
    density: pd.DataFrame | None = None  # of the experiment on density estimators
    authors: bool = False
    lens: Lens = equal_sigma
    pool: Pool | None = None

    def at(self, dataset: str, model: str, level: str, metric: str) -> Quantity:
        """A metric at one of the paper's settings; the authors' form of it where asked for."""
        name = (authors_form(metric) or metric) if self.authors else metric
        ours = self.lens(dataset, model, level)
        term = Term(dataset, model, ours, name)
        values = self.numbers.get(term, {})
        needs = frozenset({Setting(TITLES[dataset], TITLES[model], ours)})
        scarce = needs if len(values) < ENOUGH else frozenset()
        return Quantity(values, needs, scarce, {term: 1.0}, self.pool)

    def ceiling(self, dataset: str) -> Quantity:
        """What the private images themselves train the classifier to: at any setting the same."""
        return self.at(dataset, nfl.MODELS[0], "sgd", "accuracy_real")

    def share(self, dataset: str, model: str, *levels: str) -> Quantity:
        """How far the accuracy, on average over levels, has come from chance (0) to the private
        images' own (1)."""
        chance = 1 / len(DATASETS[dataset].classes)
        pair = self.over(dataset, model, levels, "accuracy"), self.ceiling(dataset)
        return combine(lambda reached, real: (reached - chance) / (real - chance), *pair)

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


def matched_noise(dataset: str, model: str, level: str) -> str:
    """Our level whose noise-to-signal over a run is the authors' at their sigma."""
    if level not in NOISE:
        return level
    return f"{_matched(dataset, model)[NOISE.index(level)]:g}"


def matched_levels(dataset: str) -> list[float]:
    """The matched noise multipliers of all models on a data set."""
    return [sigma for model in nfl.MODELS for sigma in _matched(dataset, model)]


def _matched(dataset: str, model: str) -> list[float]:
    return matched.levels(family_of(model), classes=len(DATASETS[dataset].classes))


def gather(
    study: pd.DataFrame,
    density: pd.DataFrame | None = None,
    *,
    authors: bool = False,
    lens: Lens = equal_sigma,
    pooled: bool = True,
) -> Evidence:
    """Evidence from a tidy frame of the study (columns of `data/results/<dataset>.csv`).

    Not `pooled`, an interval rests on the quantity's own seeds alone. Raises `ValueError` if a cell
    has two values of one metric, as with two scales at once.
    """
    numbers: dict[Term, dict[int, float]] = {}
    for row in study.itertuples(index=False):
        level = style.level(row.arm, row.sigma)
        seeds = numbers.setdefault(Term(row.dataset, row.model, level, row.metric), {})
        if row.seed in seeds:
            raise ValueError("a cell has two values of one metric; give results of one scale only")
        seeds[row.seed] = row.value
    spoken_of = {t: v for t, v in numbers.items() if t.model in (*nfl.MODELS, PLAIN)}
    return Evidence(numbers, density, authors, lens, Pool(spoken_of) if pooled else None)


def rank_correlation(first: Sequence[Quantity], second: Sequence[Quantity]) -> Quantity:
    """Per seed, Spearman's correlation of two lists of quantities; 0 if all of one are equal."""
    n = len(first)

    def correlate(*values: np.ndarray) -> np.ndarray:
        ranks = rankdata(np.array(values).reshape(2, n, -1), axis=1)
        ranks = ranks - ranks.mean(axis=1, keepdims=True)
        products = (ranks[0] * ranks[1]).sum(axis=0)
        scale = np.sqrt((ranks**2).sum(axis=1).prod(axis=0))
        return np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)

    return combine(correlate, *first, *second, smooth=False)


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
