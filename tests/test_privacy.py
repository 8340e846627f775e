"""Privacy measures: known density ratios, scipy, and the order copy > hold-out."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from helpers.metrics import plane, privacy


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n, seed=0, size=28, channels=1):
    return torch.rand(n, channels, size, size, generator=rng(seed))


def gaussian_ratios(n, d, k, runs=100, narrow=1 / 3):
    """Estimates at the common mean of N(0, narrow^2 I) against N(0, I); truth d ln(1/narrow)."""
    random = np.random.default_rng(n * d * k)
    return [
        plane.log_density_ratio(
            narrow * random.standard_normal((n, d)), random.standard_normal((n, d)), np.zeros(d), k
        )
        for _ in range(runs)
    ]


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize(("n", "k"), [(1000, 5), (1000, 20), (4000, 20)])
def test_density_ratio_of_gaussians_is_recovered(n, d, k):
    estimates = gaussian_ratios(n, d, k)
    # Standard deviation sqrt(2 psi'(k)) ~ sqrt(2 / k); its mean over 100 runs a tenth of that.
    spread = math.sqrt(2 * (1 / k + 1 / (2 * k**2)))
    assert np.mean(estimates) == pytest.approx(d * math.log(3), abs=4 * spread / 10 + 0.03)
    assert np.std(estimates) == pytest.approx(spread, rel=0.3)


def test_the_papers_form_lacks_the_dimension_factor():
    random = np.random.default_rng(0)
    a, b = random.standard_normal((500, 2)), 3 * random.standard_normal((500, 2))
    full = plane.epsilon_hat(a, b, np.zeros(2), k=5)
    assert full == pytest.approx(2 * plane.epsilon_hat_paper(a, b, np.zeros(2), k=5))
    assert full == abs(plane.log_density_ratio(a, b, np.zeros(2), k=5))


def test_set_sizes_are_accounted_for():
    points = np.random.default_rng(0).standard_normal((3000, 2))
    # The first set is a third of the second: the density is the same, the k-th distance is not.
    ratios = [
        plane.log_density_ratio(np.random.default_rng(s).permutation(points)[:1000], points, [0, 0])
        for s in range(20)
    ]
    assert np.mean(ratios) == pytest.approx(0, abs=0.15)


def test_swapping_the_sets_flips_the_sign():
    random = np.random.default_rng(0)
    a, b = random.standard_normal((50, 2)), random.standard_normal((70, 2))
    there, back = (plane.log_density_ratio(*pair, [0.1, 0.2]) for pair in ((a, b), (b, a)))
    assert there == pytest.approx(-back)


def test_scale_shift_and_order_do_not_matter():
    random = np.random.default_rng(0)
    a, b, q = random.standard_normal((50, 2)), random.standard_normal((70, 2)), np.ones((1, 2))
    value = plane.log_density_ratio(a, b, q)
    moved = plane.log_density_ratio(50 * a[::-1] + 7, 50 * b[::-1] + 7, 50 * q + 7)
    assert moved == pytest.approx(value, rel=1e-9)


def test_duplicates_of_the_query_give_a_large_finite_ratio():
    random = np.random.default_rng(0)
    a, b = random.standard_normal((100, 2)), random.standard_normal((100, 2))
    collapsed = a.copy()
    collapsed[:30] = 0.5
    ratio = plane.log_density_ratio(collapsed, b, [0.5, 0.5])
    assert 10 < ratio < 2 * math.log(1 / plane.RESOLUTION) + 1
    # Fewer duplicates than neighbours: no zero distance, an ordinary estimate.
    few = a.copy()
    few[:3] = 0.5
    assert abs(plane.log_density_ratio(few, b, [0.5, 0.5])) < 2


def test_two_sets_collapsed_on_the_query_differ_by_nothing():
    same = np.full((30, 2), 4.0)
    assert plane.log_density_ratio(same, same, [4.0, 4.0]) == 0
    assert plane.log_density_ratio(same, same, [1.0, 4.0]) == 0


@pytest.mark.parametrize(
    ("victim", "query", "k", "message"),
    [
        (np.zeros((10, 2)), [0, 0], 11, "k=11"),
        (np.zeros((10, 2)), [0, 0], 0, "k=0"),
        (np.zeros((10, 3)), [0, 0, 0], 5, "columns"),
        (np.zeros((10, 2)), [0, 0, 0], 5, "columns"),
        (np.full((10, 2), np.nan), [0, 0], 5, "NaN"),
        (np.zeros((10, 2)), [math.inf, 0], 5, "infinity"),
    ],
)
def test_density_ratio_refuses(victim, query, k, message):
    with pytest.raises(ValueError, match=message):
        plane.log_density_ratio(victim, np.zeros((10, 2)), query, k)


@pytest.mark.parametrize("channels", [1, 3])
def test_nearest_distances_are_exact_in_any_batch(channels):
    a, b = (images(n, seed, 12, channels) for n, seed in ((1203, 0), (7, 1)))
    a[5] = b[3]
    distances = privacy.nearest_distances(a, b)
    direct = (a[:50, None] - b).double().flatten(2).norm(dim=2).min(dim=1).values
    np.testing.assert_allclose(distances[:50], direct, rtol=1e-6)
    assert distances[5] == 0
    np.testing.assert_array_equal(privacy.nearest_distances(a.flip(0), b.flip(0))[::-1], distances)


def samples(seed=0):
    random = np.random.default_rng(seed)
    return random.gamma(4, 1.5, 200), random.gamma(5, 1.5, 300)


def test_ecdf_measures_are_scipys():
    a, b = samples()
    assert privacy.ecdf_ks(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)
    w1 = stats.wasserstein_distance(a, b)
    assert privacy.ecdf_w1(a, b) == pytest.approx(w1 / np.median(b), rel=1e-12)
    curve_a, curve_b = stats.ecdf(a).cdf, stats.ecdf(b).cdf
    grid = np.linspace(max(a.min(), b.min()), min(a.max(), b.max()), 200_001)
    gap = np.abs(curve_a.evaluate(grid) - curve_b.evaluate(grid))
    assert privacy.ecdf_area_paper(a, b) == pytest.approx(gap.mean(), abs=1e-4)


def test_directed_ks_is_positive_when_synthetic_images_are_nearer():
    a, b = samples()
    assert privacy.ecdf_ks_directed(a, a + 5) > 0.5
    assert privacy.ecdf_ks_directed(a + 5, a) < -0.5
    assert abs(privacy.ecdf_ks_directed(a, b)) == privacy.ecdf_ks(a, b)
    assert privacy.ecdf_ks_directed(a, a) == 0


def test_the_papers_area_is_blind_to_copies_and_wasserstein_is_not():
    holdout = np.random.default_rng(0).normal(8, 1, 1000)
    copied = holdout.copy()
    copied[:200] = 0
    assert privacy.ecdf_w1(copied, holdout) == pytest.approx(0.2, abs=0.01)
    assert privacy.ecdf_area_paper(copied, holdout) < 0.12
    assert privacy.ecdf_area_paper(np.zeros(5), holdout) == 1


def test_distances_refuse():
    for measure in (privacy.ecdf_ks, privacy.ecdf_w1, privacy.ecdf_area_paper, privacy.copy_rate):
        with pytest.raises(ValueError, match="NaN"):
            measure([1.0, math.nan], [1.0])
        with pytest.raises(ValueError, match="at least 1"):
            measure([], [1.0])
        with pytest.raises(ValueError, match=">= 0"):
            measure([1.0], [-1.0])
    with pytest.raises(ValueError, match="hold-out holds training images"):
        privacy.ecdf_w1([1.0], [0.0, 0.0])


def test_copies_score_worst_and_holdout_images_best():
    training, holdout, fresh = images(40, 0), images(100, 1), images(100, 2)
    copies = training[torch.arange(100) % 40]
    half = torch.cat([copies[:50], fresh[:50]])
    reference = privacy.nearest_distances(holdout, training)
    scores = []
    for synthetic in (fresh, half, copies):
        distances = privacy.nearest_distances(synthetic, training)
        scores.append(
            [
                privacy.ecdf_ks(distances, reference),
                privacy.ecdf_ks_directed(distances, reference),
                privacy.ecdf_w1(distances, reference),
                privacy.copy_rate(distances, reference),
                privacy.max_ssim(synthetic, training, generator=rng()),
            ]
        )
    best, middle, worst = np.array(scores)
    assert (best < middle).all() and (middle < worst).all()
    np.testing.assert_allclose(worst, 1, atol=0.01)
    assert (best[:4] < 0.25).all()


def test_copies_in_other_colours_are_no_copies():
    training = images(10, channels=3)
    tinted = training[:, [1, 2, 0]]
    for measure in (
        lambda synthetic: -privacy.nearest_distances(synthetic, training).max(),
        lambda synthetic: privacy.max_ssim(synthetic, training, generator=rng()),
    ):
        assert measure(training) > measure(tinted) + 0.1


def test_isomap_sees_colours():
    """Images on a curve through colour alone, from red by green to blue: a line on the plane."""
    place = torch.linspace(0, 2, 40)
    parts = (1 - (place[:, None] - torch.arange(3)).abs()).clamp(min=0)
    curve = (parts[:, :, None, None] * images(1, size=32)).contiguous()
    points = plane.isomap(curve, n_neighbors=4).transform(curve)
    assert abs(np.corrcoef(points[:, 0], place)[0, 1]) > 0.99


def test_max_ssim_takes_all_images_if_there_are_few_and_then_knows_no_order():
    synthetic, training = images(30, 0), images(10, 1)
    value = privacy.max_ssim(synthetic, training, generator=rng())
    assert privacy.max_ssim(synthetic.flip(0), training, generator=rng(1)) == pytest.approx(value)


def test_max_ssim_is_the_mean_over_random_draws():
    synthetic, training = images(60, 0), images(10, 1)
    draws = [
        privacy.max_ssim(synthetic, training, generator=rng(s), n_images=20, repeats=4)
        for s in range(40)
    ]
    everything = privacy.max_ssim(synthetic, training, generator=rng())
    assert np.std(draws) > 0
    assert np.mean(draws) == pytest.approx(everything, abs=np.std(draws))


def test_images_of_another_size_are_refused():
    for measure in (
        privacy.nearest_distances,
        lambda a, b: privacy.max_ssim(a, b, generator=rng()),
    ):
        with pytest.raises(ValueError, match="same size"):
            measure(images(3), images(3, size=32))
        with pytest.raises(ValueError, match="colour"):
            measure(images(3).repeat(1, 3, 1, 1), images(3))


def test_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    random, covered = np.random.default_rng(0), 0
    for seed in range(60):
        a, b = random.standard_normal((300, 2)) / 2, random.standard_normal((300, 2))
        interval = plane.log_density_ratio_interval(
            a, b, [0, 0], generator=rng(seed), resamples=100
        )
        assert interval.mean == plane.log_density_ratio(a, b, [0, 0])
        covered += interval.low <= 2 * math.log(2) <= interval.high
    assert 0.75 <= covered / 60 <= 1


def test_ratios_at_many_points_are_those_at_each():
    rng = np.random.default_rng(0)
    victim, ablated, queries = (rng.normal(size=(n, 2)) for n in (300, 200, 7))
    victim[:30] = queries[0]  # so near that the least distance counts
    each = [plane.log_density_ratio(victim, ablated, query) for query in queries]
    assert plane.log_density_ratios(victim, ablated, queries) == pytest.approx(each, rel=1e-12)


def test_a_leak_shows_in_at_most_as_many_runs_as_its_level_says_however_much_runs_differ():
    rng, values = np.random.default_rng(0), []
    for _ in range(1000):
        victim = rng.normal(size=(300, 2)) * rng.uniform(0.2, 3, 2) + rng.normal(size=2)
        ablated, public = rng.normal(size=(300, 2)), rng.normal(size=(40, 2))
        values.append(plane.leak_p_value(victim, ablated, rng.normal(size=2), public))
    assert (np.array(values) <= 2 / 41).mean() == pytest.approx(2 / 41, abs=0.02)
    assert np.mean(values) == pytest.approx(0.5, abs=0.03)


def test_a_leak_raises_the_density_at_the_query():
    rng = np.random.default_rng(0)
    victim, ablated, public = (rng.normal(size=(n, 2)) for n in (300, 300, 99))
    near = np.concatenate([victim[:-30], np.full((30, 2), 0.01)])
    assert plane.leak_p_value(near, ablated, np.zeros(2), public) == 1 / 100
    assert plane.leak_p_value(ablated, near, np.zeros(2), public) == 1  # the other way is none
    assert plane.leak_p_value(victim, victim, np.zeros(2), public) == 1  # nor are equal runs
