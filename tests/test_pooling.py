"""The pooled standard error: against least squares, and as it covers in simulated studies."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom, t

from chapters.pooling import Error, Pool, Term
from chapters.quantities import Quantity, combine

MODELS, LEVELS, SEEDS = ("a", "b", "c"), ("0", "1", "2", "3"), (0, 1, 2)


def simulated(random: np.random.Generator, residual=(1.0, 3.0, 0.3), interaction=2.0, seed=5.0):
    """A split plot in which every setting has mean 0: term -> seed -> value."""
    s, ms = seed * random.normal(size=3), interaction * random.normal(size=(3, 3))
    return {
        Term("d", m, level, "x"): {
            k: s[k] + ms[i, k] + residual[i] * random.normal() for k in SEEDS
        }
        for (i, m), level in itertools.product(enumerate(MODELS), LEVELS)
    }


def quantity(numbers, weights):
    pool = Pool(numbers)
    terms = {Term("d", m, level, "x"): w for (m, level), w in weights.items()}
    parts = [Quantity(numbers[term], weights={term: 1.0}, pool=pool) for term in terms]
    return combine(lambda *values: np.array(list(terms.values())) @ np.array(values), *parts)


SLOPE = {("a", level): w for level, w in zip(LEVELS, (-3, -1, 1, 3), strict=True)}
QUANTITIES = {
    "slope": SLOPE,
    "difference of slopes": SLOPE | {("b", level): -w for (_, level), w in SLOPE.items()},
    "two models at a level": {("a", "0"): 1, ("c", "0"): -1},
    "a level": {("b", "2"): 1},
}


@pytest.mark.parametrize("weights", QUANTITIES.values(), ids=QUANTITIES)
def test_the_interval_covers_as_often_as_it_says(weights):
    random, studies = np.random.default_rng(0), 600
    found = [quantity(simulated(random), weights).interval(0.9) for _ in range(studies)]
    inside = sum(low <= 0 <= high for _, low, high, _ in found)
    assert binom.ppf(0.001, studies, 0.9) <= inside <= binom.ppf(0.999, studies, 0.94)


def test_it_is_narrower_than_the_seeds_alone_make_it():
    random = np.random.default_rng(1)
    pairs = []
    for _ in range(100):
        slope = quantity(simulated(random), SLOPE)
        own = math.sqrt(slope.own().variance) * t.ppf(0.95, 2)
        interval = slope.interval(0.9)
        pairs.append((own, interval.high - interval.mean))
    own, pooled = np.mean(pairs, axis=0)
    assert pooled < 0.85 * own


def test_a_difference_of_levels_has_the_standard_error_of_least_squares():
    numbers = {k: v for k, v in simulated(np.random.default_rng(2)).items() if k.model == "a"}
    table = np.array([list(values.values()) for values in numbers.values()])
    rows = list(itertools.product(range(len(LEVELS)), SEEDS))
    design = np.zeros((len(rows), len(LEVELS) + len(SEEDS) - 1))
    for row, (level, seed) in enumerate(rows):
        design[row, level] = 1
        if seed:
            design[row, len(LEVELS) + seed - 1] = 1
    solution, squares, rank, _ = np.linalg.lstsq(design, table.ravel(), rcond=None)
    contrast = np.array([1, 0, -1, 0, 0, 0])
    freedom = len(rows) - rank
    variance = contrast @ np.linalg.inv(design.T @ design) @ contrast * squares[0] / freedom
    found = quantity(numbers, {("a", "0"): 1, ("a", "2"): -1})
    assert found.pooled() == pytest.approx(Error(variance, freedom))
    assert found.interval(0.9).mean == pytest.approx(contrast @ solution)


def test_what_is_not_linear_is_so_nearly():
    numbers = {k: {s: 100 + 0.1 * v for s, v in found.items()} for k, found in simulated(
        np.random.default_rng(3)
    ).items()}  # fmt: skip
    first, last = (
        Quantity(numbers[term], weights={term: 1.0}, pool=Pool(numbers))
        for term in (Term("d", "a", "0", "x"), Term("d", "a", "3", "x"))
    )
    growth = combine(lambda a, b: 100 * (b / a - 1), first, last)
    change = combine(np.subtract, last, first)
    assert growth.pooled().variance == pytest.approx(change.pooled().variance, rel=0.02)


def test_ranks_and_lone_levels_have_the_error_of_their_own_seeds():
    numbers = simulated(np.random.default_rng(4))
    term = Term("d", "a", "0", "x")
    one = Quantity(numbers[term], weights={term: 1.0}, pool=Pool(numbers))
    assert combine(np.sign, one, smooth=False).pooled() is None
    alone = Quantity(numbers[term], weights={term: 1.0}, pool=Pool({term: numbers[term]}))
    assert alone.pooled() is None
    values = list(numbers[term].values())
    assert alone.interval(0.9).high - np.mean(values) == pytest.approx(
        t.ppf(0.95, 2) * np.std(values, ddof=1) / math.sqrt(3)
    )


def test_settings_that_lack_a_seed_say_nothing_of_it():
    numbers = simulated(np.random.default_rng(5))
    whole = quantity(numbers, SLOPE).pooled()
    more = numbers | {Term("d", "a", "9", "x"): {0: 1e6, 1: -1e6}}
    assert quantity(more, SLOPE).pooled() == whole
