"""Fidelity: how close synthetic images are to real ones (NFL, section 3.3).

Pure functions of features [N, D] or images [N, C, H, W] in [0, 1], grey or colour; which network
made the features is the caller's business (`fid` is Inception only). No value depends on the order
of the images. FID is biased upwards, the more the smaller N (about as 1/N): compare values of equal
N only.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics.pairwise import euclidean_distances
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

from ..data.checks import (
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


def inception_score(logits: Array, splits: int = 1) -> float:
    """exp of the mean KL divergence from the mean class distribution; from 1 up to C classes.

    `logits` [N, C] of an image classifier: the name `inception_score` is right only for Inception's
    own last layer. Over all N at once; `splits` > 1 is the mean over that many equal parts in the
    order given, the authors' form (D17), whose small parts hold few classes and lower the score.
    Salimans et al. 2016 (arXiv 1606.03498).
    """
    logits = torch.from_numpy(check_array(logits, "logits", minimum=2 * splits))
    return float(np.mean([_score(part) for part in logits.chunk(splits)]))


def _score(logits: Tensor) -> float:
    log_p = logits.log_softmax(dim=1)
    log_marginal = log_p.logsumexp(dim=0) - math.log(len(log_p))
    return math.exp((log_p.exp() * (log_p - log_marginal)).sum(dim=1).mean().item())


def kid(real: Array, synthetic: Array) -> float:
    """Kernel distance: unbiased squared MMD with the kernel (x'y / D + 1)^3; lower is better.

    `real` [N, D], `synthetic` [M, D]. Binkowski et al. 2018 (arXiv 1801.01401). Over all images at
    once rather than random subsets, so there is nothing to draw. Unlike FID its mean does not
    depend on N, and it can be slightly negative. Often quoted times 1,000; this is the plain value.
    """
    real = check_array(real, "real features", minimum=2)
    synthetic = check_array(synthetic, "synthetic features", minimum=2)
    check_same_width(real, synthetic, "real and synthetic features")

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def mean_of_others(a: np.ndarray) -> float:
        k, n = kernel(a, a), len(a)
        return (k.sum() - np.trace(k)) / (n * (n - 1))

    cross = kernel(real, synthetic).mean()
    return float(mean_of_others(real) + mean_of_others(synthetic) - 2 * cross)


def fid_inf(
    real: Array, synthetic: Array, *, generator: torch.Generator, sizes: int = 8, draws: int = 3
) -> float:
    """Frechet distance extrapolated to infinitely many images; can be slightly negative.

    Chong and Forsyth 2020 (arXiv 1911.07023): the bias falls as 1/N, so a line is fitted to the
    distance against 1/N. N runs from half of the images to all of them, evenly in 1/N, with `draws`
    random subsets each. They extrapolate over the synthetic set only, beside a large real set; here
    both sets are of the same small size and shrink together: that removes some of the bias of both.
    With fewer images than features the fall is no line: between two sets of real digits
    (EfficientNet-Lite0, N = 1,000) 4.6 becomes 0.65 +- 0.26 rather than 0.
    `real` [N, D] and `synthetic` [M, D] need 30 rows or more.
    """
    real = check_array(real, "real features", minimum=30)
    synthetic = check_array(synthetic, "synthetic features", minimum=30)
    most = min(len(real), len(synthetic))
    counts = np.round(1 / np.linspace(2 / most, 1 / most, sizes)).astype(int)

    def subset(features: np.ndarray, n: int) -> np.ndarray:
        return features[torch.randperm(len(features), generator=generator)[:n].numpy()]

    points = [
        (1 / n, frechet_distance(subset(real, n), subset(synthetic, n)))
        for n in counts
        for _ in range(draws)
    ]
    x, y = np.array(points).T
    return float(np.polyfit(x, y, 1)[1])


class Neighbourhoods(NamedTuple):
    """Fidelity and diversity from nearest-neighbour balls, see `neighbourhoods`."""

    precision: float  # share of synthetic images inside a ball of a real image
    recall: float  # share of real images inside a ball of a synthetic image
    density: float  # real balls that hold a synthetic image, over k; 1 if equal, may exceed 1
    coverage: float  # share of real images whose ball holds a synthetic image


def neighbourhoods(real: Array, synthetic: Array, k: int = 3) -> Neighbourhoods:
    """Improved precision and recall, density and coverage of features [N, D] and [M, D].

    Balls around each image reach its k-th nearest other image of the same set. Kynkaanniemi et al.
    2019 (arXiv 1904.06991; k = 3, as TRI) and Naeem et al. 2020 (arXiv 2002.09797; they advise
    k = 5 for density and coverage). Two samples of one distribution: density about 1, coverage
    about 1 - 2^-k. Raises `ValueError` unless 1 <= k < min(N, M).
    """
    real = check_array(real, "real features")
    synthetic = check_array(synthetic, "synthetic features")
    check_same_width(real, synthetic, "real and synthetic features")
    smallest = min(len(real), len(synthetic))
    if not 1 <= k < smallest:
        raise ValueError(f"k={k}; it must be at least 1 and less than the smaller set, {smallest}")

    def radius(features: np.ndarray) -> np.ndarray:
        return np.partition(euclidean_distances(features), k, axis=1)[:, k]  # 0 is itself

    distance = euclidean_distances(real, synthetic)  # [N, M]
    in_real = distance <= radius(real)[:, None]
    in_synthetic = distance <= radius(synthetic)[None, :]
    return Neighbourhoods(
        precision=float(in_real.any(axis=0).mean()),
        recall=float(in_synthetic.any(axis=1).mean()),
        density=float(in_real.sum(axis=0).mean() / k),
        coverage=float(in_real.any(axis=1).mean()),
    )


def per_class(
    measure: Callable[[Array, Array], float],
    real: Array,
    real_labels: Tensor,
    synthetic: Array,
    synthetic_labels: Tensor,
) -> dict[int, float]:
    """`measure(real, synthetic)` within each class of `synthetic_labels`; class -> value.

    A class has a tenth of the images and so a far larger FID bias: compare it with the same
    measure between two real sets of that size. Raises `ValueError` for a class without real images.
    """
    real_labels = check_labels(real_labels, len(real), "real labels")
    synthetic_labels = check_labels(synthetic_labels, len(synthetic), "synthetic labels")
    classes = _shared_classes(synthetic_labels, real_labels)
    return {c: measure(real[real_labels == c], synthetic[synthetic_labels == c]) for c in classes}


def _shared_classes(labels: Tensor, real_labels: Tensor) -> list[int]:
    """The classes in `labels`; `ValueError` if one of them is not in `real_labels`."""
    classes = labels.unique().tolist()
    missing = sorted(set(classes) - set(real_labels.tolist()))
    if missing:
        raise ValueError(f"no real image of class {missing} to compare the synthetic ones with")
    return classes


def same_class_sets(
    images: Tensor, labels: Tensor, real_images: Tensor, real_labels: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Per class in `labels`, its synthetic and its real images."""
    images = check_images(images, "synthetic images")
    real_images = check_images(real_images, "real images")
    check_same_size(images, real_images, "synthetic and real images")
    labels = check_labels(labels, len(images), "synthetic labels")
    real_labels = check_labels(real_labels, len(real_images), "real labels")
    classes = _shared_classes(labels, real_labels)
    return [(images[labels == c], real_images[real_labels == c]) for c in classes]


def psnr(images: Tensor, labels: Tensor, real_images: Tensor, real_labels: Tensor) -> float:
    """Peak signal-to-noise ratio in dB over all synthetic-real pairs of the same class.

    The mean squared error is taken over all pairs, each synthetic image counting the same, and
    then turned into dB (as torchmetrics does for a batch): infinite only if every pair is equal.
    Images [N, C, H, W] in [0, 1]. Higher is better, but a class's blurred mean beats its real
    images, and copies score no better than other images of the class.
    """
    sets = same_class_sets(images, labels, real_images, real_labels)
    total = 0.0
    for fake, real in sets:
        fake, real = fake.flatten(1).double(), real.flatten(1).double()
        squares = len(fake) * real.square().sum(1).mean() + fake.square().sum()
        total += (squares - 2 * (fake.sum(0) * real.mean(0)).sum()).item() / fake.shape[1]
    error = total / sum(len(fake) for fake, _ in sets)
    return math.inf if error <= 1e-14 else -10 * math.log10(error)


def ssim(images: Tensor, labels: Tensor, real_images: Tensor, real_labels: Tensor) -> float:
    """Mean structural similarity over all synthetic-real pairs of the same class; at most 1.

    Images [N, C, H, W] in [0, 1], H and W at least 11. Each synthetic image counts the same.
    """
    sets = same_class_sets(images, labels, real_images, real_labels)
    total = sum(ssim_matrix(fake, real).mean(dim=1).sum().item() for fake, real in sets)
    return total / sum(len(fake) for fake, _ in sets)


_WINDOW, _WINDOW_SIGMA, _C1, _C2 = 11, 1.5, 0.01**2, 0.03**2  # Wang et al. 2004, data range 1
_PIXELS_AT_ONCE = 784_000  # keeps a chunk of products near the CPU's cache


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

    `images` [N, C, H, W], `reference` [M, C, H, W], in [0, 1]; of colour images the mean over
    channels. Wang et al. 2004 with torchmetrics' settings (Gaussian window of 11 pixels, sigma 1.5,
    mirrored borders).
    """
    images, reference = check_images(images), check_images(reference, "reference images")
    check_same_size(images, reference, "images and reference")
    channels = zip(images.double().unbind(1), reference.double().unbind(1), strict=True)
    return torch.stack([_ssim_of_channel(a, b) for a, b in channels]).mean(dim=0)


def _ssim_of_channel(images: Tensor, reference: Tensor) -> Tensor:
    """SSIM [N, M] of one channel, float64 [N, H, W] and [M, H, W].

    The window is applied as two small matrix products and each image's own moments are computed
    once, which makes all pairs affordable.
    """
    down, across = _window_filter(images.shape[1]), _window_filter(images.shape[2]).T

    def blur(stack: Tensor) -> Tensor:
        return down @ (stack @ across)

    def moments(stack: Tensor) -> tuple[Tensor, Tensor]:
        mean = blur(stack)
        return mean, (blur(stack.square()) - mean.square()).clamp(min=0)

    mean_r, variance_r = moments(reference)
    rows = []
    for chunk in images.split(max(1, _PIXELS_AT_ONCE // reference.numel())):
        mean, variance = (m[:, None] for m in moments(chunk))  # [B, 1, h, w]
        means = mean * mean_r  # [B, M, h, w]
        covariance = blur(chunk[:, None] * reference) - means
        top = (2 * means + _C1) * (2 * covariance + _C2)
        bottom = (mean.square() + mean_r.square() + _C1) * (variance + variance_r + _C2)
        rows.append((top / bottom).mean(dim=(2, 3)))
    return torch.cat(rows)


PAPER_PAIRS = 100  # of the authors' N; the standard error of SSIM's mean is then below 0.01


def paper_pairs(
    images: Tensor, real_images: Tensor, *, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """The authors' pairs (D16): a synthetic image beside any real image, both at 299x299.

    Whatever their classes; `PAPER_PAIRS` random ones (or all images if there are fewer), enlarged
    bilinearly as in their code. Yields batches [B, C, 299, 299].
    """
    images = check_images(images, "synthetic images")
    real_images = check_images(real_images, "real images")
    check_same_size(images, real_images, "synthetic and real images")
    count = min(len(images), len(real_images), PAPER_PAIRS)
    drawn = [
        group[torch.randperm(len(group), generator=generator)[:count]].split(10)
        for group in (images, real_images)
    ]
    for pair in zip(*drawn, strict=True):
        yield tuple(F.interpolate(batch, size=(299, 299), mode="bilinear") for batch in pair)


def psnr_paper(images: Tensor, real_images: Tensor, *, generator: torch.Generator) -> float:
    """The authors' form of PSNR, in dB: from the mean squared error over `paper_pairs`."""
    pairs = paper_pairs(images, real_images, generator=generator)
    errors = torch.cat([(a - b).square().mean(dim=(1, 2, 3)) for a, b in pairs])
    error = errors.double().mean().item()
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim_paper(images: Tensor, real_images: Tensor, *, generator: torch.Generator) -> float:
    """The authors' form of SSIM: over `paper_pairs`, whose smooth enlargement inflates it (D16)."""
    pairs = paper_pairs(images, real_images, generator=generator)
    values = [
        structural_similarity_index_measure(a, b, data_range=1.0, reduction="none").view(-1)
        for a, b in pairs
    ]
    return torch.cat(values).double().mean().item()
