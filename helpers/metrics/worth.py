"""What training sets are worth to a classifier, tested on real images (NFL 3.4; TRI 4.1.4, 4.2).

`train_on_synthetic` tests the synthetic images of one cell alone (train on synthetic, test on
real), `settings` TRI's mixtures with the private images, and `ceiling` the private images without
any synthetic ones. The ceiling depends on no generator, nor does the `judge`, which tells which
class a synthetic image shows: both are computed once and kept in the store.
"""

from pathlib import Path

import torch
from torch import Tensor

from ..data import assets, draws, files
from ..data.datasets import Dataset
from ..randomness import generator as stream
from . import augmentation, robustness, utility
from .augmentation import TrainingSet
from .evaluation import PRIVATE_PER_CLASS, ClassifierPreset, Evaluation
from .utility import Classifier

VERSION = 1  # raise when the judge or the ceiling changes its meaning


def train_on_synthetic(
    dataset: Dataset, synthetic: TrainingSet, evaluation: Evaluation, seed: int
) -> tuple[dict[str, float], Tensor]:
    """TSTR metrics, and the accuracy on each class [classes].

    `accuracy_paper` is that of images rescaled to the test set's statistics (defect D18).
    """
    metrics, by_class = _worth(
        dataset, synthetic, "", evaluation, seed, repeats=evaluation.classifier_seeds
    )
    rescaled = utility.rescaled_paper(synthetic.images, dataset.test_images)
    classifier = _trained(dataset, synthetic._replace(images=rescaled), evaluation, seed)
    metrics["balanced_accuracy"] = by_class.mean().item()
    metrics["accuracy_paper"] = _accuracy(_by_class(dataset, classifier), dataset)
    return metrics, by_class


def settings(
    dataset: Dataset,
    real: TrainingSet,
    synthetic: TrainingSet,
    evaluation: Evaluation,
    seed: int,
) -> dict[str, float]:
    """TRI's settings 3 to 5 at each of `evaluation.multiples`, e.g. `accuracy_combined_2x`.

    Flips follow TRI; `combined_unflipped` only turns the images. Classifiers of the first multiple
    are attacked too.
    """
    variants = {
        "synthetic": ("synthetic", True),
        "real_synthetic": ("real+synthetic", True),
        "combined": ("combined", True),
        "combined_unflipped": ("combined", False),
    }
    metrics = {}
    for place, multiple in enumerate(evaluation.multiples):
        for name, (setting, flips) in variants.items():
            if place and not flips:
                continue
            mixed = augmentation.training_set(
                setting,
                real,
                synthetic,
                multiple=multiple,
                flips=flips,
                generator=stream(seed, f"evaluation/{setting}"),
            )
            name = f"{name}_{multiple}x"
            metrics |= _worth(dataset, mixed, name, evaluation, seed, attack=not place)[0]
    return metrics


def ceiling(
    dataset: Dataset, real: TrainingSet, evaluation: Evaluation, seed: int
) -> dict[str, float]:
    """The worth of the private images: `accuracy_real`, and with TRI's settings also
    `accuracy_geometric` (turned and flipped copies beside them) and `..._geometric_unflipped`.

    `real` is what `seed` draws; kept in the store under that seed.
    """
    path = _path(dataset, f"ceiling-{seed}", evaluation).with_suffix(".json")
    if (kept := files.read_json(path)) is not None:
        return kept
    repeats = evaluation.classifier_seeds
    metrics, _ = _worth(dataset, real, "real", evaluation, seed, repeats=repeats)
    for name, flips in {"geometric": True, "geometric_unflipped": False}.items():
        if evaluation.multiples:
            turned = augmentation.training_set(
                "geometric", real, real, flips=flips, generator=stream(seed, "evaluation/geometric")
            )
            metrics |= _worth(dataset, turned, name, evaluation, seed)[0]
    files.write_json(path, metrics)
    return metrics


def judge(dataset: Dataset, preset: ClassifierPreset) -> Classifier:
    """A classifier trained on all real training images of the data set."""
    path = _path(dataset, "judge", preset).with_suffix(".npz")
    if (kept := files.read_arrays(path)) is not None:
        network = Classifier(len(dataset.classes), preset)
        network.load_state_dict({name: torch.from_numpy(values) for name, values in kept.items()})
        return network.eval()
    network = utility.train_classifier(
        dataset.train_images,
        dataset.train_labels,
        len(dataset.classes),
        preset=preset,
        generator=stream(0, "evaluation/judge"),
    )
    files.write_arrays(path, {name: t.numpy() for name, t in network.state_dict().items()})
    return network


def _path(dataset: Dataset, name: str, *parts) -> Path:
    key = files.content_hash(VERSION, dataset.checksum, PRIVATE_PER_CLASS, *parts)
    return assets.root() / "runs" / dataset.name / "baselines" / f"{name}-{key}"


def _worth(
    dataset: Dataset,
    training_set: TrainingSet,
    name: str,
    evaluation: Evaluation,
    seed: int,
    *,
    repeats: int = 1,
    attack: bool = True,
) -> tuple[dict[str, float], Tensor]:
    """Metrics `<metric>_<name>` of classifiers trained on a set, and the accuracy on each class.

    Accuracies are means over `repeats` classifiers, on the full test set; the first is attacked.
    """
    classifiers = [
        _trained(dataset, training_set, evaluation, seed, repeat) for repeat in range(repeats)
    ]
    by_class = torch.stack([_by_class(dataset, classifier) for classifier in classifiers])
    accuracies = torch.tensor([_accuracy(row, dataset) for row in by_class], dtype=torch.float64)
    metrics = {"accuracy": accuracies.mean().item()}
    if repeats > 1:
        metrics["accuracy_deviation"] = accuracies.std().item()  # over the classifier's seed
    if attack and evaluation.attacked:
        images, labels, _ = draws.holdout(dataset, evaluation.attacked)
        metrics |= robustness.robustness(classifiers[0], images, labels)._asdict()
    suffix = f"_{name}" if name else ""
    return {f"{metric}{suffix}": value for metric, value in metrics.items()}, by_class.mean(dim=0)


def _trained(
    dataset: Dataset, training_set: TrainingSet, evaluation: Evaluation, seed: int, repeat: int = 0
) -> Classifier:
    purpose = "evaluation/classifier" + (f"/{repeat}" if repeat else "")
    return utility.train_classifier(
        *training_set,
        len(dataset.classes),
        preset=evaluation.classifier,
        generator=stream(seed, purpose),
    )


def _by_class(dataset: Dataset, classifier: Classifier) -> Tensor:
    return utility.class_accuracies(classifier, dataset.test_images, dataset.test_labels)


def _accuracy(by_class: Tensor, dataset: Dataset) -> float:
    """The accuracy over all test images, from that on each class."""
    counts = torch.tensor(dataset.counts("test"), dtype=by_class.dtype)
    return (by_class @ counts / counts.sum()).item()
