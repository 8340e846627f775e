"""What training sets are worth to a classifier: who is in them, TSTR, TRI's settings, the ceiling,
the judge."""

import dataclasses

import pytest
import torch

from helpers.data import datasets, draws
from helpers.metrics import utility, worth
from helpers.metrics.evaluation import ClassifierPreset, Evaluation
from helpers.metrics.worth import TrainingSet
from helpers.randomness import generator as stream

EVALUATION = Evaluation(
    per_class=3,
    neighbors=3,
    classifier=ClassifierPreset((8, 16), steps=40, batch_size=32),
    judge=ClassifierPreset((8, 16), steps=60, batch_size=32),
    classifier_seeds=2,
    multiples=(1, 2),
    attacked=2,
)


# TRI's training sets


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def group(per_class, seed):
    labels = torch.arange(3).repeat_interleave(per_class)
    return TrainingSet(torch.rand(len(labels), 1, 28, 28, generator=rng(seed)), labels)


REAL, SYNTHETIC = group(4, 0), group(12, 1)


def members(images, pool):
    """Which of `images` are in `pool`."""
    return torch.tensor([bool((pool == image).flatten(1).all(dim=1).any()) for image in images])


@pytest.mark.parametrize("multiple", [1, 2, 3])
@pytest.mark.parametrize(
    ("setting", "real", "synthetic"),
    [
        ("real", 12, 0),
        ("geometric", 24, 0),
        ("synthetic", 0, 12),
        ("real+synthetic", 12, 12),
        ("combined", 24, 24),
    ],
)
def test_sizes_and_balance(setting, real, synthetic, multiple):
    result = worth.training_set(setting, REAL, SYNTHETIC, multiple=multiple, generator=rng())
    assert len(result.images) == real + multiple * synthetic
    assert torch.bincount(result.labels).tolist() == [len(result.images) // 3] * 3


def test_each_setting_draws_from_where_it_should():
    for setting, from_real, from_synthetic in (
        ("real", 12, 0),
        ("synthetic", 0, 24),
        ("real+synthetic", 12, 24),
    ):
        images, labels = worth.training_set(setting, REAL, SYNTHETIC, multiple=2, generator=rng())
        assert members(images, REAL.images).sum() == from_real
        assert members(images, SYNTHETIC.images).sum() == from_synthetic
        assert len(images.flatten(1).unique(dim=0)) == len(images)  # nothing twice
        both = TrainingSet(*(torch.cat(c) for c in zip(REAL, SYNTHETIC, strict=True)))
        for image, label in zip(images, labels, strict=True):
            source = (both.images == image).flatten(1).all(dim=1)
            assert both.labels[source].tolist() == [label]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_geometric_changes_keep_size_range_and_the_original(shape):
    images = torch.rand(12, *shape, generator=rng())
    turned = worth.geometric(images, generator=rng())
    assert turned.shape == images.shape
    assert turned.min() >= 0 and turned.max() <= 1
    assert not members(turned, images).any()
    assert torch.equal(turned, worth.geometric(images, generator=rng()))
    assert not torch.equal(turned, worth.geometric(images, generator=rng(1)))


def test_flips_mirror_both_ways_and_can_be_left_out():
    corner = torch.zeros(200, 1, 28, 28)
    corner[:, :, 4:10, 4:10] = 1  # upper left

    def quadrants(images):
        halves = images.view(-1, 2, 14, 2, 14).sum(dim=(2, 4)).flatten(1)
        return torch.bincount(halves.argmax(dim=1), minlength=4)

    flipped = worth.geometric(corner, generator=rng())
    assert (quadrants(flipped) > 30).all()
    kept = worth.geometric(corner, generator=rng(), flips=False)
    assert quadrants(kept).tolist() == [200, 0, 0, 0]
    still = worth.geometric(corner, generator=rng(), flips=False, degrees=0)
    torch.testing.assert_close(still, corner)


@pytest.mark.parametrize(
    ("setting", "multiple", "message"),
    [
        ("reall", 1, "allowed: real, geometric"),
        ("synthetic", 0, "multiple"),
        ("synthetic", 1.5, "multiple"),
        ("synthetic", 4, "16 are needed"),
    ],
)
def test_training_set_refuses(setting, multiple, message):
    with pytest.raises(ValueError, match=message):
        worth.training_set(setting, REAL, SYNTHETIC, multiple=multiple, generator=rng())


# Their worth


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


@pytest.fixture(scope="module")
def private(digits):
    sample = draws.few_shot(digits, 5, generator=stream(0, "few-shot"))
    return TrainingSet(sample.images, sample.labels)


@pytest.fixture(scope="module")
def published(digits):
    sample = draws.few_shot(digits, 10, generator=stream(1, "few-shot"))
    return TrainingSet(sample.images, sample.labels)


def test_tstr_is_the_mean_over_classifiers_on_the_full_test_set(digits, published):
    metrics, by_class = worth.train_on_synthetic(digits, published, EVALUATION, seed=0)
    classifiers = [
        utility.train_classifier(
            *published, 10, preset=EVALUATION.classifier, generator=stream(0, purpose)
        )
        for purpose in ("evaluation/classifier", "evaluation/classifier/1")
    ]
    accuracies = [utility.accuracy(c, digits.test_images, digits.test_labels) for c in classifiers]
    assert metrics["accuracy"] == pytest.approx(sum(accuracies) / 2)
    spread = torch.tensor(accuracies, dtype=torch.float64).std().item()
    assert metrics["accuracy_deviation"] == pytest.approx(spread)
    assert metrics["balanced_accuracy"] == pytest.approx(by_class.mean().item())
    assert 0 <= metrics["adversarial_accuracy"] <= metrics["adversarial_accuracy_paper"] <= 1


def test_settings_cover_every_mixture_at_every_multiple(digits, private, published):
    metrics = worth.settings(digits, private, published, EVALUATION, seed=0)
    named = {name for name in metrics if name.startswith("accuracy_")}
    mixtures = ("synthetic", "real_synthetic", "combined")
    expected = {f"accuracy_{name}_{m}x" for name in mixtures for m in (1, 2)}
    assert named == expected | {"accuracy_combined_unflipped_1x"}
    assert {n for n in metrics if n.startswith("relative_distance")} == {
        f"relative_distance_{name}_1x" for name in (*mixtures, "combined_unflipped")
    }


def test_a_multiple_is_worth_the_same_whatever_others_are_asked_for(digits, private, published):
    one, two = (
        worth.settings(
            digits, private, published, dataclasses.replace(EVALUATION, multiples=(k,)), seed=0
        )
        for k in (1, 2)
    )
    assert one | two == worth.settings(digits, private, published, EVALUATION, seed=0)


def test_a_mixture_is_trained_on_the_set_it_names(digits, private, published):
    metrics = worth.settings(digits, private, published, EVALUATION, seed=0)
    mixed = worth.training_set(
        "real+synthetic",
        private,
        published,
        multiple=2,
        generator=stream(0, "evaluation/real+synthetic"),
    )
    classifier = utility.train_classifier(
        *mixed, 10, preset=EVALUATION.classifier, generator=stream(0, "evaluation/classifier")
    )
    value = utility.accuracy(classifier, digits.test_images, digits.test_labels)
    assert metrics["accuracy_real_synthetic_2x"] == pytest.approx(value)


def test_the_ceiling_is_computed_once_per_seed(home, digits, private, monkeypatch):
    first = worth.ceiling(digits, private, EVALUATION, seed=0)
    assert {"accuracy_real", "accuracy_geometric", "accuracy_geometric_unflipped"} <= set(first)
    calls = []
    monkeypatch.setattr(utility, "train_classifier", lambda *a, **k: calls.append(a))
    assert worth.ceiling(digits, private, EVALUATION, seed=0) == first and not calls
    with pytest.raises((TypeError, AttributeError)):  # another seed has another ceiling
        worth.ceiling(digits, private, EVALUATION, seed=1)
    assert calls


def test_without_tri_the_ceiling_is_the_real_images_alone(home, digits, private):
    plain = dataclasses.replace(EVALUATION, multiples=(), attacked=0)
    metrics = worth.ceiling(digits, private, plain, seed=0)
    assert set(metrics) == {"accuracy_real", "accuracy_deviation_real"}


def test_the_judge_is_kept_and_is_right_about_real_images(home, digits, monkeypatch):
    judge = worth.judge(digits, EVALUATION.judge)
    monkeypatch.setattr(utility, "train_classifier", None)
    again = worth.judge(digits, EVALUATION.judge)
    test = digits.test_images, digits.test_labels
    assert torch.equal(utility.predict(judge, test[0]), utility.predict(again, test[0]))
    assert utility.conditional_consistency(judge, *test) > 0.8
    shuffled = test[1].roll(50)
    assert utility.conditional_consistency(judge, test[0], shuffled) < 0.2


def test_a_damaged_judge_is_trained_again(home, digits):
    worth.judge(digits, EVALUATION.judge)
    (path,) = (home / "runs" / "digits" / "baselines").glob("judge-*.npz")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match="damaged"):
        worth.judge(digits, EVALUATION.judge)
    assert path.stat().st_size > 100
