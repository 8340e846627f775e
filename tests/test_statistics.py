"""Intervals cover the truth as often as they say."""

import math

import numpy as np
import pytest

from helpers.metrics.privacy import ecdf_ks
from helpers.metrics.statistics import bootstrap_interval, mean_interval


def test_t_interval_of_three_seeds_covers_nine_times_in_ten():
    random = np.random.default_rng(0)
    intervals = [mean_interval(random.normal(5, 2, 3)) for _ in range(2000)]
    assert np.mean([i.low <= 5 <= i.high for i in intervals]) == pytest.approx(0.9, abs=0.02)


def test_one_value_has_no_interval():
    interval = mean_interval([2.0])
    assert (interval.mean, interval.n) == (2, 1)
    assert math.isnan(interval.low) and math.isnan(interval.high)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [[1.0]]])
def test_mean_interval_refuses(values):
    with pytest.raises(ValueError, match="values"):
        mean_interval(values)


def test_bootstrap_of_an_accuracy_is_close_to_the_binomial():
    right = np.repeat([1.0, 0.0], [70, 30])
    interval = bootstrap_interval(np.mean, right)
    assert interval.mean == pytest.approx(0.7)
    half = 1.645 * math.sqrt(0.7 * 0.3 / 100)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.15)
    assert interval == bootstrap_interval(np.mean, right)


def test_bootstrap_of_two_samples():
    random = np.random.default_rng(0)
    a, b = random.gamma(4, 1, 50), random.gamma(5, 1, 80)
    interval = bootstrap_interval(ecdf_ks, a, b, resamples=100)
    assert interval.low <= ecdf_ks(a, b) <= interval.high
    assert interval.n == 50
    with pytest.raises(ValueError, match="finite"):
        bootstrap_interval(np.mean, [1.0, math.inf])
