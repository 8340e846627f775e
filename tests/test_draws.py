"""The parts of a data set never mix, and draws are what they say."""

import hashlib
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.data import datasets, draws
from helpers.randomness import generator

DIGITS = datasets.load("digits")
REAL = pytest.mark.skipif("NFL_DATA" not in os.environ, reason="NFL_DATA is not set: no real data")


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 40))
def test_private_images_are_never_public(seed, n):
    private = draws.few_shot(DIGITS, n, generator=generator(seed, "few-shot"))
    public = draws.public(DIGITS, DIGITS.public_per_class)
    assert not set(private.index.tolist()) & set(public.index.tolist())
    assert len(private.index.unique()) == 10 * n


@pytest.mark.parametrize(
    "draw",
    [
        lambda n: draws.few_shot(DIGITS, n, generator=generator(0, "few-shot")),
        lambda n: draws.public(DIGITS, n),
        lambda n: draws.holdout(DIGITS, n),
    ],
)
def test_samples_are_balanced_sorted_by_class_and_identified(draw):
    sample = draw(7)
    assert torch.equal(sample.labels, torch.arange(10).repeat_interleave(7))
    assert sample.images.shape == (70, 1, 28, 28) and sample.images.dtype == torch.float32
    assert sample.images.min() >= 0 and sample.images.max() <= 1


def test_the_index_is_the_position_in_the_split():
    private = draws.few_shot(DIGITS, 5, generator=generator(3, "few-shot"))
    assert torch.equal(DIGITS.train_images[private.index], private.images)
    assert torch.equal(DIGITS.train_labels[private.index], private.labels)
    holdout = draws.holdout(DIGITS, 5)
    assert torch.equal(DIGITS.test_images[holdout.index], holdout.images)


def test_each_seed_draws_its_own_images_and_always_the_same():
    drawn = [draws.few_shot(DIGITS, 10, generator=generator(s, "few-shot")) for s in (0, 0, 1)]
    assert torch.equal(drawn[0].index, drawn[1].index)
    assert not torch.equal(drawn[0].index, drawn[2].index)


@pytest.mark.parametrize("draw", [draws.public, draws.holdout])
def test_fixed_samples_are_nested(draw):
    small, large = draw(DIGITS, 5), draw(DIGITS, 20)
    assert set(small.index.tolist()) <= set(large.index.tolist())


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), query_class=st.integers(0, 9), n=st.integers(1, 12))
def test_neighbours_differ_in_the_query_only(seed, query_class, n):
    stream = generator(seed, "few-shot")
    sets = draws.neighbours(DIGITS, n, query_class=query_class, generator=stream)
    assert sets.query.labels.tolist() == [query_class]
    assert torch.equal(sets.victim.index, torch.cat([sets.ablated.index, sets.query.index]))
    assert torch.equal(sets.victim.images[-1:], sets.query.images)
    assert query_class not in sets.ablated.labels
    others = sets.full.labels != query_class
    assert torch.equal(sets.full.index[others], sets.ablated.index)
    assert sets.query.index.item() in sets.full.index[~others]


def test_neighbours_full_is_what_few_shot_draws():
    full = draws.neighbours(DIGITS, 10, generator=generator(5, "few-shot")).full
    alone = draws.few_shot(DIGITS, 10, generator=generator(5, "few-shot"))
    assert torch.equal(full.index, alone.index)


def test_too_many_images_name_the_class_and_how_many_there_are():
    with pytest.raises(ValueError, match=r"n_per_class is 85, but class 8 \(8\) has 84: digits pr"):
        draws.few_shot(DIGITS, 85, generator=generator(0, "few-shot"))
    with pytest.raises(ValueError, match=r"class 0 .* has 40: digits public pool"):
        draws.public(DIGITS, 41)
    with pytest.raises(ValueError, match=r"class 0 .* has 50: digits test split"):
        draws.holdout(DIGITS, 51)


@pytest.mark.parametrize("n", [0, -1, 2.0, True])
def test_a_number_of_images_that_is_none_is_refused(n):
    with pytest.raises(ValueError, match="must be an integer >= 1"):
        draws.few_shot(DIGITS, n, generator=generator(0, "few-shot"))


@pytest.mark.parametrize("query_class", [-1, 10, 1.5])
def test_a_query_class_out_of_range_is_refused(query_class):
    with pytest.raises(ValueError, match="digits has classes 0 to 9"):
        draws.neighbours(DIGITS, 5, query_class=query_class, generator=generator(0, "x"))


def test_the_draws_of_the_study_are_still_the_same():
    sets = draws.neighbours(DIGITS, 10, generator=generator(0, "few-shot"))
    parts = [*sets, draws.public(DIGITS, 40), draws.holdout(DIGITS, 20)]
    index = torch.cat([part.index for part in parts])
    assert (
        hashlib.sha256(index.numpy().tobytes()).hexdigest()
        == "45efcded76de3993519f9227973073465d3fc75af622207541f2a8d609207ba7"
    )


# Real data


@REAL
@pytest.mark.parametrize(("name", "query_class"), [("octmnist", 0), ("organamnist", 3)])
def test_the_paper_s_numbers_can_be_drawn(name, query_class):
    dataset = datasets.load(name)
    sets = draws.neighbours(dataset, 10, generator=generator(0, "few-shot"))
    assert len(sets.full.labels) == {"octmnist": 40, "organamnist": 110}[name]
    assert sets.query.labels.tolist() == [query_class]
    assert len(draws.holdout(dataset, 100).labels) == 100 * len(dataset.classes)
    assert len(draws.public(dataset, 100).labels) == 100 * len(dataset.classes)
