"""Computing one cell: train what is missing of it, measure what is missing, keep both."""

import time
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..data import datasets, draws, files
from ..data.datasets import Dataset
from ..data.draws import Neighbours, Sample
from ..data.sources import from_bytes, to_bytes
from ..metrics import attacks, measures
from ..metrics.evaluation import EVALUATIONS, PRIVATE_PER_CLASS, ROLES, Evaluation
from ..metrics.measures import Measured, Subject
from ..models import families, networks, references
from ..models.interface import Generative, Shape, Unprivate
from ..models.one_shot import OneShot
from ..randomness import generator as stream
from ..training import devices, fit, minibatches, release
from . import host, store
from .cell import Cell


def run_cell(cell: Cell, *, device: str = "auto", measures: Collection[str] = ()) -> dict[str, Any]:
    """The cell's record, computed as far as the store lacks it: on one thread, and trainings on
    `device` (see `devices.resolve`); of the `measures` that are named, or of all if none are.

    A record has `metrics` (name -> number), `key`, and how long it took: `core_seconds`, of
    which `training_core_seconds`, and `images_per_second` of the sampler.
    """
    dataset = datasets.load(cell.dataset)
    record = store.record(cell, dataset.checksum)
    names = store.lacking(record or _NOTHING, measures)
    if record is not None and not names:
        return record
    with host.one_thread():
        return _compute(cell, dataset, devices.resolve(device), record or _NOTHING, names)


# The record of a cell of which nothing is measured.
_NOTHING = {
    "metrics": {},
    "measures": store.versions(()),
    "core_seconds": 0.0,
    "training_core_seconds": 0.0,
    "images_per_second": 0.0,
}


def _compute(
    cell: Cell, dataset: Dataset, device: torch.device, old: dict[str, Any], names: list[str]
) -> dict[str, Any]:
    """The cell's new record: the measures `names`, and what the `old` one holds of others."""
    place, sets = store.folder(cell, dataset.checksum), _neighbours(cell, dataset)
    needed = cell.roles_for(names)
    runs = {role: run_role(cell, dataset, sets, role, device) for role in needed}
    others = [files.read_arrays(place / f"{role}.npz") for role in cell.roles if role not in needed]
    trained = [*runs.values(), *(run for run in others if run is not None)]
    training_seconds = sum(float(run["core_seconds"]) for run in trained)
    began = time.process_time()
    kept = files.read_arrays(place / "arrays.npz") if store.held(old) else None
    measured = measures.take(names, _subject(cell, dataset, sets, runs, kept or {}))
    measuring_seconds = time.process_time() - began
    full = runs.get("full", {})
    history = {k: v for k, v in full.items() if k.startswith("history/")}
    files.write_arrays(place / "arrays.npz", (kept or {}) | measured.arrays | history)
    before = old["core_seconds"] - old["training_core_seconds"]
    speed = float(full.get("images_per_second", old["images_per_second"]))
    record = {
        "arrays": files.file_hash(place / "arrays.npz"),
        "key": cell.measurement_key(dataset.checksum),
        "metrics": store.without(store.current(old), names) | measured.metrics,
        "core_seconds": round(training_seconds + before + measuring_seconds, 1),
        "training_core_seconds": round(training_seconds, 1),
        "images_per_second": round(speed, 1),
    }
    if versions := store.versions([*store.held(old), *names]):
        record["measures"] = versions
    files.write_json(place / "metrics.json", record)
    return record


def full_run(cell: Cell, *, device: str = "auto") -> tuple[dict[str, np.ndarray], Neighbours]:
    """The cell's run on the full set, trained only if the store lacks it, and the cell's sets."""
    dataset = datasets.load(cell.dataset)
    sets = _neighbours(cell, dataset)
    with host.one_thread():
        return run_role(cell, dataset, sets, "full", devices.resolve(device)), sets


def _neighbours(cell: Cell, dataset: Dataset) -> Neighbours:
    drawn = stream(cell.seed, "few-shot")
    return draws.neighbours(dataset, PRIVATE_PER_CLASS, generator=drawn)


# Trainings


def run_role(
    cell: Cell, dataset: Dataset, sets: Neighbours, role: str, device: torch.device
) -> dict[str, np.ndarray]:
    """One run's synthetic set (and weights, if it trains), from the store if it is there."""
    records, places = getattr(sets, role), _places(sets, role)

    def make() -> dict[str, np.ndarray]:
        if cell.is_reference:
            return _draw_role(cell, dataset, records)
        return train_role(cell, dataset, records, places=places, device=device)

    return files.memo(store.folder(cell, dataset.checksum) / f"{role}.npz", make)


def _places(sets: Neighbours, role: str) -> torch.Tensor:
    """The slots of a role's records: of neighbouring roles, those of the records they share."""
    records = getattr(sets, role)
    if role == "omitted":  # a neighbour of the full set, in whose middle it has an empty slot
        return torch.isin(sets.full.index, records.index).nonzero()[:, 0]
    return torch.arange(len(records.index))  # the query is the last one of the victim


def _asked(cell: Cell, dataset: Dataset) -> torch.Tensor:
    """The labels that a cell's synthetic images are asked for, sorted."""
    per_class = evaluation(cell, dataset).per_class
    return torch.arange(len(dataset.classes)).repeat_interleave(per_class)


def evaluation(cell: Cell, dataset: Dataset) -> Evaluation:
    """How the cell is measured: no more images per class than the test split has."""
    asked, there = cell.evaluation, min(dataset.counts("test"))
    per_class = min(asked.per_class, there)
    neighbors = min(asked.neighbors, per_class)
    return replace(
        asked, per_class=per_class, neighbors=neighbors, attacked=min(asked.attacked, there)
    )


def _draw_role(cell: Cell, dataset: Dataset, records: Sample) -> dict[str, np.ndarray]:
    """The set of a reference generator: `images`, `labels` and the time it took."""
    began = time.process_time()
    labels = _asked(cell, dataset)
    images = references.images(
        cell.model,
        dataset,
        records,
        labels,
        n_per_class=PRIVATE_PER_CLASS,
        generator=stream(cell.seed, "few-shot"),
    )
    seconds = np.float64(time.process_time() - began)
    return {"images": to_bytes(images), "labels": labels.numpy(), "core_seconds": seconds}


def train_role(
    cell: Cell,
    dataset: Dataset,
    records: Sample,
    *,
    places: torch.Tensor,
    device: torch.device | None = None,
) -> dict[str, np.ndarray]:
    """Train the cell's model on `records`, in the slots `places`, and sample it class by class.

    The roles of a cell share initial weights, noise and sampling draws. Returns `images` uint8 [N,
    S, S] or, in colour, [N, S, S, 3], `labels`, the weights under `weights/`, the history under
    `history/` and times.
    """
    began = time.process_time()
    model = _build(cell, dataset, "weights", cell.seed).to(device)
    if isinstance(model, OneShot):
        fitted = release.fit(model, records, sigma=cell.sigma, seed=cell.seed)
    elif isinstance(model, Unprivate):
        fitted = minibatches.fit(model, records, seed=cell.seed)
    else:
        fitted = fit.fit(
            model,
            records,
            arm=cell.arm,
            sigma=cell.sigma,
            training=cell.preset.training,
            slots=len(dataset.classes) * PRIVATE_PER_CLASS,
            seed=cell.seed,
            places=places,
        )
    labels = _asked(cell, dataset)
    trained = time.process_time()
    images = fitted.model.sample(labels, generator=stream(cell.seed, "samples"))
    sampled = time.process_time()
    run = {
        "images": to_bytes(images),
        "labels": labels.numpy(),
        "core_seconds": np.float64(sampled - began),
        "images_per_second": np.float64(len(labels) / max(sampled - trained, 1e-9)),
    }
    weights = fitted.model.state_dict().items()
    run |= {f"weights/{name}": value.cpu().numpy() for name, value in weights}
    return run | {f"history/{name}": np.array(row) for name, row in fitted.history.items()}


def _build(cell: Cell, dataset: Dataset, purpose: str, seed: int = 0) -> Generative:
    classes, drawn = len(dataset.classes), stream(seed, purpose)
    return networks.build(
        cell.model, cell.scale, classes=classes, shape=dataset.shape, generator=drawn
    )


def trained_model(cell: Cell, dataset: Dataset, run: dict[str, np.ndarray]) -> Generative:
    """The model of a run, from the weights that `train_role` returned."""
    model = _build(cell, dataset, "empty")
    weights = {k.removeprefix("weights/"): v for k, v in run.items() if k.startswith("weights/")}
    model.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return model.eval()


# Measures


def _subject(cell: Cell, dataset: Dataset, sets: Neighbours, runs, kept) -> Subject:
    """What the cell's measures are taken of."""
    synthetic = measures.Synthetic(
        **{role: from_bytes(runs[role]["images"]) if role in runs else None for role in ROLES},
        labels=_asked(cell, dataset),
    )
    how = {"evaluation": evaluation(cell, dataset), "seed": cell.seed, "arrays": kept}
    if cell.is_reference:
        return Subject(dataset, sets, synthetic, **how)

    def losses() -> measures.Losses:
        model = trained_model(cell, dataset, runs["full"])
        holdout = draws.holdout(dataset, how["evaluation"].per_class)
        groups = [(group.images, group.labels) for group in (sets.full, holdout)]
        return measures.Losses(*(_loss_scores(cell, model, *group) for group in groups))

    trained = private(cell, len(dataset.classes), dataset.shape)
    return Subject(dataset, sets, synthetic, losses=losses, private=trained, **how)


def of_arrays(cell: Cell, names: list[str], arrays: dict[str, np.ndarray]) -> Measured:
    """The measures of what is kept of a cell: they need neither its images nor its data set."""
    trained = None
    if not cell.is_reference and "samples" in arrays:
        classes, shape = len(arrays["samples"]), from_bytes(arrays["samples"][0]).shape[1:]
        trained = private(cell, classes, tuple(shape))
    how = {"evaluation": cell.evaluation, "seed": cell.seed, "arrays": arrays}
    return measures.take(names, Subject(None, None, None, private=trained, **how))


def _loss_scores(cell: Cell, model: Generative, images, labels) -> np.ndarray:
    drawn = stream(cell.seed, "evaluation/losses")
    return attacks.loss_scores(model, images, labels, generator=drawn)


def private(cell: Cell, classes: int, shape: Shape) -> measures.Private:
    """How privately the cell's model is trained, of images of a shape in so many classes."""
    how = {"classes": classes, "shape": shape, "generator": stream(0, "count")}
    size = networks.count_parameters(networks.build(cell.model, cell.scale, **how).noised)
    leaks = families.unaccounted(cell.preset)
    return measures.Private(cell.arm, cell.sigma, cell.preset.training, size, classes, leaks)


def reference(dataset: Dataset, scale: str) -> dict[str, np.ndarray]:
    """A few real images per class, and the public pool on its own Isomap plane.

    Without a public pool the images are of the hold-out; with too small a one there is no plane.
    """
    n_public, asked = dataset.public_per_class, EVALUATIONS[scale]
    n_shown = min(measures.SHOWN_PER_CLASS, n_public or min(dataset.counts("test")))
    shown = (draws.public if n_public else draws.holdout)(dataset, n_shown)
    points, labels = np.zeros((0, 2), np.float32), np.zeros(0, np.int16)
    if measures.has_plane(dataset, asked):
        pool = draws.public(dataset, n_public)
        points = measures.public_isomap(dataset, asked).transform(pool.images).astype(np.float32)
        labels = pool.labels.numpy().astype(np.int16)
    images = to_bytes(shown.images)
    return {
        "images": images.reshape(len(dataset.classes), n_shown, *images.shape[1:]),
        "points": points,
        "labels": labels,
        "classes": np.array(dataset.classes),
        "query_class": np.int64(dataset.query_class),
    }
