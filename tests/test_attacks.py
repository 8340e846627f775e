"""Membership inference, and an audit that never claims more than the truth."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from helpers.metrics import attacks
from helpers.models import networks
from helpers.study.cell import MODELS
from helpers.training import accounting


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n, seed=0):
    return torch.rand(n, 1, 12, 12, generator=rng(seed))


def test_clopper_pearson_is_scipys():
    for successes, trials in ((0, 10), (3, 10), (10, 10), (96, 100)):
        reference = stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
        ours = attacks.clopper_pearson(successes, trials)
        assert ours == pytest.approx((reference.low, reference.high))
    with pytest.raises(ValueError, match="successes"):
        attacks.clopper_pearson(11, 10)


def test_auc_and_tpr_are_their_definitions():
    random = np.random.default_rng(0)
    members, others = random.normal(1, 1, 300), random.normal(0, 1, 200)
    result = attacks.membership_inference(members, others, fpr=0.1)
    assert result.auc == pytest.approx((members[:, None] > others).mean())
    threshold = np.sort(others)[-21]  # 20 of 200 lie above it
    assert (others > threshold).mean() == pytest.approx(0.1)
    assert result.tpr == (members > threshold).mean()
    assert result.tpr_low < result.tpr < result.tpr_high


def test_scores_that_are_all_equal_find_nobody():
    result = attacks.membership_inference(np.ones(50), np.ones(50))
    assert result.auc == 0.5
    assert result.tpr == 0
    assert attacks.epsilon_lower(np.ones(50), np.ones(50), delta=1e-3) == 0


def test_copies_are_found_and_fresh_images_say_nothing():
    members, others = images(100, 0), images(100, 1)
    found = [
        attacks.membership_inference(
            attacks.distance_scores(members, synthetic), attacks.distance_scores(others, synthetic)
        )
        for synthetic in (images(200, 2), torch.cat([members[:50], images(50, 3)]), members)
    ]
    nothing, half, everything = (result.auc for result in found)
    assert nothing == pytest.approx(0.5, abs=0.15)
    assert nothing < half < everything == 1
    assert found[2].tpr == 1


@pytest.mark.parametrize(("pairs", "expected"), [(40, 1.69), (100, 2.48), (1000, 2.76)])
def test_the_ceiling_is_what_a_perfect_attack_proves(pairs, expected):
    ceiling = attacks.epsilon_lower_ceiling(pairs, delta=1e-3)
    assert ceiling == pytest.approx(expected, abs=0.01)
    perfect = np.arange(pairs) + 10.0, -np.arange(pairs)
    assert attacks.epsilon_lower(*perfect, delta=1e-3) == ceiling


@pytest.mark.parametrize(("pairs", "told", "right"), [(100, 50, 41), (40, 20, 20), (10, 5, 0)])
@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 1e-3), (1.0, 1e-3), (2.5, 0.0), (1.0, 0.05)])
def test_the_p_value_of_the_guesses_is_the_theorems_term_by_term(
    pairs, told, right, epsilon, delta
):
    """Theorem 5.2 of Steinke et al. 2023 in exact binomial terms, summed one by one."""
    chance = 1 / (1 + math.exp(-epsilon))
    exactly = [math.comb(told, w) * chance**w * (1 - chance) ** (told - w) for w in range(told + 1)]
    most = max((sum(exactly[right - i : right]) / i for i in range(1, right + 1)), default=0)
    expected = min(1, sum(exactly[right:]) + 2 * pairs * delta * most)
    given = attacks.guesses_p_value(right, told, pairs, epsilon, delta)
    assert given == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 0.0), (0.5, 0.0), (1.0, 1e-3), (2.0, 1e-2)])
def test_the_bound_errs_as_rarely_as_it_says_over_all_that_can_happen(epsilon, delta):
    """Randomised response that tells all with chance delta: every count of right guesses, weighed.

    It is (epsilon, delta)-DP to the letter, so the bound may pass epsilon in 5 % of runs at most.
    """
    pairs, chance = 100, delta + (1 - delta) / (1 + math.exp(-epsilon))
    told, wrong = pairs // 2, 0.0
    for right in range(told + 1):
        sure = np.repeat([2.0, -2.0], [right, told - right])
        members = np.concatenate([sure, np.full(pairs - told, 0.5)])
        bound = attacks.epsilon_lower(members, np.zeros(pairs), delta=delta)
        if bound > epsilon + 1e-9:
            wrong += stats.binom.pmf(right, told, chance)
    assert wrong <= 0.05
    assert delta or wrong > 0.005  # and without a delta not by far


def audits_of_the_noisy_sum(noise_multiplier, runs, n=100, delta=1e-3):
    """Audits of the Gaussian mechanism on orthogonal records of norm 1: an exactly known epsilon.

    The released sum of the members plus noise; a record's score is its inner product with it. A
    record in another's place moves the sum by a vector of norm sqrt(2).
    """
    random = np.random.default_rng(int(100 * noise_multiplier))
    bounds = []
    for _ in range(runs):
        released = noise_multiplier * random.standard_normal(2 * n)
        released[:n] += 1
        bounds.append(attacks.epsilon_lower(released[:n], released[n:], delta=delta))
    return np.array(bounds)


@pytest.mark.parametrize("noise_multiplier", [0.3, 0.5, 1.0, 3.0])
def test_the_bound_stays_below_the_truth_of_a_noisy_sum(noise_multiplier):
    truth = accounting.epsilon(noise_multiplier / math.sqrt(2), steps=1, delta=1e-3)
    assert (audits_of_the_noisy_sum(noise_multiplier, 1000) <= truth).mean() >= 0.95


def test_the_bound_stays_below_the_truth_where_it_is_tight():
    # Laplace noise on 1 for a member and 0 for its partner: replacing one by the other moves both.
    random, truth, bounds = np.random.default_rng(0), 2.0, []
    for _ in range(1000):
        noise = random.laplace(size=2000)
        bounds.append(attacks.epsilon_lower(1 + noise[:1000], noise[1000:], delta=0.0))
    assert (np.array(bounds) <= truth).mean() >= 0.95
    assert np.mean(bounds) > 1  # and is not trivially small


def test_the_bound_stays_below_the_truth_when_records_share_the_noise():
    # Records in general position: each score also holds the other records.
    random, bounds = np.random.default_rng(0), []
    for _ in range(300):
        records = random.choice([-1.0, 1.0], size=(200, 400)) / 20  # norm 1
        released = records[:100].sum(axis=0) + random.standard_normal(400)
        scores = records @ released
        bounds.append(attacks.epsilon_lower(scores[:100], scores[100:], delta=1e-3))
    moved = max(np.linalg.norm(a - b) for a, b in zip(records[:100], records[100:], strict=True))
    truth = accounting.epsilon(1.0 / moved, steps=1, delta=1e-3)
    assert (np.array(bounds) <= truth).mean() >= 0.95


def test_the_bound_rises_with_leakage():
    means = [audits_of_the_noisy_sum(noise, 100).mean() for noise in (3.0, 1.0, 0.5, 0.2)]
    assert means == sorted(means)
    assert means[0] < 0.2 < 2 < means[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"delta": 1.0}, "delta"),
        ({"delta": math.nan}, "delta"),
        ({"delta": 0.1, "confidence": 1.0}, "confidence"),
    ],
)
def test_the_audit_refuses_bad_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        attacks.epsilon_lower([1.0, 2.0], [0.0, 1.0], **arguments)


def test_the_audit_refuses_bad_scores():
    with pytest.raises(ValueError, match="NaN"):
        attacks.epsilon_lower([1.0, math.nan], [0.0, 0.0], delta=0.1)
    with pytest.raises(ValueError, match="2 members and 1 partners; give one for each"):
        attacks.epsilon_lower([1.0, 2.0], [0.0], delta=0.1)
    with pytest.raises(ValueError, match="fpr is 1"):
        attacks.membership_inference([1.0], [0.0], fpr=1.0)
    with pytest.raises(ValueError, match="at least 1"):
        attacks.membership_inference([], [0.0])


class _Remembers:
    """A model whose loss is 0 on the images it was given, 1 on others, plus its own randomness."""

    def __init__(self, images):
        self.known = {tuple(image.flatten().tolist()) for image in images}

    def randomness(self, n, *, generator):
        return torch.randn(n, generator=generator)

    def losses(self, images, labels, randomness):
        seen = [tuple(image.flatten().tolist()) in self.known for image in images]
        return 1.0 - torch.tensor(seen).float() + randomness


def test_the_loss_attack_finds_what_the_model_remembers_and_averages_its_randomness():
    candidates = images(40)
    labels = torch.zeros(40, dtype=torch.long)
    model = _Remembers(candidates[:20])
    for draws, deviation in ((1, 1.0), (64, 1 / 8)):
        scores = attacks.loss_scores(model, candidates, labels, generator=rng(), draws=draws)
        assert scores.shape == (40,)
        assert np.std(scores[:20]) == pytest.approx(deviation, rel=0.4)
    assert attacks.membership_inference(scores[:20], scores[20:]).auc > 0.99


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("name", MODELS)
def test_the_loss_attack_takes_every_model(name, shape):
    model = networks.build(name, "smoke", classes=10, shape=shape, generator=rng())
    candidates = torch.rand(7, *shape, generator=rng())
    labels = torch.arange(7)
    first, again = (
        attacks.loss_scores(model, candidates, labels, generator=rng(1), draws=3) for _ in range(2)
    )
    assert first.shape == (7,) and np.isfinite(first).all() and (first == again).all()
