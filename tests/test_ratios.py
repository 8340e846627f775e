"""Every estimator recovers a known density ratio and keeps the symmetries of a ratio."""

import math

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

from chapters.density import ratios

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = list(ratios.ESTIMATORS)


def estimate(name, victim, ablated, query, setting=None):
    """By an estimator at its default setting, if no other is asked for."""
    estimator = ratios.ESTIMATORS[name]
    setting = estimator.default if setting is None else setting
    return estimator.estimate(victim, ablated, query, setting)


def cloud(n, seed, spread=1.0, centre=0.0):
    return centre + spread * np.random.default_rng(seed).standard_normal((n, 2))


@pytest.mark.parametrize("name", NAMES)
def test_a_smooth_ratio_is_recovered(name):
    # N(0, I / 1.5^2) against N(0, I) at the common mean: 2 ln 1.5, a quadratic log ratio.
    values = [
        estimate(name, cloud(1000, 2 * s, 1 / 1.5), cloud(1000, 2 * s + 1), [0, 0])
        for s in range(6)
    ]
    assert np.mean(values) == pytest.approx(2 * math.log(1.5), abs=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_equal_distributions_have_ratio_nothing(name):
    values = [
        estimate(name, cloud(600, 2 * s), cloud(300, 2 * s + 1), [0.3, -0.2]) for s in range(6)
    ]
    assert np.mean(values) == pytest.approx(0, abs=0.4)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"neural"}))
def test_swapping_the_sets_flips_the_sign(name):
    a, b = cloud(150, 0, 0.8), cloud(150, 1)
    there, back = (estimate(name, *pair, [0.1, 0.2]) for pair in ((a, b), (b, a)))
    assert there == pytest.approx(-back, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_shift_and_scale_of_the_plane_do_not_matter(name):
    a, b, query = cloud(150, 0, 0.8), cloud(200, 1), np.array([0.1, 0.2])
    value = estimate(name, a, b, query)
    moved = estimate(name, 40 * a + 7, 40 * b + 7, 40 * query + 7)
    assert moved == pytest.approx(value, abs=1e-2)


def test_kde_is_that_of_scikit_learn():
    a, b, query = cloud(80, 0, 0.5), cloud(120, 1), np.array([[0.1, 0.2]])
    spread = math.sqrt(np.concatenate([a, b]).var(axis=0).mean())
    known = [
        KernelDensity(bandwidth=0.2 * spread).fit(points).score_samples(query)[0]
        for points in (a, b)
    ]
    assert ratios.kde(a, b, query, 0.2) == pytest.approx(known[0] - known[1], rel=1e-6)


def test_cross_validation_takes_a_wider_kernel_for_fewer_points(monkeypatch):
    chosen = []
    monkeypatch.setattr(ratios, "kde", lambda *arguments: chosen.append(arguments[3]))
    for n in (30, 3000):
        ratios.kde_cross_validated(cloud(n, 0), cloud(n, 1), [0, 0], 200)
    assert chosen[0] > chosen[1]


def test_a_far_query_stays_finite():
    a, b = cloud(50, 0), cloud(50, 1)
    assert all(math.isfinite(estimate(name, a, b, [1e3, 1e3])) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_points_all_equal_are_ratio_nothing_or_refused(name):
    same = np.ones((30, 2))
    assert estimate(name, same, same, [1.0, 1.0]) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("knn", cloud(9, 0), cloud(9, 1), [0, 0]), "k=20"),
        (("kde", cloud(9, 0), cloud(9, 1), [0, 0], 0.0), "bandwidth"),
        (("kde", cloud(9, 0), cloud(9, 1), [0, 0, 0]), "columns"),
        (("logistic", cloud(9, 0) * math.nan, cloud(9, 1), [0, 0]), "NaN"),
        (("kde-cv", cloud(1, 0), cloud(9, 1), [0, 0]), "two points"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        estimate(*arguments)
