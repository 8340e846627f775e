"""DeepFool on classifiers where the answer is known."""

import math

import pytest
import torch
from torch import nn

from helpers.metrics import robustness, utility
from helpers.metrics.evaluation import ClassifierPreset


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def bars(n, seed=0):
    """Three easy classes: a brighter bar on the left, in the middle, on the right, and noise."""
    labels = torch.arange(n) % 3
    images = 0.6 * torch.rand(n, 1, 28, 28, generator=rng(seed))
    for i, label in enumerate(labels):
        images[i, :, :, 9 * label : 9 * label + 9] += 0.4
    return images, labels


@pytest.fixture(scope="module")
def classifier():
    preset = ClassifierPreset((8, 16, 16), steps=60, batch_size=32, learning_rate=3e-3)
    return utility.train_classifier(*bars(90), 3, preset=preset, generator=rng())


def linear(weight, bias):
    layer = nn.Linear(len(weight), 2)
    with torch.no_grad():
        layer.weight.copy_(torch.stack([torch.zeros(len(weight)), weight]))
        layer.bias.copy_(torch.tensor([0.0, bias]))
    return nn.Sequential(nn.Flatten(), layer)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 64, 64)])
def test_on_a_linear_classifier_the_change_is_the_distance_to_the_boundary(shape):
    pixels = math.prod(shape)
    weight = torch.randn(pixels, generator=rng()) / math.sqrt(pixels)
    images = 0.4 + 0.2 * torch.rand(8, *shape, generator=rng(1))  # no pixel gets clipped
    attacked = robustness.deepfool(linear(weight, 0.1), images)
    distance = (images.flatten(1) @ weight + 0.1).abs() / weight.norm()
    change = (attacked - images).flatten(1).norm(dim=1)
    torch.testing.assert_close(change, distance * (1 + robustness.OVERSHOOT), rtol=1e-3, atol=1e-5)


def test_it_lowers_accuracy_and_respects_the_pixel_range(classifier):
    images, labels = bars(30, seed=1)
    attacked = robustness.deepfool(classifier, images)
    assert attacked.shape == images.shape
    assert attacked.min() >= 0 and attacked.max() <= 1
    result = robustness.robustness(classifier, images, labels)
    assert result.adversarial_accuracy < utility.accuracy(classifier, images, labels) - 0.5
    assert 0 < result.relative_distance < 1


def test_wrong_predictions_turned_right_count_only_in_the_papers_form(classifier):
    images, labels = bars(30, seed=1)
    wrong = (labels + 1) % 3
    result = robustness.robustness(classifier, images, wrong)
    assert result.adversarial_accuracy <= 0.05
    assert result.adversarial_accuracy_paper > 0.2


def test_more_iterations_never_leave_more_right(classifier):
    images, labels = bars(20, seed=2)
    one, five = (
        robustness.robustness(classifier, images, labels, iterations=i).adversarial_accuracy
        for i in (1, 5)
    )
    assert five <= one


def test_the_classifier_is_left_as_it_was(classifier):
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    robustness.deepfool(classifier, bars(4)[0])
    assert not classifier.training
    assert all(torch.equal(before[name], value) for name, value in classifier.state_dict().items())


def test_bad_images_are_refused(classifier):
    images, labels = bars(3)
    with pytest.raises(ValueError, match="range"):
        robustness.robustness(classifier, images + 1, labels)
