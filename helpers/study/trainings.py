"""Training one cell: a run per role, from the store if it is there; killed ones go on.

This needs PyTorch, NumPy and SciPy alone, so that trainings can be had on a machine with little
else; `compute` measures what they give.
"""

import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch

from ..data import datasets, draws, files
from ..data.datasets import Dataset
from ..data.draws import Neighbours, Sample
from ..data.sources import to_bytes
from ..metrics.evaluation import PRIVATE_PER_CLASS, Evaluation
from ..models import networks, references
from ..models.interface import Generative, Unprivate
from ..models.one_shot import OneShot
from ..randomness import generator as stream
from ..training import devices, fit, minibatches, release
from ..training.checkpoint import Checkpoint
from . import host, store
from .cell import Cell


def runs(
    cell: Cell, roles: Iterable[str], *, device: str = "auto"
) -> tuple[dict[str, dict[str, np.ndarray]], Neighbours]:
    """The cell's runs of these roles, trained as far as the store lacks them, and its sets."""
    dataset, where = datasets.load(cell.dataset), devices.resolve(device)
    sets = neighbours(cell, dataset)
    with host.one_thread():
        return {role: run_role(cell, dataset, sets, role, where) for role in roles}, sets


def neighbours(cell: Cell, dataset: Dataset) -> Neighbours:
    """The sets of private images that the cell's roles train on."""
    drawn = stream(cell.seed, "few-shot")
    return draws.neighbours(dataset, _private_per_class(dataset), generator=drawn)


def _private_per_class(dataset: Dataset) -> int:
    """Ten, or of data of one's own as many as the rarest class has for training."""
    return min(PRIVATE_PER_CLASS, *dataset.counts("train"))


def run_role(
    cell: Cell, dataset: Dataset, sets: Neighbours, role: str, device: torch.device
) -> dict[str, np.ndarray]:
    """One run's synthetic set (and weights, if it trains), from the store if it is there.

    A training that was killed goes on from its checkpoint beside the run, which goes with its end.
    """
    records, places = getattr(sets, role), _places(sets, role)
    place, key = store.folder(cell, dataset.checksum), cell.training_key(dataset.checksum)
    checkpoint = Checkpoint(store.checkpoint_path(place, role), key, role, device=device)

    def make() -> dict[str, np.ndarray]:
        if cell.is_reference:
            return _draw_role(cell, dataset, records)
        how = {"places": places, "device": device, "checkpoint": checkpoint}
        return train_role(cell, dataset, records, **how)

    run = files.memo(place / f"{role}.npz", make)
    checkpoint.remove()
    return run


def _places(sets: Neighbours, role: str) -> torch.Tensor:
    """The slots of a role's records: of neighbouring roles, those of the records they share."""
    records = getattr(sets, role)
    if role == "omitted":  # a neighbour of the full set, in whose middle it has an empty slot
        return torch.isin(sets.full.index, records.index).nonzero()[:, 0]
    return torch.arange(len(records.index))  # the query is the last one of the victim


def asked_labels(cell: Cell, dataset: Dataset) -> torch.Tensor:
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
    labels = asked_labels(cell, dataset)
    images = references.images(
        cell.model,
        dataset,
        records,
        labels,
        n_per_class=_private_per_class(dataset),
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
    checkpoint: Checkpoint | None = None,
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
            checkpoint=checkpoint,
        )
    labels = asked_labels(cell, dataset)
    trained = time.process_time()
    images = fitted.model.sample(labels, generator=stream(cell.seed, "samples"))
    sampled = time.process_time()
    run = {
        "images": to_bytes(images),
        "labels": labels.numpy(),
        "core_seconds": np.float64(fitted.earlier_seconds + sampled - began),
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
