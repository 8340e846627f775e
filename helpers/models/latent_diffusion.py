"""Latent diffusion (Rombach et al. 2022, arXiv 2112.10752), TRI section 4.2.3.

An autoencoder takes images to latents of a quarter of their side; a U-Net, told the label by
cross-attention on its embedding, learns to remove noise from latents of unit variance; DDIM (Song
et al. 2021) draws in few steps. Both networks are MONAI's. The autoencoder's loss is the absolute
error and a small KL term; Rombach's perceptual and adversarial terms are left out. Noise follows
Rombach's schedule "linear", whose square root is linear: TRI names its ends and the word.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import presets
from .interface import Phase, Records, Shape, Unprivate, Update

NOISE = (0.0015, 0.0195)  # beta at the first and at the last time step
LARGEST = 6.0  # of an estimated latent's entries, in deviations
BATCH = 250  # images at a time where nothing is trained


class LatentDiffusion(Unprivate):
    """p(x | y) for images x [n, C, S, S] in [0, 1] and labels y [n]."""

    def __init__(self, classes: int, shape: Shape, preset: presets.LatentDiffusion):
        super().__init__()
        from monai.networks.nets import AutoencoderKL, DiffusionModelUNet  # seconds: only if asked

        self.classes, self.preset = classes, preset
        self.latent_shape = (preset.latent, shape[1] // 4, shape[2] // 4)
        self.autoencoder = AutoencoderKL(
            spatial_dims=2,
            in_channels=shape[0],
            out_channels=shape[0],
            channels=preset.autoencoder,
            latent_channels=preset.latent,
            num_res_blocks=preset.blocks,
            norm_num_groups=preset.groups,
            attention_levels=(False,) * len(preset.autoencoder),
            with_encoder_nonlocal_attn=False,
            with_decoder_nonlocal_attn=False,
        )
        self.network = DiffusionModelUNet(
            spatial_dims=2,
            in_channels=preset.latent,
            out_channels=preset.latent,
            channels=preset.network,
            attention_levels=preset.attention,
            num_head_channels=preset.head,
            num_res_blocks=preset.blocks,
            norm_num_groups=preset.groups,
            with_conditioning=True,
            cross_attention_dim=preset.label,
        )
        self.labels = nn.Embedding(classes, preset.label)
        self.denoiser = nn.ModuleList([self.network, self.labels])
        self.register_buffer("scale", torch.ones(()))  # of latents, to unit variance
        betas = torch.linspace(*(beta**0.5 for beta in NOISE), preset.timesteps) ** 2
        self.register_buffer("signal", torch.cumprod(1 - betas, 0))  # alpha bar, [timesteps]

    @property
    def released(self) -> nn.Module:
        """All of it samples."""
        return self

    def phases(self) -> tuple[Phase, ...]:
        """The autoencoder, then the U-Net on the latents of all records."""
        first, second = self.preset.autoencoding, self.preset.training
        encoding = Update(self.autoencoder, self.autoencoder_loss, first.learning_rate)
        denoising = Update(self.denoiser, self.denoiser_loss, second.learning_rate)
        return (
            Phase(first, (encoding,), self.autoencoder),
            Phase(second, (denoising,), self.denoiser, self._to_latents),
        )

    # The autoencoder

    def autoencoder_loss(
        self, images: Tensor, labels: Tensor, step: int, drawn: torch.Generator
    ) -> Tensor:
        """Mean absolute error of a pixel in [-1, 1], plus `kl` times the KL divergence of a record,
        over its pixels."""
        images = 2 * images - 1
        mean, deviation = self.autoencoder.encode(images)
        latents = mean + deviation * torch.randn(mean.shape, generator=drawn).to(mean)
        variance = deviation.square()
        divergence = 0.5 * (mean.square() + variance - 1 - variance.log()).flatten(1).sum(1).mean()
        error = (self.autoencoder.decode(latents) - images).abs().mean()
        return error + self.preset.kl * divergence

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Means of the latents [n, latent, S/4, S/4] of images in [0, 1], unscaled."""
        return torch.cat([self.autoencoder.encode(2 * x - 1)[0] for x in images.split(BATCH)])

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Images [n, C, S, S] in [0, 1] of unscaled latents, on the CPU."""
        made = [self.autoencoder.decode(z).cpu() for z in latents.split(BATCH)]
        return ((torch.cat(made) + 1) / 2).clamp(0, 1)

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Images [n, C, S, S] in [0, 1] through the autoencoder, on the CPU."""
        return self.decode(self.encode(images.to(self.device)))

    def _to_latents(self, images: Tensor, labels: Tensor) -> Records:
        """The records' latents, of unit variance from now on, and their labels."""
        latents = self.encode(images)
        self.scale.copy_(1 / latents.std())
        return latents * self.scale, labels

    # The diffusion of latents

    def denoiser_loss(
        self, latents: Tensor, labels: Tensor, step: int, drawn: torch.Generator
    ) -> Tensor:
        """Mean squared error of the noise in scaled latents (Ho et al. 2020, Eq. 14)."""
        drawn = self.randomness(len(latents), generator=drawn).to(latents)
        return self._errors(latents, labels, drawn).mean()

    def randomness(self, n: int, *, generator: torch.Generator) -> Tensor:
        """[n, latent * S/4 * S/4 + 1]: a latent's noise, and the place of its time in [0, 1)."""
        noise = torch.randn(n, math.prod(self.latent_shape), generator=generator)
        return torch.cat([noise, torch.rand(n, 1, generator=generator)], 1)

    def losses(self, images: Tensor, labels: Tensor, randomness: Tensor) -> Tensor:
        """The denoiser's error per record [n]."""
        return self._errors(self.encode(images) * self.scale, labels, randomness)

    def _errors(self, latents: Tensor, labels: Tensor, randomness: Tensor) -> Tensor:
        noise = randomness[:, :-1].view_as(latents)
        times = (randomness[:, -1] * self.preset.timesteps).long()
        signal = self.signal[times][:, None, None, None]
        noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
        return (self.noise(noisy, times, labels) - noise).square().flatten(1).mean(1)

    def noise(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        """The estimated noise of scaled latents [n, latent, s, s] at times [n].

        Planes are padded to what the U-Net's levels can halve, and cut again.
        """
        side, unit = noisy.shape[-1], 2 ** (len(self.preset.network) - 1)
        more = -side % unit
        told = self.labels(labels)[:, None]  # -> [n, 1, label]: a sequence of one word
        found = self.network(F.pad(noisy, (0, more, 0, more)), times, context=told)
        return found[:, :, :side, :side]

    @torch.no_grad()
    def sample(self, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        """Images [n, C, S, S] in [0, 1], one per label, on the CPU; `steps` calls of the U-Net."""
        noise = torch.randn(len(labels), *self.latent_shape, generator=generator)
        parts = zip(noise.split(BATCH), labels.split(BATCH), strict=True)
        made = [self._drawn(z.to(self.device), y.to(self.device)) for z, y in parts]
        return self.decode(torch.cat(made) / self.scale)

    def _drawn(self, noise: Tensor, labels: Tensor) -> Tensor:
        def estimate(x: Tensor, time: int) -> Tensor:
            return self.noise(x, torch.full((len(x),), time, device=x.device), labels)

        return ddim(estimate, noise, self.signal, steps=self.preset.steps)


def ddim(estimate, noise: Tensor, signal: Tensor, *, steps: int) -> Tensor:
    """Latents from pure noise, deterministic (Song et al. 2021, Eq. 12 with sigma 0).

    `estimate(x_t, t)` is the noise in x_t; `signal` [T] the share of signal, alpha bar, at each
    time. Times are T - T/steps, ..., T/steps, 0: evenly spaced from 0 on.
    """
    x, stride = noise, len(signal) // steps
    for time in reversed(range(0, stride * steps, stride)):
        now = signal[time]
        then = signal[time - stride] if time else signal.new_ones(())
        found = estimate(x, time)
        clean = ((x - (1 - now).sqrt() * found) / now.sqrt()).clamp(-LARGEST, LARGEST)
        x = then.sqrt() * clean + (1 - then).sqrt() * (x - now.sqrt() * clean) / (1 - now).sqrt()
    return x
