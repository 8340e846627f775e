"""Privacy, measured from the outside: what the synthetic images give away (NFL, section 3.2).

Two families. The density ratio at the query compares a generator that saw one record with one that
did not (Eq. 2). The distance measures ask whether synthetic images lie nearer to the training
images than hold-out images do. None of them proves privacy: they are lower bounds on what an
attacker can do, to be read beside the accountant's upper bound. Points, distances: NumPy float64.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp, wasserstein_distance
from torch import Tensor

from .fidelity import ssim_matrix
from .inputs import Array, check_array, check_images, check_same_size, check_same_width
from .statistics import Interval

RESOLUTION = 1e-4  # in units of the points' root-mean-square spread; see `_neighbour_distances`


def _neighbour_distances(
    victim: Array, ablated: Array, query: Array, k: int
) -> tuple[float, float, int, int, int]:
    """k-th neighbour distances of the query in both sets, their sizes, and the dimension.

    Duplicates count as often as they occur: a generator that repeats the query has high density
    there. A distance of 0 would give an infinite ratio, so distances below `RESOLUTION` times the
    root-mean-square spread of all points count as that much. Then |ln ratio| <= ~9.2 d + ln(N/N').
    """
    victim = check_array(victim, "victim points")
    ablated = check_array(ablated, "ablated points")
    query = np.asarray(query.detach().cpu() if isinstance(query, Tensor) else query)
    query = check_array(query.reshape(1, -1), "query")
    check_same_width(victim, ablated, "victim and ablated points")
    check_same_width(victim, query, "points and query")
    smallest = min(len(victim), len(ablated))
    if not 1 <= k <= smallest:
        raise ValueError(f"k={k}; it must be between 1 and the size of the smaller set, {smallest}")
    pooled = np.concatenate([victim, ablated, query])
    spread = math.sqrt(pooled.var(axis=0).sum())
    floor = RESOLUTION * spread if spread > 0 else 1.0  # all points equal: both distances equal

    def kth(points: np.ndarray) -> float:
        distances = np.linalg.norm(points - query, axis=1)
        return max(float(np.partition(distances, k - 1)[k - 1]), floor)

    return kth(victim), kth(ablated), len(victim), len(ablated), victim.shape[1]


def log_density_ratio(
    victim_points: Array, ablated_points: Array, query: Array, k: int = 20
) -> float:
    """ln p_victim(query) - ln p_ablated(query) from k-nearest-neighbour densities; signed, nats.

    `victim_points` [N, d], `ablated_points` [M, d], `query` [d] or [1, d]. With p(x) ~
    k / (N V_d r_k(x)^d) the ratio is d ln(r_ablated / r_victim) + ln(M / N): with the dimension
    factor that the authors' code lacks (D9). Its standard deviation is about sqrt(2 / k) where the
    densities are smooth. Bounded for duplicates and zero distances, see `_neighbour_distances`.
    Raises `ValueError` for k outside 1..min(N, M), NaN, or unequal dimensions.
    """
    victim, ablated, n, m, dimension = _neighbour_distances(victim_points, ablated_points, query, k)
    return dimension * math.log(ablated / victim) + math.log(m / n)


def epsilon_hat(victim_points: Array, ablated_points: Array, query: Array, k: int = 20) -> float:
    """NFL Eq. (2): the absolute log density ratio at the query, in nats; 0 is perfect privacy.

    An absolute value of a noisy number is never 0 on average: read it against its null
    distribution (pairs of runs that both did not see the query).
    """
    return abs(log_density_ratio(victim_points, ablated_points, query, k))


def epsilon_hat_paper(
    victim_points: Array, ablated_points: Array, query: Array, k: int = 5
) -> float:
    """The authors' form, |ln(r_ablated / r_victim)|: without the dimension factor (D9)."""
    victim, ablated, *_ = _neighbour_distances(victim_points, ablated_points, query, k)
    return abs(math.log(ablated / victim))


def log_density_ratio_interval(
    victim_points: Array,
    ablated_points: Array,
    query: Array,
    k: int = 20,
    *,
    generator: torch.Generator,
    resamples: int = 1000,
    confidence: float = 0.9,
) -> Interval:
    """The log density ratio with a percentile bootstrap interval over the synthetic images.

    Covers the randomness of sampling from two given generators; not that of training them, which
    takes several seeds or `null_log_density_ratios`.
    """
    value = log_density_ratio(victim_points, ablated_points, query, k)
    values = []
    groups = [check_array(points, "points") for points in (victim_points, ablated_points)]
    for _ in range(resamples):
        drawn = [
            points[torch.randint(len(points), (len(points),), generator=generator).numpy()]
            for points in groups
        ]
        values.append(log_density_ratio(*drawn, query, k))
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), min(map(len, groups)))


def null_log_density_ratios(
    ablated_points: Sequence[Array], queries: Sequence[Array], k: int = 20
) -> np.ndarray:
    """Log density ratios between runs that did not see the query: what no leak looks like (D10).

    `ablated_points`: one set [N, d] per seed, all on the same map; `queries`: that seed's query.
    Each run's query is held against every other run's set, so S seeds give S (S - 1) values,
    signed. The other run also had other images and noise, which a victim and its own ablated run
    share: the null is wider than theirs, so a leak that stands out of it is one.
    """
    if len(ablated_points) != len(queries) or len(queries) < 2:
        raise ValueError(
            f"{len(ablated_points)} sets and {len(queries)} queries; one of each is needed for "
            "two or more seeds"
        )
    runs = range(len(queries))
    return np.array(
        [
            log_density_ratio(ablated_points[i], ablated_points[j], queries[i], k)
            for i in runs
            for j in runs
            if i != j
        ]
    )


def leak_p_value(observed: float, null: Array) -> float:
    """Chance that no leak gives an absolute log density ratio as large as `observed`, in (0, 1].

    (1 + values of the null at least as large) / (1 + values): never 0, at best 1 / (1 + values).
    """
    null = check_array(null, "null values", ndim=1)
    return float((1 + (np.abs(null) >= abs(observed)).sum()) / (1 + len(null)))


def nearest_distances(images: Tensor, reference: Tensor) -> np.ndarray:
    """Euclidean distance in pixel space of each image to its nearest reference image, [N].

    `images` [N, 1, H, W], `reference` [M, 1, H, W], in [0, 1]. A copy has distance exactly 0.
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
