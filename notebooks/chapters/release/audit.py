"""Attacks on the release itself: what its noise is proven to allow, beside what is claimed.

The attacker knows all records but one, the public side and the noise, sees a release made with that
record or without it, and projects it on the record's embedding: the likelihood ratio, and so the
best there is. From the two error rates, with exact limits for their counts, follows the least mu of
a Gaussian mechanism that allows them, and its epsilon (Nasr et al. 2023, arXiv 2302.07956). Above
the claimed one would prove the claim wrong.
"""

from typing import NamedTuple

import torch
from scipy.stats import norm
from torch import Tensor

from helpers.metrics.attacks import clopper_pearson
from helpers.randomness import generator as stream
from helpers.training import release
from helpers.training.release import Noise


class Proof(NamedTuple):
    """What is claimed of a noise and what an attack proves, at one delta and 95 % confidence."""

    claimed: float
    proven: float


def attack(
    embeddings: Tensor, labels: Tensor, sigma: float, *, delta: float, trials: int, noise: Noise
) -> Proof:
    """Attack the first of the records, `trials` times with it and as often without.

    `embeddings` float64 [n, d] and `labels` [n] are what a release is made of. `noise` may be other
    than is claimed: that is what an audit is for.
    """
    classes = int(labels.max()) + 1
    record, row = embeddings[0], int(labels[0])

    def released(start: int, sigma: float = sigma, noise: Noise = noise) -> Tensor:
        records = embeddings[start:], labels[start:]
        return release.noisy_sums(*records, classes=classes, sigma=sigma, noise=noise)

    known = released(1, 0.0)[row] @ record
    threshold = known + record @ record / 2
    missed = sum(bool(released(0)[row] @ record <= threshold) for _ in range(trials))
    false = sum(bool(released(1)[row] @ record > threshold) for _ in range(trials))
    most = [clopper_pearson(count, trials)[1] for count in (missed, false)]
    mu = float(-norm.ppf(most).sum())  # each limit has half the error
    claimed = release.guarantee(sigma, delta=delta).epsilon
    proven = release.guarantee(1 / mu, delta=delta).epsilon if mu > 0 else 0.0
    return Proof(claimed, proven)


def weaker(noise: Noise, share: float) -> Noise:
    """A noise that is secretly a share of what it should be: an audit has to catch it."""
    return lambda shape: share * noise(shape)


def seeded(seed: int) -> Noise:
    """Noise for the page, the same at every execution."""
    drawn = stream(seed, "release/audit")
    return lambda shape: torch.randn(shape, generator=drawn, dtype=torch.float64)
