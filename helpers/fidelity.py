"""Fidelity: how close synthetic images are to real ones (NFL, section 3.3).

Pure functions of features [N, D] or images [N, 1, H, W] in [0, 1]; which network made the features
is the caller's business (`fid` is Inception only). No value depends on the order of the images.
FID's bias at N = 1,000 is about 15 points and falls as 1/N: compare values of equal N only.
"""

import math

import numpy as np
import torch
from torch import Tensor

from .inputs import (
    Array,
    check_array,
    check_images,
    check_labels,
    check_same_size,
    check_same_width,
)


def _centred_factor(features: np.ndarray) -> np.ndarray:
    """A matrix R [min(N, D), D] with R'R = the covariance of `features` [N, D]."""
    centred = (features - features.mean(axis=0)) / math.sqrt(len(features) - 1)
    return centred if len(features) <= features.shape[1] else np.linalg.qr(centred, mode="r")


def frechet_distance(real: Array, synthetic: Array) -> float:
    """Squared Wasserstein-2 distance of the Gaussians fitted to two feature sets; lower is better.

    `real` [N, D], `synthetic` [M, D]. Heusel et al. 2017 (arXiv 1706.08500), Eq. (6). With
    covariances A'A and B'B, tr sqrt(A'A B'B) is the sum of the singular values of AB': exact, and
    for N < D far cheaper than the eigenvalues of a [D, D] product, which torchmetrics and
    torch-fidelity use. Raises `ValueError` for fewer than 2 rows, NaN, or unequal D.
    """
    real = check_array(real, "real features", minimum=2)
    synthetic = check_array(synthetic, "synthetic features", minimum=2)
    check_same_width(real, synthetic, "real and synthetic features")
    mean_term = np.square(real.mean(axis=0) - synthetic.mean(axis=0)).sum()
    traces = real.var(axis=0, ddof=1).sum() + synthetic.var(axis=0, ddof=1).sum()
    product = _centred_factor(real) @ _centred_factor(synthetic).T
    cross = np.linalg.svd(product, compute_uv=False).sum()
    return max(float(mean_term + traces - 2 * cross), 0.0)


def inception_score(logits: Array) -> float:
    """exp of the mean KL divergence from the mean class distribution; from 1 up to C classes.

    `logits` [N, C] of an image classifier: the name `inception_score` is right only for Inception's
    own last layer. One split over all N (D17). Salimans et al. 2016 (arXiv 1606.03498).
    """
    logits = torch.from_numpy(check_array(logits, "logits", minimum=2))
    log_p = logits.log_softmax(dim=1)
    log_marginal = log_p.logsumexp(dim=0) - math.log(len(log_p))
    return math.exp((log_p.exp() * (log_p - log_marginal)).sum(dim=1).mean().item())


def _same_class_sets(
    images: Tensor, labels: Tensor, real_images: Tensor, real_labels: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Per class in `labels`, its synthetic and its real images."""
    images = check_images(images, "synthetic images")
    real_images = check_images(real_images, "real images")
    check_same_size(images, real_images, "synthetic and real images")
    labels = check_labels(labels, len(images), "synthetic labels")
    real_labels = check_labels(real_labels, len(real_images), "real labels")
    classes = labels.unique()
    missing = sorted(set(classes.tolist()) - set(real_labels.tolist()))
    if missing:
        raise ValueError(f"no real image of class {missing} to compare the synthetic ones with")
    return [(images[labels == c], real_images[real_labels == c]) for c in classes]


def psnr(images: Tensor, labels: Tensor, real_images: Tensor, real_labels: Tensor) -> float:
    """Peak signal-to-noise ratio in dB over all synthetic-real pairs of the same class.

    The mean squared error is taken over all pairs, each synthetic image counting the same, and
    then turned into dB (as torchmetrics does for a batch): infinite only if every pair is equal.
    Images [N, 1, H, W] in [0, 1]. Higher is better, but a class's blurred mean beats its real
    images, and copies score no better than other images of the class.
    """
    sets = _same_class_sets(images, labels, real_images, real_labels)
    total = 0.0
    for fake, real in sets:
        fake, real = fake.flatten(1).double(), real.flatten(1).double()
        squares = len(fake) * real.square().sum(1).mean() + fake.square().sum()
        total += (squares - 2 * (fake.sum(0) * real.mean(0)).sum()).item() / fake.shape[1]
    error = total / sum(len(fake) for fake, _ in sets)
    return math.inf if error <= 1e-14 else -10 * math.log10(error)


def ssim(images: Tensor, labels: Tensor, real_images: Tensor, real_labels: Tensor) -> float:
    """Mean structural similarity over all synthetic-real pairs of the same class; at most 1.

    Images [N, 1, H, W] in [0, 1], H and W at least 11. Each synthetic image counts the same.
    """
    sets = _same_class_sets(images, labels, real_images, real_labels)
    total = sum(ssim_matrix(fake, real).mean(dim=1).sum().item() for fake, real in sets)
    return total / sum(len(fake) for fake, _ in sets)


_WINDOW, _WINDOW_SIGMA, _C1, _C2 = 11, 1.5, 0.01**2, 0.03**2  # Wang et al. 2004, data range 1
_PAIRS_AT_ONCE = 1000  # keeps a chunk of products near the CPU's cache


def _window_filter(size: int) -> Tensor:
    """The Gaussian window as a matrix [size, size]: `f @ image @ f.T` filters a mirrored image."""
    if size < _WINDOW:
        raise ValueError(f"images of {size} pixels; SSIM's window needs at least {_WINDOW}")
    margin = _WINDOW // 2
    offsets = torch.arange(_WINDOW, dtype=torch.float64) - margin
    window = torch.softmax(-offsets.square() / (2 * _WINDOW_SIGMA**2), dim=0)
    places = torch.arange(size)[:, None] + offsets.long()  # mirrored where outside the image
    places = torch.where(places < 0, -places, (size - 1) - (size - 1 - places).abs())
    rows = torch.zeros(size, size, dtype=torch.float64)
    return rows.scatter_add_(1, places, window.expand(size, -1))


def ssim_matrix(images: Tensor, reference: Tensor) -> Tensor:
    """SSIM of every image with every reference image: float64 [N, M], at most 1.

    `images` [N, 1, H, W], `reference` [M, 1, H, W], in [0, 1]. Wang et al. 2004 with torchmetrics'
    settings (Gaussian window of 11 pixels, sigma 1.5, mirrored borders). The window is applied as
    two small matrix products and each image's own moments are computed once, which makes all pairs
    affordable.
    """
    images = check_images(images).double().squeeze(1)
    reference = check_images(reference, "reference images").double().squeeze(1)
    check_same_size(images[:, None], reference[:, None], "images and reference")
    down, across = _window_filter(images.shape[1]), _window_filter(images.shape[2]).T

    def blur(stack: Tensor) -> Tensor:
        return down @ (stack @ across)

    def moments(stack: Tensor) -> tuple[Tensor, Tensor]:
        mean = blur(stack)
        return mean, (blur(stack.square()) - mean.square()).clamp(min=0)

    mean_r, variance_r = moments(reference)
    rows = []
    for chunk in images.split(max(1, _PAIRS_AT_ONCE // len(reference))):
        mean, variance = (m[:, None] for m in moments(chunk))  # [B, 1, h, w]
        means = mean * mean_r  # [B, M, h, w]
        covariance = blur(chunk[:, None] * reference) - means
        top = (2 * means + _C1) * (2 * covariance + _C2)
        bottom = (mean.square() + mean_r.square() + _C1) * (variance + variance_r + _C2)
        rows.append((top / bottom).mean(dim=(2, 3)))
    return torch.cat(rows)
