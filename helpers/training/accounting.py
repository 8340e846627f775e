"""The (epsilon, delta) that private steps cost together, and the noise a target epsilon needs.

A step releases a sum of gradients of norm at most C with Gaussian noise of standard deviation
sigma * C; neighbouring data sets differ in one record added or removed. Steps over the full batch
compose exactly; Poisson-sampled ones numerically, as privacy loss distributions (Koskela et al.
2020, arXiv 1906.03049; Doroshenko et al. 2022, arXiv 2207.04380). This module trains nothing.
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, logsumexp

ARMS = ("sgd", "clipped", "dp")


def epsilon(
    noise_multiplier: float, *, steps: int, sample_rate: float = 1.0, delta: float
) -> float:
    """The accountant's epsilon of `steps` private steps, for one record added or removed.

    Full batch (`sample_rate` 1): exact, by the Gaussian-DP composition mu = sqrt(steps) / sigma
    (Dong, Roth and Su 2022, Corollary 2.13). Poisson sampling: by composing privacy loss
    distributions, an upper bound within about 0.1 %; for sigma below 0.01 the full batch's, which
    is an upper bound too. Infinite for sigma 0. Raises `ValueError` for values out of range.
    """
    check_noise_multiplier(noise_multiplier)
    _check_accounting(steps, sample_rate, delta)
    if noise_multiplier == 0:
        return math.inf
    if sample_rate == 1 or noise_multiplier < 0.01:
        return _gdp_epsilon(math.sqrt(steps) / noise_multiplier, delta)
    return _sampled_epsilon(noise_multiplier, steps, sample_rate, delta)


def _sampled_epsilon(sigma: float, steps: int, sample_rate: float, delta: float) -> float:
    """Under Poisson sampling, by privacy loss distributions."""
    # Imported here: a training over the full batch needs nothing but torch, numpy and scipy.
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
    from dp_accounting.pld import PLDAccountant

    step = PoissonSampledDpEvent(sample_rate, GaussianDpEvent(sigma))
    grid = _typical_loss(sigma, sample_rate) / 100
    accountant = PLDAccountant(value_discretization_interval=grid)
    accountant.compose(SelfComposedDpEvent(step, steps))
    return float(accountant.get_epsilon(delta))


def _typical_loss(sigma: float, q: float) -> float:
    """Root mean square of one sampled step's privacy loss ln((1 - q) + q exp((2x - 1) / 2sigma^2)).

    The loss is discretised in units of it: a fixed grid would swamp the losses of large sigma and
    run out of memory for small.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)

    def mean_square(centre: float) -> float:
        x = centre + sigma * nodes
        loss = np.logaddexp(math.log1p(-q), math.log(q) + (2 * x - 1) / (2 * sigma**2))
        return float(np.average(loss**2, weights=weights))

    return math.sqrt((1 - q) * mean_square(0.0) + q * mean_square(1.0))


def _gdp_epsilon(mu: float, delta: float) -> float:
    """The epsilon at which a mu-GDP mechanism has the given delta."""

    def excess(eps: float) -> float:
        return _gdp_log_delta(mu, eps) - math.log(delta)

    if excess(0.0) <= 0:
        return 0.0
    upper = mu * mu / 2 + mu * 40 + 1.0
    return float(brentq(excess, 0.0, upper, xtol=1e-10, rtol=1e-12))


def _gdp_log_delta(mu: float, eps: float) -> float:
    """ln delta(eps) = ln(Phi(-eps/mu + mu/2) - e^eps Phi(-eps/mu - mu/2)), in logarithms."""
    gain, loss = log_ndtr(-eps / mu + mu / 2), eps + log_ndtr(-eps / mu - mu / 2)
    if loss >= gain:  # the difference is below the precision of the logarithms
        return -math.inf
    return float(logsumexp([gain, loss], b=[1.0, -1.0]))


def noise_multiplier_for(
    target_epsilon: float, *, steps: int, sample_rate: float = 1.0, delta: float
) -> float:
    """The smallest noise multiplier, within 0.02 %, whose `epsilon(...)` is at most the target.

    Raises `ValueError` for a target that is not positive or needs noise beyond 0.01 to 1e6.
    """
    if not 0 < target_epsilon < math.inf:
        raise ValueError(f"target epsilon is {target_epsilon}; it must be finite and > 0")
    _check_accounting(steps, sample_rate, delta)

    def excess(log_sigma: float) -> float:
        reached = epsilon(math.exp(log_sigma), steps=steps, sample_rate=sample_rate, delta=delta)
        return math.log(max(reached / target_epsilon, 1e-6))

    low, high, tolerance = math.log(0.01), math.log(1e6), 1e-4
    if sample_rate < 1:  # sampling needs less noise than the full batch, whose epsilon is cheap
        high = math.log(noise_multiplier_for(target_epsilon, steps=steps, delta=delta)) + 0.01
    elif excess(high) > 0:
        raise ValueError(f"epsilon {target_epsilon} needs a noise multiplier above 1,000,000")
    if excess(low) <= 0:
        raise ValueError(f"epsilon {target_epsilon} needs no noise multiplier of 0.01 or more")
    return math.exp(brentq(excess, low, high, xtol=tolerance) + tolerance)


def noise_to_signal(noise_multiplier: float, *, parameters: int, expected_batch: float) -> float:
    """Expected norm of the noise over the largest possible norm of the clipped sum (defect D7)."""
    return noise_multiplier * math.sqrt(parameters) / expected_batch


def check_arm(arm: str, sigma: float) -> None:
    """Raise `ValueError` unless sigma > 0 exactly in the arm `dp`."""
    check_noise_multiplier(sigma)
    if arm not in ARMS:
        raise ValueError(f"arm {arm!r} is unknown; allowed: {', '.join(ARMS)}")
    if (sigma > 0) != (arm == "dp"):
        raise ValueError(f"sigma is {sigma} in the arm {arm!r}; sigma > 0 goes with `dp` alone")


def check_noise_multiplier(noise_multiplier: float) -> None:
    """Raise `ValueError` unless the noise multiplier is a finite number >= 0."""
    if not (isinstance(noise_multiplier, int | float) and 0 <= noise_multiplier < math.inf):
        raise ValueError(
            f"noise multiplier (sigma) is {noise_multiplier!r}; it must be finite and >= 0"
        )


def _check_accounting(steps: int, sample_rate: float, delta: float) -> None:
    if steps < 1:
        raise ValueError(f"steps is {steps}; it must be at least 1")
    if not 0 < sample_rate <= 1:
        raise ValueError(f"sample_rate is {sample_rate}; it must lie in (0, 1]")
    if not 0 < delta < 1:
        raise ValueError(f"delta is {delta}; it must lie in (0, 1)")
