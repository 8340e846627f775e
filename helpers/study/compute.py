"""Computing one cell: train what is missing of it, measure what is missing, keep both."""

import time
from collections.abc import Collection
from typing import Any

import numpy as np
import torch

from ..data import datasets, draws, files
from ..data.datasets import Dataset
from ..data.draws import Neighbours
from ..data.sources import from_bytes, to_bytes
from ..metrics import attacks, measures
from ..metrics.evaluation import EVALUATIONS, ROLES
from ..metrics.measures import Measured, Subject
from ..models import families, networks
from ..models.interface import Generative, Shape
from ..randomness import generator as stream
from ..training import devices
from . import host, store, trainings
from .cell import Cell


def run_cell(cell: Cell, *, device: str = "auto", measures: Collection[str] = ()) -> dict[str, Any]:
    """The cell's record, computed as far as the store lacks it: on one thread, and networks on
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
    place, sets = store.folder(cell, dataset.checksum), trainings.neighbours(cell, dataset)
    needed = cell.roles_for(names)
    runs = {role: trainings.run_role(cell, dataset, sets, role, device) for role in needed}
    others = [files.read_arrays(place / f"{role}.npz") for role in cell.roles if role not in needed]
    trained = [*runs.values(), *(run for run in others if run is not None)]
    training_seconds = sum(float(run["core_seconds"]) for run in trained)
    began = time.process_time()
    kept = files.read_arrays(place / "arrays.npz") if store.held(old) else None
    with devices.measuring(device):
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


# Measures


def _subject(cell: Cell, dataset: Dataset, sets: Neighbours, runs, kept) -> Subject:
    """What the cell's measures are taken of."""
    synthetic = measures.Synthetic(
        **{role: from_bytes(runs[role]["images"]) if role in runs else None for role in ROLES},
        labels=trainings.asked_labels(cell, dataset),
    )
    how = {"evaluation": trainings.evaluation(cell, dataset), "seed": cell.seed, "arrays": kept}
    if cell.is_reference:
        return Subject(dataset, sets, synthetic, **how)

    def losses() -> measures.Losses:
        model = trainings.trained_model(cell, dataset, runs["full"]).to(devices.current())
        groups = [(group.images, group.labels) for group in (sets.full, subject.others)]
        return measures.Losses(*(_loss_scores(cell, model, *group) for group in groups))

    trained = private(cell, len(dataset.classes), dataset.shape)
    subject = Subject(dataset, sets, synthetic, losses=losses, private=trained, **how)
    return subject


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
