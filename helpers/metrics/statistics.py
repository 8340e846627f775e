"""Uncertainty: of a mean over seeds, and of a metric of a single run."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import bootstrap, t


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


def bootstrap_interval(
    statistic: Callable[..., float],
    *samples: Sequence[float],
    seed: int = 0,
    resamples: int = 1000,
    confidence: float = 0.9,
) -> Interval:
    """`statistic(*samples)` with a percentile bootstrap interval; the samples are independent.

    For a metric of a single run, e.g. `bootstrap_interval(ecdf_w1, distances, holdout_distances)`.
    Covers the draw of images, not the training. `n` is the smallest sample's size. A distance near
    its least value 0 grows by resampling: its interval can then lie above the value itself.
    """
    arrays = [np.asarray(sample, dtype=float) for sample in samples]
    if not arrays or any(a.ndim != 1 or len(a) < 2 or not np.isfinite(a).all() for a in arrays):
        raise ValueError("each sample must be two or more finite numbers")
    result = bootstrap(
        arrays,
        statistic,
        vectorized=False,
        n_resamples=resamples,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = result.confidence_interval
    return Interval(float(statistic(*arrays)), float(low), float(high), min(map(len, arrays)))
