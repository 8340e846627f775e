"""The one release: its sensitivity, its epsilon against other accountants, and attacks on it.

Attacks are made on the function that a release calls, by an attacker who knows every record but
one and the public side: the likelihood ratio of the two worlds, with exact limits for the counts.
"""

import math

import mpmath
import numpy as np
import pytest
import torch
from dp_accounting import GaussianDpEvent
from dp_accounting.pld import PLDAccountant
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from chapters.release import audit
from helpers.data.draws import Sample
from helpers.models import networks, one_shot
from helpers.models.one_shot import DIMENSION, GRID, Encoder
from helpers.randomness import generator as stream
from helpers.training import release

DELTA = 1e-3
CLASSES = 3


@pytest.fixture(scope="module")
def encoder():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Encoder(1)
        network(torch.rand(64, 1, 28, 28))  # statistics for the last layer
    return network.eval().requires_grad_(False)


def extreme_images(n=24):
    """Black, white, single pixels, checkers, and noise of every strength."""
    drawn = stream(0, "extreme")
    images = torch.rand(n, 1, 28, 28, generator=drawn) * torch.logspace(-12, 0, n).view(-1, 1, 1, 1)
    images[0], images[1] = 0.0, 1.0
    images[2, 0, ::2, ::2], images[3, 0, 14, 14] = 1.0, 1.0
    return images


def sums_of(embeddings, labels, sigma=0.0, noise=release.system_normal):
    return release.noisy_sums(embeddings, labels, classes=CLASSES, sigma=sigma, noise=noise)


# Sensitivity


def test_an_embedding_has_a_norm_of_at_most_one_exactly(encoder):
    from fractions import Fraction

    units = encoder.embed_exactly(extreme_images())
    for row in units.tolist():
        assert sum(Fraction(value) ** 2 for value in row) <= 1  # without any rounding
    assert (units.norm(dim=1) > 1 - 1e-8).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_one_record_moves_the_sums_by_its_embedding_and_nothing_else(seed, n):
    drawn = torch.Generator().manual_seed(seed)
    units = torch.randn(n + 1, DIMENSION, generator=drawn, dtype=torch.float64)
    units = torch.trunc(units / units.norm(dim=1, keepdim=True) * (1 - 1e-12) / GRID) * GRID
    labels = torch.randint(CLASSES, (n + 1,), generator=drawn)
    order = torch.randperm(n + 1, generator=drawn)
    full, less = sums_of(units[order], labels[order]), sums_of(units[1:], labels[1:])
    moved = torch.zeros_like(full)
    moved[labels[0]] = units[0]
    assert torch.equal(full - less, moved)  # bit by bit, in whatever order they are added
    assert moved.norm() <= 1


def test_sums_in_single_precision_would_not_do(encoder):
    """What the exact path is for: in float32 an embedding can be longer than 1."""
    with torch.no_grad():
        units = torch.cat([encoder(extreme_images(200)) for _ in range(1)])
    assert (units.double().norm(dim=1) > 1).any()


def test_what_is_longer_than_one_or_of_no_class_is_refused():
    units = torch.full((1, DIMENSION), 0.2, dtype=torch.float64)
    with pytest.raises(ValueError, match="norm at most 1"):
        sums_of(units, torch.tensor([0]))
    with pytest.raises(ValueError, match="float64"):
        sums_of(units.float() / 10, torch.tensor([0]))
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.2"):
        sums_of(units / 10, torch.tensor([3]))


# The accountant


def exact_delta(sigma, epsilon, sensitivity=1.0):
    """Balle and Wang 2018, Theorem 8, in 60 digits."""
    with mpmath.workdps(60):
        mu, eps = mpmath.mpf(sensitivity) / mpmath.mpf(sigma), mpmath.mpf(epsilon)
        return float(
            mpmath.ncdf(mu / 2 - eps / mu) - mpmath.exp(eps) * mpmath.ncdf(-mu / 2 - eps / mu)
        )


@pytest.mark.parametrize("sigma", [0.2, 0.406, 1.037, 2.575, 10.0])
def test_epsilon_is_that_of_the_analytic_gaussian_mechanism(sigma):
    found = release.guarantee(sigma, delta=DELTA)
    assert exact_delta(sigma, found.epsilon) == pytest.approx(DELTA, rel=1e-6)
    assert exact_delta(sigma, found.epsilon_replaced, 2.0) == pytest.approx(DELTA, rel=1e-6)
    assert found.advantage == pytest.approx(exact_delta(sigma, 0.0), rel=1e-9)


def test_epsilon_is_that_of_googles_accountant():
    for sigma, epsilon in zip(one_shot.SIGMAS, (10, 3, 1), strict=True):
        accountant = PLDAccountant(value_discretization_interval=1e-4)
        accountant.compose(GaussianDpEvent(sigma))
        found = release.guarantee(sigma, delta=DELTA)
        assert found.epsilon == pytest.approx(accountant.get_epsilon(DELTA), rel=1e-3)
        assert found.epsilon == pytest.approx(epsilon, rel=2e-3)


def test_releases_compose_and_their_noise_is_found():
    sigma = release.noise_multiplier_for(3.0, delta=DELTA, releases=4)
    together = release.guarantee(*[sigma] * 4, delta=DELTA)
    assert 2.99 < together.epsilon <= 3.0
    assert together.sigma == pytest.approx(sigma / 2)
    assert release.guarantee(1.0, 0.0, delta=DELTA).epsilon == math.inf
    person = release.guarantee(2.0, delta=DELTA, records=4)
    assert person.epsilon == pytest.approx(release.guarantee(0.5, delta=DELTA).epsilon)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.inf, math.nan])
def test_no_noise_keeps_an_epsilon_out_of_range(epsilon):
    with pytest.raises(ValueError, match="must be finite and > 0"):
        release.noise_multiplier_for(epsilon, delta=DELTA)


# Noise


def test_the_systems_noise_is_normal_far_out_and_never_the_same():
    values = release.system_normal((200_000,)).numpy()
    assert stats.kstest(values, "norm").pvalue > 1e-4
    assert np.unique(values).size == values.size
    assert not np.array_equal(values[:10], release.system_normal((200_000,)).numpy()[:10])


def test_the_systems_noise_reaches_beyond_what_32_bits_do(monkeypatch):
    words = np.array([0, 1, 2**64 - 2, 2**64 - 1], dtype="<u8")
    monkeypatch.setattr(release.os, "urandom", lambda n: words.tobytes())
    values = release.system_normal((4,)).tolist()
    assert values[0] == -values[1] and abs(values[0]) > 9
    assert values[2] == pytest.approx(0, abs=1e-9) and values[3] == pytest.approx(0, abs=1e-9)


def test_a_studys_noise_is_of_its_seed_and_shared_by_neighbours():
    first, again, other = (release.seeded_normal(seed)((2, 3)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.dtype == torch.float64


# Attacks


@pytest.fixture
def numbers(monkeypatch):
    """The system's source, made repeatable: a bound of 95 % may fail once in a while."""
    monkeypatch.setattr(release.os, "urandom", np.random.default_rng(0).bytes)


def proof(epsilon, encoder, share=1.0):
    units = encoder.embed_exactly(extreme_images())
    labels = torch.arange(len(units)) % CLASSES
    sigma = release.noise_multiplier_for(epsilon, delta=DELTA)
    noise = audit.weaker(release.system_normal, share)
    return audit.attack(
        units, labels, sigma, delta=DELTA, trials=2000 if epsilon > 1 else 10_000, noise=noise
    )


@pytest.mark.parametrize(("epsilon", "near"), [(10, 8.5), (1, 0.7)])
def test_an_attack_comes_near_the_claimed_epsilon_and_never_beyond(epsilon, near, encoder, numbers):
    found = proof(epsilon, encoder)
    assert near < found.proven <= found.claimed <= epsilon


@pytest.mark.parametrize("epsilon", [10, 1])
def test_the_attack_catches_noise_that_is_secretly_smaller(epsilon, encoder, numbers):
    assert proof(epsilon, encoder, share=0.8).proven > epsilon


# What reads private images


def small_public(encoder, classes=CLASSES):
    images = (extreme_images(60) * 255).to(torch.uint8)
    return one_shot.Public(encoder, images, encoder.embed(images))


@pytest.fixture
def model(encoder, monkeypatch):
    monkeypatch.setattr(one_shot, "simulated", lambda *_: small_public(encoder))
    monkeypatch.setattr(one_shot, "check_committed", lambda *_: None)
    return networks.build("one_shot", "compact", classes=CLASSES, generator=stream(0, "weights"))


def released_images(model, seed):
    """Two private sets of the same size, one result each."""
    images = torch.rand(9, 1, 28, 28, generator=stream(seed, "private"))
    private = Sample(images, torch.arange(9) % CLASSES, torch.arange(9))
    release.fit(model, private, sigma=0.1, seed=0)
    labels = torch.arange(CLASSES).repeat_interleave(5)
    return model.sample(labels, generator=stream(0, "samples")), model.sums.detach().clone()


def test_only_the_release_reads_private_images(model, monkeypatch):
    """With data-free noise in its place, images and weights do not depend on the private set."""
    assert not torch.equal(released_images(model, 0)[1], released_images(model, 1)[1])
    noise = torch.randn(CLASSES, DIMENSION, generator=stream(3, "taint"), dtype=torch.float64)
    monkeypatch.setattr(release, "noisy_sums", lambda *_, **__: noise)
    for one, other in zip(released_images(model, 0), released_images(model, 1), strict=True):
        assert torch.equal(one, other)


def test_the_release_is_all_the_model_knows(model):
    released_images(model, 0)
    assert set(model.state_dict()) == {"sums", "sigma"}
    assert networks.count_parameters(model.noised) == CLASSES * DIMENSION
