"""The plane on which densities are compared, and the density ratio on it (NFL, sections 3.2, 4.1).

Nearest-neighbour densities are hopeless in as many dimensions as an image has pixels, so images are
mapped to two first: by Isomap, fitted on clean public images that no generator was trained on
(D12), so that the map itself says nothing about a private image. The ratio at the query compares a
generator that saw one record with one that did not (Eq. 2). Points, distances: NumPy float64.
"""

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial.distance import cdist
from sklearn.manifold import Isomap
from torch import Tensor

from ..data.checks import Array, check_array, check_images, check_same_width
from .statistics import Interval

_IN_PIECES = ".*number of connected components.*"  # in scikit-learn's warning
RESOLUTION = 1e-4  # in units of the points' root-mean-square spread; see `_neighbour_distances`


# The map


class Reducer:
    """A fitted map; `transform(images)` gives points float64 [N, d].

    `project` maps checked images [N, C, H, W] to points. `log_density`, of a normalizing flow
    only, maps them to their log densities [N] under the fitted model, in nats.
    """

    def __init__(
        self,
        project: Callable[[Tensor], np.ndarray],
        image_shape: tuple[int, ...],
        log_density: Callable[[Tensor], np.ndarray] | None = None,
    ):
        self.project = project
        self.image_shape = image_shape
        self._log_density = log_density

    def transform(self, images: Tensor) -> np.ndarray:
        """Points float64 [N, d] of `images` [N, C, H, W] in [0, 1].

        Each image's point is independent of the rest and equal images have equal points, except
        under UMAP, which places a batch by random steps. Raises `ValueError` for a shape other than
        the fitted one.
        """
        return self.project(self._checked(images)).astype(np.float64)

    def log_density(self, images: Tensor) -> np.ndarray:
        """Log densities float64 [N] in nats; `ValueError` unless the map is a normalizing flow."""
        if self._log_density is None:
            raise ValueError("this map has no density of its own; only a normalizing flow has one")
        return self._log_density(self._checked(images)).astype(np.float64)

    def _checked(self, images: Tensor) -> Tensor:
        images = check_images(images)
        if images.shape[1:] != self.image_shape:
            raise ValueError(
                f"images of shape {tuple(images.shape[1:])}, but this map was fitted on "
                f"{tuple(self.image_shape)}"
            )
        return images


def flatten(images: Tensor) -> np.ndarray:
    """Pixels of all channels, float64 [N, D], of images [N, C, H, W]."""
    return images.flatten(1).double().numpy()


def check_public(images: Tensor, method: str, **smaller: int) -> Tensor:
    """Public images that are not all equal, more of them than each of the `smaller` numbers."""
    images = check_images(images, "public images")
    if not all(1 <= value < len(images) for value in smaller.values()):
        given = ", ".join(f"{name}={value}" for name, value in smaller.items())
        need = "both" if len(smaller) == 2 else "it" if len(smaller) == 1 else "all"
        raise ValueError(
            f"{method} with {given} on {len(images)} images; {need} must be at least 1 and smaller "
            "than the number of images"
        )
    if (images == images[0]).all():
        raise ValueError(f"all public images are equal; {method} needs images that differ")
    return images


def isomap(images: Tensor, n_neighbors: int = 15, n_components: int = 2) -> Reducer:
    """Fit Isomap (Tenenbaum et al. 2000) on public images [N, C, H, W] in [0, 1].

    Raises `ValueError` unless N > `n_neighbors` and N > `n_components`, or if all images are equal.
    A neighbourhood graph in several pieces is joined at the nearest points, with one warning.
    """
    images = check_public(images, "Isomap", n_neighbors=n_neighbors, n_components=n_components)
    # A tree's distances are exact; the default's lose digits for near-duplicates.
    reducer = Isomap(
        n_neighbors=n_neighbors, n_components=n_components, neighbors_algorithm="ball_tree"
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", message=_IN_PIECES)
        reducer.fit(flatten(images))
    if caught:
        warnings.warn(
            f"Isomap's graph with n_neighbors={n_neighbors} falls into pieces, which were joined "
            "at their nearest points; raise n_neighbors for a connected graph",
            stacklevel=2,
        )
    return Reducer(lambda new: reducer.transform(flatten(new)), images.shape[1:])


# The ratio


class _Distances(NamedTuple):
    """Of each query [M] its k-th neighbour distance in both sets; their sizes, the dimension."""

    victim: np.ndarray
    ablated: np.ndarray
    n: int
    m: int
    dimension: int


def _neighbour_distances(victim: Array, ablated: Array, queries: Array, k: int) -> _Distances:
    """k-th neighbour distances of queries [M, d] (or one, [d]) in both sets.

    Duplicates count as often as they occur: a generator that repeats the query has high density
    there. A distance of 0 would give an infinite ratio, so distances below `RESOLUTION` times the
    root-mean-square spread of all points count as that much. Then |ln ratio| <= ~9.2 d + ln(N/N').
    """
    victim = check_array(victim, "victim points")
    ablated = check_array(ablated, "ablated points")
    queries = np.asarray(queries.detach().cpu() if isinstance(queries, Tensor) else queries)
    queries = check_array(np.atleast_2d(queries), "query")
    check_same_width(victim, ablated, "victim and ablated points")
    check_same_width(victim, queries, "points and query")
    smallest = min(len(victim), len(ablated))
    if not 1 <= k <= smallest:
        raise ValueError(f"k={k}; it must be between 1 and the size of the smaller set, {smallest}")
    pooled = np.concatenate([victim, ablated])
    apart = np.square(queries - pooled.mean(axis=0)).sum(axis=1) / (len(pooled) + 1)
    variance = (pooled.var(axis=0).sum() + apart) * len(pooled) / (len(pooled) + 1)
    # Where all points are equal, both distances are.
    floor = np.where(variance > 0, RESOLUTION * np.sqrt(variance), 1.0)

    def kth(points: np.ndarray) -> np.ndarray:
        distances = np.partition(cdist(queries, points), k - 1, axis=1)
        return np.maximum(distances[:, k - 1], floor)

    return _Distances(kth(victim), kth(ablated), len(victim), len(ablated), victim.shape[1])


def log_density_ratios(
    victim_points: Array, ablated_points: Array, queries: Array, k: int = 20
) -> np.ndarray:
    """ln p_victim - ln p_ablated at each of the queries [M, d], as `log_density_ratio`: [M]."""
    near = _neighbour_distances(victim_points, ablated_points, queries, k)
    return near.dimension * np.log(near.ablated / near.victim) + math.log(near.m / near.n)


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
    return float(log_density_ratios(victim_points, ablated_points, query, k).item())


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
    near = _neighbour_distances(victim_points, ablated_points, query, k)
    return abs(math.log(near.ablated.item() / near.victim.item()))


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
    takes several seeds.
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


def leak_p_value(
    victim_points: Array, ablated_points: Array, query: Array, public_points: Array, k: int = 20
) -> float:
    """How surprising the ratio at the query is if nothing leaks: its rank among public images.

    `public_points` [P, d]: public images of the query's class on the same map, drawn as the query
    was and seen by no generator. If the victim's run has taken nothing from the query but what the
    class has in common, the query is one of P + 1 images in no particular order, and the share of
    them whose ratio is at least the query's, itself among them, is at most p with a chance of p: a
    permutation test, whatever the two densities are. One-sided: a generator that has learned a
    record puts more images near it, so a leak raises the ratio. At least 1 / (P + 1).
    """
    public_points = check_array(public_points, "public points")
    query = np.asarray(query, float).reshape(1, -1)
    places = np.concatenate([query, public_points])
    at_query, *others = log_density_ratios(victim_points, ablated_points, places, k)
    return float((1 + (np.array(others) >= at_query).sum()) / len(places))
