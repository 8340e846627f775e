"""Where a classifier looks: Grad-CAM on classifiers where the answer is known."""

import math

import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from chapters.exhibits import grad_cam
from helpers.metrics import utility
from helpers.metrics.evaluation import ClassifierPreset

SHAPES = [(1, 28, 28), (3, 32, 32)]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def bars(n, shape, seed=0):
    """Three easy classes: a brighter third on the left, in the middle, on the right, and noise."""
    labels = torch.arange(n) % 3
    images = 0.6 * torch.rand(n, *shape, generator=rng(seed))
    for image, label in zip(images, labels, strict=True):
        thirds(image)[label].add_(0.4)
    return images, labels


def thirds(planes):
    """Three equal bands of columns, from left to right."""
    width = planes.shape[-1] // 3
    return [planes[..., width * i : width * (i + 1)] for i in range(3)]


def trained(shape, **changes):
    options = {"channels": (8, 16, 16), "steps": 60, "batch_size": 32, "learning_rate": 3e-3}
    preset = ClassifierPreset(**options | changes)
    return utility.train_classifier(*bars(90, shape), 3, preset=preset, generator=rng())


@pytest.mark.parametrize("shape", SHAPES)
def test_it_points_at_the_bar_and_leaves_the_classifier_as_it_was(shape):
    classifier, (images, labels) = trained(shape), bars(9, shape, seed=3)
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    maps = grad_cam(classifier, images, labels)
    assert maps.shape == (9, *shape[1:])
    assert maps.min() >= 0 and maps.max() <= 1
    mass = torch.stack([third.sum(dim=(1, 2)) for third in thirds(maps)], dim=1)
    assert (mass.argmax(dim=1) == labels).float().mean() >= 2 / 3
    assert not classifier.training
    assert all(torch.equal(before[name], value) for name, value in classifier.state_dict().items())


@pytest.mark.parametrize("shape", SHAPES)
def test_with_a_mean_over_the_plane_it_is_grad_cam(shape):
    pooled = trained(shape, channels=(8, 16), steps=20, pooled=True)
    images, labels = bars(6, shape, seed=3)
    with GradCAM(pooled, [pooled.body[-1]]) as cam:
        expected = cam(images, [ClassifierOutputTarget(int(c)) for c in labels])
    maps = grad_cam(pooled, images, labels)
    torch.testing.assert_close(maps, torch.from_numpy(expected), rtol=1e-3, atol=1e-4)


def test_bad_images_are_refused():
    images, labels = bars(3, SHAPES[0])
    with pytest.raises(ValueError, match="NaN"):
        grad_cam(trained(SHAPES[0], steps=1), images * math.nan, labels)
