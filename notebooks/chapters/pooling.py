"""The standard error of a quantity over seeds, from the residuals of all settings of its kind.

Three seeds give a standard deviation of two degrees of freedom: an interval 1.5 times as wide as it
need be, and often far too narrow. But a measure's other settings repeat the experiment. On one data
set they form a split plot: a seed draws the private images of every model (the whole plots), and of
every level of noise of a model (the subplots), so that with model m, level l and seed s

    y[m, l, s] = mean[m, l] + seed[s] + (model x seed)[m, s] + residual[m, l, s].

A linear quantity, such as a slope or a difference, has the part of its variance that its weights
leave: those that sum to 0 over a model's levels are free of both seed terms. Residuals are pooled
over the levels of a model and not over models, whose spreads differ several times; degrees of
freedom are Satterthwaite's. Assumed is that the levels of a model scatter alike, and independently
of one another.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np


class Term(NamedTuple):
    """One number per seed: a metric at a setting."""

    dataset: str
    model: str
    level: str
    metric: str


class Error(NamedTuple):
    """The variance of a mean over seeds, and its degrees of freedom."""

    variance: float
    freedom: float


class _Component(NamedTuple):
    """A variance of one seed's number, and the degrees of freedom behind it."""

    variance: float
    freedom: int


class _Block(NamedTuple):
    """The variance components of one metric on one data set, from settings with the same seeds."""

    levels: Mapping[str, int]  # how many levels each model has
    residual: Mapping[str, _Component]  # by model
    interaction: _Component  # of a model's mean over its levels, beside the seed's
    seed: _Component  # of the mean over models


class Pool:
    """What all settings say of the scatter over seeds; `numbers` is term -> seed -> value."""

    def __init__(self, numbers: Mapping[Term, Mapping[int, float]]):
        self._numbers = numbers
        self._blocks: dict[tuple, _Block | None] = {}

    def error(self, weights: Mapping[Term, float], seeds: Iterable[int]) -> Error | None:
        """Of the mean over `seeds` of the sum of weighted terms; `None` if nothing can be pooled:
        fewer than two seeds, or a model with a single level."""
        seeds, parts = tuple(sorted(seeds)), []
        kinds = itertools.groupby(sorted(weights), key=lambda term: (term.dataset, term.metric))
        for (dataset, metric), terms in kinds:
            block = self._block(dataset, metric, seeds)
            of_kind = {term: weights[term] for term in terms}
            if block is None or not {term.model for term in of_kind} <= block.residual.keys():
                return None
            parts += _variances(block, of_kind)
        total = sum(part.variance for part in parts)
        squares = sum(p.variance**2 / p.freedom for p in parts if p.variance > 0)
        freedom = total**2 / squares if squares > 0 else math.inf
        return Error(total / len(seeds), freedom)

    def _block(self, dataset: str, metric: str, seeds: tuple[int, ...]) -> _Block | None:
        key = dataset, metric, seeds
        if key not in self._blocks:
            self._blocks[key] = _components(self._tables(*key)) if len(seeds) > 1 else None
        return self._blocks[key]

    def _tables(self, dataset: str, metric: str, seeds: Sequence[int]) -> dict[str, np.ndarray]:
        """By model the numbers [levels, seeds] of the levels that have all the seeds."""
        rows: dict[str, list[list[float]]] = {}
        for term, values in sorted(self._numbers.items()):
            alike = (term.dataset, term.metric) == (dataset, metric)
            if alike and values.keys() >= set(seeds):
                rows.setdefault(term.model, []).append([values[seed] for seed in seeds])
        return {model: np.array(table) for model, table in rows.items() if len(table) > 1}


def _components(tables: Mapping[str, np.ndarray]) -> _Block | None:
    if not tables:
        return None
    residual = {}
    for model, table in tables.items():
        left = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
        freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
        residual[model] = _Component(float((left**2).sum()) / freedom, freedom)
    means = np.stack([table.mean(0) for table in tables.values()])  # [models, seeds]
    models, n = means.shape
    beside = means - means.mean(0) - means.mean(1, keepdims=True) + means.mean()
    freedom = (models - 1) * (n - 1)
    interaction = _Component(float((beside**2).sum()) / max(freedom, 1), max(freedom, 1))
    seed = _Component(float(means.mean(0).var(ddof=1)), n - 1)
    return _Block({m: len(t) for m, t in tables.items()}, residual, interaction, seed)


def _variances(block: _Block, weights: Mapping[Term, float]) -> list[_Component]:
    """The parts of the variance of one seed's weighted sum of terms of one kind."""
    of_model: dict[str, list[float]] = {model: [] for model in block.levels}
    for term, weight in weights.items():
        of_model[term.model].append(weight)
    parts, sums = [], np.array([sum(found) for found in of_model.values()])
    for model, found in of_model.items():
        within = sum(w**2 for w in found) - sum(found) ** 2 / block.levels[model]
        variance, freedom = block.residual[model]
        parts.append(_Component(max(within, 0.0) * variance, freedom))
    between = float(((sums - sums.mean()) ** 2).sum())
    parts.append(_Component(between * block.interaction.variance, block.interaction.freedom))
    parts.append(_Component(sums.sum() ** 2 * block.seed.variance, block.seed.freedom))
    return parts
