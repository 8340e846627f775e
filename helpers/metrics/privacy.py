"""Privacy, measured from the outside: what the synthetic images give away (NFL, section 3.2).

Two families. The density ratio at the query compares a generator that saw one record with one that
did not (Eq. 2). The distance measures ask whether synthetic images lie nearer to the training
images than hold-out images do. None of them proves privacy, or an epsilon: the ratio is of two
estimated densities at one point, neither a lower bound nor bounded by the accountant's epsilon. (A
bound that an attack does prove is in `attacks`.) Points, distances: NumPy float64.
"""

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp, wasserstein_distance
from torch import Tensor

from ..data.checks import Array, check_array, check_images, check_same_size
from .fidelity import ssim_matrix


def nearest_distances(images: Tensor, reference: Tensor) -> np.ndarray:
    """Euclidean distance in pixel space of each image to its nearest reference image, [N].

    `images` [N, C, H, W], `reference` [M, C, H, W], in [0, 1]. A copy has distance exactly 0.
    """
    return nearest(images, reference)[0]


def nearest(images: Tensor, reference: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """`nearest_distances`, and which reference image it is to, int [N] (the first of equals)."""
    images, reference = check_images(images), check_images(reference, "reference images")
    check_same_size(images, reference, "images and reference")
    flat = reference.flatten(1).double().numpy()
    distances = [cdist(chunk.numpy(), flat) for chunk in images.flatten(1).double().split(1000)]
    return (
        np.concatenate([chunk.min(axis=1) for chunk in distances]),
        np.concatenate([chunk.argmin(axis=1) for chunk in distances]),
    )


def _two_samples(synthetic: Array, holdout: Array) -> tuple[np.ndarray, np.ndarray]:
    a = check_array(synthetic, "synthetic distances", ndim=1)
    b = check_array(holdout, "hold-out distances", ndim=1)
    if min(a.min(), b.min()) < 0:
        raise ValueError("distances must be >= 0")
    return a, b


def ecdf_ks(synthetic: Array, holdout: Array) -> float:
    """Kolmogorov-Smirnov distance of two samples of distances to the training set, in [0, 1]."""
    return abs(ecdf_ks_directed(synthetic, holdout))


def ecdf_ks_directed(synthetic: Array, holdout: Array) -> float:
    """The largest gap F_synthetic - F_holdout with its sign, in [-1, 1].

    Positive: synthetic images lie nearer to the training images than hold-out images do (a leak).
    Negative: they lie farther away, which speaks of poor fidelity, not of a leak.
    """
    result = ks_2samp(*_two_samples(synthetic, holdout), method="asymp")
    return float(result.statistic * result.statistic_sign)


def ecdf_w1(synthetic: Array, holdout: Array) -> float:
    """Wasserstein-1 between two samples of distances, in units of the median hold-out distance.

    The whole area between the two ECDF curves (D14); 0 is equal, exact copies of everything give
    about 1. Raises `ValueError` if the median hold-out distance is 0 (hold-out = training images).
    """
    synthetic, holdout = _two_samples(synthetic, holdout)
    median = float(np.median(holdout))
    if median == 0:
        raise ValueError("the median hold-out distance is 0: the hold-out holds training images")
    return float(wasserstein_distance(synthetic, holdout) / median)


def ecdf_area_paper(synthetic: Array, holdout: Array) -> float:
    """The authors' form: mean gap of the ECDF curves over the overlap of their supports, in [0, 1].

    1 if the supports do not overlap. Blind to what lies outside the overlap, such as exact copies
    (D14). The authors integrate on a grid of 1,000 points; here the steps are integrated exactly.
    """
    synthetic, holdout = np.sort(_two_samples(synthetic, holdout)[0]), np.sort(holdout)
    low, high = max(synthetic[0], holdout[0]), min(synthetic[-1], holdout[-1])
    if high <= low:
        return 1.0
    inner = np.concatenate([synthetic, holdout])
    edges = np.unique(np.concatenate([[low, high], inner[(inner > low) & (inner < high)]]))
    heights = [np.searchsorted(s, edges[:-1], side="right") / len(s) for s in (synthetic, holdout)]
    return float(np.abs(heights[0] - heights[1]) @ np.diff(edges) / (high - low))


def copy_rate(synthetic: Array, holdout: Array) -> float:
    """Share of synthetic images nearer to a training image than any hold-out image is, in [0, 1].

    Both arguments are distances to the training set, from `nearest_distances`. An exact tie with
    the nearest hold-out image does not count. Falls as the hold-out grows: state its size.
    """
    synthetic, holdout = _two_samples(synthetic, holdout)
    return float((synthetic < holdout.min()).mean())


def max_ssim(
    images: Tensor,
    reference: Tensor,
    *,
    generator: torch.Generator,
    n_images: int = 100,
    repeats: int = 10,
) -> float:
    """TRI's privacy: the mean over synthetic images of the highest SSIM with any training image.

    `n_images` drawn without replacement, `repeats` times (TRI: q = 100, l = 10); with no more than
    `n_images` images, all of them. At most 1 (copies); lower is more private, but also less
    faithful. It grows with the training set's size, so compare sets of equal size only.
    """
    images = check_images(images, "synthetic images")
    if n_images < 1 or repeats < 1:
        raise ValueError(f"n_images={n_images}, repeats={repeats}; both must be at least 1")
    draws = [torch.randperm(len(images), generator=generator)[:n_images] for _ in range(repeats)]
    used, position = torch.cat(draws).unique(return_inverse=True)
    highest = ssim_matrix(images[used], reference).max(dim=1).values
    return highest[position].mean().item()
