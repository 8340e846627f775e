"""The accountant: exact where a formula is known, an upper bound elsewhere, and never backwards."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opacus.accountants.analysis.rdp import compute_rdp, get_privacy_spent
from scipy.integrate import quad
from scipy.stats import norm

from helpers.training.accounting import epsilon, noise_multiplier_for, noise_to_signal


def hockey_stick(sigma: float, eps: float) -> float:
    """delta(eps) of one Gaussian step by its definition, the integral of max(0, p - e^eps q)."""
    crossing = 0.5 + eps * sigma**2  # where p = N(1, sigma) and e^eps q = e^eps N(0, sigma) meet

    def excess(x: float) -> float:
        return norm.pdf(x, 1, sigma) - math.exp(eps + norm.logpdf(x, 0, sigma))

    return quad(excess, crossing, max(crossing, 1) + 15 * sigma, epsabs=0, limit=200)[0]


@pytest.mark.parametrize("delta", [1e-2, 1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0, 30.0])
def test_one_gaussian_step_has_the_delta_of_its_definition(sigma, delta):
    eps = epsilon(sigma, steps=1, delta=delta)
    if eps == 0:  # delta is larger than the total variation distance
        assert 2 * norm.cdf(0.5 / sigma) - 1 <= delta
    else:
        assert hockey_stick(sigma, eps) == pytest.approx(delta, rel=1e-5)


def test_full_batches_compose_as_one_step_of_less_noise():
    for steps in (4, 100):
        once = epsilon(2.0, steps=1, delta=1e-5)
        assert epsilon(2.0 * math.sqrt(steps), steps=steps, delta=1e-5) == pytest.approx(once)


def test_sampling_everything_approaches_the_full_batch():
    """Two accountants: the Gaussian formula and privacy loss distributions."""
    for sigma, steps in ((2.0, 50), (20.0, 500), (0.3, 20)):
        exact = epsilon(sigma, steps=steps, delta=1e-5)
        sampled = epsilon(sigma, steps=steps, sample_rate=1 - 1e-9, delta=1e-5)
        assert sampled == pytest.approx(exact, rel=2e-3)


def test_poisson_sampling_is_below_renyi_accounting_and_near_it():
    orders = [1 + x / 10 for x in range(1, 100)] + list(range(12, 64))
    rdp = compute_rdp(q=0.04, noise_multiplier=1.5, steps=2250, orders=orders)
    renyi, _ = get_privacy_spent(orders=orders, rdp=rdp, delta=1e-5)
    assert renyi == pytest.approx(7.32911117143, rel=1e-9)
    assert 0.9 * renyi < epsilon(1.5, steps=2250, sample_rate=0.04, delta=1e-5) < renyi


@pytest.mark.parametrize(
    ("sigma", "expected", "tolerance"), [(0.4, 23_390, 1e-3), (0.1, 497_500, 1e-3)]
)
def test_epsilon_of_the_papers_training(sigma, expected, tolerance):
    """Defect D8: half the records, 20,000 steps, delta 1e-3; dp_accounting on a 30 times finer
    grid gives 23,387.5 and 497,500.8."""
    found = epsilon(sigma, steps=20_000, sample_rate=0.5, delta=1e-3)
    assert found == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(("target", "sigma"), [(1, 57.57), (10, 9.080), (100, 1.9535)])
def test_noise_for_five_hundred_full_batches(target, sigma):
    found = noise_multiplier_for(target, steps=500, delta=1e-3)
    assert found == pytest.approx(sigma, rel=1e-3)


@pytest.mark.parametrize(
    ("target", "rate", "steps", "delta"),
    [(target, 1.0, 500, 1e-3) for target in (0.1, 1.0, 10.0, 1000.0)]
    + [(10.0, 0.64, 2000, 1e-5), (1000.0, 0.5, 20_000, 1e-3), (1.0, 0.04, 300, 1e-5)],
)
def test_noise_multiplier_is_the_inverse_of_epsilon(target, rate, steps, delta):
    sigma = noise_multiplier_for(target, steps=steps, sample_rate=rate, delta=delta)
    reached = epsilon(sigma, steps=steps, sample_rate=rate, delta=delta)
    assert 0.99 * target < reached <= target


# A full-batch, a study-like and a small-batch training
@pytest.mark.parametrize(
    ("rate", "steps", "delta"), [(1.0, 500, 1e-3), (0.64, 2000, 1e-5), (0.04, 300, 1e-5)]
)
@pytest.mark.parametrize("sigma", [0.1, 1.0, 10.0, 1000.0])
def test_epsilon_is_monotone(sigma, rate, steps, delta):
    def spent(factor: float = 1.0, *, more: float = 1.0, sampled: float = 1.0, slack: float = 1.0):
        return epsilon(
            sigma * factor,
            steps=round(steps * more),
            sample_rate=min(1.0, rate * sampled),
            delta=delta * slack,
        )

    here = spent()
    assert spent(1.1) < here
    assert spent(more=1.1) > here
    assert spent(slack=1.5) < here
    if rate < 1:
        assert spent(sampled=1.1) > here
        assert here < epsilon(sigma, steps=steps, delta=delta)


def test_extremes_neither_overflow_nor_warn():
    assert epsilon(0.0, steps=10, delta=1e-5) == math.inf
    assert epsilon(1e-6, steps=1, delta=1e-5) == pytest.approx(0.5e12, rel=1e-4)
    assert epsilon(1e8, steps=1, delta=1e-5) == 0
    assert 0 < epsilon(1e4, steps=1, delta=1e-12) < 1e-3
    for sigma in (1e-3, 9e-3, 0.02, 1e3, 1e6):
        spent = epsilon(sigma, steps=20_000, sample_rate=0.5, delta=1e-3)
        assert 0 <= spent <= epsilon(sigma, steps=20_000, delta=1e-3) * (1 + 1e-9)
    falling = [epsilon(s, steps=100, sample_rate=0.5, delta=1e-5) for s in (0.005, 0.02, 0.1, 10)]
    assert all(a > b for a, b in itertools.pairwise(falling))


@settings(max_examples=25, deadline=None)
@given(
    log_sigma=st.floats(-4, 8),
    steps=st.integers(1, 10**6),
    log_delta=st.floats(-80, -0.1),
)
def test_full_batch_epsilon_is_monotone_everywhere(log_sigma, steps, log_delta):
    sigma, delta = math.exp(log_sigma), math.exp(log_delta)
    here = epsilon(sigma, steps=steps, delta=delta)
    assert math.isfinite(here)
    assert epsilon(sigma * 1.01, steps=steps, delta=delta) <= here
    assert epsilon(sigma, steps=steps + 1, delta=delta) >= here
    assert epsilon(sigma, steps=steps, delta=delta / 2) >= here


def test_noise_to_signal_of_the_papers_networks():
    """Defect D7 at sigma 0.1 and 50 records a step."""
    for parameters, ratio in ((4_318_369, 4.2), (1_561_985, 2.5), (6_585_601, 5.1)):
        found = noise_to_signal(0.1, parameters=parameters, expected_batch=50)
        assert found == pytest.approx(ratio, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_multiplier": -1}, "noise multiplier"),
        ({"noise_multiplier": math.nan}, "noise multiplier"),
        ({"steps": 0}, "steps"),
        ({"sample_rate": 0.0}, "sample_rate"),
        ({"sample_rate": 1.1}, "sample_rate"),
        ({"sample_rate": math.nan}, "sample_rate"),
        ({"delta": 0.0}, "delta"),
        ({"delta": 1.0}, "delta"),
        ({"delta": math.nan}, "delta"),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    arguments = {"noise_multiplier": 1.0, "steps": 10, "sample_rate": 0.5, "delta": 1e-5} | changes
    with pytest.raises(ValueError, match=message):
        epsilon(arguments.pop("noise_multiplier"), **arguments)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (0, "target epsilon"),
        (math.nan, "target epsilon"),
        (math.inf, "target epsilon"),
        (1e-9, "above 1,000,000"),
        (1e12, "0.01 or more"),
    ],
)
def test_unreachable_targets_are_refused(target, message):
    with pytest.raises(ValueError, match=message):
        noise_multiplier_for(target, steps=500, delta=1e-9)
