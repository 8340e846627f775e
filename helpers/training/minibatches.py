"""Training without privacy: several optimisers on shuffled batches, phase by phase.

For models of "Beyond the Generative Learning Trilemma" (arXiv 2504.10555), whose batch statistics,
penalties on gradients and autoencoders leave no gradient of a record to clip. What a phase computes
is the model's (`models.interface.Phase`); here are its batches, its optimisers and its average.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..models.interface import Phase, Unprivate, Update
from ..randomness import generator as stream
from .fit import Adam, Average, Fitted

if TYPE_CHECKING:
    from ..data.draws import Sample

_HISTORY_POINTS = 100  # rows kept per phase
_LEAST = 2  # records, of which BatchNorm can take statistics


def fit(model: Unprivate, records: "Sample", *, seed: int) -> Fitted:
    """Train `model`, on its device and in place, on `records`; returns it in `eval`, and a history
    of columns `step` and `loss`, that of a phase's first update.

    `seed` is that of the streams for batches and for the losses' randomness, drawn on the CPU.
    Raises `ValueError` for fewer than two records, and for a loss that is not finite.
    """
    if len(records.images) < _LEAST:
        raise ValueError(f"{len(records.images)} records; a batch needs {_LEAST} or more")
    images, labels = records.images.to(model.device), records.labels.to(model.device)
    history: dict[str, list[float]] = {"step": [], "loss": []}
    for number, phase in enumerate(model.phases()):
        model.train()
        seen = phase.prepare(images, labels) if phase.prepare else (images, labels)
        drawn = [stream(seed, f"training/{number}/{name}") for name in ("records", "public")]
        losses = _run(phase, *seen, *drawn)
        every, before = max(1, phase.training.steps // _HISTORY_POINTS), len(history["step"])
        start = history["step"][-1] + 1 if before else 0
        history["step"] += [start + step for step in range(0, len(losses), every)]
        history["loss"] += losses[::every]
    return Fitted(model.eval(), history)


def _run(
    phase: Phase, images: Tensor, labels: Tensor, order: torch.Generator, drawn: torch.Generator
) -> list[float]:
    """Train a phase's networks; the losses of its first update, one per step."""
    training, losses = phase.training, []
    average = Average(phase.averaged, training.ema_decay)
    optimisers = [
        Adam(u.network, u.learning_rate, training, training.weight_decay) for u in phase.updates
    ]
    rows = batches(len(images), training.batch, training.steps, generator=order)
    for step, batch in enumerate(rows.to(images.device)):
        found = [
            _update(update, adam, images[batch], labels[batch], step, drawn)
            for update, adam in zip(phase.updates, optimisers, strict=True)
        ]
        average.update()
        losses.append(found[0])
    average.write()
    return losses


def _update(
    update: Update,
    adam: Adam,
    images: Tensor,
    labels: Tensor,
    step: int,
    drawn: torch.Generator,
) -> float:
    """One step of one optimiser; its loss."""
    loss = update.loss(images, labels, step, drawn)
    if not loss.isfinite():
        raise ValueError(f"the loss of step {step} is {loss.item()}; lower the learning rate")
    adam.step(torch.autograd.grad(loss, adam.parameters, materialize_grads=True), step)
    return loss.item()


def batches(n: int, batch: int, steps: int, *, generator: torch.Generator) -> Tensor:
    """Rows [steps, min(batch, n)] of shuffled epochs laid end to end."""
    batch = min(batch, n)
    epochs = -(-steps * batch // n)
    order = torch.cat([torch.randperm(n, generator=generator) for _ in range(epochs)])
    return order[: steps * batch].view(steps, batch)
