"""Class-conditional variational autoencoder (Kingma and Welling 2014), No Free Lunch section 3.1.

The label enters the encoder as one-hot planes and the decoder beside the latent code. At the scale
`paper` the layers are those of the authors' code (4,318,369 parameters).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import presets
from .interface import Generative, Shape


class VAE(Generative):
    """q(z | x, y) and p(x | z, y) for images x [n, C, S, S] in [0, 1] and labels y [n]."""

    def __init__(self, classes: int, shape: Shape, preset: presets.VAE):
        super().__init__()
        self.classes, self.latent, self.beta = classes, preset.latent, preset.beta
        channels, size, _ = shape
        self.encoder = _encoder(channels + classes, preset)
        features = preset.encoder[-1] * (size // 4) ** 2
        self.mean = nn.Linear(features, preset.latent)
        self.log_variance = nn.Linear(features, preset.latent)
        self.decoder = _decoder(classes, shape, preset)

    def encode(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the code, each [n, latent]."""
        planes = F.one_hot(labels, self.classes).to(images.dtype)[:, :, None, None]
        planes = planes.expand(-1, -1, *images.shape[2:])
        features = self.encoder(torch.cat([images, planes], 1))
        return self.mean(features), self.log_variance(features)

    def decode(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Logits of the pixels, [n, C, S, S]."""
        return self.decoder(torch.cat([codes, F.one_hot(labels, self.classes).to(codes.dtype)], 1))

    def randomness(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Standard normal draws of the code, [n, latent]."""
        return torch.randn(n, self.latent, generator=generator)

    def losses(self, images: Tensor, labels: Tensor, randomness: Tensor) -> Tensor:
        """Negative evidence lower bound per record [n], in nats (Kingma and Welling, Eq. 10)."""
        mean, log_variance = self.encode(images, labels)
        codes = mean + torch.exp(0.5 * log_variance) * randomness
        logits = self.decode(codes, labels)
        reconstruction = F.binary_cross_entropy_with_logits(logits, images, reduction="none")
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)
        return reconstruction.flatten(1).sum(1) + self.beta * divergence.sum(1)

    @torch.no_grad()
    def reconstruct(self, images: Tensor, labels: Tensor) -> Tensor:
        """Decoded means of the codes: images [n, C, S, S] in [0, 1], on the CPU."""
        images, labels = images.to(self.device), labels.to(self.device)
        return torch.sigmoid(self.decode(self.encode(images, labels)[0], labels)).cpu()

    @torch.no_grad()
    def sample(self, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        """Images [n, C, S, S] in [0, 1], one per label, on the CPU."""
        codes = torch.randn(len(labels), self.latent, generator=generator)
        return torch.sigmoid(self.decode(codes.to(self.device), labels.to(self.device))).cpu()


def _encoder(planes: int, preset: presets.VAE) -> nn.Sequential:
    a, b, c = preset.encoder
    return nn.Sequential(
        nn.Conv2d(planes, a, 4, stride=2, padding=1),  # -> [n, a, S/2, S/2]
        nn.GroupNorm(preset.groups, a),
        nn.GELU(),
        nn.Conv2d(a, b, 4, stride=2, padding=1),  # -> [n, b, S/4, S/4]
        nn.GroupNorm(preset.groups, b),
        nn.GELU(),
        nn.Conv2d(b, c, 3, padding=1),
        nn.GroupNorm(preset.groups, c),
        nn.GELU(),
        nn.Flatten(),
    )


def _decoder(classes: int, shape: Shape, preset: presets.VAE) -> nn.Sequential:
    a, b, c, d = preset.decoder
    channels, quarter = shape[0], shape[1] // 4
    return nn.Sequential(
        nn.Linear(preset.latent + classes, preset.hidden),
        nn.GELU(),
        nn.Linear(preset.hidden, a * quarter**2),
        nn.GELU(),
        nn.Unflatten(1, (a, quarter, quarter)),
        nn.Conv2d(a, b, 3, padding=1),
        nn.GroupNorm(preset.groups, b),
        nn.GELU(),
        nn.ConvTranspose2d(b, c, 4, stride=2, padding=1),  # -> [n, c, S/2, S/2]
        nn.GroupNorm(preset.groups, c),
        nn.GELU(),
        nn.ConvTranspose2d(c, d, 4, stride=2, padding=1),  # -> [n, d, S, S]
        nn.GroupNorm(preset.groups, d),
        nn.GELU(),
        nn.Conv2d(d, channels, 3, padding=1),
    )
