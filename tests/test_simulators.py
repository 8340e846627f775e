"""The public simulators: deterministic, within range, and in the published layout."""

import pytest
import torch

from helpers.data import simulators
from helpers.randomness import generator as stream

SHAPES = [("strokes", (1, 28, 28)), ("phantoms", (1, 28, 28)), ("phantoms", (3, 32, 32))]


def drawn(name, shape, seed=0, classes=12, each=4):
    drawing = stream(seed, "simulator")
    return simulators.simulate(name, classes, each, shape=shape, generator=drawing)


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_the_same_stream_draws_the_same_images(name, shape):
    first, again, other = (drawn(name, shape, seed) for seed in (0, 0, 1))
    assert first.dtype == torch.uint8 and first.shape == (48, *shape)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_images_of_a_class_are_nearer_than_those_of_others(name, shape):
    images = drawn(name, shape, classes=40, each=10).float().flatten(1)
    means = images.view(40, 10, -1).mean(1)
    own = (images.view(40, 10, -1) - means[:, None]).norm(dim=2).mean()
    siblings = (means[::4] - means[1::4]).norm(dim=1).mean()
    strangers = torch.cdist(means[::4], means[::4])[~torch.eye(10, dtype=torch.bool)].mean()
    assert siblings < strangers
    assert own < torch.cdist(images, images).mean()


def test_strokes_fill_mnists_box_and_are_centred():
    ink = drawn("strokes", (1, 28, 28), classes=100)[:, 0].double() / 255
    rows, columns = ((ink > 0.5).any(2), (ink > 0.5).any(1))
    longest = torch.maximum(rows.sum(1), columns.sum(1))
    assert longest.double().mean() == pytest.approx(20, abs=1)
    places = torch.arange(28) + 0.5
    centre = (ink.sum(2) @ places.double() / ink.sum((1, 2))).mean()
    assert centre == pytest.approx(14, abs=0.2)


def test_a_larger_image_shows_the_same_strokes():
    small, large = (drawn("strokes", (1, size, size)).double() / 255 for size in (28, 56))
    shrunk = torch.nn.functional.avg_pool2d(large, 2)
    assert (small - shrunk).abs().mean() < 0.02


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="simulator 'scribbles' is unknown; allowed: strokes"):
        drawn("scribbles", (1, 28, 28))
    with pytest.raises(ValueError, match="strokes draws images of 1 channel, not 3"):
        drawn("strokes", (3, 28, 28))
