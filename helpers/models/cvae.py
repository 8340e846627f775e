"""Conditional VAE of "Beyond the Generative Learning Trilemma" (arXiv 2504.10555, section 4.2.1).

Convolutions with BatchNorm and LeakyReLU to a code of 128, mirrored by the decoder; the label is
concatenated with the image and with the code. The loss is the mean squared error of a pixel plus
beta times the KL divergence. TRI gives beta (.002) and not of what its loss is the mean: summed
over pixels, .002 leaves the code all but free, and draws from the prior decode to textures of no
class; the mean gives the repetitive, blurred images that TRI describes. TRI's images have 256
pixels a side, which its six convolutions halve to 4; here each halves the plane while it is even
and above 4.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import presets
from .interface import Phase, Shape, Unprivate, Update

SLOPE = 0.2  # of LeakyReLU


class CVAE(Unprivate):
    """q(z | x, y) and p(x | z, y) for images x [n, C, S, S] in [0, 1] and labels y [n]."""

    def __init__(self, classes: int, shape: Shape, preset: presets.CVAE):
        super().__init__()
        self.classes, self.preset = classes, preset
        planes, sizes = (shape[0] + classes, *preset.channels), [shape[1]]
        for _ in preset.channels:
            halves = sizes[-1] > 4 and sizes[-1] % 2 == 0
            sizes.append(sizes[-1] // 2 if halves else sizes[-1])
        top = (planes[-1], sizes[-1], sizes[-1])
        down = [
            _layer(nn.Conv2d, *planes[i : i + 2], halved=sizes[i + 1] < sizes[i])
            for i in range(len(preset.channels))
        ]
        up = [
            _layer(nn.ConvTranspose2d, planes[i + 1], planes[max(i, 1)], sizes[i + 1] < sizes[i])
            for i in reversed(range(len(preset.channels)))
        ]
        self.encoder = nn.Sequential(*down, nn.Flatten())
        self.mean = nn.Linear(math.prod(top), preset.latent)
        self.log_variance = nn.Linear(math.prod(top), preset.latent)
        self.decoder = nn.Sequential(
            nn.Linear(preset.latent + classes, math.prod(top)),
            nn.Unflatten(1, top),
            *up,
            nn.Conv2d(planes[1], shape[0], 3, padding=1),
        )

    def encode(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the code, each [n, latent]."""
        planes = F.one_hot(labels, self.classes).to(images.dtype)[:, :, None, None]
        planes = planes.expand(-1, -1, *images.shape[2:])
        features = self.encoder(torch.cat([2 * images - 1, planes], 1))
        return self.mean(features), self.log_variance(features)

    def decode(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Images [n, C, S, S] in [0, 1]."""
        onehot = F.one_hot(labels, self.classes).to(codes.dtype)
        return torch.sigmoid(self.decoder(torch.cat([codes, onehot], 1)))

    def randomness(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Standard normal draws of the code, [n, latent]."""
        return torch.randn(n, self.preset.latent, generator=generator)

    def losses(self, images: Tensor, labels: Tensor, randomness: Tensor) -> Tensor:
        """Mean squared error plus beta times the KL divergence, per record [n]."""
        mean, log_variance = self.encode(images, labels)
        codes = mean + torch.exp(0.5 * log_variance) * randomness
        error = (self.decode(codes, labels) - images).square().flatten(1).mean(1)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
        return error + self.preset.beta * divergence

    def phases(self) -> tuple[Phase, ...]:
        """One, with one optimiser."""
        training = self.preset.training
        return (Phase(training, (Update(self, self._loss, training.learning_rate),), self),)

    def _loss(self, images: Tensor, labels: Tensor, step: int, drawn: torch.Generator) -> Tensor:
        randomness = self.randomness(len(images), generator=drawn).to(images.device)
        return self.losses(images, labels, randomness).mean()

    @torch.no_grad()
    def sample(self, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        """Images [n, C, S, S] in [0, 1], one per label, on the CPU."""
        codes = self.randomness(len(labels), generator=generator).split(500)
        parts = zip(codes, labels.split(500), strict=True)
        made = [self.decode(z.to(self.device), y.to(self.device)).cpu() for z, y in parts]
        return torch.cat(made)


def _layer(kind: type[nn.Module], before: int, after: int, halved: bool) -> nn.Sequential:
    """A convolution, or its mirror image, that halves (doubles) the plane or keeps it."""
    window = {"kernel_size": 4, "stride": 2} if halved else {"kernel_size": 3}
    convolution = kind(before, after, padding=1, bias=False, **window)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.LeakyReLU(SLOPE))
