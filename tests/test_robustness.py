"""DeepFool and Grad-CAM on classifiers where the answer is known."""

import math

import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from helpers.metrics import robustness, utility
from helpers.metrics.evaluation import ClassifierPreset
from helpers.report import gradcam


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
    layer = nn.Linear(784, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.stack([torch.zeros(784), weight]))
        layer.bias.copy_(torch.tensor([0.0, bias]))
    return nn.Sequential(nn.Flatten(), layer)


def test_on_a_linear_classifier_the_change_is_the_distance_to_the_boundary():
    weight = torch.randn(784, generator=rng()) / 28
    images = 0.4 + 0.2 * torch.rand(8, 1, 28, 28, generator=rng(1))  # no pixel gets clipped
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
    gradcam.grad_cam(classifier, bars(4)[0], bars(4)[1])
    assert not classifier.training
    assert all(torch.equal(before[name], value) for name, value in classifier.state_dict().items())


def test_grad_cam_points_at_the_bar(classifier):
    images, labels = bars(9, seed=3)
    maps = gradcam.grad_cam(classifier, images, labels)
    assert maps.shape == (9, 28, 28)
    assert maps.min() >= 0 and maps.max() <= 1
    mass = torch.stack([maps[:, :, 9 * c : 9 * c + 9].sum(dim=(1, 2)) for c in range(3)], dim=1)
    assert (mass.argmax(dim=1) == labels).float().mean() >= 2 / 3


def test_with_a_mean_over_the_plane_it_is_grad_cam():
    preset = ClassifierPreset((8, 16), steps=20, batch_size=32, pooled=True)
    pooled = utility.train_classifier(*bars(30), 3, preset=preset, generator=rng())
    images, labels = bars(6, seed=3)
    with GradCAM(pooled, [pooled.body[-1]]) as cam:
        expected = cam(images, [ClassifierOutputTarget(int(c)) for c in labels])
    maps = gradcam.grad_cam(pooled, images, labels)
    torch.testing.assert_close(maps, torch.from_numpy(expected), rtol=1e-3, atol=1e-4)


def test_bad_images_are_refused(classifier):
    images, labels = bars(3)
    with pytest.raises(ValueError, match="range"):
        robustness.robustness(classifier, images + 1, labels)
    with pytest.raises(ValueError, match="NaN"):
        gradcam.grad_cam(classifier, images * math.nan, labels)
