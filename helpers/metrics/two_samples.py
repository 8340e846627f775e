"""Whether two sets of features come from one distribution: KID's interval and its permutations.

`fidelity.kid` is the unbiased squared MMD of Gretton et al. 2012 (JMLR 13) with a cubic kernel.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import norm

from ..data.checks import Array, check_array, check_same_width
from . import fidelity

PERMUTATIONS = 999


class Distance(NamedTuple):
    """A kernel distance between two sets."""

    kid: float
    low: float
    high: float
    p_value: float  # of as large a distance between random halves of the same images


def kernel_distance(
    real: Array, synthetic: Array, *, generator: torch.Generator, confidence: float = 0.95
) -> Distance:
    """KID with the normal interval of its linear term, and a permutation test of equality.

    `real` [N, D], `synthetic` [M, D], each of 4 rows or more. The interval (Gretton et al. 2012,
    section 6) is for sets that differ; between equal ones the p-value, exact, is to be read.
    """
    real = check_array(real, "real features", minimum=4)
    synthetic = check_array(synthetic, "synthetic features", minimum=4)
    check_same_width(real, synthetic, "real and synthetic features")
    both, n = np.concatenate([real, synthetic]), len(real)
    kernel = (both @ both.T / both.shape[1] + 1) ** 3
    np.fill_diagonal(kernel, 0.0)
    value = fidelity.kid(real, synthetic)
    own, other = kernel[:n, :n].sum(1) / (n - 1), kernel[:n, n:].mean(1)
    own_s, other_s = kernel[n:, n:].sum(1) / (len(synthetic) - 1), kernel[n:, :n].mean(1)
    variance = (own - other).var(ddof=1) / n + (own_s - other_s).var(ddof=1) / len(synthetic)
    half = norm.ppf((1 + confidence) / 2) * 2 * np.sqrt(variance)
    larger = sum(_permuted(kernel, n, generator) >= value for _ in range(PERMUTATIONS))
    return Distance(value, value - half, value + half, (1 + larger) / (1 + PERMUTATIONS))


def _permuted(kernel: np.ndarray, n: int, generator: torch.Generator) -> float:
    """KID after the labels of the two sets, of n and the rest, have been shuffled."""
    m = len(kernel) - n
    first = np.zeros(len(kernel))
    first[torch.randperm(len(kernel), generator=generator)[:n].numpy()] = 1.0
    rows = kernel @ first  # of each image, to the first set
    within, total = rows @ first, kernel.sum()
    across = rows.sum() - within
    return (
        within / (n * (n - 1))
        + (total - within - 2 * across) / (m * (m - 1))
        - 2 * across / (n * m)
    )
