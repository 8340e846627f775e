"""Synthetic images by one noisy release of class sums in a public embedding.

    S_c = sum of phi(x) over the private images x of class c  +  N(0, sigma^2 I)

is all that ever reads a private image. The encoder phi, to the unit sphere of R^32, and a library
of images are public: made by a simulator, or a folder of unlabelled images that anyone may have.
What follows is post-processing: library images are ranked for each class by how likely the release
makes it, and some of the best are taken. Nothing is drawn: the release gives the library's images
their classes. One release in a few public coordinates in place of many over all weights is the
idea of DP-MERF (Harder et al. 2021, arXiv 2002.11603) and of private prototypes (Wahdany et al.
2025, arXiv 2406.08039); here the embedding is learned for the noise, and images come out.
"""

import copy
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data import files, places, simulators
from ..randomness import generator as stream
from . import presets
from .interface import Generative, Shape
from .presets import COMMITTED, Decoder

SIGMAS = (0.406, 1.037, 2.575)  # of one release at epsilon 10, 3 and 1 and delta 1e-3
DIMENSION = 32
LIBRARY = (3000, 10)  # classes and images of each that a simulator's library has
COMMITTED_SHAPE = (1, 28, 28)
LARGEST = 32  # pixels a side that an encoder sees
GRID = 2.0**-32  # of what is computed from private images, so that sums are exact
_VERSION = 1  # raise when a library changes


class Encoder(nn.Module):
    """Images [n, C, S, S] in [0, 1] to unit vectors [n, 32]; S is at least 28."""

    def __init__(self, channels: int, width: int = 32, groups: int = 8):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.GroupNorm(groups, width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.GroupNorm(groups, 2 * width),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.GroupNorm(groups, 2 * width),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(4),
            nn.Flatten(),
            nn.Linear(2 * width * 16, DIMENSION, bias=False),
            nn.BatchNorm1d(DIMENSION, affine=False),  # without it all images fall on one point
        )
        self.log_scales = nn.Parameter(torch.zeros(len(SIGMAS)))  # of a class's log-odds

    def forward(self, images: Tensor) -> Tensor:
        """Unit vectors [n, 32], in the precision of the weights."""
        return F.normalize(self.body(2 * shrunk(images) - 1), dim=1)

    def scale(self, sigma: float) -> float:
        """What <phi, S> is multiplied by to be the log-odds of a class at a noise of `sigma`."""
        return float(np.interp(sigma, SIGMAS, self.log_scales.detach().exp().tolist()))

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Embeddings [N, 32] of any number of public images, float32 in [0, 1] or bytes."""
        scaled = (part / 255 if part.dtype == torch.uint8 else part for part in images.split(500))
        return torch.cat([self(part) for part in scaled])

    @torch.no_grad()
    def embed_exactly(self, images: Tensor) -> Tensor:
        """Embeddings float64 [n, 32] of norm at most 1, whose sums are exact.

        Each coordinate is cut towards 0 to a multiple of 2^-32, after a factor 1 - 1e-12 has made
        good for rounding. Sums of up to 2^20 of them are then computed without any rounding, in any
        order, so that one image more changes a sum by its own embedding and by nothing else.
        """
        exact, device = copy.deepcopy(self).double().eval(), self.log_scales.device
        units = torch.cat([exact(part.double().to(device)) for part in images.split(500)])
        return torch.trunc(units * (1 - 1e-12) / GRID) * GRID


def shrunk(images: Tensor) -> Tensor:
    """Images [n, C, S, S], averaged to `LARGEST` pixels a side if they are larger."""
    return F.adaptive_avg_pool2d(images, LARGEST) if images.shape[-1] > LARGEST else images


class Public(NamedTuple):
    """The public side of a release: it has seen no private image."""

    encoder: Encoder
    images: Tensor  # the library, uint8 [N, C, S, S]
    embeddings: Tensor  # of it, float32 [N, 32]
    neighbours: Tensor | None = None  # int64 [N, k] of a folder's images: labels are smoothed


def probabilities(sums: Tensor, sigma: float, public: Public, decoder: Decoder) -> Tensor:
    """Each library image's probabilities of the classes under the release, [N, K]."""
    odds = public.encoder.scale(sigma) * public.embeddings @ sums.T.float()
    first = torch.softmax(odds, 1)
    if public.neighbours is None:
        return first
    smooth = first
    for _ in range(decoder.smoothing_rounds):
        around = smooth[public.neighbours].mean(1)
        smooth = (1 - decoder.smoothing) * first + decoder.smoothing * around
    return smooth


def choose(
    sums: Tensor,
    sigma: float,
    public: Public,
    counts: list[int],
    *,
    decoder: Decoder,
    generator: torch.Generator,
) -> Tensor:
    """Rows of the library [sum(counts)], class by class: `counts` of each.

    `sums` is the release, float64 [K, 32]; `sigma` its noise, 0 for none. Reads nothing else that
    depends on private images. Raises `ValueError` if more are asked for than the library holds.
    """
    if max(counts) > len(public.images):
        raise ValueError(
            f"{max(counts)} images of a class are asked for; the library holds "
            f"{len(public.images)}: ask for fewer, or give a larger public folder"
        )
    toward = F.normalize(sums.float(), dim=1)
    cosine = public.embeddings @ toward.T
    if public.neighbours is None:
        flat = public.embeddings @ sums.T.float() / max(sigma, 1.0)
        scores = torch.log_softmax(flat, 1) + decoder.affinity * cosine
    else:
        likely = probabilities(sums, sigma, public, decoder)
        scores = torch.log(likely + 1e-9) + decoder.smoothed_affinity * cosine
    herded = sigma < decoder.herded_below
    best = decoder.herded_best if herded else decoder.best
    best = min(best, max(len(public.images) // len(counts), 1))  # lest classes share all
    chosen = []
    for label, count in enumerate(counts):
        rows = scores[:, label].topk(max(best, count)).indices
        if herded and count < len(rows):
            target = decoder.herded_length * toward[label]
            chosen.append(rows[_herd(public.embeddings[rows], target, count)])
        else:
            chosen.append(rows[torch.randperm(len(rows), generator=generator)[:count]])
    return torch.cat(chosen)


def _herd(points: Tensor, target: Tensor, count: int) -> Tensor:
    """Rows [count] of `points` whose mean follows the target (Welling 2009), each taken once."""
    total, free = torch.zeros_like(target), torch.zeros(len(points))
    squares, rows = (points**2).sum(1), []
    for k in range(1, count + 1):
        gap = total - k * target  # |gap + point|^2, but for what is the same of all
        row = int((squares + 2 * points @ gap + free).argmin())
        rows.append(row)
        total = total + points[row]
        free[row] = torch.inf
    return torch.tensor(rows)


class OneShot(Generative):
    """The release as a generator: its one parameter is the array of sums, which is all it knows."""

    def __init__(self, classes: int, shape: Shape, preset: presets.OneShot):
        super().__init__()
        self.classes, self.preset = classes, preset
        self.sums = nn.Parameter(torch.zeros(classes, DIMENSION, dtype=torch.float64))
        self.register_buffer("sigma", torch.zeros((), dtype=torch.float64))
        self._public = (preset.simulator, tuple(shape))
        check_committed(*self._public)

    @property
    def public(self) -> Public:
        """The encoder and the library; no part of the model's weights."""
        return simulated(*self._public)

    def losses(self, images: Tensor, labels: Tensor, randomness: Tensor) -> Tensor:
        """Cross-entropy [n] of the labels under the release: what an attacker would look at."""
        encoder = self.public.encoder
        vectors = encoder.embed_exactly(images).to(self.sums.device)
        odds = encoder.scale(float(self.sigma)) * vectors @ self.sums.T
        return F.cross_entropy(odds, labels, reduction="none")

    @torch.no_grad()
    def sample(self, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        """Images [n, C, S, S] in [0, 1] for `labels` [n], sorted."""
        counts = torch.bincount(labels, minlength=self.classes).tolist()
        rows = choose(
            self.sums.detach().cpu(),
            float(self.sigma),
            self.public,
            counts,
            decoder=self.preset.decoder,
            generator=generator,
        )
        return self.public.images[rows] / 255


# The simulators' public sides


def committed_path(simulator: str) -> Path:
    """Where the weights of a simulator's encoder are committed."""
    return places.committed() / "public" / f"one_shot-{simulator}.npz"


def check_committed(simulator: str, shape: Shape) -> None:
    """Raise `ValueError` unless there is a committed encoder of the simulator for that shape."""
    simulators.check_simulator(simulator, shape)
    if tuple(shape) != COMMITTED_SHAPE:
        raise ValueError(
            f"images of shape {tuple(shape)}; the encoder of the simulator {simulator} takes "
            f"{COMMITTED_SHAPE}: read the images in grey at 28 pixels, or give a public folder"
        )


def simulated(simulator: str, shape: Shape = COMMITTED_SHAPE) -> Public:
    """The committed encoder of a simulator and its library, which is made once and kept.

    Raises `ValueError` as `check_committed`, and if the committed weights are not the pinned ones.
    """
    check_committed(simulator, shape)
    path, expected = committed_path(simulator), COMMITTED[simulator]
    if not path.exists() or files.file_hash(path) != expected:
        raise ValueError(
            f"{path} is missing or not the pinned encoder ({expected}). It is part of the "
            f"repository: git checkout HEAD -- {path}"
        )
    return _committed(simulator, tuple(shape), path, expected)


@functools.lru_cache(maxsize=4)
def _committed(simulator: str, shape: Shape, path: Path, expected: str) -> Public:
    encoder = from_arrays(files.read_arrays(path))
    return with_library(simulator, shape, encoder, expected)


def with_library(simulator: str, shape: Shape, encoder: Encoder, key: str) -> Public:
    """An encoder with a simulator's library; `key` names the encoder in the store."""
    name = f"{simulator}-{'x'.join(map(str, shape))}"
    root = places.root() / "runs" / "public"

    def draw() -> dict[str, np.ndarray]:
        drawn = stream(0, f"library/{simulator}")
        images = simulators.simulate(simulator, *LIBRARY, shape=shape, generator=drawn)
        return {"images": images.numpy()}

    images = files.memo(root / f"{name}-{files.content_hash(_VERSION, LIBRARY)}.npz", draw)
    images = torch.from_numpy(images["images"])
    kept = files.memo(
        root / f"{name}-{files.content_hash(_VERSION, LIBRARY, key)}-embeddings.npz",
        lambda: {"embeddings": encoder.embed(images).numpy()},
    )
    return Public(encoder, images, torch.from_numpy(kept["embeddings"]))


def to_arrays(network: nn.Module) -> dict[str, np.ndarray]:
    """A network's weights, for a file."""
    return {name: value.numpy() for name, value in network.state_dict().items()}


def from_arrays(arrays: dict[str, np.ndarray]) -> Encoder:
    """The encoder of such weights, ready to embed."""
    encoder = Encoder(arrays["body.0.weight"].shape[1])
    encoder.load_state_dict({name: torch.as_tensor(value) for name, value in arrays.items()})
    return encoder.eval().requires_grad_(False)
