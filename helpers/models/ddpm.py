"""Class-conditional denoising diffusion (Ho et al. 2020), No Free Lunch section 3.1.

An image x_0, scaled to [-1, 1], is mixed with noise along a quarter circle,

    x_t = cos(phi) x_0 + sin(phi) e,   phi = t pi / 2,   t in [0, 1],   e ~ N(0, I),

which ends at pure noise (defect D20; Lin et al. 2023, arXiv 2305.08891). The network estimates x_0,
which stays well posed there: the sigmoid of its output is each pixel's mean, and its loss is the
cross-entropy. That is least at E[x_0 | x_t, y], as a squared error is, and the estimate is what the
samplers need; the sigmoid makes empty background empty even when the weights are noisy. Labels are
dropped with probability `drop` in training, so that sampling can push away from the unconditional
estimate (classifier-free guidance, Ho and Salimans 2022).

At the scale `paper` the U-Net is that of the authors' code (6,585,601 parameters).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from . import presets
from .interface import Generative, Shape
from .unet import UNET


class DDPM(Generative):
    """p(x | y) for images x [n, C, S, S] in [0, 1] and labels y [n]."""

    def __init__(self, classes: int, shape: Shape, preset: presets.DDPM):
        super().__init__()
        self.classes, self.shape, self.preset = classes, shape, preset
        self.network = UNET[type(preset.network)](classes, shape, preset.network)

    def randomness(self, n: int, *, generator: torch.Generator) -> Tensor:
        """[n, C * S * S + 2]: an image's noise, its time t and the draw that drops its label.

        Times follow a golden-section sequence from a random start: each is uniform in [0, 1], and
        those of neighbouring rows, the draws of one record, spread evenly.
        """
        noise = torch.randn(n, math.prod(self.shape), generator=generator)
        start, golden = torch.rand(1, generator=generator), (math.sqrt(5) - 1) / 2
        times = (start + golden * torch.arange(n)) % 1
        drops = torch.rand(n, generator=generator)
        return torch.cat([noise, times[:, None], drops[:, None]], 1)

    def losses(self, images: Tensor, labels: Tensor, randomness: Tensor) -> Tensor:
        """Cross-entropy of the estimated x_0 per record, summed over pixels, [n], in nats.

        Nearly clean images weigh little in it. An error of the noise or the velocity would weigh
        them by 1 / tan(phi)^2 or 1 / sin(phi)^2 and fill the clipped gradients with variance.
        """
        noise = randomness[:, :-2].view_as(images)
        times, drops = randomness[:, -2], randomness[:, -1]
        cosine, sine = amplitudes(times)
        noisy = cosine * (2 * images - 1) + sine * noise
        onehot = F.one_hot(labels, self.classes) * (drops >= self.preset.drop)[:, None]
        logits = self.network(noisy, times, onehot.to(images.dtype))
        losses = F.binary_cross_entropy_with_logits(logits, images, reduction="none")
        return losses.flatten(1).sum(1)

    def denoise(self, noisy: Tensor, time: float, labels: Tensor) -> Tensor:
        """The guided estimate of x_0 in [-1, 1] from x_t, both [n, C, S, S]."""
        n, weight = len(noisy), self.preset.guidance
        onehot = F.one_hot(labels, self.classes).to(noisy.dtype)
        times = noisy.new_full((2 * n,), time)
        both = torch.cat([onehot, torch.zeros_like(onehot)])
        means = torch.sigmoid(self.network(noisy.repeat(2, 1, 1, 1), times, both))
        given, free = (2 * means - 1).split(n)
        return (given + weight * (given - free)).clamp(-1, 1)

    @torch.no_grad()
    def sample(
        self, labels: Tensor, *, generator: torch.Generator, steps: int | None = None
    ) -> Tensor:
        """Images [n, C, S, S] in [0, 1], one per label, on the CPU; by DDIM in `steps` calls.

        Deterministic given the first noise (Song et al. 2021, Eq. 12 with sigma 0). `steps`
        defaults to the preset's. Raises `ValueError` for steps below 1.
        """
        noise, labels = self._start(labels, generator)
        steps = self.preset.steps if steps is None else steps
        return _to_images(ddim(_batched(self.denoise), noise, labels, steps=steps))

    @torch.no_grad()
    def sample_ancestral(self, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        """As `sample`, by ancestral sampling over all `timesteps` (Ho et al., Algorithm 2)."""
        noise, labels = self._start(labels, generator)
        denoise, steps = _batched(self.denoise), self.preset.timesteps
        return _to_images(ancestral(denoise, noise, labels, steps=steps, generator=generator))

    def _start(self, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pure noise [n, C, S, S] and the labels, on the model's device."""
        noise = torch.randn(len(labels), *self.shape, generator=generator)
        return noise.to(self.device), labels.to(self.device)


def ddim(denoise, noise: Tensor, labels: Tensor, *, steps: int) -> Tensor:
    """x_0 from x_1 = `noise` by `steps` rotations along the circle; `denoise(x_t, t, labels)`."""
    x = noise
    for t, s in _times(steps):
        clean = denoise(x, t, labels)
        (cosine_t, cosine_s), (sine_t, sine_s) = amplitudes(x.new_tensor([t, s]))
        x = cosine_s * clean + sine_s * (x - cosine_t * clean) / sine_t
    return x


def ancestral(
    denoise, noise: Tensor, labels: Tensor, *, steps: int, generator: torch.Generator
) -> Tensor:
    """x_0 from x_1 = `noise` by drawing x_s from q(x_s | x_t, x_0 estimate) `steps` times."""
    x = noise
    for t, s in _times(steps):
        clean = denoise(x, t, labels)
        (cosine_t, cosine_s), (sine_t, sine_s) = amplitudes(x.new_tensor([t, s]))
        ratio = cosine_t / cosine_s
        conditional = sine_t**2 - ratio**2 * sine_s**2  # variance of q(x_t | x_s)
        mean = (ratio * sine_s**2 * x + cosine_s * conditional * clean) / sine_t**2
        fresh = torch.randn(noise.shape, generator=generator).to(noise.device)
        x = mean + (conditional.clamp_min(0).sqrt() * sine_s / sine_t) * fresh
    return x


def _times(steps: int) -> list[tuple[float, float]]:
    """Pairs (t, s) from 1 down to 0."""
    if steps < 1:
        raise ValueError(f"steps is {steps}; a sampler needs at least 1")
    return [((steps - i) / steps, (steps - i - 1) / steps) for i in range(steps)]


def amplitudes(times: Tensor) -> tuple[Tensor, Tensor]:
    """Signal and noise amplitudes at times [n], each [n, 1, 1, 1]."""
    angle = times[:, None, None, None] * (math.pi / 2)
    return angle.cos(), angle.sin()


def _batched(denoise, size: int = 250):
    """The same function, called on at most `size` images at a time."""

    def in_parts(x: Tensor, t: float, labels: Tensor) -> Tensor:
        parts = zip(x.split(size), labels.split(size), strict=True)
        return torch.cat([denoise(images, t, part) for images, part in parts])

    return in_parts


def _to_images(x: Tensor) -> Tensor:
    return ((x + 1) / 2).clamp(0, 1).cpu()
