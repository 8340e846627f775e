"""Generators of Corn and what classifiers learn from them: kept one by one, collected in files.

A generator is trained on all of Corn's training images; its weights and its images, drawn in sets
as large as the training set, are kept in the store. All can be killed and resumed; `collect` brings
what is done into `data/results/trilemma_corn.csv` (tidy), `.json` (provenance) and `.npz` (small
images for figures).
"""

import datetime
import importlib.metadata
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from helpers.data import datasets, draws, files, places
from helpers.data.datasets import Dataset
from helpers.data.draws import Sample
from helpers.data.sources import from_bytes, to_bytes
from helpers.metrics import attacks, features, fidelity, privacy, utility, worth
from helpers.metrics.worth import TrainingSet
from helpers.models import networks
from helpers.models.interface import Unprivate
from helpers.models.latent_diffusion import LatentDiffusion
from helpers.randomness import generator as stream
from helpers.study import host
from helpers.training import minibatches

from . import classifier, plan
from .plan import Unit

NAME = "trilemma_corn"
VERSION = 1  # raise when a number changes its meaning: all is then computed again
SHOWN = 8  # images of a class in figures
COMPARED = 50  # of which the nearest to a training image is shown
COLUMNS = ("setting", "model", "multiple", "seed", "protocol", "metric", "value")
REFERENCE = "unseen"  # of the generators' measures: what other real images score
_PACKAGES = ("torch", "monai", "numpy", "scipy", "scikit-learn", "adversarial-robustness-toolbox")


# Generators


def trained(model: str, seed: int) -> dict[str, np.ndarray]:
    """A generator: its `weights/`, its numbers under `metric/` and its losses on `members` and on
    `others`; from the store or trained."""

    def make() -> dict[str, np.ndarray]:
        with host.one_thread():
            return _train(model, seed, datasets.load(plan.DATASET))

    return files.memo(_root() / f"{_name(model, seed)}.npz", make)


def _train(model: str, seed: int, data: Dataset) -> dict[str, np.ndarray]:
    began = time.process_time()
    fitted = minibatches.fit(_built(model, seed), _sample(data, "train"), seed=seed).model
    metrics = {
        "training_core_seconds": time.process_time() - began,
        "parameters": networks.count_parameters(fitted),
    }
    if isinstance(fitted, LatentDiffusion):
        back = fitted.reconstruct(data.test_images)
        metrics["autoencoder_l1"] = (back - data.test_images).abs().mean().item()
    members, others = (
        attacks.loss_scores(fitted, part.images, part.labels, generator=stream(seed, "losses"))
        for part in (_matched(data, seed), _sample(data, "test"))
    )
    kept = {f"metric/{name}": np.float64(value) for name, value in metrics.items()}
    weights = {f"weights/{name}": value.numpy() for name, value in fitted.state_dict().items()}
    return kept | weights | {"members": members, "others": others}


def _built(model: str, seed: int) -> Unprivate:
    about = datasets.DATASETS[plan.DATASET]
    how = {"classes": len(about.classes), "shape": about.shape, "preset": plan.preset(model)}
    return networks.build(model, plan.SCALE, generator=stream(seed, "weights"), **how)


def sampled(model: str, seed: int, part: int) -> dict[str, np.ndarray]:
    """Images uint8 [n, S, S, 3] of a generator, one for each training image and of its class, in
    their order, and how long they took: the `part`th such set; from the store or drawn."""

    def make() -> dict[str, np.ndarray]:
        with host.one_thread():
            built, run = _built(model, seed), trained(model, seed)
            weights = {k: torch.as_tensor(v) for k, v in run.items() if k.startswith("weights/")}
            built.load_state_dict({k.removeprefix("weights/"): v for k, v in weights.items()})
            labels = datasets.load(plan.DATASET).train_labels
            began = time.process_time()
            images = built.eval().sample(labels, generator=stream(seed, f"samples/{part}"))
            seconds = time.process_time() - began
        return {"images": to_bytes(images), "seconds": np.float64(seconds)}

    return files.memo(_root() / f"{_name(model, seed)}-{part}.npz", make)


def synthetic(model: str, seed: int, multiple: int = 1) -> TrainingSet:
    """So many images of a generator for each training image, [N, 3, S, S] in [0, 1]."""
    images = [from_bytes(sampled(model, seed, part)["images"]) for part in range(multiple)]
    labels = datasets.load(plan.DATASET).train_labels
    return TrainingSet(torch.cat(images), labels.repeat(multiple))


def _sample(data: Dataset, split: str) -> Sample:
    images, labels = (getattr(data, f"{split}_{what}") for what in ("images", "labels"))
    return Sample(images, labels, torch.arange(len(labels)))


def _matched(data: Dataset, seed: int) -> Sample:
    """As many training images of each class as there are test images."""
    everyone, order = _sample(data, "train"), stream(seed, "members")
    return _first(everyone, data, torch.randperm(len(everyone.labels), generator=order))


def _first(everyone: Sample, data: Dataset, order: Tensor) -> Sample:
    """The first of an order, as many of each class as there are test images."""
    labels = everyone.labels[order]
    rows = [order[labels == c][:count] for c, count in enumerate(data.counts("test"))]
    return Sample(*(part[torch.cat(rows)] for part in everyone))


def told(model: str, seed: int) -> dict[str, float]:
    """What a training and its first sampling say of themselves: cost, size, speed, and the AUC of
    an attacker who is shown the losses."""
    run, images = trained(model, seed), sampled(model, seed, 0)
    metrics = {k.removeprefix("metric/"): float(v) for k, v in run.items() if "metric/" in k}
    return metrics | {
        "images_per_core_second": len(images["images"]) / float(images["seconds"]),
        "loss_auc": attacks.membership_inference(run["members"], run["others"]).auc,
    }


# What they are like, and give away


def described(model: str, seed: int) -> dict[str, float]:
    """A generator's fidelity, diversity and privacy; of `REFERENCE`, the test images'."""

    def measure() -> dict[str, float]:
        with host.one_thread():
            return _describe(model, seed, datasets.load(plan.DATASET))

    return files.memo(_described(model, seed), measure)


def _described(model: str, seed: int) -> Path:
    return _root() / f"{_name(model, seed)}.json"


def _describe(model: str, seed: int, data: Dataset) -> dict[str, float]:
    train, test, members = data.train_images, _sample(data, "test"), _matched(data, seed)
    if model == REFERENCE:  # what is compared with the test images has to be other images
        return _alike(test.images, members.images, test.images, train, seed)
    once = synthetic(model, seed)
    everyone = Sample(*once, torch.arange(len(train)))
    fakes = _first(everyone, data, torch.arange(len(train))).images
    unseen = privacy.nearest_distances(test.images, train)
    scores = [attacks.distance_scores(x, once.images) for x in (members.images, test.images)]
    return _alike(fakes, fakes, test.images, train, seed) | {
        "copy_rate": privacy.copy_rate(privacy.nearest_distances(fakes, train), unseen),
        "membership_auc": attacks.membership_inference(*scores).auc,
    }


def _alike(images: Tensor, judged: Tensor, test: Tensor, train: Tensor, seed: int) -> dict:
    """How `judged` images compare with the test images, and how near `images` come to the training
    images; as many of each class as there are test images."""
    real, fake = (features.cached(x, features.vgg16_conv5) for x in (test, judged))
    drawn = stream(seed, "ssim")
    return {
        **fidelity.neighbourhoods(real, fake)._asdict(),
        "fd_vgg16": fidelity.frechet_distance(real, fake),
        "max_ssim": privacy.max_ssim(images, train, generator=drawn, n_images=100, repeats=1),
    }


# What classifiers learn


def compute(unit: Unit) -> dict[str, float]:
    """The unit's accuracies and, where it is attacked, what attacks leave; kept in the store."""

    def make() -> dict[str, float]:
        with host.one_thread():
            return _measure(unit, datasets.load(plan.DATASET))

    return files.memo(path(unit), make)


def _measure(unit: Unit, data: Dataset) -> dict[str, float]:
    real, validation, test = (
        TrainingSet(*_sample(data, split)[:2]) for split in ("train", "val", "test")
    )
    taught = worth.training_set(
        unit.setting,
        real,
        synthetic(unit.model, unit.seed, unit.multiple) if unit.model else real,
        multiple=max(1, unit.multiple),
        generator=stream(unit.seed, f"evaluation/{unit.setting}"),
    )
    began = time.process_time()
    epoch = -(-len(taught.images) // plan.BATCH)
    budget = {"steps": plan.STEPS, "every": plan.EVERY}
    if unit.protocol == "epochs":
        budget = {"steps": plan.EPOCHS * epoch, "every": epoch}
    trained = classifier.train(
        taught,
        validation,
        len(data.classes),
        batch=plan.BATCH,
        generator=stream(unit.seed, "evaluation/classifier"),
        **budget,
    )
    found = {
        "accuracy": utility.accuracy(trained, *test),
        "balanced": utility.class_accuracies(trained, *test).mean().item(),
        "corners": classifier.corner_accuracy(taught, test, unit.seed),
        "steps": float(budget["steps"]),
        "core_seconds": time.process_time() - began,
    }
    return found | (attacked(trained, data) if unit.attacked else {})


def attacked(trained: nn.Module, data: Dataset) -> dict[str, float]:
    """What attacks leave of a classifier, on as many test images of each class."""
    images, labels, _ = draws.holdout(data, plan.ATTACKED)
    return classifier.attack(trained, TrainingSet(images, labels))._asdict()


# Keeping and collecting


def _root() -> Path:
    return places.root() / "runs" / NAME


def _name(model: str, seed: int) -> str:
    """Of a generator's files; it ends in a hash of all that decides them."""
    preset = None if model == REFERENCE else plan.preset(model)
    return f"{model}-{seed}-{files.content_hash(_checksum(), VERSION, preset)}"


def _checksum() -> str:
    return datasets.identity(plan.DATASET).checksum


def path(unit: Unit) -> Path:
    """Where a unit's numbers are kept; the name ends in a hash of all that decides them."""
    preset = plan.preset(unit.model) if unit.model else None
    budget = plan.STEPS, plan.BATCH, plan.EVERY, plan.EPOCHS, plan.ATTACKED, classifier.EPSILON
    key = files.content_hash(_checksum(), VERSION, asdict(unit), preset, *budget)
    name = "-".join(str(part) for part in asdict(unit).values() if part != "")
    return _root() / "units" / f"{name}-{key}.json"


def run(units: Iterable[Unit]) -> None:
    """Compute what the store lacks, each unit's generator when it is asked for, and describe every
    generator after its last unit at 1x."""
    for unit in tqdm([u for u in units if not path(u).exists()], unit="unit", disable=None):
        compute(unit)
        if (unit.setting, unit.multiple) == (plan.SETTINGS[-1], plan.MULTIPLES[0]):
            described(unit.model, unit.seed)
    described(REFERENCE, plan.SEEDS[0])


def results() -> Path:
    """Where results are committed."""
    return places.committed() / "results"


def collect(units: Iterable[Unit]) -> Path:
    """Bring what is done of `units`, and their generators, into the collected files.

    Collecting the same store again gives the same bytes.
    """
    done = [unit for unit in units if path(unit).exists()]
    runs = sorted({(unit.model, unit.seed) for unit in done if unit.model})
    generators = {run: told(*run) for run in runs}
    for run in [*runs, (REFERENCE, plan.SEEDS[0])]:
        if _described(*run).exists():
            generators[run] = generators.get(run, {}) | described(*run)
    rows = [
        (*asdict(unit).values(), metric, f"{value:.6g}")
        for unit in sorted(done)
        for metric, value in sorted(compute(unit).items())
    ]
    rows += [
        ("generator", model, 0, seed, "", metric, f"{value:.6g}")
        for (model, seed), metrics in sorted(generators.items())
        for metric, value in sorted(metrics.items())
    ]
    with files.atomic(results() / f"{NAME}.csv", "w") as file:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(file, index=False, lineterminator="\n")
    files.write_arrays(results() / f"{NAME}.npz", pictures(runs))
    about = {
        "checksum": _checksum(),
        "units": len(done),
        "planned": len(plan.units()),
        "presets": {model: asdict(plan.preset(model)) for model in plan.MODELS},
        "classifier": {"steps": plan.STEPS, "batch": plan.BATCH, "every": plan.EVERY},
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "host": host.host(),
    }
    kept = files.read_json(results() / f"{NAME}.json") or {}
    if {k: v for k, v in kept.items() if k != "date"} != about:
        about["date"] = datetime.date.today().isoformat()
        files.write_json(results() / f"{NAME}.json", about)
    return results() / f"{NAME}.csv"


def pictures(runs: Iterable[tuple[str, int]]) -> dict[str, np.ndarray]:
    """Images of seed 0 for figures: uint8 [classes, n, S, S, 3] of each model, and of each the
    nearest pairs [classes, 2, S, S, 3], a synthetic image and the training image it is nearest to.
    """
    data = datasets.load(plan.DATASET)
    shown = {"real": _shown(data.test_images, data.test_labels)}
    shown["nearest/real"] = _nearest(data, TrainingSet(data.test_images, data.test_labels))
    for model, seed in runs:
        if seed == plan.SEEDS[0]:
            made = synthetic(model, seed)
            shown[model] = _shown(*made)
            shown[f"nearest/{model}"] = _nearest(data, made)
    return shown


def _shown(images: Tensor, labels: Tensor) -> np.ndarray:
    rows = [torch.nonzero(labels == c).flatten()[:SHOWN] for c in labels.unique()]
    return np.stack([to_bytes(images[part]) for part in rows])


def _nearest(data: Dataset, made: TrainingSet) -> np.ndarray:
    """Of the first `COMPARED` images of each class the nearest to any training image, and that."""
    pairs = []
    for c in range(len(data.classes)):
        images = made.images[made.labels == c][:COMPARED]
        distances, rows = privacy.nearest(images, data.train_images)
        least = int(distances.argmin())
        pair = torch.stack([images[least], data.train_images[rows[least]]])
        pairs.append(to_bytes(pair))
    return np.stack(pairs)
