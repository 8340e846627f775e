"""Copies among synthetic images, told from what unseen real images do by exact ranks.

A generated image that repeats a training image lies far nearer to it than to the images around it;
a blurred or an average one lies near to all of them alike. The score is therefore relative, as in
Carlini et al. 2023 (arXiv 2301.13188, section 4.2), and its yardstick are real images that nobody
trained on. Distances are arrays [N, M]; where they come from is the caller's business.
"""

import numpy as np
import torch
from scipy.special import gammaln
from sklearn.metrics.pairwise import euclidean_distances
from torch import Tensor
from torch.nn import functional as F

from ..data.checks import Array, check_array, check_images, check_same_size

AROUND = 10  # private images that say how near is near
THUMBNAIL = 16  # pixels a side at which images are compared: noise and compression average out
_MIRRORS = ((), (3,), (2,), (2, 3))


def mirrors(images: Tensor) -> list[Tensor]:
    """Images [N, C, H, W] as they are, mirrored left to right, upside down, and both."""
    return [images.flip(axes) for axes in _MIRRORS]


def mirrored_distances(images: Tensor, reference: Tensor) -> np.ndarray:
    """Euclidean distances [N, M] in pixel space, each the least over the mirror images.

    `images` [N, C, S, S] and `reference` [M, C, S, S] in [0, 1], averaged to `THUMBNAIL` pixels a
    side if they are larger.
    """
    images, reference = check_images(images), check_images(reference, "reference images")
    check_same_size(images, reference, "images and reference")
    small = [_thumbnails(part) for part in (images, reference)]
    flat = small[1].flatten(1).double().numpy()
    turned = (part.flatten(1).double().numpy() for part in mirrors(small[0]))
    return np.minimum.reduce([euclidean_distances(part, flat) for part in turned])


def _thumbnails(images: Tensor) -> Tensor:
    if images.shape[-1] <= THUMBNAIL:
        return images
    return F.interpolate(images, (THUMBNAIL, THUMBNAIL), mode="area")


def copy_scores(distances: Array) -> np.ndarray:
    """Scores [N] from distances [N, M] to M >= 3 private images: the nearest over the mean of the
    next `AROUND`. 0 is a copy, near 1 an image that resembles none in particular.
    """
    ordered = np.sort(check_array(distances, "distances"), axis=1)
    if ordered.shape[1] < 3:
        raise ValueError(f"{ordered.shape[1]} private images; at least 3 are needed")
    around = ordered[:, 1 : 1 + AROUND].mean(axis=1)
    return ordered[:, 0] / np.maximum(around, 1e-12)


def without_itself(distances: np.ndarray) -> np.ndarray:
    """Distances [N, N] of a set to itself without the diagonal, [N, N - 1]."""
    n = len(distances)
    return distances[~np.eye(n, dtype=bool)].reshape(n, n - 1)


def rank_p_value(nearer: int, synthetic: int, others: int) -> float:
    """The chance that the `nearer` lowest scores of all are all of the synthetic images.

    Exact if the scores of the `synthetic` images and of the `others` are exchangeable, as those of
    unseen real images would be.
    """
    if not 0 <= nearer <= synthetic or others < 1:
        raise ValueError(
            f"{nearer} of {synthetic} images against {others}; need 0 <= k <= N, M > 0"
        )
    total = synthetic + others
    ways = gammaln(synthetic + 1) - gammaln(synthetic - nearer + 1)
    all_ways = gammaln(total + 1) - gammaln(total - nearer + 1)
    return float(np.exp(ways - all_ways))


def fewest_noticed(synthetic: int, others: int, alpha: float) -> int | None:
    """The fewest copies that `rank_p_value` tells at level `alpha`; `None` if no number does."""
    counts = range(1, synthetic + 1)
    return next((k for k in counts if rank_p_value(k, synthetic, others) < alpha), None)


def exact(images: Tensor, reference: Tensor) -> np.ndarray:
    """Whether each image [N] equals a reference image to the bit, mirrored or not: bool [N]."""
    known = {image.numpy().tobytes() for part in mirrors(reference) for image in part.contiguous()}
    return np.array([image.numpy().tobytes() in known for image in images.contiguous()], bool)


def distinct(images: Tensor) -> Tensor:
    """Rows of the images without repetitions, the first of equals: int64 [n]."""
    first = {image.numpy().tobytes(): row for row, image in reversed(list(enumerate(images)))}
    return torch.tensor(sorted(first.values()))
