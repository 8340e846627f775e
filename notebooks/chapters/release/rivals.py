"""Other mechanisms with the same guarantee, on the same private images."""

import functools
import math

import numpy as np
import torch
from scipy.fft import dctn, idctn
from torch import Tensor

from helpers.data import simulators
from helpers.data.draws import Sample
from helpers.models.one_shot import LIBRARY, Public
from helpers.randomness import generator as stream
from helpers.training import accounting

SIMULATOR = {"mnist": "strokes"}  # of a data set; else phantoms
COEFFICIENTS = {1: (64,), 3: (36, 14, 14)}  # of the lowest frequencies, by channel
_OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
_EXPECTED = 10  # public guess of how many records a class has


def noise_at(epsilon: float, delta: float, releases: int = 1) -> float:
    """The noise of each of so many releases; that of epsilon 1 for 0, where sums are left out."""
    if epsilon == math.inf:
        return 0.0
    return accounting.noise_multiplier_for(epsilon or 1.0, steps=releases, delta=delta)


# Class means of a few DCT coefficients


class Basis:
    """What the simulator tells of images: mean, spread within and between classes, a clip norm."""

    def __init__(self, simulator: str, shape: tuple[int, int, int]):
        drawn = stream(0, f"library/{simulator}")
        images = simulators.simulate(simulator, *LIBRARY, shape=shape, generator=drawn)
        images = images[: 1000 * LIBRARY[1]]
        spectra = spectrum(images.numpy() / 255)
        groups = spectra.reshape(-1, LIBRARY[1], spectra.shape[1])
        means = groups.mean(1)
        self.shape, self.low = shape, _lowest(shape)
        self.mean = spectra.mean(0)
        within = (groups - means[:, None]).reshape(-1, spectra.shape[1])
        self.residuals = within * math.sqrt(LIBRARY[1] / (LIBRARY[1] - 1))
        self.between, self.within = means.var(0)[self.low], self.residuals.var(0)[self.low]
        distances = np.linalg.norm((spectra - self.mean)[:, self.low], axis=1)
        self.clip = float(np.median(distances))


def spectrum(images: np.ndarray) -> np.ndarray:
    """Orthonormal DCT [N, C * S * S] of images [N, C, S, S]; colours as opponents."""
    if images.shape[1] == 3:
        images = np.einsum("nchw,dc->ndhw", images, _OPPONENT)
    return dctn(images, axes=(2, 3), norm="ortho").reshape(len(images), -1)


def pictures(spectra: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The inverse of `spectrum`."""
    images = idctn(spectra.reshape(-1, *shape), axes=(2, 3), norm="ortho")
    return np.einsum("ndhw,dc->nchw", images, _OPPONENT) if shape[0] == 3 else images


def _lowest(shape: tuple[int, int, int]) -> np.ndarray:
    rows, columns = np.indices(shape[1:])
    order = np.argsort((rows**2 + columns**2).ravel(), kind="stable")
    size = shape[1] * shape[2]
    return np.concatenate([k * size + order[:n] for k, n in enumerate(COEFFICIENTS[shape[0]])])


@functools.lru_cache(maxsize=1)
def _basis(simulator: str, shape: tuple[int, int, int]) -> Basis:
    return Basis(simulator, shape)


def class_means(
    private: Sample, classes: int, dataset: str, epsilon: float, delta: float, count: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Noisy class sums of clipped low frequencies, shrunk, with the simulator's variation on top.

    One release of sensitivity 1 in units of the clip norm.
    """
    shape = tuple(private.images.shape[1:])
    basis = _basis(SIMULATOR.get(dataset, "phantoms"), shape)
    numbers = np.random.default_rng([seed, 5])
    low = (spectrum(private.images.double().numpy()) - basis.mean)[:, basis.low]
    low *= np.minimum(1, basis.clip / np.linalg.norm(low, axis=1, keepdims=True))
    sums = np.zeros((classes, low.shape[1]))
    if epsilon:
        np.add.at(sums, private.labels.numpy(), low)
    noise = noise_at(epsilon, delta) * basis.clip
    sums += noise * numbers.normal(size=sums.shape)
    spread = basis.between + basis.within / _EXPECTED + (noise / _EXPECTED) ** 2
    means = np.tile(basis.mean, (classes, 1))
    means[:, basis.low] += basis.between / spread * sums / _EXPECTED
    rows = numbers.integers(len(basis.residuals), size=classes * count)
    images = pictures(np.repeat(means, count, 0) + basis.residuals[rows], shape)
    return _set(images, classes, count)


def _set(images: np.ndarray, classes: int, count: int) -> tuple[Tensor, Tensor]:
    return (
        torch.from_numpy(images.clip(0, 1)).float(),
        torch.arange(classes).repeat_interleave(count),
    )


# Private Evolution (Lin et al. 2024, arXiv 2305.15560) on the simulator


def evolution(
    private: Sample,
    classes: int,
    public: Public,
    dataset: str,
    epsilon: float,
    delta: float,
    count: int,
    seed: int,
    *,
    rounds: int,
    candidates: int,
) -> tuple[Tensor, Tensor]:
    """Rounds of noisy votes of private images for their nearest candidate of their class.

    A vote has sensitivity 1; between rounds the simulator varies what was voted for.
    """
    name, shape = SIMULATOR.get(dataset, "phantoms"), tuple(private.images.shape[1:])
    simulator, drawn = simulators.SIMULATORS[name], stream(seed, "release/evolution")
    noise = noise_at(epsilon, delta, rounds)
    units, images = public.encoder.embed(private.images), []
    for label in range(classes):
        kinds = simulator.classes(candidates, shape[0], drawn)
        own = units[private.labels == label]
        for _ in range(rounds):
            pictured = simulators.draw(name, kinds, shape=shape, generator=drawn)
            nearest = (own @ public.encoder.embed(pictured).T).argmax(1)
            votes = torch.bincount(nearest, minlength=candidates).float() * (epsilon > 0)
            votes = votes + noise * torch.randn(candidates, generator=drawn)
            votes = (votes - min(1.5 * noise, 2.0)).clamp(min=0) + 1e-9
            rows = torch.multinomial(votes, candidates, replacement=True, generator=drawn)
            kinds = tuple(part[rows] for part in kinds)
            varied = simulator.vary(kinds, drawn)
            kept = torch.rand(candidates, generator=drawn) < 0.5
            kinds = tuple(
                torch.where(kept.view(-1, *[1] * (a.ndim - 1)), a, b)
                for a, b in zip(kinds, varied, strict=True)
            )
        rows = torch.arange(count) % candidates
        kinds = tuple(part[rows] for part in kinds)
        images.append(simulators.draw(name, kinds, shape=shape, generator=drawn))
    labels = torch.arange(classes).repeat_interleave(count)
    return torch.cat(images).float() / 255, labels
