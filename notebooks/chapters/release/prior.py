"""DP-SGD on a few numbers of a public generator: where in its latent space each class lies.

The generator is a VAE that learned to draw a simulator's images without their classes; it has seen
nothing private and stays as it is. Private images of a class are a Gaussian in its latent space,
as wide as the simulator's classes are. Only the means of these Gaussians, the prior, are trained,
by the private step that every family of the study takes.
"""

import functools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.data import files, places
from helpers.models import one_shot, presets
from helpers.models.interface import Generative
from helpers.models.one_shot import LIBRARY
from helpers.models.vae import VAE
from helpers.randomness import generator as stream

_BATCH = 64  # of the generator's training
NETWORK = presets.VAE(
    presets.Training(steps=2000, learning_rate=2e-3),
    encoder=(16, 32, 16),
    latent=16,
    hidden=64,
    decoder=(16, 32, 16, 8),
)
# Of the prior; what is left to choose is `stepwise.Setting`.
TRAINING = presets.Training(steps=0, learning_rate=0.0, annealed=True)
_VERSION = 1  # raise when the generator changes otherwise


class Drawer(NamedTuple):
    """A public generator of images, and how wide a class is in its latent space."""

    network: VAE
    spread: Tensor  # [latent], standard deviations

    @torch.no_grad()
    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the codes, each [n, latent], of images [n, C, S, S]."""
        return self.network.encode(images, _unlabelled(images))

    @torch.no_grad()
    def draw(self, codes: Tensor) -> Tensor:
        """Images [n, C, S, S] in [0, 1] at codes [n, latent]."""
        return torch.sigmoid(self.network.decode(codes, _unlabelled(codes)))


def _unlabelled(of: Tensor) -> Tensor:
    return torch.zeros(len(of), dtype=torch.long)


@functools.lru_cache(maxsize=2)
def drawer(simulator: str) -> Drawer:
    """The generator that learned from a simulator's library; it is trained once and kept."""
    images = one_shot.simulated(simulator).images
    path = places.root() / "runs" / "public" / f"{simulator}-drawer-{key(simulator)}.npz"
    kept = files.memo(path, lambda: one_shot.to_arrays(_learn(images)))
    network = _network(images)
    network.load_state_dict({name: torch.as_tensor(value) for name, value in kept.items()})
    public = Drawer(network.eval().requires_grad_(False), torch.ones(NETWORK.latent))
    codes, log_variance = public.encode(images[: 300 * LIBRARY[1]].float() / 255)
    within = codes.view(-1, LIBRARY[1], NETWORK.latent).var(1).mean(0)
    return public._replace(spread=(within + log_variance.exp().mean(0)).sqrt())


def key(simulator: str) -> str:
    """Changes with anything that decides the generator."""
    return files.content_hash(_VERSION, simulator, LIBRARY, NETWORK, _BATCH)


def _network(images: Tensor) -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream(0, "drawer/weights").initial_seed())
        return VAE(1, tuple(images.shape[1:]), NETWORK)


def _learn(images: Tensor) -> VAE:
    network, training, drawn = _network(images), NETWORK.training, stream(0, "drawer/training")
    optimizer = torch.optim.Adam(network.parameters(), lr=training.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, training.steps)
    for _ in range(training.steps):
        batch = images[torch.randint(len(images), (_BATCH,), generator=drawn)].float() / 255
        optimizer.zero_grad()
        noise = network.randomness(_BATCH, generator=drawn)
        network.losses(batch, _unlabelled(batch), noise).mean().backward()
        optimizer.step()
        schedule.step()
    return network


class Prior(Generative):
    """A Gaussian for each class; the generator behind them is no part of what is trained."""

    def __init__(self, classes: int, public: Drawer):
        super().__init__()
        self.classes, self._public = classes, (public,)
        self.means = nn.Linear(classes, len(public.spread), bias=False)
        nn.init.zeros_(self.means.weight)  # the middle of all images

    def randomness(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Standard normal draws of where around its class's mean an image lies, [n, latent]."""
        return torch.randn(n, len(self._public[0].spread), generator=generator)

    def _of_class(self, labels: Tensor) -> Tensor:
        return self.means(F.one_hot(labels, self.classes).to(self.means.weight.dtype))

    def losses(self, images: Tensor, labels: Tensor, randomness: Tensor) -> Tensor:
        """Of the VAE's bound what the prior decides: squared distances of the codes' means to that
        of their class, in its widths, halved, per record [n]; `randomness` is not used."""
        codes, _ = self._public[0].encode(images)
        apart = (self._of_class(labels) - codes) / self._public[0].spread
        return 0.5 * apart.square().sum(1)

    @torch.no_grad()
    def sample(self, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        """Images [n, C, S, S] in [0, 1], one per label."""
        around = self.randomness(len(labels), generator=generator) * self._public[0].spread
        return self._public[0].draw(self._of_class(labels) + around)
