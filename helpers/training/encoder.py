"""Learning the public embedding: from a simulator's classes, or from a folder without labels.

Both are episodes of prototypical networks (Snell et al. 2017, arXiv 1703.05175) in which the class
*sum* carries the noise of a release: sums of embeddings of a class plus Gaussian noise must tell
the class of further images, at the three noises of `SIGMAS` at once. From a simulator a class is
its own; half of the episodes pair siblings. In a folder every image is a class of its own, seen
through augmentations (instance discrimination, Wu et al. 2018, arXiv 1805.01978), and later, once
the embedding means something, through augmentations of its nearest neighbours. Nothing private is
read here.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from ..data import files, places, simulators
from ..models.interface import Shape
from ..models.one_shot import DIMENSION, SIGMAS, Encoder, Public, from_arrays, shrunk, to_arrays
from ..randomness import generator as stream

SHOTS = 10  # the release's sums are of about so many images
SMALLEST_FOLDER = 100  # images; fewer teach an encoder nothing
_WEIGHTS = (1.0, 1.0, 2.0)  # of the losses at the three noises
_NEIGHBOURS = 15  # of a folder's image, over which labels are smoothed
_LIBRARY = 8000  # images that a small folder is brought to by augmentation
VERSION = 1  # raise when an encoder changes


@dataclass(frozen=True)
class Episodes:
    """How an encoder is trained."""

    steps: int
    way: int  # classes of an episode
    shot: int  # images of each in its sum
    query: int  # and to be told
    learning_rate: float = 2e-3


SIMULATED = {
    "strokes": Episodes(steps=4000, way=10, shot=SHOTS, query=4),
    "phantoms": Episodes(steps=2500, way=10, shot=SHOTS, query=4),
}
FOLDER = Episodes(steps=1200, way=24, shot=4, query=2)
_CLASSES = (4000, 20)  # of a simulator, and images of each


def train_on_simulator(
    simulator: str, shape: Shape, *, seed: int = 0, episodes: Episodes | None = None
) -> Encoder:
    """An encoder for images of `shape`; a function of the seed, on one machine and one thread.

    Raises `ValueError` for an unknown simulator, or channels that it cannot draw.
    """
    how, (classes, each) = episodes or SIMULATED[simulator], _CLASSES
    drawn = stream(seed, "encoder/classes")
    images = simulators.simulate(simulator, classes, each, shape=shape, generator=drawn)
    images, family = images.view(classes, each, *shape), simulators.SIBLINGS
    drawn = stream(seed, "encoder/episodes")

    def episode(step: int, encoder: Encoder) -> Tensor:
        if torch.rand((), generator=drawn) < 0.5:  # pairs of siblings
            first = torch.randperm(classes // family, generator=drawn)[: how.way // 2] * family
            pairs = torch.rand(how.way // 2, family, generator=drawn).argsort(1)[:, :2]
            chosen = (first[:, None] + pairs).flatten()
        else:
            chosen = torch.randperm(classes, generator=drawn)[: how.way]
        rows = torch.rand(how.way, each, generator=drawn).argsort(1)[:, : how.shot + how.query]
        return images[chosen[:, None], rows].float() / 255

    return _train(shape[0], episode, how, seed)


def train_on_images(images: Tensor, *, seed: int = 0, episodes: Episodes = FOLDER) -> Encoder:
    """An encoder from unlabelled public images, uint8 [N, C, S, S]; deterministic as above."""
    images, near, drawn = shrunk(images.float() / 255), None, stream(seed, "encoder/episodes")
    count, seen = len(images), episodes.shot + episodes.query

    def episode(step: int, encoder: Encoder) -> Tensor:
        nonlocal near
        if step in (int(0.4 * episodes.steps), int(0.7 * episodes.steps)):
            encoder.eval()
            near = nearest(encoder.embed(images), 5)
            encoder.train()
        chosen = torch.randint(count, (episodes.way, 1), generator=drawn)
        rows = chosen.expand(-1, seen)
        if near is not None:  # itself among them
            rows = near[chosen, torch.randint(5, (episodes.way, seen), generator=drawn)]
        flat = augmented(images[rows.flatten()], generator=drawn)
        return flat.view(episodes.way, seen, *images.shape[1:])

    return _train(images.shape[1], episode, episodes, seed)


def _train(
    channels: int, episode: Callable[[int, Encoder], Tensor], how: Episodes, seed: int
) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream(seed, "encoder/weights").initial_seed())
        encoder = Encoder(channels)
    noise, sigmas = stream(seed, "encoder/noise"), torch.tensor(SIGMAS).view(-1, 1, 1)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=how.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, how.steps)
    weights = torch.tensor(_WEIGHTS) / sum(_WEIGHTS)
    asked = torch.arange(how.way).repeat_interleave(how.query).repeat(len(SIGMAS))
    for step in tqdm(range(how.steps), unit="step", disable=None):
        units = encoder(episode(step, encoder).flatten(0, 1)).view(how.way, -1, DIMENSION)
        sums = units[:, : how.shot].sum(1) * (SHOTS / how.shot)
        ramp = min(1.0, 2 * step / how.steps)
        noisy = sums + ramp * sigmas * torch.randn(len(SIGMAS), *sums.shape, generator=noise)
        odds = units[:, how.shot :].flatten(0, 1) @ noisy.mT  # [sigmas, way * query, way]
        odds = odds * encoder.log_scales.exp().view(-1, 1, 1)
        losses = F.cross_entropy(odds.flatten(0, 1), asked, reduction="none")
        loss = (losses.view(len(SIGMAS), -1).mean(1) * weights).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return encoder.eval().requires_grad_(False)


def augmented(images: Tensor, *, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Images [N, C, S, S] in [0, 1], each turned, stretched, sheared, moved, warped, with other
    contrast, brightness and grain."""
    n, channels, size, _ = images.shape

    def normal(*shape: int, deviation: float) -> Tensor:
        return strength * deviation * torch.randn(n, *shape, generator=generator)

    turn, scale, stretch, shear = (normal(deviation=d) for d in (0.2, 0.12, 0.08, 0.12))
    wide, high = torch.exp(scale + stretch), torch.exp(scale - stretch)
    matrix = torch.stack([turn.cos() * wide, shear - turn.sin() * high], 1)
    matrix = torch.stack([matrix, torch.stack([turn.sin() * wide, turn.cos() * high], 1)], 1)
    matrix = torch.cat([matrix, normal(2, 1, deviation=0.1)], 2)
    warp = F.interpolate(
        normal(2, 4, 4, deviation=0.07), size=(size, size), mode="bicubic", align_corners=True
    )
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    grid = grid + warp.permute(0, 2, 3, 1)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    contrast = torch.exp(normal(1, 1, 1, deviation=0.15))
    moved = (moved - 0.5) * contrast + 0.5 + normal(channels, 1, 1, deviation=0.04)
    return (moved + normal(channels, size, size, deviation=0.03)).clamp(0, 1)


def nearest(points: Tensor, k: int) -> Tensor:
    """The k nearest of unit vectors [N, d], each itself among them: int64 [N, k]."""
    return torch.cat([(part @ points.T).topk(k, 1).indices for part in points.split(1000)])


def of_folder(images: Tensor, *, seed: int = 0) -> Public:
    """The public side of unlabelled public images, uint8 [N, C, S, S].

    A folder of fewer than 8,000 images is filled up with augmented copies. The encoder is kept, and
    so are the embeddings. Raises `ValueError` for a folder too small to learn from.
    """
    if len(images) < SMALLEST_FOLDER:
        raise ValueError(
            f"{len(images)} public images; at least {SMALLEST_FOLDER} of the same kind are needed: "
            "add some, or take a simulator"
        )
    digest = hashlib.sha256(images.numpy().tobytes()).hexdigest()
    seen = [len(images), *shrunk(images[:1].float()).shape[1:]]
    key = files.content_hash(VERSION, digest, seen, FOLDER, seed)
    root = places.root() / "runs" / "public"
    arrays = files.memo(
        root / f"folder-{key}.npz",
        lambda: to_arrays(train_on_images(images, seed=seed, episodes=FOLDER)),
    )
    encoder, library, drawn = from_arrays(arrays), images, stream(seed, "library/folder")
    for _ in range(_LIBRARY // len(images) - 1):
        more = [
            (255 * augmented(part / 255, generator=drawn, strength=0.7)).round().to(torch.uint8)
            for part in images.split(500)
        ]
        library = torch.cat([library, *more])

    def embed() -> dict[str, np.ndarray]:
        embeddings = encoder.embed(library)
        near = nearest(embeddings, _NEIGHBOURS + 1)[:, 1:]
        return {"embeddings": embeddings.numpy(), "neighbours": near.numpy()}

    key = files.content_hash(key, _LIBRARY, _NEIGHBOURS)
    kept = files.memo(root / f"folder-{key}-embeddings.npz", embed)
    return Public(encoder, library, *map(torch.from_numpy, kept.values()))
