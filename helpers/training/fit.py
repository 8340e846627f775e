"""Training a generator on private images, the same way in every arm (defect D2).

Arms differ in two numbers only: `sgd` does not clip, `clipped` clips per record without noise, `dp`
clips and adds Gaussian noise. Sampling, optimiser, length and averaging are the preset's. Runs on
neighbouring data sets share their initial weights and every random draw (defect D10).

Every record has a slot; neighbouring data sets differ in one slot, empty in one of them. That
a step of the arm `dp` then is a Gaussian mechanism of noise multiplier sigma, as `accounting` takes
it to be, is seen so. Let R be the step's draws, of all slots, made without a look at the records.
Given R and the weights, the clipped sum is

    S = sum over the sampled slots s that hold a record x_s of f(x_s, R_s),   |f| <= C,

so emptying a slot takes one term out of S, of norm at most C, and changes no other. The noise on S
has standard deviation sigma C in every direction. As R does not depend on the records, S + noise
and R together cost what S + noise costs given R; sampling slots independently is Poisson sampling;
and weights are functions of public draws and of the noised sums so far: adaptive composition.

A record's slot must therefore not depend on which other records are there. Were the records after
a removed one to move up, each of their terms would change too, by up to 2 C. That draws have the
same distribution in every slot does not help: the DDPM's times depend on each other.
"""

import copy
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from ..models import presets
from ..models.interface import Generative
from ..randomness import generator as stream
from . import accounting, dp
from .checkpoint import Checkpoint

if TYPE_CHECKING:  # training asks for its images and labels, not for where samples come from
    from ..data.draws import Sample

_HISTORY_POINTS = 100  # rows kept per training


class Fitted(NamedTuple):
    """A trained model and how its training went."""

    model: Generative
    history: dict[str, list[float]]  # columns step, loss, norm, clipped, snr
    earlier_seconds: float = 0.0  # core time of killed processes that it goes on from


def fit(
    model: Generative,
    records: "Sample",
    *,
    arm: str,
    sigma: float,
    training: presets.Training,
    slots: int,
    seed: int,
    places: Tensor,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Train `model`, on its device and in place, on `records`; returns it with averaged weights,
    and its history. Records are moved to that device; random numbers are drawn on the CPU.

    - `sigma`: noise multiplier; > 0 in the arm `dp`, else 0.
    - `slots`: the public number of records a run is laid out for. It fixes the normaliser and the
      layout of the random draws, so that neighbouring data sets of at most `slots` records see the
      same draws and the same scale whatever their size (defects D6, D10).
    - `places`: the slot of each record [n], distinct, int64. A neighbouring data set is one that
      lacks a record and leaves the others where they are.
    - `seed`: of the streams for sampling records, the losses' randomness, the noise and the rest.
    - `checkpoint`: where the state is kept now and then. A training that finds one goes on from it,
      and ends with the bits of one that was never interrupted.

    Raises `ValueError` for an arm and sigma that do not fit, more records than slots, places that
    are not one slot per record, and a model whose losses clipping cannot bound (`dp.check_losses`).
    """
    accounting.check_arm(arm, sigma)
    if not 0 < len(records.images) <= slots:
        raise ValueError(f"{len(records.images)} records for {slots} slots; give 1 to {slots}")
    if len(places.unique()) != len(records.images) or not 0 <= places.min() <= places.max() < slots:
        raise ValueError(
            f"places are {places.tolist()}; give each record its own in 0..{slots - 1}"
        )
    images, labels = records.images.to(model.device), records.labels.to(model.device)
    records = records._replace(images=images, labels=labels)
    if arm != "sgd":
        _check_losses(model, images, training.draws)
    run = Run(model, training, seed)
    if checkpoint is not None and (state := checkpoint.read()) is not None:
        run.resume(state)
    streams, every = run.streams, max(1, training.steps // _HISTORY_POINTS)
    for step in range(run.step, training.steps):
        gradient = _gradient(model, records, sigma, arm, training, slots, places, streams)
        values = gradient.values
        if run.opponent is not None:
            public = _public_gradient(model, arm, training, streams["public"])
            values = [a + b for a, b in zip(values, public, strict=True)]
        run.private.step(values, step)
        if run.opponent is not None:
            _opponent_step(model, run.opponent, step, streams["public"])
        run.average.update()
        if step % every == 0:
            _record(run, step, gradient, sigma, training.max_grad_norm)
        run.step = step + 1
        if checkpoint is not None and checkpoint.due():
            checkpoint.write(run.state())
    run.average.write()
    return Fitted(model.eval(), run.history, run.earlier)


class Run:
    """A training under way: what a step hands to the next one."""

    def __init__(self, model: Generative, training: presets.Training, seed: int):
        self.model, self.step = model, 0
        self.earlier, self._began = 0.0, time.process_time()
        names = ("records", "noise", "public")
        self.streams = {name: stream(seed, f"training/{name}") for name in names}
        self.private = Adam(model.noised, training.learning_rate, training)
        self.opponent = _opponent(model, training)
        self.average = Average(model.released, training.ema_decay)
        self.history = {name: [] for name in ("step", "loss", "norm", "clipped", "snr")}

    def seconds(self) -> float:
        """Core time so far, with that of killed processes up to the state they left."""
        return self.earlier + time.process_time() - self._began

    def state(self) -> dict[str, Any]:
        """All of it, to the bit."""
        return {
            "step": self.step,
            "seconds": self.seconds(),
            "weights": self.model.state_dict(),
            "carried": self.model.carried(),
            "average": self.average.weights,
            "adam": [adam.optimizer.state_dict() for adam in self._adams()],
            "streams": {name: drawn.get_state() for name, drawn in self.streams.items()},
            "history": self.history,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.step = self.average.steps = state["step"]
        self.earlier, self.history = state["seconds"], state["history"]
        self.model.load_state_dict(state["weights"])
        self.model.carry(state["carried"])
        for average, weights in zip(self.average.weights, state["average"], strict=True):
            average.copy_(weights)
        for adam, moments in zip(self._adams(), state["adam"], strict=True):
            adam.optimizer.load_state_dict(moments)
        for name, drawn in self.streams.items():
            drawn.set_state(state["streams"][name])

    def _adams(self) -> "list[Adam]":
        return [adam for adam in (self.private, self.opponent) if adam is not None]


def _gradient(model, records, sigma, arm, training, slots, places, streams) -> dp.Gradient:
    """One step's gradient. Draws are laid out by slot, then cut to the records there are."""
    chosen = torch.rand(slots, generator=streams["records"]) < training.sample_rate
    draws = training.draws
    randomness = model.randomness(slots * draws, generator=streams["records"])
    chosen = chosen[places].nonzero()[:, 0]
    randomness = randomness.view(slots, draws, *randomness.shape[1:])[places[chosen]].flatten(0, 1)
    chosen, randomness = chosen.to(model.device), randomness.to(model.device)
    images = records.images[chosen].repeat_interleave(draws, 0)
    labels = records.labels[chosen].repeat_interleave(draws, 0)
    return dp.private_gradient(
        model.noised,
        lambda: model.losses(images, labels, randomness) if len(chosen) else images.new_zeros(0),
        max_grad_norm=None if arm == "sgd" else training.max_grad_norm,
        noise_multiplier=sigma,
        normaliser=slots * training.sample_rate,
        generator=streams["noise"],
        draws=draws,
    )


def _check_losses(model: Generative, like: Tensor, draws: int, records: int = 3) -> None:
    """Check the model's losses on made-up records, of which only the shape is that of `like`."""
    made_up = stream(0, "training/check")
    images = torch.rand(records, *like.shape[1:], generator=made_up).to(like)
    labels = (torch.arange(records) % model.classes).to(like.device)
    randomness = model.randomness(records * draws, generator=made_up).to(like)
    randomness = randomness.unflatten(0, (records, draws))

    def losses(part: slice) -> Tensor:
        of_draws = (t[part].repeat_interleave(draws, 0) for t in (images, labels))
        return model.losses(*of_draws, randomness[part].flatten(0, 1))

    dp.check_losses(model.noised, losses, records=records, draws=draws)


def _public_gradient(model, arm, training, generator) -> list[Tensor]:
    """The gradient of the noised network's loss on synthetic images: mean over them, no noise.

    It is clipped like the private one, for the balance of the two halves, not for privacy.
    """
    gradient = dp.private_gradient(
        model.noised,
        lambda: model.public_losses(generator=generator),
        max_grad_norm=None if arm == "sgd" else training.max_grad_norm,
        noise_multiplier=0.0,
        normaliser=1,
        generator=generator,
    )
    return [g / max(1, len(gradient.losses)) for g in gradient.values]


def _opponent(model: Generative, training: presets.Training) -> "Adam | None":
    """The optimiser of a network that is released but does not read records itself."""
    if model.released is model.noised:
        return None
    return Adam(model.released, training.opponent_learning_rate, training)


def _opponent_step(model, opponent: "Adam", step: int, generator: torch.Generator) -> None:
    losses = model.opponent_losses(generator=generator)
    if losses is not None:
        opponent.step(torch.autograd.grad(losses.mean(), opponent.parameters), step)


class Adam:
    """Adam with given gradients, its learning rate constant or annealed over the steps."""

    def __init__(
        self,
        module: nn.Module,
        learning_rate: float,
        training: presets.Training,
        weight_decay: float = 0.0,
    ):
        self.parameters = list(module.parameters())
        how = {"lr": learning_rate, "betas": training.betas, "weight_decay": weight_decay}
        self.optimizer = torch.optim.Adam(self.parameters, **how)
        self.learning_rate, self.training = learning_rate, training

    def step(self, gradient: Sequence[Tensor], step: int) -> None:
        """Move along a gradient, one tensor per parameter, in the step of this number."""
        if self.training.annealed:
            fall = math.cos(math.pi / 2 * step / self.training.steps)
            self.optimizer.param_groups[0]["lr"] = self.learning_rate * fall
        for p, g in zip(self.parameters, gradient, strict=True):
            p.grad = g
        self.optimizer.step()


class Average:
    """Exponential moving average of a module's weights, its early bias removed by a short memory
    at the start: decay min(d, (1 + t) / (10 + t))."""

    def __init__(self, module: nn.Module, decay: float):
        self.module, self.decay, self.steps = module, decay, 0
        self.weights = [copy.deepcopy(p.data) for p in module.parameters()]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the module's present weights."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.weights, [p.data for p in self.module.parameters()], 1 - decay)

    @torch.no_grad()
    def write(self) -> None:
        """Give the module the averaged weights."""
        for p, average in zip(self.module.parameters(), self.weights, strict=True):
            p.copy_(average)


def _record(run: Run, step: int, gradient: dp.Gradient, sigma: float, max_grad_norm: float) -> None:
    history, norms = run.history, gradient.norms
    size = sum(p.numel() for p in run.private.parameters)
    history["step"].append(step)
    history["loss"].append(gradient.losses.mean().item())
    history["norm"].append(norms.median().item() if len(norms) else float("nan"))
    clipped = (norms > max_grad_norm).float().mean().item() if len(norms) else 0.0
    history["clipped"].append(clipped)
    noise = sigma * max_grad_norm * size**0.5
    history["snr"].append(gradient.signal / noise if noise else float("inf"))
