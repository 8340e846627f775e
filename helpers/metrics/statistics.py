"""Uncertainty of a mean over seeds."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t


class Interval(NamedTuple):
    """A mean with its confidence interval, and how many values it rests on."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: Sequence[float], confidence: float = 0.9) -> Interval:
    """Mean of independent values with Student's t interval; NaN bounds for a single value.

    Raises `ValueError` for no values, NaN or a confidence outside (0, 1).
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or len(array) == 0 or np.isnan(array).any():
        raise ValueError(f"values are {values!r}; they must be one or more numbers, none NaN")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie in (0, 1)")
    mean, n = float(array.mean()), len(array)
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = float(t.ppf((1 + confidence) / 2, n - 1) * array.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)
