"""Attacks on the private step and on a whole training: what epsilon do they prove?

Two worlds differ in one record, made so that its gradient is longer than C. The attacker knows all
else: weights, draws, the other record. Of each world the real code is run many times, with noise of
its own each time, and its output is projected on what the record adds: a Gaussian of mean 0 or 1,
whose deviation says how much noise there is. A guess is "present" above 1/2. From how often it is
right in either world follows a lower limit of mu (Dong et al. 2022; Nasr et al. 2023, arXiv
2302.07956, section 4.2), and of the epsilon that no true claim can lie below.

All trials start at the same weights with the same draws but the noise. So what comes before the
noise, the clipped sum, is the same in all trials of a world: `dp.clipped_sum` computes it in the
first one, and it is kept. All that follows is done by the real code in every trial.
"""

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import patch

import torch
from scipy.stats import norm
from torch import Tensor

from helpers.data.draws import Sample
from helpers.metrics.attacks import clopper_pearson
from helpers.models import networks
from helpers.models.presets import Training
from helpers.randomness import generator as stream
from helpers.training import accounting, dp, fit

DELTA = 1e-3
# One step of Adam moves weights by 1e11 times so small a gradient: released weights then show it.
LINEAR = Training(steps=1, learning_rate=1e3, betas=(0.0, 0.999), max_grad_norm=1e-12)


@dataclass(frozen=True)
class Attack:
    """One attack: on what, how often in each world, and what is claimed of what it attacks."""

    target: str  # "step" (`private_gradient`) or "training" (`fit`, by its weights alone)
    family: str
    claimed: float  # epsilon at DELTA
    trials: int  # in each world
    noise: float = 1.0  # times what the claim takes; below 1 the claim is false

    @property
    def sigma(self) -> float:
        """The noise multiplier that is really used."""
        return self.noise * accounting.noise_multiplier_for(self.claimed, steps=1, delta=DELTA)


def correct(attack: Attack, trials: range) -> tuple[int, int]:
    """How often the guess is right where the record is present, and where it is absent.

    Each trial has a number, which decides its noise: the same numbers give the same counts.
    """
    run = {"step": _step, "training": _training}[attack.target](attack.family)
    absent, present = (run(there, 0.0, 0) for there in (False, True))
    added = present - absent
    added /= added.square().sum()
    right, sigma = [0, 0], attack.sigma
    for trial in trials:
        for world, there in enumerate((True, False)):
            score = (run(there, sigma, 2 * trial + world) - absent) @ added
            right[world] += int((score > 0.5) == there)
    return right[0], right[1]


def proven(right: tuple[int, int], trials: int, confidence: float = 0.95) -> float:
    """The epsilon at DELTA that so many right guesses of `trials` prove, with this confidence.

    Of a Gaussian mechanism: from lower limits of both rates, mu is at least the sum of their
    quantiles.
    """
    limits = [clopper_pearson(count, trials, confidence)[0] for count in right]
    mu = float(sum(norm.ppf(limit) for limit in limits))
    return accounting.epsilon(1 / mu, steps=1, delta=DELTA) if mu > 0 else 0.0


Run = Callable[[bool, float, int], Tensor]  # (record present, sigma, number of the noise) -> output


def _records(there: bool) -> Sample:
    """A grey image, and with it or not the record in question, a white one."""
    images = torch.stack([torch.full((1, 28, 28), 0.5), torch.ones(1, 28, 28)])
    return Sample(*(part[: 1 + there] for part in (images, torch.arange(2), torch.arange(2))))


def _model(family: str):
    return networks.build(family, "smoke", classes=2, generator=stream(0, "weights"))


def _kept(sums: dict, world: bool) -> Callable:
    """`dp.clipped_sum`, computed for each call of a run of a world and kept in `sums`."""
    real, calls = dp.clipped_sum, itertools.count()

    def clipped_sum(*given, **named):
        place = world, next(calls)
        if place not in sums:
            sums[place] = real(*given, **named)
        return sums[place]

    return clipped_sum


def _step(family: str) -> Run:
    """One call of `private_gradient`, C half of the record's norm."""
    model, (images, labels, _) = _model(family), _records(True)
    draws = model.randomness(2, generator=stream(0, "draws"))

    def losses(there: bool) -> Callable[[], Tensor]:
        rows = slice(0, 1 + there)
        return lambda: model.losses(images[rows], labels[rows], draws[rows])

    bound = dp.clipped_sum(model.noised, losses(True), 1.0)[2][1].item() / 2

    sums = {}

    def run(there: bool, sigma: float, number: int) -> Tensor:
        how = {"max_grad_norm": bound, "noise_multiplier": sigma, "normaliser": 1.0}
        generator = stream(number, "noise")
        with patch.object(dp, "clipped_sum", _kept(sums, there)):
            found = dp.private_gradient(model.noised, losses(there), generator=generator, **how)
        return torch.cat([v.flatten() for v in found.values])

    return run


def _training(family: str) -> Run:
    """One call of `fit`, of one step; of its draws the noise alone changes from call to call."""
    start, sums = _model(family), {}

    def run(there: bool, sigma: float, number: int) -> Tensor:
        def drawn(seed: int, purpose: str) -> torch.Generator:
            return stream(number if purpose == "training/noise" else seed, purpose)

        model, data = copy.deepcopy(start), _records(there)
        arm = "dp" if sigma else "clipped"
        where = {"training": LINEAR, "slots": 2, "places": data.index, "seed": 0}
        kept = patch.object(dp, "clipped_sum", _kept(sums, there))
        with patch.multiple(fit, stream=drawn, _check_losses=lambda *given: None), kept:
            fit.fit(model, data, arm=arm, sigma=sigma, **where)
        return torch.cat([p.detach().flatten() for p in model.noised.parameters()])

    return run
