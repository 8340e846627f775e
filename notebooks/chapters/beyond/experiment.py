"""Generators of a plan and what classifiers learn from them: kept one by one, collected in files.

A generator is trained on the plan's real images; its weights and its images, drawn in sets as large
as the training set, are kept in the store. All can be killed and resumed; `collect` brings what is
done into `data/results/<plan>.csv` (tidy), `.json` (provenance) and `.npz` (small images for
figures).
"""

import datetime
import importlib.metadata
import time
from collections.abc import Iterable, Sequence
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

from . import classifier
from .plan import BATCH, EPOCHS, MODELS, SCALE, SEEDS, SETTINGS, Plan, Unit

VERSION = 1  # raise when a number changes its meaning: all is then computed again
DESCRIPTION = 2  # the same of what `described` gives
SHOWN = 8  # images of a class in figures
COMPARED = 50  # of which the nearest to a training image is shown
JUDGED = 100  # images of each class, at most, that describe a generator
COLUMNS = ("setting", "model", "multiple", "seed", "protocol", "metric", "value")
REFERENCE = "unseen"  # of the generators' measures: what other real images score
_PACKAGES = ("torch", "monai", "numpy", "scipy", "scikit-learn", "adversarial-robustness-toolbox")


# Real images


def real(plan: Plan, seed: int) -> Sample:
    """The training images: all, or so many of each class drawn by the seed."""
    data = datasets.load(plan.dataset)
    if not plan.per_class:
        return _split(data, "train")
    return draws.few_shot(data, plan.per_class, generator=stream(seed, "few-shot"))


def validation(plan: Plan) -> TrainingSet:
    """The validation images: all, or of the public pool so many that TRI's 80/10/10 is kept."""
    data, few = datasets.load(plan.dataset), -(-plan.per_class // 8)
    images, labels, _ = draws.public(data, few) if few else _split(data, "val")
    return TrainingSet(images, labels)


def _split(data: Dataset, split: str) -> Sample:
    images, labels = (getattr(data, f"{split}_{what}") for what in ("images", "labels"))
    return Sample(images, labels, torch.arange(len(labels)))


def _first(everyone: Sample, most: int | Sequence[int], classes: int) -> Sample:
    """The first images of each class, at most so many."""
    counts = [most] * classes if isinstance(most, int) else most
    rows = [torch.nonzero(everyone.labels == c).flatten()[:count] for c, count in enumerate(counts)]
    return Sample(*(part[torch.cat(rows)] for part in everyone))


def _matched(plan: Plan, seed: int) -> tuple[Sample, Sample]:
    """Training and test images, as many of a class of both."""
    data, everyone = datasets.load(plan.dataset), real(plan, seed)
    order = torch.randperm(len(everyone.labels), generator=stream(seed, "members"))
    shuffled = Sample(*(part[order] for part in everyone))
    members = _first(shuffled, data.counts("test"), len(data.classes))
    counts = torch.bincount(members.labels, minlength=len(data.classes)).tolist()
    others = _split(data, "test")
    same = counts == data.counts("test")
    return members, others if same else _first(others, counts, len(data.classes))


# Generators


def trained(plan: Plan, model: str, seed: int) -> dict[str, np.ndarray]:
    """A generator: its `weights/`, its numbers under `metric/` and its losses on `members` and on
    `others`; from the store or trained."""

    def make() -> dict[str, np.ndarray]:
        with host.one_thread():
            return _train(plan, model, seed)

    return files.memo(_root(plan) / f"{_name(plan, model, seed)}.npz", make)


def _train(plan: Plan, model: str, seed: int) -> dict[str, np.ndarray]:
    began = time.process_time()
    fitted = minibatches.fit(_built(plan, model, seed), real(plan, seed), seed=seed).model
    metrics = {
        "training_core_seconds": time.process_time() - began,
        "parameters": networks.count_parameters(fitted),
    }
    if isinstance(fitted, LatentDiffusion):
        test = datasets.load(plan.dataset).test_images
        metrics["autoencoder_l1"] = (fitted.reconstruct(test) - test).abs().mean().item()
    members, others = (
        attacks.loss_scores(fitted, part.images, part.labels, generator=stream(seed, "losses"))
        for part in _matched(plan, seed)
    )
    kept = {f"metric/{name}": np.float64(value) for name, value in metrics.items()}
    weights = {f"weights/{name}": value.numpy() for name, value in fitted.state_dict().items()}
    return kept | weights | {"members": members, "others": others}


def _built(plan: Plan, model: str, seed: int) -> Unprivate:
    about = datasets.DATASETS[plan.dataset]
    how = {"classes": len(about.classes), "shape": about.shape, "preset": plan.preset(model)}
    return networks.build(model, SCALE, generator=stream(seed, "weights"), **how)


def _drawn(plan: Plan, model: str, seed: int, part: str, labels: Tensor) -> dict[str, np.ndarray]:
    """Images uint8 [n, S, S, 3] of a generator, one for each label, and how long they took; from
    the store or drawn."""

    def make() -> dict[str, np.ndarray]:
        with host.one_thread():
            built, run = _built(plan, model, seed), trained(plan, model, seed)
            weights = {k: torch.as_tensor(v) for k, v in run.items() if k.startswith("weights/")}
            built.load_state_dict({k.removeprefix("weights/"): v for k, v in weights.items()})
            began = time.process_time()
            images = built.eval().sample(labels, generator=stream(seed, f"samples/{part}"))
            seconds = time.process_time() - began
        return {"images": to_bytes(images), "seconds": np.float64(seconds)}

    return files.memo(_root(plan) / f"{_name(plan, model, seed)}-{part}.npz", make)


def synthetic(plan: Plan, model: str, seed: int, multiple: int = 1) -> TrainingSet:
    """So many images of a generator for each training image, [N, 3, S, S] in [0, 1]: as many sets
    of the training images' classes, in their order."""
    labels = real(plan, seed).labels
    sets = [_drawn(plan, model, seed, str(part), labels) for part in range(multiple)]
    images = [from_bytes(drawn["images"]) for drawn in sets]
    return TrainingSet(torch.cat(images), labels.repeat(multiple))


def told(plan: Plan, model: str, seed: int) -> dict[str, float]:
    """What a training and its first sampling say of themselves: cost, size, speed, and the AUC of
    an attacker who is shown the losses."""
    run = trained(plan, model, seed)
    images = _drawn(plan, model, seed, "0", real(plan, seed).labels)
    metrics = {k.removeprefix("metric/"): float(v) for k, v in run.items() if "metric/" in k}
    return metrics | {
        "images_per_core_second": len(images["images"]) / float(images["seconds"]),
        "loss_auc": attacks.membership_inference(run["members"], run["others"]).auc,
    }


# What they are like, and give away


def described(plan: Plan, model: str, seed: int) -> dict[str, float]:
    """A generator's fidelity, diversity and privacy; of `REFERENCE`, the test images'."""

    def measure() -> dict[str, float]:
        with host.one_thread():
            return _describe(plan, model, seed)

    return files.memo(_described(plan, model, seed), measure)


def _described(plan: Plan, model: str, seed: int) -> Path:
    return _root(plan) / f"{_name(plan, model, seed)}-described-{DESCRIPTION}.json"


def _describe(plan: Plan, model: str, seed: int) -> dict[str, float]:
    data, train = datasets.load(plan.dataset), real(plan, seed).images
    members, others = _matched(plan, seed)
    test = _first(_split(data, "test"), JUDGED, len(data.classes))
    if model == REFERENCE:  # what is compared with the test images has to be other images
        fresh = _first(_split(data, "train"), JUDGED, len(data.classes))
        return _compared(fresh.images, test.images) | _near(test.images, train, seed)
    made = from_bytes(_drawn(plan, model, seed, "judged", test.labels)["images"])
    shown = torch.cat([synthetic(plan, model, seed).images, made])  # to an attacker
    unseen = privacy.nearest_distances(test.images, train)
    scores = [attacks.distance_scores(part.images, shown) for part in (members, others)]
    return {
        **_compared(made, test.images),
        **_near(made, train, seed),
        "copy_rate": privacy.copy_rate(privacy.nearest_distances(made, train), unseen),
        "membership_auc": attacks.membership_inference(*scores).auc,
    }


def _compared(images: Tensor, test: Tensor) -> dict[str, float]:
    """How images compare with the test images: TRI's precision and recall, a Fréchet distance."""
    fake, unseen = (features.cached(x, features.vgg16_conv5) for x in (images, test))
    distance = fidelity.frechet_distance(unseen, fake)
    return {**fidelity.neighbourhoods(unseen, fake)._asdict(), "fd_vgg16": distance}


def _near(images: Tensor, train: Tensor, seed: int) -> dict[str, float]:
    """How alike images are to their nearest training images."""
    how = {"generator": stream(seed, "ssim"), "n_images": 100, "repeats": 1}
    return {"max_ssim": privacy.max_ssim(images, train, **how)}


# What classifiers learn


def compute(plan: Plan, unit: Unit) -> dict[str, float]:
    """The unit's accuracies and, where it is attacked, what attacks leave; kept in the store."""

    def make() -> dict[str, float]:
        with host.one_thread():
            return _measure(plan, unit)

    return files.memo(path(plan, unit), make)


def _measure(plan: Plan, unit: Unit) -> dict[str, float]:
    data, sample, seed = datasets.load(plan.dataset), real(plan, unit.seed), unit.seed
    images = TrainingSet(sample.images, sample.labels)
    taught = worth.training_set(
        unit.setting,
        images,
        synthetic(plan, unit.model, seed, unit.multiple) if unit.model else images,
        multiple=max(1, unit.multiple),
        generator=stream(seed, f"evaluation/{unit.setting}"),
    )
    began = time.process_time()
    epoch = -(-len(taught.images) // BATCH)
    budget = {"steps": plan.steps, "every": plan.epoch}
    if unit.protocol == "epochs":
        budget = {"steps": EPOCHS * epoch, "every": epoch}
    trained = classifier.train(
        taught,
        validation(plan),
        len(data.classes),
        batch=BATCH,
        generator=stream(seed, "evaluation/classifier"),
        **budget,
    )
    test = TrainingSet(data.test_images, data.test_labels)
    found = {
        "accuracy": utility.accuracy(trained, *test),
        "balanced": utility.class_accuracies(trained, *test).mean().item(),
        "corners": classifier.corner_accuracy(taught, test, seed),
        "steps": float(budget["steps"]),
        "core_seconds": time.process_time() - began,
    }
    return found | (_attacked(trained, data, plan.attacked) if plan.attacks(unit) else {})


def _attacked(trained: nn.Module, data: Dataset, per_class: int) -> dict[str, float]:
    """What attacks leave of a classifier, on as many test images of each class."""
    images, labels, _ = draws.holdout(data, per_class)
    return classifier.attack(trained, TrainingSet(images, labels))._asdict()


# Keeping and collecting


def _root(plan: Plan) -> Path:
    return places.root() / "runs" / plan.name


def _name(plan: Plan, model: str, seed: int) -> str:
    """Of a generator's files; it ends in a hash of all that decides them."""
    preset = None if model == REFERENCE else plan.preset(model)
    return f"{model}-{seed}-{files.content_hash(_checksum(plan), VERSION, preset)}"


def _checksum(plan: Plan) -> str:
    return datasets.identity(plan.dataset).checksum


def path(plan: Plan, unit: Unit) -> Path:
    """Where a unit's numbers are kept; the name ends in a hash of all that decides them."""
    preset = plan.preset(unit.model) if unit.model else None
    budget = plan.steps, BATCH, plan.epoch, EPOCHS, plan.attacked, classifier.EPSILON
    key = files.content_hash(_checksum(plan), VERSION, asdict(unit), preset, *budget)
    name = "-".join(str(part) for part in asdict(unit).values() if part != "")
    return _root(plan) / "units" / f"{name}-{key}.json"


def run(plan: Plan, units: Sequence[Unit]) -> None:
    """Compute what the store lacks, each unit's generator when it is asked for, and describe every
    generator after its last unit at 1x."""
    for unit in tqdm(units, unit="unit", disable=None):
        compute(plan, unit)
        if (unit.setting, unit.multiple) == (SETTINGS[-1], plan.multiples[0]):
            described(plan, unit.model, unit.seed)
    described(plan, REFERENCE, SEEDS[0])


def results(plan: Plan, ending: str) -> Path:
    """Where results are committed."""
    return places.committed() / "results" / f"{plan.name}.{ending}"


def collected(plans: Iterable[Plan]) -> list[Plan]:
    """Those of which something is collected."""
    return [plan for plan in plans if results(plan, "csv").exists()]


def collect(plan: Plan) -> Path:
    """Bring what is done of a plan, and its generators, into the collected files.

    Collecting the same store again gives the same bytes.
    """
    done = [unit for unit in plan.units() if path(plan, unit).exists()]
    runs = sorted({(unit.model, unit.seed) for unit in done if unit.model})
    generators = {run: told(plan, *run) for run in runs}
    for run in [*runs, (REFERENCE, SEEDS[0])]:
        if _described(plan, *run).exists():
            generators[run] = generators.get(run, {}) | described(plan, *run)
    rows = [
        (*asdict(unit).values(), metric, f"{value:.6g}")
        for unit in sorted(done)
        for metric, value in sorted(compute(plan, unit).items())
    ]
    rows += [
        ("generator", model, 0, seed, "", metric, f"{value:.6g}")
        for (model, seed), metrics in sorted(generators.items())
        for metric, value in sorted(metrics.items())
    ]
    with files.atomic(results(plan, "csv"), "w") as file:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(file, index=False, lineterminator="\n")
    files.write_arrays(results(plan, "npz"), pictures(plan, runs))
    about = {
        "checksum": _checksum(plan),
        "units": len(done),
        "planned": len(plan.units()),
        "presets": {model: asdict(plan.preset(model)) for model in MODELS},
        "classifier": {"steps": plan.steps, "batch": BATCH, "every": plan.epoch},
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "host": host.host(),
    }
    kept = files.read_json(results(plan, "json")) or {}
    if {k: v for k, v in kept.items() if k != "date"} != about:
        about["date"] = datetime.date.today().isoformat()
        files.write_json(results(plan, "json"), about)
    return results(plan, "csv")


def pictures(plan: Plan, runs: Iterable[tuple[str, int]]) -> dict[str, np.ndarray]:
    """Images of seed 0 for figures: uint8 [classes, n, S, S, 3] of each model, and of each the
    nearest pairs [classes, 2, S, S, 3], a synthetic image and the training image it is nearest to.
    """
    test = _split(datasets.load(plan.dataset), "test")
    train = real(plan, SEEDS[0]).images
    shown = {"real": _shown(test), "nearest/real": _nearest(test, train)}
    for model, seed in runs:
        if seed == SEEDS[0]:
            made = synthetic(plan, model, seed)
            shown[model] = _shown(made)
            shown[f"nearest/{model}"] = _nearest(made, train)
    return shown


def _shown(made: Sample | TrainingSet) -> np.ndarray:
    rows = [torch.nonzero(made.labels == c).flatten()[:SHOWN] for c in made.labels.unique()]
    return np.stack([to_bytes(made.images[part]) for part in rows])


def _nearest(made: Sample | TrainingSet, train: Tensor) -> np.ndarray:
    """Of the first `COMPARED` images of each class the nearest to any training image, and that."""
    pairs = []
    for c in made.labels.unique():
        images = made.images[made.labels == c][:COMPARED]
        distances, rows = privacy.nearest(images, train)
        least = int(distances.argmin())
        pairs.append(to_bytes(torch.stack([images[least], train[rows[least]]])))
    return np.stack(pairs)
