"""The one private step of `models.one_shot`, and what it guarantees.

    S_c = sum of phi(x) over the private images x of class c  +  sigma * N(0, I)

Proof. Let D and D' be data sets that differ in one record (x, y) added or removed. phi is public:
a function of x alone, fixed before any private image was read. So the arrays of sums of D and D'
differ in row y alone, by phi(x), whose norm is at most 1: `Encoder.embed_exactly` makes it so, and
makes the sums exact, so that this holds of the computed numbers too. Noise of deviation sigma on an
array of sensitivity 1 is (1 / sigma)-Gaussian-DP (Dong, Roth and Su 2022, Theorem 2.7), and hence
(epsilon, delta)-DP for exactly those pairs with

    delta = Phi(1 / (2 sigma) - epsilon sigma) - e^epsilon Phi(-1 / (2 sigma) - epsilon sigma)

(Balle and Wang 2018, arXiv 1805.06530, Theorem 8). All that follows reads the release, the public
side and randomness of its own: post-processing, at no further cost. The number of private images is
not used, and the list of classes is public. *Replacing* a record moves the sums by at most 2, m
records of one person by at most m: the same formula at sigma / 2 and sigma / m. Releases on the
same images compose as one at sigma with 1 / sigma^2 the sum of theirs.

What the proof does not cover: numbers that a machine draws are not Gaussian to the last bit (the
release is rounded to multiples of 2^-32 for that, cf. Mironov 2012), time, and what else is
published of the same images.
"""

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.special import chdtrc, ndtr, ndtri
from torch import Tensor

from ..models.one_shot import GRID, OneShot
from ..randomness import generator as stream
from . import accounting
from .fit import Fitted

if TYPE_CHECKING:
    from ..data.draws import Sample

Noise = Callable[[tuple[int, ...]], Tensor]  # standard normal float64 of a shape


class Guarantee(NamedTuple):
    """What releases of a noise cost together."""

    sigma: float  # of the one release that costs as much
    delta: float
    epsilon: float  # for one record added or removed
    epsilon_replaced: float  # for one record replaced by another
    advantage: float  # the most by which an attacker's two error rates add up to less than 1


def guarantee(*sigmas: float, delta: float, records: int = 1) -> Guarantee:
    """The guarantee of releases with noises `sigmas` on the same private images.

    `records` is the number of records of one person, all added or removed at once. Infinite for a
    sigma of 0. Raises `ValueError` for no sigma, or values out of range.
    """
    if not sigmas or records < 1:
        raise ValueError(f"{len(sigmas)} releases of {records} records a person; give 1 or more")
    for sigma in sigmas:
        accounting.check_noise_multiplier(sigma)
    if 0 in sigmas:
        return Guarantee(0.0, delta, math.inf, math.inf, 1.0)
    sigma = 1 / math.hypot(*(records / sigma for sigma in sigmas))
    added, replaced = (accounting.epsilon(s, steps=1, delta=delta) for s in (sigma, sigma / 2))
    return Guarantee(sigma, delta, added, replaced, float(2 * ndtr(0.5 / sigma) - 1))


def noise_multiplier_for(epsilon: float, *, delta: float, releases: int = 1) -> float:
    """The sigma of each of `releases` that together keep `epsilon` (one record added or removed).

    Raises `ValueError` for an epsilon that is not positive and finite.
    """
    return accounting.noise_multiplier_for(epsilon, steps=releases, delta=delta)


def noisy_sums(
    embeddings: Tensor, labels: Tensor, *, classes: int, sigma: float, noise: Noise
) -> Tensor:
    """The release, float64 [classes, d]: the only function that is given private data.

    `embeddings` float64 [n, d] come from `Encoder.embed_exactly`, `labels` [n] are below `classes`.
    `noise` is drawn once. Raises `ValueError` for embeddings of a norm above 1 or labels out of
    range.
    """
    accounting.check_noise_multiplier(sigma)
    if embeddings.dtype != torch.float64 or (embeddings.norm(dim=1) > 1).any():
        raise ValueError("embeddings must be float64 vectors of norm at most 1")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}")
    sums = torch.zeros(classes, embeddings.shape[1], dtype=torch.float64)
    sums.index_add_(0, labels, embeddings)
    noisy = sums + sigma * noise(tuple(sums.shape)) if sigma else sums
    return torch.round(noisy / GRID) * GRID


class Fit(NamedTuple):
    """How well a public side tells the classes of a release."""

    p_value: float  # the chance that noise alone makes the classes' sums differ as they do
    common: float  # share of their squares that classes have in common: of one direction, 1


def fit_of(sums: Tensor, sigma: float) -> Fit:
    """Whether the release [classes, d] tells classes apart: of it alone, so at no further cost.

    What all sums have in common, the direction of their mean, is projected out. Of noise the
    squares of the rest, in units of sigma, are chi-squared with (classes - 1) (d - 1) degrees of
    freedom, for the mean is independent of how the sums differ. Where classes hold unequal numbers
    of records that are alike, the direction's own error adds to the rest, with the variance of
    these numbers over their mean's square, which the sums tell as well. A large p-value says that
    the release tells no class from another: too few records, or too much noise.

    The common share is the mean cosine of two classes' sums, weighted by their lengths, from which
    the noise's part is taken off. Near 1 it says that to this encoder all records look much alike,
    which is how images of another kind than the public ones look.
    """
    classes, d = sums.shape
    freedom = (classes - 1) * (d - 1)
    common = torch.nn.functional.normalize(sums.sum(0), dim=0)
    along = sums @ common
    rest = (sums - torch.outer(along, common)).square().sum().item()
    varied = max(along.var().item() - sigma**2, 0.0) / along.mean().item() ** 2 if sigma else 0.0
    p_value = float(chdtrc(freedom, rest / sigma**2 / (1 + varied / classes))) if sigma else 0.0
    squares = sums.square().sum(1)
    lengths = (squares - d * sigma**2).clamp(min=0).sqrt()
    products = (sums.sum(0).square().sum() - squares.sum()).item()  # of all pairs, twice
    possible = (lengths.sum() ** 2 - lengths.square().sum()).item()
    return Fit(p_value, min(max(products / possible, 0.0), 1.0) if possible > 0 else 0.0)


def system_normal(shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers from the operating system's cryptographic source, float64.

    By the inverse distribution function of 63 random bits and a sign: in double precision, out to
    9.1 deviations. No seed goes in, and none can be had back.
    """
    bits = np.frombuffer(os.urandom(8 * math.prod(shape)), "<u8")
    tail = (((bits >> 1).astype(np.float64) + 0.5) * 2.0**-64).clip(max=0.5)  # in (0, 1/2]
    signs = np.where(bits & 1, 1.0, -1.0)
    return torch.from_numpy((-ndtri(tail) * signs).reshape(shape))


def seeded_normal(seed: int) -> Noise:
    """Standard normal numbers of a seed, for studies: whoever knows it subtracts the noise."""
    drawn = stream(seed, "training/noise")
    return lambda shape: torch.randn(shape, generator=drawn, dtype=torch.float64)


def fit(model: OneShot, records: "Sample", *, sigma: float, seed: int) -> Fitted:
    """Release the sums of `records` into `model`, in place, with a study's seeded noise.

    Runs on neighbouring data sets of one seed share the noise. No history: it would be private.
    """
    embeddings = model.public.encoder.embed_exactly(records.images)
    released = noisy_sums(
        embeddings, records.labels, classes=model.classes, sigma=sigma, noise=seeded_normal(seed)
    )
    with torch.no_grad():
        model.sums.copy_(released)
        model.sigma.fill_(sigma)
    return Fitted(model.eval(), {})
