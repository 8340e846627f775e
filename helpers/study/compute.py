"""The study: a grid of cells (data set, model, arm, sigma, seed, scale), each computed and kept.

No Free Lunch, section 4: each cell trains its model on the full, the victim and the ablated set,
and on the full set without the query (the roles), and measures the synthetic sets. Cells are the
unit of parallel work; roles are the unit of resumption.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import assets, datasets, draws, files
from ..data.datasets import Dataset
from ..data.draws import Neighbours, Sample
from ..data.sources import from_bytes, to_bytes
from ..metrics import attacks, measures
from ..metrics.evaluation import DELTAS, PRIVATE_PER_CLASS
from ..models import networks, references
from ..models.interface import Generative
from ..randomness import generator as stream
from ..training import accounting, devices, fit
from . import host
from .cell import ROLES, Cell


def folder(cell: Cell, dataset: Dataset) -> Path:
    """Where the cell's runs and measures are kept."""
    return runs_root() / cell.dataset / f"{cell.name}-{cell.training_key(dataset.checksum)}"


def runs_root() -> Path:
    """The folder of the store."""
    return assets.root() / "runs"


def run_cell(cell: Cell, *, device: str = "auto") -> dict[str, Any]:
    """The cell's record, computed as far as the store lacks it: on one thread, and trainings on
    `device` (see `devices.resolve`).

    A record has `metrics` (name -> number), `key`, and how long it took: `core_seconds`, of
    which `training_core_seconds`, and `images_per_second` of the sampler.
    """
    dataset = datasets.load(cell.dataset)
    if (record := read_record(cell, dataset)) is not None:
        return record
    with host.one_thread():
        return _compute(cell, dataset, devices.resolve(device))


def _compute(cell: Cell, dataset: Dataset, device: torch.device) -> dict[str, Any]:
    """Train what is missing of the cell, measure it and keep both."""
    sets = _neighbours(cell, dataset)
    runs = {role: run_role(cell, dataset, sets, role, device) for role in cell.roles}
    training_seconds = sum(float(run["core_seconds"]) for run in runs.values())
    began = time.process_time()
    measured = _measure(cell, dataset, sets, runs)
    measuring_seconds = time.process_time() - began
    place = folder(cell, dataset)
    history = {k: v for k, v in runs["full"].items() if k.startswith("history/")}
    files.write_arrays(place / "arrays.npz", measured.arrays | history)
    record = {
        "arrays": files.file_hash(place / "arrays.npz"),
        "key": cell.measurement_key(dataset.checksum),
        "metrics": measured.metrics,
        "core_seconds": round(training_seconds + measuring_seconds, 1),
        "training_core_seconds": round(training_seconds, 1),
        "images_per_second": round(float(runs["full"].get("images_per_second", 0.0)), 1),
    }
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


def read_record(cell: Cell, dataset: Dataset) -> dict[str, Any] | None:
    """The cell's record if it is done under the present presets, else `None`."""
    place = folder(cell, dataset)
    record = files.read_json(place / "metrics.json")
    if not isinstance(record, dict) or record.get("key") != cell.measurement_key(dataset.checksum):
        return None
    return record if files.intact(place / "arrays.npz", record["arrays"]) else None


def read_arrays(cell: Cell, dataset: Dataset) -> dict[str, np.ndarray] | None:
    """What the cell keeps for figures, if it is done."""
    return files.read_arrays(folder(cell, dataset) / "arrays.npz")


def run_role(
    cell: Cell, dataset: Dataset, sets: Neighbours, role: str, device: torch.device
) -> dict[str, np.ndarray]:
    """One run's synthetic set (and weights, if it trains), from the store if it is there."""
    path = folder(cell, dataset) / f"{role}.npz"
    if (run := files.read_arrays(path)) is not None:
        return run
    records, places = getattr(sets, role), None
    if role == "omitted":  # the others keep their slots, and with them their random draws
        places = torch.isin(sets.full.index, records.index).nonzero()[:, 0]
    if cell.is_reference:
        run = _draw_role(cell, dataset, records)
    else:
        classes = len(dataset.classes)
        run = train_role(cell, records, classes=classes, places=places, device=device)
    files.write_arrays(path, run)
    return run


def _asked(cell: Cell, classes: int) -> torch.Tensor:
    """The labels that a cell's synthetic images are asked for, sorted."""
    return torch.arange(classes).repeat_interleave(cell.evaluation.per_class)


def _draw_role(cell: Cell, dataset: Dataset, records: Sample) -> dict[str, np.ndarray]:
    """The set of a reference generator: `images`, `labels` and the time it took."""
    began = time.process_time()
    labels = _asked(cell, len(dataset.classes))
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
    records: Sample,
    *,
    classes: int,
    places: torch.Tensor | None = None,
    device: torch.device | None = None,
) -> dict[str, np.ndarray]:
    """Train the cell's model on `records`, in the slots `places`, and sample it class by class.

    The roles of a cell share initial weights, noise and sampling draws. Returns `images` uint8
    [N, 28, 28], `labels`, the weights under `weights/`, the history under `history/` and times.
    """
    began = time.process_time()
    model = networks.build(
        cell.model, cell.scale, classes=classes, generator=stream(cell.seed, "weights")
    ).to(device)
    fitted = fit.fit(
        model,
        records,
        arm=cell.arm,
        sigma=cell.sigma,
        training=cell.preset.training,
        slots=classes * PRIVATE_PER_CLASS,
        seed=cell.seed,
        places=places,
    )
    labels = _asked(cell, classes)
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


def _measure(cell: Cell, dataset: Dataset, sets: Neighbours, runs) -> measures.Measured:
    """The measures of the synthetic sets, and what the accountant says of the training."""
    synthetic = measures.Synthetic(
        **{role: from_bytes(runs[role]["images"]) if role in runs else None for role in ROLES},
        labels=torch.from_numpy(runs["full"]["labels"]),
    )
    losses = None if cell.is_reference else _losses(cell, dataset, sets, runs["full"])
    measured = measures.measure(
        dataset, sets, synthetic, losses, evaluation=cell.evaluation, seed=cell.seed
    )
    metrics = measured.metrics
    if not cell.is_reference:
        metrics = metrics | accounted(cell, classes=len(dataset.classes))
    return measures.Measured(measures.check_metrics(metrics), measured.arrays)


def _losses(cell: Cell, dataset: Dataset, sets: Neighbours, run) -> measures.Losses:
    """What the trained model of the full run says of the private and of the hold-out images."""
    model = trained_model(cell, run, classes=len(dataset.classes))
    holdout = draws.holdout(dataset, cell.evaluation.per_class)
    return measures.Losses(
        *(
            attacks.loss_scores(
                model, group.images, group.labels, generator=stream(cell.seed, "evaluation/losses")
            )
            for group in (sets.full, holdout)
        )
    )


def trained_model(cell: Cell, run: dict[str, np.ndarray], *, classes: int) -> Generative:
    """The model of a run, from the weights that `train_role` returned."""
    model = networks.build(cell.model, cell.scale, classes=classes, generator=stream(0, "empty"))
    weights = {k.removeprefix("weights/"): v for k, v in run.items() if k.startswith("weights/")}
    model.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return model.eval()


def accounted(cell: Cell, *, classes: int) -> dict[str, float]:
    """The accountant's epsilon, the noised parameters and the noise-to-signal ratio of a cell.

    Epsilon is infinite, and left out, in the arms `sgd` and `clipped`.
    """
    model = networks.build(cell.model, cell.scale, classes=classes, generator=stream(0, "count"))
    size = networks.count_parameters(model.noised)
    run = cell.preset.training
    batch = run.sample_rate * classes * PRIVATE_PER_CLASS
    ratio = accounting.noise_to_signal(cell.sigma, parameters=size, expected_batch=batch)
    metrics = {"noised_parameters": float(size), "noise_to_signal": ratio}
    if cell.arm == "dp":
        metrics |= {
            f"epsilon_{delta:.0e}".replace("e-0", "e-"): accounting.epsilon(
                cell.sigma, steps=run.steps, sample_rate=run.sample_rate, delta=delta
            )
            for delta in DELTAS
        }
    return metrics
