"""Quantities: one number per seed, formed seed by seed, and the interval of their mean."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.stats import t

from chapters.pooling import Error, Pool, Term
from helpers.metrics.statistics import Interval, mean_interval

ENOUGH = 2  # seeds below which there is no interval


class Setting(NamedTuple):
    """What all seeds are needed of, in words: as titles stand on the page."""

    dataset: str
    model: str
    level: str


@dataclass(frozen=True)
class Quantity:
    """One number per seed that has all it needs, and the settings it needs."""

    values: Mapping[int, float]  # by seed
    needs: frozenset[Setting] = frozenset()
    scarce: frozenset[Setting] = frozenset()  # needed settings with fewer than `ENOUGH` seeds
    weights: Mapping[Term, float] | None = None  # of the terms it is linear in, or nearly
    pool: Pool | None = field(default=None, repr=False, compare=False)

    def __sub__(self, other: "Quantity") -> "Quantity":
        return combine(np.subtract, self, other)

    def own(self) -> Error:
        """The variance of the mean by the quantity's own values alone."""
        values = list(self.values.values())
        return Error(float(np.var(values, ddof=1)) / len(values), len(values) - 1)

    def pooled(self) -> Error | None:
        """The same by the residuals of all settings of its kind; `None` where that says nothing."""
        if self.weights is None or self.pool is None:
            return None
        return self.pool.error(self.weights, self.values)

    def interval(self, confidence: float) -> Interval:
        """The t interval of the mean over seeds, by the pooled variance if there is one."""
        values, error = list(self.values.values()), self.pooled()
        if error is None:
            return mean_interval(values, confidence)
        mean, half = float(np.mean(values)), math.sqrt(error.variance)
        half *= float(t.ppf((1 + confidence) / 2, error.freedom))
        return Interval(mean, mean - half, mean + half, len(values))


def combine(
    function: Callable[..., np.ndarray], *quantities: Quantity, smooth: bool = True
) -> Quantity:
    """`function` of the quantities' values [seeds], on the seeds that all of them have.

    Its variance is taken from the quantities' at their means (the delta method), exact for what is
    linear; not `smooth`, as with ranks, it is the values' own.
    """
    seeds = sorted(set.intersection(*(set(q.values) for q in quantities)))
    values = function(*(np.array([q.values[seed] for seed in seeds]) for q in quantities))
    needs = frozenset().union(*(q.needs for q in quantities))
    scarce = frozenset().union(*(q.scarce for q in quantities))
    known = smooth and seeds and all(q.weights is not None for q in quantities)
    weights = _weights(function, quantities, seeds) if known else None
    pool = next((q.pool for q in quantities if q.pool is not None), None)
    return Quantity(dict(zip(seeds, values.tolist(), strict=True)), needs, scarce, weights, pool)


def _weights(
    function: Callable[..., np.ndarray], quantities: Sequence[Quantity], seeds: Sequence[int]
) -> dict[Term, float]:
    """The derivative by each term, at the means over seeds."""
    at = np.array([np.mean([q.values[seed] for seed in seeds]) for q in quantities])
    weights: dict[Term, float] = {}
    for place, one in enumerate(quantities):
        step = np.zeros(len(at))
        step[place] = 1e-4 * max(1.0, abs(at[place]))
        ends = [function(*(at + sign * step)[:, None])[0] for sign in (1, -1)]
        slope = float(ends[0] - ends[1]) / (2 * step[place])
        for term, weight in one.weights.items():
            weights[term] = weights.get(term, 0.0) + slope * weight
    return weights


def mean(*quantities: Quantity) -> Quantity:
    """The mean of several quantities, seed by seed."""
    return combine(lambda *values: np.mean(values, axis=0), *quantities)
