"""Neural maps to a few dimensions: autoencoders, a beta-VAE and a normalizing flow (section 4.1).

Small on purpose: they are fitted to a hundred to a thousand images. Each function trains a network
and returns the map as a function; `density` wraps it into the interface that all reducers share.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS = 400  # of Adam
BATCH = 128
LEARNING_RATE = 3e-3  # falls to 0 along a half cosine
JITTER = 0.1  # noise on a flow's training points, in standard deviations: a floor for its widths


def train_autoencoder(
    images: Tensor,
    *,
    generator: torch.Generator,
    convolutional: bool = False,
    beta: float | None = None,
    n_components: int = 2,
) -> Callable[[Tensor], np.ndarray]:
    """Train on `images` [N, channels, size, size]; returns the encoder, to codes [M, d].

    Without `beta` the loss is the binary cross-entropy of the reconstruction, summed over pixels.
    With it the code is Gaussian, its mean is what the encoder returns, and `beta` weighs the KL
    divergence from the standard normal (Higgins et al. 2017).
    """
    width = n_components if beta is None else 2 * n_components
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31 - 1, (1,), generator=generator)))
        layers = _convolutional if convolutional else _connected
        encoder, decoder = layers(tuple(images.shape[1:]), width, n_components)

    def loss(rows: Tensor) -> Tensor:
        batch = images[rows]
        codes, divergence = encoder(batch), 0.0
        if beta is not None:
            mean, log_variance = codes.chunk(2, dim=1)
            noise = torch.randn(mean.shape, generator=generator)
            codes = mean + torch.exp(0.5 * log_variance) * noise
            kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
            divergence = beta * kl.mean()
        logits = decoder(codes).view_as(batch)
        pixels = F.binary_cross_entropy_with_logits(logits, batch, reduction="sum")
        return pixels / len(batch) + divergence

    _minimize(loss, [*encoder.parameters(), *decoder.parameters()], len(images), generator)

    @torch.no_grad()
    def encode(new: Tensor) -> np.ndarray:
        codes = torch.cat([encoder(piece) for piece in new.split(500)])
        return codes[:, :n_components].numpy()

    return encode


def _connected(
    shape: tuple[int, int, int], width: int, n_components: int
) -> tuple[nn.Module, nn.Module]:
    size = math.prod(shape)
    encoder = nn.Sequential(
        nn.Flatten(), nn.Linear(size, 128), nn.GELU(), nn.Linear(128, 32), nn.GELU()
    )
    decoder = [nn.Linear(n_components, 32), nn.GELU(), nn.Linear(32, 128), nn.GELU()]
    return nn.Sequential(encoder, nn.Linear(32, width)), nn.Sequential(
        *decoder, nn.Linear(128, size)
    )


def _convolutional(
    shape: tuple[int, int, int], width: int, n_components: int
) -> tuple[nn.Module, nn.Module]:
    """For images [channels, size, size] with a size that 4 divides."""
    channels, side = shape[0], shape[1] // 4
    encoder = nn.Sequential(
        nn.Conv2d(channels, 8, 4, stride=2, padding=1),  # -> [B, 8, 14, 14] of 28 pixels
        nn.GELU(),
        nn.Conv2d(8, 16, 4, stride=2, padding=1),  # -> [B, 16, 7, 7]
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(16 * side**2, 32),
        nn.GELU(),
        nn.Linear(32, width),
    )
    decoder = nn.Sequential(
        nn.Linear(n_components, 32),
        nn.GELU(),
        nn.Linear(32, 16 * side**2),
        nn.GELU(),
        nn.Unflatten(1, (16, side, side)),
        nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1),
        nn.GELU(),
        nn.ConvTranspose2d(8, channels, 4, stride=2, padding=1),
    )
    return encoder, decoder


def train_flow(
    points: Tensor, *, generator: torch.Generator
) -> tuple[Callable[[Tensor], np.ndarray], Callable[[Tensor], np.ndarray]]:
    """Train a neural spline flow on whitened `points` [N, d]; returns its map and log density.

    Outside [-5, 5] the splines are the identity. Jittered points keep a flow of few images from
    putting a spike on each.
    """
    from zuko.flows import NSF

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31 - 1, (1,), generator=generator)))
        flow = NSF(points.shape[1], transforms=2, hidden_features=(32, 32))

    def loss(rows: Tensor) -> Tensor:
        batch = points[rows]
        noise = JITTER * torch.randn(batch.shape, generator=generator)
        return -flow().log_prob(batch + noise).mean()

    _minimize(loss, list(flow.parameters()), len(points), generator)

    @torch.no_grad()
    def project(new: Tensor) -> np.ndarray:
        return flow().transform(new).numpy()

    @torch.no_grad()
    def log_density(new: Tensor) -> np.ndarray:
        return flow().log_prob(new).numpy()

    return project, log_density


def _minimize(
    loss: Callable[[Tensor], Tensor], parameters: list[Tensor], n: int, generator: torch.Generator
) -> None:
    """Adam on random batches of row numbers below `n`."""
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(n, (min(BATCH, n),), generator=generator)
        optimizer.zero_grad()
        loss(rows).backward()
        optimizer.step()
        schedule.step()
