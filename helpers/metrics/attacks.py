"""Membership inference, and the epsilon it proves (a lower bound, by audit).

An attacker gives every candidate record a score, higher for "was a training record". Two simple
attackers: the distance to the nearest synthetic image (all that is published), and the model's own
loss (white box). Members are the training images, non-members images of the same kind that the
model never saw.

A claim about differential privacy needs members and non-members that a coin could have swapped:
draws from one pool. Images of another split will not do: where the splits differ, as in medical
data that are split by patient, an attack on real images that nobody trained on seems to succeed.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import beta, binom
from sklearn.metrics import roc_auc_score
from torch import Tensor

from ..data.checks import Array, check_array
from ..models.interface import Generative
from ..training import devices
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
    in [0, 1], labels [N]. The model is where measures run (`devices.current`).
    """
    scores, device = [], devices.current()
    with torch.no_grad():
        for part, asked in zip(images.split(100), labels.split(100), strict=True):
            randomness = model.randomness(len(part) * draws, generator=generator)
            repeated = part.repeat_interleave(draws, 0), asked.repeat_interleave(draws, 0)
            given = *repeated, randomness
            # On the CPU all at once: kept numbers were rounded so.
            size = len(randomness) if device == devices.CPU else _DEVICE_BATCH
            few = zip(*(tensor.to(device).split(size) for tensor in given), strict=True)
            losses = torch.cat([model.losses(*tensors) for tensors in few])
            scores.append(-losses.view(-1, draws).mean(1).cpu())
    return torch.cat(scores).double().numpy()


_DEVICE_BATCH = 250  # records of the losses at a time, elsewhere than on a CPU


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


def membership_inference(
    member_scores: Array, other_scores: Array, *, fpr: float = 0.1, confidence: float = 0.95
) -> Membership:
    """AUC, and the true positive rate at a false positive rate of `fpr`, of scores [N] and [M].

    The threshold is the non-members' score that leaves `fpr` of them strictly above it; ties with
    it count as not found. Raises `ValueError` for no scores, NaN, or `fpr` outside [0, 1).
    """
    members = check_array(member_scores, "member scores", ndim=1)
    others = check_array(other_scores, "non-member scores", ndim=1)
    if not 0 <= fpr < 1:
        raise ValueError(f"fpr is {fpr}; it must lie in [0, 1)")
    n, m = len(members), len(others)
    threshold = np.sort(others)[m - 1 - math.floor(fpr * m + 1e-9)]
    found = int((members > threshold).sum())
    auc = roc_auc_score(np.repeat([1, 0], [n, m]), np.concatenate([members, others]))
    return Membership(float(auc), found / n, *clopper_pearson(found, n, confidence))


def epsilon_lower(
    member_scores: Array,
    partner_scores: Array,
    *,
    delta: float,
    confidence: float = 0.95,
) -> float:
    """A lower bound on epsilon at `delta` that the attack's success in one run proves, in nats.

    Of each pair [m], a member and an image of its class that a coin could have put in its place,
    the attacker calls the one of the higher score the member, and abstains in the half of the pairs
    whose scores differ least. Steinke et al. 2023 (arXiv 2305.08846, theorem 5.2): under
    (epsilon, delta)-DP the number of right guesses among r is no more than a binomial one of chance
    e^epsilon / (1 + e^epsilon), but for a term in delta, whatever the records of a run share. The
    bound is the largest epsilon that this refutes with `confidence`; at least 0. Ties are wrong.

    Neighbouring is here *one record replaced by another*: twice the epsilon, in pure DP, of one
    added or removed, which the accountant tells.

    Against counts of true and false positives with Clopper-Pearson intervals (Jagielski et al.
    2020, arXiv 2006.07709) it proves more, and no record need be independent of another: of 100
    members and scores that differ by 0.5, 1, 2 and 3 deviations 0.33, 1.19, 2.39 and 2.48 on
    average, against 0.18, 0.89, 1.71 and 2.22 from ten times as many others. Only of a perfect
    attack does it prove less, 2.48 against 3.19: `epsilon_lower_ceiling`.

    Raises `ValueError` unless there is one partner for each member.
    """
    members = check_array(member_scores, "member scores", ndim=1)
    partners = check_array(partner_scores, "partner scores", ndim=1)
    if len(members) != len(partners):
        raise ValueError(f"{len(members)} members and {len(partners)} partners; give one for each")
    if not 0 <= delta < 1:
        raise ValueError(f"delta is {delta}; it must lie in [0, 1)")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie in (0, 1)")
    ahead = members - partners
    told = ahead[np.argsort(-np.abs(ahead), kind="stable")][: math.ceil(len(ahead) / 2)]
    right = int((told > 0).sum())

    def excess(epsilon: float) -> float:
        return guesses_p_value(right, len(told), len(ahead), epsilon, delta) - (1 - confidence)

    return float(brentq(excess, 0, _LARGEST)) if excess(0) < 0 < excess(_LARGEST) else 0.0


_LARGEST = 50.0  # epsilon, beyond any proof from a run's records


def guesses_p_value(right: int, told: int, pairs: int, epsilon: float, delta: float) -> float:
    """The chance, at most, of as many `right` guesses of those `told`, if (epsilon, delta)-DP held.

    Steinke et al. 2023, theorem 5.2, whose last term is 2 m delta max_i P[v - i <= W < v] / i.
    """
    chances = binom.pmf(np.arange(told + 1), told, expit(epsilon))
    fewer = chances[:right][::-1].cumsum() / np.arange(1, right + 1)
    slack = 2 * pairs * delta * fewer.max(initial=0.0)
    return float(min(1.0, chances[right:].sum() + slack))


def epsilon_lower_ceiling(pairs: int, *, delta: float, confidence: float = 0.95) -> float:
    """What `epsilon_lower` gives for a perfect attack: no audit of this size can prove more."""
    scores = np.ones(pairs), np.zeros(pairs)
    return epsilon_lower(*scores, delta=delta, confidence=confidence)
