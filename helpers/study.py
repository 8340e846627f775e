"""The study: a grid of cells (data set, model, arm, sigma, seed, scale), each computed and kept.

No Free Lunch, section 4: each cell trains its model on the full, the victim and the ablated set
(the roles) and measures the three synthetic sets. Cells are the unit of parallel work; roles are
the unit of resumption.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import accounting, assets, datasets, evaluation, models, presets, store, training
from .datasets import Dataset, Neighbours, Sample
from .randomness import generator as stream

ROLES = ("full", "victim", "ablated")
VERSION = 1  # raise when training changes its meaning: trained cells are then trained again


@dataclass(frozen=True, order=True)
class Cell:
    """One point of the grid; sigma is 0 in the arms `sgd` and `clipped`."""

    dataset: str
    model: str
    arm: str
    sigma: float
    seed: int
    scale: str

    def __post_init__(self):
        if self.dataset not in datasets.NAMES:
            allowed = ", ".join(datasets.NAMES)
            raise ValueError(f"data set {self.dataset!r} is unknown; allowed: {allowed}")
        presets.preset(self.model, self.scale)
        training.check_arm(self.arm, self.sigma)
        stream(self.seed, "check")

    @property
    def name(self) -> str:
        """The cell without its data set, e.g. `vae-0.1-s0-compact`."""
        level = f"{self.sigma:g}" if self.arm == "dp" else self.arm
        return f"{self.model}-{level}-s{self.seed}-{self.scale}"

    @property
    def preset(self) -> Any:
        """The model's hyper-parameters."""
        return presets.preset(self.model, self.scale)

    @property
    def evaluation(self) -> presets.Evaluation:
        """How the cell is measured."""
        return presets.EVALUATIONS[self.scale]

    def training_key(self, checksum: str) -> str:
        """Changes with anything that decides the cell's trainings; `checksum` is the data's."""
        return store.content_hash(
            VERSION,
            self,
            self.preset,
            self.evaluation.per_class,
            presets.PRIVATE_PER_CLASS,
            checksum,
        )

    def measurement_key(self, checksum: str) -> str:
        """Changes with anything that decides the cell's metrics."""
        return store.content_hash(evaluation.VERSION, self.training_key(checksum), self.evaluation)


def grid(
    dataset: str,
    model_names: Sequence[str],
    sigmas: Sequence[str | float],
    seeds: Sequence[int],
    scale: str,
) -> list[Cell]:
    """All cells of a slice, sorted. `sigmas` holds "sgd", "clipped" and noise multipliers > 0.

    Raises `ValueError` for an empty axis or an element that is not allowed.
    """
    for axis, values in {"models": model_names, "sigmas": sigmas, "seeds": seeds}.items():
        if isinstance(values, str) or not values:
            raise ValueError(f"{axis} is {values!r}; it must be a list with at least one element")
    levels = [parse_sigma(s) for s in sigmas]
    cells = {
        Cell(dataset, model, arm, sigma, seed, scale)
        for model in model_names
        for arm, sigma in levels
        for seed in seeds
    }
    return sorted(cells)


def parse_sigma(value: str | float) -> tuple[str, float]:
    """An element of the axis `sigmas` as (arm, sigma): "sgd", "clipped" or a number > 0."""
    if value in ("sgd", "clipped"):
        return str(value), 0.0
    try:
        sigma = float(value)
    except (TypeError, ValueError):
        sigma = float("nan")
    if not 0 < sigma < float("inf"):
        raise ValueError(f"sigma {value!r} is not allowed; give 'sgd', 'clipped' or a number > 0")
    return "dp", sigma


def folder(cell: Cell, dataset: Dataset) -> Path:
    """Where the cell's runs and measures are kept."""
    return runs_root() / cell.dataset / f"{cell.name}-{cell.training_key(dataset.checksum)}"


def runs_root() -> Path:
    """The folder of the store."""
    return assets.root() / "runs"


def run_cell(cell: Cell) -> dict[str, Any]:
    """The cell's record, computed on one thread as far as the store lacks it.

    A record has `metrics` (name -> number), `key`, and how long it took: `core_seconds`, of
    which `training_core_seconds`, and `images_per_second` of the sampler.
    """
    dataset = datasets.load(cell.dataset)
    if (record := read_record(cell, dataset)) is not None:
        return record
    with _one_thread():
        return _compute(cell, dataset)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums depend on how many threads share them: a cell's result must not."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _compute(cell: Cell, dataset: Dataset) -> dict[str, Any]:
    """Train what is missing of the cell, measure it and keep both."""
    sets = datasets.neighbours(
        dataset, presets.PRIVATE_PER_CLASS, generator=stream(cell.seed, "few-shot")
    )
    runs = {role: _role(cell, dataset, role, getattr(sets, role)) for role in ROLES}
    training_seconds = sum(float(run["core_seconds"]) for run in runs.values())
    began = time.process_time()
    measured = _measure(cell, dataset, sets, runs)
    measuring_seconds = time.process_time() - began
    place = folder(cell, dataset)
    history = {k: v for k, v in runs["full"].items() if k.startswith("history/")}
    store.write_arrays(place / "arrays.npz", measured.arrays | history)
    record = {
        "arrays": store.file_hash(place / "arrays.npz"),
        "key": cell.measurement_key(dataset.checksum),
        "metrics": measured.metrics,
        "core_seconds": round(training_seconds + measuring_seconds, 1),
        "training_core_seconds": round(training_seconds, 1),
        "images_per_second": round(float(runs["full"]["images_per_second"]), 1),
    }
    store.write_json(place / "metrics.json", record)
    return record


def read_record(cell: Cell, dataset: Dataset) -> dict[str, Any] | None:
    """The cell's record if it is done under the present presets, else `None`."""
    place = folder(cell, dataset)
    record = store.read_json(place / "metrics.json")
    if not isinstance(record, dict) or record.get("key") != cell.measurement_key(dataset.checksum):
        return None
    return record if store.intact(place / "arrays.npz", record["arrays"]) else None


def read_arrays(cell: Cell, dataset: Dataset) -> dict[str, np.ndarray] | None:
    """What the cell keeps for figures, if it is done."""
    return store.read_arrays(folder(cell, dataset) / "arrays.npz")


def _role(cell: Cell, dataset: Dataset, role: str, records: Sample) -> dict[str, np.ndarray]:
    """One training and its synthetic set, from the store if it is there."""
    path = folder(cell, dataset) / f"{role}.npz"
    if (run := store.read_arrays(path)) is not None:
        return run
    run = train_role(cell, records, classes=len(dataset.classes))
    store.write_arrays(path, run)
    return run


def train_role(cell: Cell, records: Sample, *, classes: int) -> dict[str, np.ndarray]:
    """Train the cell's model on `records` and sample it, class by class.

    The roles of a cell share initial weights, noise and sampling draws. Returns `images` uint8
    [N, 28, 28], `labels`, the weights under `weights/`, the history under `history/` and times.
    """
    began = time.process_time()
    model = models.build(
        cell.model, cell.scale, classes=classes, generator=stream(cell.seed, "weights")
    )
    fitted = training.fit(
        model,
        records,
        arm=cell.arm,
        sigma=cell.sigma,
        training=cell.preset.training,
        slots=classes * presets.PRIVATE_PER_CLASS,
        seed=cell.seed,
    )
    labels = torch.arange(classes).repeat_interleave(cell.evaluation.per_class)
    trained = time.process_time()
    images = fitted.model.sample(labels, generator=stream(cell.seed, "samples"))
    sampled = time.process_time()
    run = {
        "images": (images[:, 0] * 255).round().byte().numpy(),
        "labels": labels.numpy(),
        "core_seconds": np.float64(sampled - began),
        "images_per_second": np.float64(len(labels) / max(sampled - trained, 1e-9)),
    }
    weights = fitted.model.state_dict().items()
    run |= {f"weights/{name}": value.numpy() for name, value in weights}
    return run | {f"history/{name}": np.array(row) for name, row in fitted.history.items()}


def _measure(cell: Cell, dataset: Dataset, sets: Neighbours, runs) -> evaluation.Measured:
    """The measures of the synthetic sets, and what the accountant says of the training."""

    def images(role: str) -> torch.Tensor:
        return torch.from_numpy(runs[role]["images"]).float().div(255).unsqueeze(1)

    synthetic = evaluation.Synthetic(
        *(images(role) for role in ROLES), torch.from_numpy(runs["full"]["labels"])
    )
    measured = evaluation.measure(
        dataset, sets, synthetic, evaluation=cell.evaluation, seed=cell.seed
    )
    metrics = measured.metrics | accounted(cell, classes=len(dataset.classes))
    return evaluation.Measured(evaluation.check_metrics(metrics), measured.arrays)


def accounted(cell: Cell, *, classes: int) -> dict[str, float]:
    """The accountant's epsilon, the noised parameters and the noise-to-signal ratio of a cell.

    Epsilon is infinite, and left out, in the arms `sgd` and `clipped`.
    """
    model = models.build(cell.model, cell.scale, classes=classes, generator=stream(0, "count"))
    size = models.count_parameters(model.noised)
    run = cell.preset.training
    batch = run.sample_rate * classes * presets.PRIVATE_PER_CLASS
    ratio = accounting.noise_to_signal(cell.sigma, parameters=size, expected_batch=batch)
    metrics = {"noised_parameters": float(size), "noise_to_signal": ratio}
    if cell.arm == "dp":
        metrics |= {
            f"epsilon_{delta:.0e}".replace("e-0", "e-"): accounting.epsilon(
                cell.sigma, steps=run.steps, sample_rate=run.sample_rate, delta=delta
            )
            for delta in presets.DELTAS
        }
    return metrics
