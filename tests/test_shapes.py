"""Grey and colour images of other sizes go all the way: trained on, sampled, and measured."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.data.draws import Sample
from helpers.data.sources import from_bytes, to_bytes
from helpers.metrics import attacks, features, fidelity, plane, privacy, robustness, utility
from helpers.metrics.evaluation import EVALUATIONS
from helpers.models import families, networks, references
from helpers.study.cell import MODELS
from helpers.training import fit

CLASSES = 3
SHAPES = [(3, 32, 32), (1, 64, 64)]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def records(shape, per_class=4, seed=0) -> Sample:
    """Noise in which each class has a bright band of rows of its own."""
    labels = torch.arange(CLASSES).repeat_interleave(per_class)
    images = 0.6 * torch.rand(len(labels), *shape, generator=rng(seed))
    for image, label in zip(images, labels, strict=True):
        image.chunk(CLASSES, dim=1)[label].add_(0.4)
    return Sample(images, labels, torch.arange(len(labels)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MODELS)
def test_a_family_is_trained_sampled_and_measured(name, shape):
    private, holdout = records(shape), records(shape, seed=1)
    model = networks.build(name, "smoke", classes=CLASSES, shape=shape, generator=rng())
    preset = families.preset(name, "smoke").training
    run = {"training": preset, "slots": 12, "places": torch.arange(len(private.images)), "seed": 0}
    fitted = fit.fit(model, private, arm="dp", sigma=0.5, **run)
    labels = holdout.labels
    images = from_bytes(to_bytes(fitted.model.sample(labels, generator=rng(2))))
    assert images.shape == holdout.images.shape and images.dtype == torch.float32
    draws = {"generator": rng(), "draws": 2}
    real, fake = (features.lite0(group[::4]) for group in (holdout.images, images))
    pairs = images, labels, holdout.images, holdout.labels
    values = {
        "kid": fidelity.kid(real, fake),
        "psnr": fidelity.psnr(*pairs),
        "ssim": fidelity.ssim(*pairs),
        "max_ssim": privacy.max_ssim(images, private.images, generator=rng()),
        "nearest": privacy.nearest_distances(images, private.images).min(),
        "loss": attacks.loss_scores(fitted.model, private.images, private.labels, **draws).min(),
        "ratio": plane.epsilon_hat(*points(private, holdout, images), k=3),
        **classified(images, labels, holdout),
    }
    assert [value for value in values.items() if not math.isfinite(value[1])] == []


def points(private: Sample, holdout: Sample, images) -> list[np.ndarray]:
    reducer = plane.isomap(private.images, n_neighbors=5)
    return [reducer.transform(group) for group in (holdout.images, images, private.images[:1])]


def classified(images, labels, holdout: Sample) -> dict[str, float]:
    preset = dataclasses.replace(EVALUATIONS["smoke"].classifier, steps=3)
    classifier = utility.train_classifier(images, labels, CLASSES, preset=preset, generator=rng())
    attacked = robustness.robustness(classifier, holdout.images, holdout.labels, iterations=1)
    accuracy = utility.accuracy(classifier, holdout.images, holdout.labels)
    return {"accuracy": accuracy, **attacked._asdict()}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["copies", "means"])
def test_references_keep_the_shape_of_the_records(name, shape):
    private, dataset = records(shape), SimpleNamespace(classes=range(CLASSES))
    options = {"n_per_class": 4, "generator": rng()}
    images = references.images(name, dataset, private, private.labels, **options)
    assert images.shape == private.images.shape
    assert torch.equal(images, private.images) == (name == "copies")


@pytest.mark.parametrize("shape", [(1, 28, 28), *SHAPES])
def test_images_survive_being_written_as_bytes(shape):
    pixels = to_bytes(records(shape).images)
    assert pixels.shape == (12, *shape[1:], *(() if shape[0] == 1 else (3,)))
    assert np.array_equal(to_bytes(from_bytes(pixels)), pixels)
