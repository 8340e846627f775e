"""Pairs of samples whose density ratio at a query is known: what an estimator is judged by.

A leak is a mixture: the leaking sample holds a fraction f of images drawn near the query, the other
sample none. In any space in which densities exist, whatever the map, the ratio at the query is then

    p_leak(x) / p_clean(x) = 1 - f + f c(x) / p_clean(x),

with c the density of the planted images: linear and rising in f. Two kinds of scenes:

- `blobs`: images of a bright blob whose place is a standard normal point of a plane, a curved
  surface of two dimensions in 784. The ratio is that of the places, known exactly, and an
  invertible map of the surface cannot change it.
- a real data set: near-copies of a real image among real images. Densities of real images are
  unknown, so the ratio is known at a resolution: in the ball around the query that holds a share b
  of clean images the mass grows by the factor 1 - f + f s / b, with s the share of near-copies in
  the ball, which is counted. At the query itself there is no upper limit as copies become exact.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.data import datasets, draws
from helpers.data.checks import check_images
from helpers.randomness import generator as stream

BLOBS = "blobs"
QUERY = (0.6, -0.3)  # the blobs' query, in standard deviations from the middle of the plane
WIDTHS = {"smooth": 0.5, "sharp": 0.1}  # of the blobs' leaks, in the same unit
SHIFT = 0.5  # of near-copies, up to so many pixels each way
NOISE = 0.02  # of near-copies: the deviation of Gaussian noise on each pixel


@dataclass(frozen=True)
class Scene:
    """One seed's images. All float32 [., 1, 28, 28] in [0, 1]; the parts share no image."""

    fitted: Tensor  # what a reducer is fitted to
    unseen: Tensor  # what the reducers' scores are computed on, in random order
    query: Tensor  # one image
    clean: Tensor  # the pool that clean samples are drawn from, in random order
    leaks: dict[str, Tensor]  # kind -> planted images


def scene(dataset: str, seed: int, *, fitted: int, unseen: int, clean: int, planted: int) -> Scene:
    """The scene of a data set (`fitted` images per class) or of `BLOBS` (10 times `fitted`).

    `unseen`, `clean` and `planted` are numbers of images, or as many as there are. Smaller fitted
    sets are part of larger ones. Raises `ValueError` as `draws.few_shot` does.
    """
    if dataset == BLOBS:
        return _blobs(seed, fitted=10 * fitted, unseen=unseen, clean=clean, planted=planted)
    data = datasets.load(dataset)
    drawn = draws.few_shot(data, fitted + 1, generator=stream(seed, "density/fitted"))
    # Of each class the last drawn is left out of the fit; that of the query class is the query.
    place = torch.arange(len(drawn.labels)) % (fitted + 1)
    query = (place == fitted) & (drawn.labels == data.query_class)
    left = torch.ones(len(data.train_labels), dtype=torch.bool)
    left[drawn.index] = False
    order = torch.randperm(len(data.test_labels), generator=stream(seed, "density/unseen"))
    held, rest = order[:unseen], order[unseen:]
    pool = torch.cat([data.train_images[left], data.test_images[rest]])
    chosen = torch.randperm(len(pool), generator=stream(seed, "density/clean"))[:clean]
    copies = near_copies(
        drawn.images[query], planted, generator=stream(seed, "density/near-copies")
    )
    return Scene(
        fitted=drawn.images[place < fitted],
        unseen=data.test_images[held],
        query=drawn.images[query],
        clean=pool[chosen],
        leaks={"copies": copies},
    )


def _blobs(seed: int, *, fitted: int, unseen: int, clean: int, planted: int) -> Scene:
    def normal(n: int, purpose: str) -> Tensor:
        return torch.randn(n, 2, generator=stream(seed, f"density/blobs/{purpose}"))

    query = torch.tensor([QUERY])
    return Scene(
        fitted=blobs(normal(fitted, "fitted")),
        unseen=blobs(normal(unseen, "unseen")),
        query=blobs(query),
        clean=blobs(normal(clean, "clean")),
        leaks={
            kind: blobs(query + width * normal(planted, kind)) for kind, width in WIDTHS.items()
        },
    )


def blobs(places: Tensor) -> Tensor:
    """Images [N, 1, 28, 28] of a Gaussian blob, 2.5 pixels wide, at 14 + 3 `places` [N, 2]."""
    centres = 14 + 3 * places
    grid = torch.arange(28) + 0.5
    x, y = ((grid - centres[:, i, None]) ** 2 for i in (0, 1))
    return torch.exp(-(y[:, :, None] + x[:, None, :]) / (2 * 2.5**2))[:, None]


def blob_log_ratio(fraction: float, kind: str) -> float:
    """The exact log density ratio at the blobs' query, in nats, with a fraction in [0, 1] planted.

    Standard normal places against a mixture with N(query, width^2 I): the dimension is 2.
    """
    square = sum(coordinate**2 for coordinate in QUERY)
    contrast = math.exp(square / 2) / WIDTHS[kind] ** 2  # c(x) / p_clean(x)
    return math.log(1 - fraction + fraction * contrast)


def mass_log_ratio(fraction: float, inside: float, share: float) -> float:
    """ln(1 - f + f s / b): how much mass a leak adds to the ball with a share b of clean images.

    `inside` is s, the share of planted images in that ball.
    """
    return math.log(1 - fraction + fraction * inside / share)


def near_copies(image: Tensor, n: int, *, generator: torch.Generator) -> Tensor:
    """`n` copies of an image [1, 1, H, W], shifted by up to `SHIFT` pixels, with a little noise."""
    image = check_images(image)
    shifts = SHIFT * (2 * torch.rand(n, 2, generator=generator) - 1)
    maps = torch.eye(2, 3).repeat(n, 1, 1)
    maps[:, :, 2] = 2 * shifts / torch.tensor([image.shape[3], image.shape[2]])
    copies = image.expand(n, -1, -1, -1)
    grid = F.affine_grid(maps, list(copies.shape), align_corners=False)
    moved = F.grid_sample(copies, grid, align_corners=False, padding_mode="border")
    return (moved + NOISE * torch.randn(moved.shape, generator=generator)).clamp(0, 1)
