"""Intervals cover the truth as often as they say."""

import math

import numpy as np
import pytest

from helpers.metrics.statistics import mean_interval


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
