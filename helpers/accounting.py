"""The (epsilon, delta) that private steps cost together, and the noise a target epsilon needs.

A step releases a sum of gradients of norm at most C with Gaussian noise of standard deviation
sigma * C; neighbouring data sets differ in one record added or removed. Steps over the full batch
compose exactly; Poisson-sampled ones numerically, as privacy loss distributions (Koskela et al.
2020, arXiv 1906.03049; Doroshenko et al. 2022, arXiv 2207.04380). This module trains nothing.
"""

import math

from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dp_accounting.pld import PLDAccountant
from scipy.optimize import brentq
from scipy.special import log_ndtr, logsumexp


def epsilon(
    noise_multiplier: float, *, steps: int, sample_rate: float = 1.0, delta: float
) -> float:
    """The accountant's epsilon of `steps` private steps, for one record added or removed.

    Full batch (`sample_rate` 1): exact, by the Gaussian-DP composition mu = sqrt(steps) / sigma
    (Dong, Roth and Su 2022, Corollary 2.13). Poisson sampling: by composing privacy loss
    distributions. Infinite for sigma 0. Raises `ValueError` for values out of range.
    """
    check_noise_multiplier(noise_multiplier)
    _check_accounting(steps, sample_rate, delta)
    if noise_multiplier == 0:
        return math.inf
    if sample_rate == 1:
        return _gdp_epsilon(math.sqrt(steps) / noise_multiplier, delta)
    step = PoissonSampledDpEvent(sample_rate, GaussianDpEvent(noise_multiplier))
    # A coarser grid for large epsilon keeps the distribution's support in memory; rounding is
    # pessimistic, so the result stays an upper bound.
    grid = max(1e-4, 1e-6 * steps * sample_rate / noise_multiplier**2)
    accountant = PLDAccountant(value_discretization_interval=grid)
    accountant.compose(SelfComposedDpEvent(step, steps))
    return float(accountant.get_epsilon(delta))


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
    """The smallest noise multiplier whose `epsilon(...)` is at most the target (within 0.1 %).

    Raises `ValueError` for a target that is not positive or beyond what 1e4 of noise can give.
    """
    if not target_epsilon > 0:
        raise ValueError(f"target epsilon is {target_epsilon}; it must be > 0")

    def excess(log_sigma: float) -> float:
        sigma = math.exp(log_sigma)
        return epsilon(sigma, steps=steps, sample_rate=sample_rate, delta=delta) - target_epsilon

    low, high = math.log(0.05), math.log(1e4)
    if excess(high) > 0:
        raise ValueError(f"epsilon {target_epsilon} needs a noise multiplier above 10,000")
    if excess(low) <= 0:
        raise ValueError(f"epsilon {target_epsilon} needs a noise multiplier below 0.05")
    return math.exp(brentq(excess, low, high, xtol=1e-4))


def noise_to_signal(noise_multiplier: float, *, parameters: int, expected_batch: float) -> float:
    """Expected norm of the noise over the largest possible norm of the clipped sum (defect D7)."""
    return noise_multiplier * math.sqrt(parameters) / expected_batch


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
