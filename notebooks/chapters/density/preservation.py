"""How well a map to the plane keeps the order of densities (NFL, section 4.1, Fig. 4).

Local density at a point is taken as the inverse of the mean distance to its k nearest neighbours.
The score is Spearman's rank correlation of the local densities of unseen images before and after
reduction. The authors' own form, which adds a second term for angles, is kept beside it.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr
from sklearn.preprocessing import MinMaxScaler
from torch import Tensor

from helpers.data.checks import Array, check_array, check_images

ANGLE_IMAGES = 500  # at most so many enter the authors' angle score


def neighbour_distances(points: Array, k: int) -> np.ndarray:
    """Mean distance [N] of each point [N, d] to its k nearest others: the inverse local density.

    Raises `ValueError` unless 1 <= k < N.
    """
    points = check_array(points, "points")
    if not 1 <= k < len(points):
        raise ValueError(f"k={k} for {len(points)} points; it must be at least 1 and below that")
    distances = cdist(points, points)
    np.fill_diagonal(distances, np.inf)
    return np.partition(distances, k - 1, axis=1)[:, :k].mean(axis=1)


def density_preservation(images: Tensor, points: Array, k: int = 10) -> float:
    """Spearman correlation of local densities of `images` [N, 1, H, W] and `points` [N, d].

    In [-1, 1]. Neighbours are sought among the images themselves, which the map has not seen.
    Raises `ValueError` if all images are equal or all points are: an order needs differences.
    """
    images = check_images(images)
    before = neighbour_distances(images.flatten(1), k)
    after = neighbour_distances(points, k)
    return _correlation(before, after)


def _correlation(before: np.ndarray, after: np.ndarray) -> float:
    for values, name in ((before, "images"), (after, "points")):
        if np.ptp(values) == 0:
            raise ValueError(f"all {name} have the same local density; they must differ")
    return float(spearmanr(before, after).statistic)


def density_agreement(images: Tensor, log_density: Array, k: int = 10) -> float:
    """As `density_preservation`, for a model that gives a log density [N] itself (a flow)."""
    before = neighbour_distances(check_images(images).flatten(1), k)
    return _correlation(-before, check_array(log_density, "log densities", ndim=1))


class PaperScore(NamedTuple):
    """The authors' score and its two terms, each in [0, 1]."""

    distance: float
    angle: float
    combined: float  # 0.7 distance + 0.3 angle


def density_preservation_paper(
    public_images: Tensor, public_points: Array, images: Tensor, points: Array
) -> PaperScore:
    """The score of the authors' code, which differs from the paper's text.

    Pixels and points are scaled to [0, 1] by the fitted images; density is the inverse distance to
    the k-th of the *fitted* images, k = sqrt(N) between 5 and 100; the angle term correlates the
    cosines between all pairs of unseen images, seen from the corner of the scaled plane, before and
    after. Negative correlations count as 0. Raises `ValueError` for 5 fitted images or fewer.
    """
    public_images, images = check_images(public_images, "public images"), check_images(images)
    k = max(5, min(100, math.isqrt(len(public_images))))
    if len(public_images) <= 5:
        raise ValueError(f"{len(public_images)} public images; at least 6 are needed")
    sides = (public_images.flatten(1).numpy(), images.flatten(1).numpy()), (public_points, points)
    kth, cosines = [], []
    for fitted, new in sides:
        scaler = MinMaxScaler().fit(check_array(fitted, "fitted"))
        fitted, new = scaler.transform(fitted), scaler.transform(check_array(new, "new"))
        kth.append(np.partition(cdist(new, fitted), k - 1, axis=1)[:, k - 1])
        some = new[:ANGLE_IMAGES]
        pairs = 1 - cdist(some, some, "cosine")
        cosines.append(pairs[np.triu_indices(len(some), 1)])
    distance, angle = (max(0.0, _correlation(*pair)) for pair in (kth, cosines))
    return PaperScore(distance, angle, 0.7 * distance + 0.3 * angle)
