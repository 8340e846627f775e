"""Whether other seeds would agree on the order, on planted scores."""

import itertools

import numpy as np
import pytest
from scipy.stats import kendalltau

from chapters.criterion import stability

ALIKE = np.array([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4], [0.3, 0.2, 0.1]])  # [C, S]


def test_seeds_that_agree_leave_nothing_open():
    assert stability.taus(ALIKE) == stability.taus_without(ALIKE) == [1, 1, 1]
    assert stability.settled(ALIKE) == (3, 3)
    assert stability.places(ALIKE).tolist() == [[1, 1], [2, 2], [3, 3]]


def test_a_sure_winner_says_nothing_of_the_order_behind_it():
    whole = np.array([[0.9, 0.9, 0.9], [0.5, 0.4, 0.5], [0.4, 0.5, 0.4], [0.1, 0.1, 0.1]])
    assert stability.first([(-whole, 2)], np.ones(4, bool)) == [0]
    assert stability.settled(whole) == (5, 6)
    assert stability.places(whole).tolist() == [[1, 1], [2, 3], [2, 3], [4, 4]]
    pairs = list(itertools.combinations(whole.T, 2))
    assert stability.taus(whole) == [pytest.approx(kendalltau(*pair).statistic) for pair in pairs]
    assert min(stability.taus(whole)) < 1


def test_seeds_that_say_nothing_agree_by_chance_alone():
    """Three seeds put a pair in one order one time in four."""
    whole = np.random.default_rng(0).random((60, 3))
    agreed, of = stability.settled(whole)
    assert agreed / of == pytest.approx(1 / 4, abs=0.05)
    assert max(map(abs, stability.taus(whole))) < 0.3
    assert np.ptp(stability.places(whole), axis=1).mean() > 20


@pytest.mark.parametrize("among", [(1, 1, 1, 1), (0, 1, 1, 1), (0, 0, 1, 0)])
def test_first_is_the_lexicographic_one_in_every_draw(among):
    rng = np.random.default_rng(3)
    keys = [(rng.integers(0, 3, (4, 2)).astype(float), 1) for _ in range(3)]
    mask, share = np.array(among, bool), np.zeros(4)
    draws = list(itertools.product(range(2), repeat=2))
    for draw in draws:
        rows = [tuple(values[i, list(draw)].mean() for values, _ in keys) for i in range(4)]
        best = min(row for row, there in zip(rows, mask, strict=True) if there)
        won = [there and row == best for row, there in zip(rows, mask, strict=True)]
        share += np.array(won) / sum(won) / len(draws)
    assert stability.chances(keys, mask) == pytest.approx(share)
    named = stability.first(keys, mask)
    assert share[named].sum() >= stability.SURE - 1e-9 and mask[named].all()


def test_nobody_is_first_among_nobody():
    assert stability.first([(ALIKE, 2)], np.zeros(3, bool)) == []


def test_cells_of_one_model_are_told_together():
    cells = [("ddpm", "0.3"), ("gan", "0.1"), ("ddpm", "0.4")]
    assert stability.either(cells) == "DDPM 0.3, 0.4 or GAN 0.1"
    assert stability.either(cells[:1]) == "DDPM 0.3"
