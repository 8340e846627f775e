"""What training sets are worth to a classifier, tested on real images (NFL 3.4; TRI 4.1.4, 4.2).

`training_set` makes TRI's five sets of real and synthetic images. `train_on_synthetic` tests the
synthetic images of one cell alone (train on synthetic, test on real), `settings` TRI's mixtures
with the private images, and `ceiling` the private images without any synthetic ones. The ceiling
depends on no generator, nor does the `judge`, which tells which class a synthetic image shows: both
are computed once and kept in the store.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as geometry

from ..data import draws, files, places
from ..data.checks import check_images, check_labels, check_same_size
from ..data.datasets import Dataset
from ..randomness import generator as stream
from ..training import devices
from . import robustness, utility
from .evaluation import PRIVATE_PER_CLASS, ClassifierPreset, Evaluation
from .utility import Classifier

VERSION = 1  # raise when the judge or the ceiling changes its meaning
SETTINGS = ("real", "geometric", "synthetic", "real+synthetic", "combined")
DEGREES = 15.0  # TRI does not state its range of rotations


# TRI's training sets


class TrainingSet(NamedTuple):
    """Images [N, C, H, W] in [0, 1] with labels [N]."""

    images: Tensor
    labels: Tensor


def geometric(
    images: Tensor, *, generator: torch.Generator, flips: bool = True, degrees: float = DEGREES
) -> Tensor:
    """Each image turned by up to +-`degrees` and, with `flips`, mirrored each way half the time.

    TRI flips horizontally and vertically. A mirrored digit or a body whose left is right is another
    class: without `flips` the labels stay true. Images [N, C, H, W] in [0, 1] keep size and range;
    corners uncovered by turning are black.
    """
    images = check_images(images)
    angles = degrees * (2 * torch.rand(len(images), generator=generator) - 1)
    mirrored = torch.rand(len(images), 2, generator=generator) < (0.5 if flips else 0.0)
    turned = []
    for image, angle, (horizontal, vertical) in zip(
        images, angles.tolist(), mirrored.tolist(), strict=True
    ):
        image = geometry.rotate(image, angle, interpolation=InterpolationMode.BILINEAR)
        image = geometry.hflip(image) if horizontal else image
        turned.append(geometry.vflip(image) if vertical else image)
    return torch.stack(turned).clamp(0, 1)


def training_set(
    setting: str,
    real: TrainingSet,
    synthetic: TrainingSet,
    *,
    multiple: int = 1,
    generator: torch.Generator,
    flips: bool = True,
) -> TrainingSet:
    """The training set of one of TRI's `SETTINGS`; `multiple`: synthetic images per real one.

    (1) `real`; (2) `geometric`: real with a geometric copy of each; (3) `synthetic` alone; (4)
    `real+synthetic`; (5) `combined`: as (4), with a geometric copy of each. The synthetic images
    follow the real set's class counts, `multiple` times, drawn at random. Train each for the same
    number of steps. Raises `ValueError` for an unknown setting or too few synthetic images.
    """
    if setting not in SETTINGS:
        raise ValueError(f"setting {setting!r} is unknown; allowed: {', '.join(SETTINGS)}")
    if isinstance(multiple, bool) or not isinstance(multiple, int) or multiple < 1:
        raise ValueError(f"multiple is {multiple!r}; it must be a whole number of at least 1")
    real = _checked(real, "real")
    parts = []
    if setting != "synthetic":
        parts.append(real)
    if setting in ("synthetic", "real+synthetic", "combined"):
        synthetic = _checked(synthetic, "synthetic")
        check_same_size(real.images, synthetic.images, "real and synthetic images")
        parts.append(_matching(synthetic, real.labels, multiple, generator))
    if setting in ("geometric", "combined"):
        parts += [
            TrainingSet(geometric(part.images, generator=generator, flips=flips), part.labels)
            for part in parts
        ]
    return TrainingSet(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _checked(group: TrainingSet, name: str) -> TrainingSet:
    images, labels = group[0], group[1]
    images = check_images(images, f"{name} images")
    return TrainingSet(images, check_labels(labels, len(images), f"{name} labels"))


def _matching(
    synthetic: TrainingSet, real_labels: Tensor, multiple: int, generator: torch.Generator
) -> TrainingSet:
    """Synthetic images drawn without replacement, `multiple` times the real count per class."""
    rows = []
    for label, count in zip(
        *(t.tolist() for t in real_labels.unique(return_counts=True)), strict=True
    ):
        there = torch.nonzero(synthetic.labels == label).flatten()
        if len(there) < multiple * count:
            raise ValueError(
                f"{len(there)} synthetic images of class {label}; {multiple * count} are needed "
                f"({multiple} for each of {count} real ones)"
            )
        rows.append(there[torch.randperm(len(there), generator=generator)[: multiple * count]])
    chosen = torch.cat(rows)
    return TrainingSet(synthetic.images[chosen], synthetic.labels[chosen])


# Their worth


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

    Flips follow TRI; at 1x `combined_unflipped` only turns the images, and classifiers are attacked
    too.
    """
    variants = {
        "synthetic": ("synthetic", True),
        "real_synthetic": ("real+synthetic", True),
        "combined": ("combined", True),
        "combined_unflipped": ("combined", False),
    }
    metrics = {}
    for multiple in evaluation.multiples:
        once = multiple == 1
        for name, (setting, flips) in variants.items():
            if not (flips or once):
                continue
            mixed = training_set(
                setting,
                real,
                synthetic,
                multiple=multiple,
                flips=flips,
                generator=stream(seed, f"evaluation/{setting}"),
            )
            name = f"{name}_{multiple}x"
            metrics |= _worth(dataset, mixed, name, evaluation, seed, attack=once)[0]
    return metrics


def ceiling(
    dataset: Dataset, real: TrainingSet, evaluation: Evaluation, seed: int
) -> dict[str, float]:
    """The worth of the private images: `accuracy_real`, and with TRI's settings also
    `accuracy_geometric` (turned and flipped copies beside them) and `..._geometric_unflipped`.

    `real` is what `seed` draws; kept in the store under that seed.
    """

    def measure() -> dict[str, float]:
        repeats = evaluation.classifier_seeds
        metrics, _ = _worth(dataset, real, "real", evaluation, seed, repeats=repeats)
        for name, flips in {"geometric": True, "geometric_unflipped": False}.items():
            if evaluation.multiples:
                drawn = stream(seed, "evaluation/geometric")
                turned = training_set("geometric", real, real, flips=flips, generator=drawn)
                metrics |= _worth(dataset, turned, name, evaluation, seed)[0]
        return metrics

    return files.memo(_path(dataset, f"ceiling-{seed}.json", evaluation), measure)


def judge(dataset: Dataset, preset: ClassifierPreset) -> Classifier:
    """A classifier trained on all images of the test split, among which no private image is."""

    def train() -> dict[str, np.ndarray]:
        network = utility.train_classifier(
            dataset.test_images,
            dataset.test_labels,
            len(dataset.classes),
            preset=preset,
            generator=stream(0, "evaluation/judge"),
        )
        return {name: weights.cpu().numpy() for name, weights in network.state_dict().items()}

    kept = files.memo(_path(dataset, "judge-test.npz", preset), train)
    network = Classifier(len(dataset.classes), dataset.shape, preset)
    network.load_state_dict({name: torch.from_numpy(values) for name, values in kept.items()})
    return network.eval().to(devices.current())


def _path(dataset: Dataset, name: str, *parts) -> Path:
    """Where the file `name` is kept, whose content the parts decide."""
    key = files.content_hash(VERSION, dataset.checksum, PRIVATE_PER_CLASS, *parts, *devices.apart())
    stem, _, suffix = name.partition(".")
    return places.root() / "runs" / dataset.name / "baselines" / f"{stem}-{key}.{suffix}"


def _worth(
    dataset: Dataset,
    taught: TrainingSet,
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
    classifiers = [_trained(dataset, taught, evaluation, seed, repeat) for repeat in range(repeats)]
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
    dataset: Dataset, taught: TrainingSet, evaluation: Evaluation, seed: int, repeat: int = 0
) -> Classifier:
    purpose = "evaluation/classifier" + (f"/{repeat}" if repeat else "")
    return utility.train_classifier(
        *taught,
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
