"""The classifier of the utility pipeline: deterministic, budgeted, and able to learn."""

import dataclasses
import math

import pytest
import torch

from helpers.metrics import utility
from helpers.metrics.evaluation import ClassifierPreset
from helpers.training.minibatches import batches

PRESET = ClassifierPreset((8, 16, 16), steps=60, batch_size=32, learning_rate=3e-3)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def tints(n, shape, seed=0):
    """Three easy classes of any shape: noise, and a bright channel, or in grey a bright third."""
    labels = torch.arange(n) % 3
    images = 0.6 * torch.rand(n, *shape, generator=rng(seed))
    for image, label in zip(images, labels, strict=True):
        (image[label] if len(image) == 3 else image[0].chunk(3, dim=1)[label]).add_(0.4)
    return images, labels


def bars(n, seed=0):
    """Three easy classes: a bright bar on the left, in the middle, on the right, and noise."""
    labels = torch.arange(n) % 3
    images = 0.6 * torch.rand(n, 1, 28, 28, generator=rng(seed))
    for i, label in enumerate(labels):
        images[i, :, :, 9 * label : 9 * label + 9] += 0.4
    return images, labels


def train(images, labels, seed=0, n_classes=3, preset=PRESET):
    return utility.train_classifier(images, labels, n_classes, preset=preset, generator=rng(seed))


@pytest.fixture(scope="module")
def classifier():
    return train(*bars(90))


def test_it_learns_and_labels_that_say_nothing_teach_nothing(classifier):
    images, labels = bars(300, seed=1)
    assert utility.accuracy(classifier, images, labels) > 0.95
    shuffled = bars(90)[1][torch.randperm(90, generator=rng())]
    assert utility.accuracy(train(bars(90)[0], shuffled), images, labels) < 0.7


def test_the_same_generator_gives_the_same_classifier(classifier):
    state = torch.get_rng_state()
    again, other = train(*bars(90)), train(*bars(90), seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    images = bars(10)[0]
    assert torch.equal(again(images), classifier(images))
    assert not torch.allclose(other(images), classifier(images))


def test_every_set_size_gets_the_same_number_of_steps():
    for n in (6, 32, 90):
        rows = batches(n, 32, 60, generator=rng())
        assert rows.shape == (60, min(n, 32))
        counts = torch.bincount(rows.flatten(), minlength=n)
        assert counts.max() - counts.min() <= 1  # shuffled epochs: every image as often


def test_accuracy_knows_neither_batches_nor_order(classifier):
    images, labels = bars(700, seed=2)
    parts = [utility.predict(classifier, part) for part in images.split(33)]
    assert torch.equal(torch.cat(parts), utility.predict(classifier, images))
    value = utility.accuracy(classifier, images, labels)
    assert utility.accuracy(classifier, images.flip(0), labels.flip(0)) == value


def test_balanced_accuracy_weighs_classes_not_images(classifier):
    images, labels = bars(30, seed=3)
    wrong = labels.clone()
    wrong[labels == 2] = 1  # class 2's ten images count as wrong images of class 1
    assert utility.accuracy(classifier, images, wrong) == pytest.approx(20 / 30)
    balanced = utility.class_accuracies(classifier, images, wrong).mean().item()
    assert balanced == pytest.approx((1 + 0.5) / 2)


@pytest.mark.parametrize(
    ("change", "n_classes", "message"),
    [
        (lambda x, y: (x * math.nan, y), 3, "NaN"),
        (lambda x, y: (x + 1, y), 3, "range"),
        (lambda x, y: (x.repeat(1, 2, 1, 1), y), 3, "are needed"),
        (lambda x, y: (x, y[:-1]), 3, "labels"),
        (lambda x, y: (x, y), 4, r"class \[3\]"),
        (lambda x, y: (x, y), 2, "outside the 2 classes"),
        (lambda x, y: (x, y.float()), 3, "integers"),
        (lambda x, y: (x[:0], y[:0]), 3, "at least 1"),
        (lambda x, y: (x, 0 * y), 1, "at least 2"),
    ],
)
def test_training_refuses(change, n_classes, message):
    with pytest.raises(ValueError, match=message):
        train(*change(*bars(9)), n_classes=n_classes)


@pytest.mark.parametrize(
    ("shape", "pooled"), [((3, 32, 32), False), ((3, 28, 28), True), ((1, 64, 64), False)]
)
def test_it_learns_from_images_of_any_shape(shape, pooled):
    preset = dataclasses.replace(PRESET, pooled=pooled)
    classifier = train(*tints(60, shape), preset=preset)
    assert utility.accuracy(classifier, *tints(60, shape, seed=1)) > 0.9


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 28, 28)])
def test_images_of_another_shape_are_refused(classifier, shape):
    with pytest.raises(ValueError, match=r"trained on images of shape \(1, 28, 28\): resize"):
        utility.predict(classifier, torch.zeros(2, *shape))


def test_conditional_consistency_falls_when_the_label_is_not_heeded(classifier):
    images, labels = bars(90, seed=4)
    heeded = utility.conditional_consistency(classifier, images, labels)
    ignored = utility.conditional_consistency(classifier, images, labels.roll(10))
    assert heeded > 0.95
    assert ignored < 0.5


def test_accuracies_by_class_are_shares_of_each_class(classifier):
    images, labels = bars(90, seed=3)
    swapped = labels.clone()
    swapped[labels == 2] = 0  # the images of class 2 are now called 0
    first, second = utility.class_accuracies(classifier, images, swapped).tolist()
    assert first == pytest.approx(0.5, abs=0.05) and second > 0.9


def test_images_rescaled_as_the_authors_do_have_the_statistics_of_the_test_set():
    images = 0.4 + 0.1 * torch.rand(50, 1, 28, 28, generator=rng())
    test = 0.5 + 0.2 * torch.rand(50, 1, 28, 28, generator=rng(1))
    rescaled = utility.rescaled_paper(images, test)
    assert rescaled.mean().item() == pytest.approx(test.mean().item(), abs=1e-4)
    assert rescaled.std().item() == pytest.approx(test.std().item(), abs=1e-4)
    constant = utility.rescaled_paper(torch.zeros(2, 1, 28, 28), test)
    assert constant.min() >= 0 and constant.max() <= 1
