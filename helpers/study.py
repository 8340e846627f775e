"""The study: a grid of cells (data set, model, arm, sigma, seed, scale), each computed and kept.

No Free Lunch, section 4: each cell trains its model on the full, the victim and the ablated set,
and on the full set without the query (the roles), and measures the synthetic sets. Cells are the
unit of parallel work; roles are the unit of resumption.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import (
    accounting,
    assets,
    attacks,
    datasets,
    devices,
    evaluation,
    models,
    presets,
    process,
    references,
    store,
    training,
)
from .datasets import Dataset, Neighbours, Sample
from .imagefiles import from_bytes, to_bytes
from .randomness import generator as stream

ROLES = ("full", "victim", "ablated", "omitted")  # the last one if the evaluation asks for it
NO_ARM = "none"  # of the reference generators, which are not trained
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
        if self.is_reference:
            if (self.arm, self.sigma) != (NO_ARM, 0.0):
                raise ValueError(f"{self.model} is not trained: its arm is {NO_ARM!r}, its sigma 0")
        else:
            presets.preset(self.model, self.scale)
            training.check_arm(self.arm, self.sigma)
        stream(self.seed, "check")

    @property
    def name(self) -> str:
        """The cell without its data set, e.g. `vae-0.1-s0-compact`."""
        level = f"{self.sigma:g}" if self.arm == "dp" else self.arm
        return f"{self.model}-{level}-s{self.seed}-{self.scale}"

    @property
    def is_reference(self) -> bool:
        """Whether the images come from a reference generator instead of a trained model."""
        return self.model in references.NAMES

    @property
    def roles(self) -> tuple[str, ...]:
        """What the cell trains, or draws, and measures."""
        return ROLES if self.evaluation.one_of_ten else ROLES[:-1]

    @property
    def preset(self) -> Any:
        """The model's hyper-parameters; `None` for a reference generator."""
        return None if self.is_reference else presets.preset(self.model, self.scale)

    @property
    def evaluation(self) -> presets.Evaluation:
        """How the cell is measured."""
        return presets.evaluation(self.scale, self.dataset, self.model)

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

    Reference generators may be named among the models; they have one cell per seed. Raises
    `ValueError` for an empty axis or an element that is not allowed.
    """
    for axis, values in {"models": model_names, "sigmas": sigmas, "seeds": seeds}.items():
        if isinstance(values, str) or not values:
            raise ValueError(f"{axis} is {values!r}; it must be a list with at least one element")
    levels = [parse_sigma(s) for s in sigmas]
    cells = {
        Cell(dataset, model, *level, seed, scale)
        for model in model_names
        for level in ([(NO_ARM, 0.0)] if model in references.NAMES else levels)
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


def guaranteed(
    dataset: str,
    model_names: Sequence[str],
    epsilons: Sequence[float],
    seeds: Sequence[int],
    scale: str,
) -> list[Cell]:
    """Cells whose accountant's epsilon at delta 1e-3 is at most each target, sorted.

    The noise multiplier is the smallest of three digits that keeps it: another one for each model,
    since they differ in their number of steps.
    """
    cells = [
        cell
        for model in model_names
        for epsilon in epsilons
        for cell in grid(dataset, [model], [_noise_for(model, scale, epsilon)], seeds, scale)
    ]
    return sorted(set(cells))


def _noise_for(model: str, scale: str, epsilon: float) -> float:
    run = presets.preset(model, scale).training
    sigma = accounting.noise_multiplier_for(
        epsilon, steps=run.steps, sample_rate=run.sample_rate, delta=presets.DELTAS[0]
    )
    unit = 10 ** (math.floor(math.log10(sigma)) - 2)
    return float(f"{math.ceil(sigma / unit) * unit:.3g}")


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
    with process.one_thread():
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
    store.write_arrays(place / "arrays.npz", measured.arrays | history)
    record = {
        "arrays": store.file_hash(place / "arrays.npz"),
        "key": cell.measurement_key(dataset.checksum),
        "metrics": measured.metrics,
        "core_seconds": round(training_seconds + measuring_seconds, 1),
        "training_core_seconds": round(training_seconds, 1),
        "images_per_second": round(float(runs["full"].get("images_per_second", 0.0)), 1),
    }
    store.write_json(place / "metrics.json", record)
    return record


def full_run(cell: Cell, *, device: str = "auto") -> tuple[dict[str, np.ndarray], Neighbours]:
    """The cell's run on the full set, trained only if the store lacks it, and the cell's sets."""
    dataset = datasets.load(cell.dataset)
    sets = _neighbours(cell, dataset)
    with process.one_thread():
        return run_role(cell, dataset, sets, "full", devices.resolve(device)), sets


def _neighbours(cell: Cell, dataset: Dataset) -> Neighbours:
    drawn = stream(cell.seed, "few-shot")
    return datasets.neighbours(dataset, presets.PRIVATE_PER_CLASS, generator=drawn)


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


def run_role(
    cell: Cell, dataset: Dataset, sets: Neighbours, role: str, device: torch.device
) -> dict[str, np.ndarray]:
    """One run's synthetic set (and weights, if it trains), from the store if it is there."""
    path = folder(cell, dataset) / f"{role}.npz"
    if (run := store.read_arrays(path)) is not None:
        return run
    records, places = getattr(sets, role), None
    if role == "omitted":  # the others keep their slots, and with them their random draws
        places = torch.isin(sets.full.index, records.index).nonzero()[:, 0]
    if cell.is_reference:
        run = _draw_role(cell, dataset, records)
    else:
        classes = len(dataset.classes)
        run = train_role(cell, records, classes=classes, places=places, device=device)
    store.write_arrays(path, run)
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
        n_per_class=presets.PRIVATE_PER_CLASS,
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
    model = models.build(
        cell.model, cell.scale, classes=classes, generator=stream(cell.seed, "weights")
    ).to(device)
    fitted = training.fit(
        model,
        records,
        arm=cell.arm,
        sigma=cell.sigma,
        training=cell.preset.training,
        slots=classes * presets.PRIVATE_PER_CLASS,
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


def _measure(cell: Cell, dataset: Dataset, sets: Neighbours, runs) -> evaluation.Measured:
    """The measures of the synthetic sets, and what the accountant says of the training."""
    synthetic = evaluation.Synthetic(
        **{role: from_bytes(runs[role]["images"]) if role in runs else None for role in ROLES},
        labels=torch.from_numpy(runs["full"]["labels"]),
    )
    losses = None if cell.is_reference else _losses(cell, dataset, sets, runs["full"])
    measured = evaluation.measure(
        dataset, sets, synthetic, losses, evaluation=cell.evaluation, seed=cell.seed
    )
    metrics = measured.metrics
    if not cell.is_reference:
        metrics = metrics | accounted(cell, classes=len(dataset.classes))
    return evaluation.Measured(evaluation.check_metrics(metrics), measured.arrays)


def _losses(cell: Cell, dataset: Dataset, sets: Neighbours, run) -> evaluation.Losses:
    """What the trained model of the full run says of the private and of the hold-out images."""
    model = trained_model(cell, run, classes=len(dataset.classes))
    holdout = datasets.holdout(dataset, cell.evaluation.per_class)
    return evaluation.Losses(
        *(
            attacks.loss_scores(
                model, group.images, group.labels, generator=stream(cell.seed, "evaluation/losses")
            )
            for group in (sets.full, holdout)
        )
    )


def trained_model(cell: Cell, run: dict[str, np.ndarray], *, classes: int) -> models.Generative:
    """The model of a run, from the weights that `train_role` returned."""
    model = models.build(cell.model, cell.scale, classes=classes, generator=stream(0, "empty"))
    weights = {k.removeprefix("weights/"): v for k, v in run.items() if k.startswith("weights/")}
    model.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return model.eval()


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
