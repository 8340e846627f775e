"""Membership inference, and the epsilon it proves (a lower bound, by audit).

An attacker gives every candidate record a score, higher for "was a training record". Two simple
attackers: the distance to the nearest synthetic image (all that is published), and the model's own
loss (white box). Members are the training images, non-members images of the same kind that the
model never saw. Read the bound beside the accountant's upper bound: the truth lies between them.

A claim about differential privacy needs members and non-members that a coin could have swapped.
Hold-out images from the test split are close to that but not the same; draws from one pool are.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import beta
from sklearn.metrics import roc_auc_score
from torch import Tensor

from ..data.checks import Array, check_array
from ..models.interface import Generative
from .privacy import nearest_distances


class Membership(NamedTuple):
    """How well scores tell members from non-members."""

    auc: float  # chance that a member scores above a non-member; 0.5 says nothing is leaked
    tpr: float  # share of members found at the allowed false positive rate
    tpr_low: float  # its Clopper-Pearson interval
    tpr_high: float


def distance_scores(candidates: Tensor, synthetic: Tensor) -> np.ndarray:
    """Scores [N] from the synthetic set alone: minus the distance to the nearest synthetic image.

    Chen et al. 2020 (arXiv 1909.03935). Images [N, C, H, W] and [M, C, H, W] in [0, 1].
    """
    return -nearest_distances(candidates, synthetic)


def loss_scores(
    model: Generative,
    images: Tensor,
    labels: Tensor,
    *,
    generator: torch.Generator,
    draws: int = 16,
) -> np.ndarray:
    """Scores [N] from the trained model itself: minus its training loss on each image.

    Yeom et al. 2018 (arXiv 1709.01604). The mean over `draws` of the loss's own randomness (the
    VAE's code, the DDPM's time and noise). Of a GAN it is the discriminator's loss, which is not
    published with the generator: a stronger attacker than the others face. Images [N, C, S, S]
    in [0, 1], labels [N].
    """
    scores = []
    with torch.no_grad():
        for part, asked in zip(images.split(100), labels.split(100), strict=True):
            randomness = model.randomness(len(part) * draws, generator=generator)
            repeated = part.repeat_interleave(draws, 0), asked.repeat_interleave(draws, 0)
            scores.append(-model.losses(*repeated, randomness).view(-1, draws).mean(1))
    return torch.cat(scores).double().numpy()


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval for the chance behind `successes` of `trials`."""
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} successes in {trials} trials; need 0 <= successes <= trials")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie in (0, 1)")
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, successes, trials - successes + 1) if successes else 0.0
    high = beta.ppf(1 - tail, successes + 1, trials - successes) if successes < trials else 1.0
    return float(low), float(high)


def _found(member_scores: Array, other_scores: Array, fpr: float) -> tuple[int, int, int, int]:
    """Members above the threshold, members, allowed false positives, non-members.

    The threshold is the non-members' score that leaves `fpr` of them strictly above it; ties with
    it count as not found.
    """
    members = check_array(member_scores, "member scores", ndim=1)
    others = check_array(other_scores, "non-member scores", ndim=1)
    if not 0 <= fpr < 1:
        raise ValueError(f"fpr is {fpr}; it must lie in [0, 1)")
    allowed = math.floor(fpr * len(others) + 1e-9)
    threshold = np.sort(others)[len(others) - 1 - allowed]
    return int((members > threshold).sum()), len(members), allowed, len(others)


def membership_inference(
    member_scores: Array, other_scores: Array, *, fpr: float = 0.1, confidence: float = 0.95
) -> Membership:
    """AUC, and the true positive rate at a false positive rate of `fpr`, of scores [N] and [M].

    Raises `ValueError` for no scores, NaN, or `fpr` outside [0, 1).
    """
    found, n, _, m = _found(member_scores, other_scores, fpr)
    scores = np.concatenate([np.asarray(member_scores), np.asarray(other_scores)])
    auc = roc_auc_score(np.repeat([1, 0], [n, m]), scores)
    return Membership(float(auc), found / n, *clopper_pearson(found, n, confidence))


def _bound(found: int, n: int, allowed: int, m: int, delta: float, confidence: float) -> float:
    """Epsilon lower bound from counts; each of the two one-sided limits has half the error."""
    tpr_low, _ = clopper_pearson(found, n, confidence)
    _, fpr_high = clopper_pearson(allowed, m, confidence)
    gains = [(tpr_low - delta, fpr_high), (1 - fpr_high - delta, 1 - tpr_low)]
    return max([0.0, *(math.log(gain / cost) for gain, cost in gains if gain > 0 and cost > 0)])


def epsilon_lower(
    member_scores: Array,
    other_scores: Array,
    *,
    delta: float,
    fpr: float = 0.1,
    confidence: float = 0.95,
) -> float:
    """A lower bound on epsilon at `delta` that the attack's success proves, in nats; at least 0.

    (epsilon, delta)-DP allows at most TPR <= e^epsilon FPR + delta and, for what is not flagged,
    1 - FPR <= e^epsilon (1 - TPR) + delta (Kairouz et al. 2015). TPR is replaced by the lower and
    FPR by the upper end of its Clopper-Pearson interval, so that the bound holds with probability
    `confidence` (Jagielski et al. 2020, arXiv 2006.07709). That the threshold comes from the
    non-members themselves does no harm: the chance to lie above their j-th highest score has
    exactly the distribution behind the interval. The records of one run share its noise; treating
    them as independent is usual and is checked by simulation, but it is not a theorem (for one, see
    Steinke et al. 2023, arXiv 2305.08846). A perfect attack gives `epsilon_lower_ceiling`.
    """
    if not 0 <= delta < 1:
        raise ValueError(f"delta is {delta}; it must lie in [0, 1)")
    return _bound(*_found(member_scores, other_scores, fpr), delta, confidence)


def epsilon_lower_ceiling(
    members: int, others: int, *, delta: float, fpr: float = 0.1, confidence: float = 0.95
) -> float:
    """What `epsilon_lower` gives for a perfect attack: no audit of this size can prove more."""
    scores = np.ones(members), np.zeros(others)
    return epsilon_lower(*scores, delta=delta, fpr=fpr, confidence=confidence)
