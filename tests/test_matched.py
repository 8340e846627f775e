"""Matched noise is the authors' noise, and what is collected of it is of just these levels."""

import math

import pytest

from chapters import matched, nfl
from helpers import study
from helpers.models import families, networks
from helpers.randomness import generator
from helpers.study import collected


def left_of(model, scale, sigma, batch):
    """What a run leaves of the signal: the steps' mu in root mean square, over the noise's norm."""
    network = networks.build(model, scale, classes=10, generator=generator(0, "x")).noised
    norm = math.sqrt(sum(p.numel() for p in network.parameters()))
    return math.sqrt(families.preset(model, scale).training.steps) * batch / (sigma * norm)


@pytest.mark.parametrize("model", nfl.MODELS)
def test_as_much_is_left_of_the_signal_as_the_authors_leave(model):
    ours = [left_of(model, "compact", sigma, 100) for sigma in matched.levels(model)]
    theirs = [left_of(model, "paper", sigma, 50) for sigma in (0.1, 0.2, 0.3, 0.4)]
    assert ours == pytest.approx(theirs, rel=0.005)


@pytest.mark.parametrize("model", nfl.MODELS)
def test_every_collected_level_is_the_papers_a_matched_one_or_of_an_epsilon(model):
    cells = collected.read(collected.root("compact"), "mnist").records()
    known = {str(level) for level in nfl.LEVELS}
    known |= {c.level for c in study.guaranteed("mnist", [model], [100, 10], [0], "compact")}
    known |= {f"{sigma:g}" for sigma in matched.levels(model)}
    assert {c.level for c in cells if c.model == model} <= known
