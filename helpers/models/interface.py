"""What `training.fit`, `training.minibatches` and the study ask of a generative model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .presets import Minibatches

Shape = tuple[int, int, int]  # channels, size, size of an image


class Generative(nn.Module):
    """A model trained on private records as a whole: `noised` and `released` are itself."""

    classes: int

    @property
    def noised(self) -> nn.Module:
        """The network whose gradients depend on private records."""
        return self

    @property
    def released(self) -> nn.Module:
        """The network that samples."""
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def randomness(self, n: int, *, generator: torch.Generator) -> Tensor:
        """What the losses of n records are drawn with, [n, d]; none unless a model says so."""
        return torch.zeros(n, 0)

    def public_losses(self, *, generator: torch.Generator) -> Tensor | None:
        """Losses of `noised` that read no private record; not clipped, not noised."""
        return None

    def opponent_losses(self, *, generator: torch.Generator) -> Tensor | None:
        """Losses of a second network that reads no private record."""
        return None

    def carried(self) -> dict[str, Any]:
        """What beside its weights a step hands to the next: numbers and tensors, by name."""
        return {}

    def carry(self, values: dict[str, Any]) -> None:
        """Go on with what `carried` gave, its tensors on the CPU."""


class Adversarial(Generative):
    """A model of two networks: its discriminator alone reads records, its generator samples."""

    @property
    def noised(self) -> nn.Module:
        """The discriminator."""
        return self.discriminator

    @property
    def released(self) -> nn.Module:
        """The generator."""
        return self.generator


Records = tuple[Tensor, Tensor]  # images [n, C, S, S] in [0, 1] and labels [n]


class Update(NamedTuple):
    """What one optimiser does in every step of a phase."""

    network: nn.Module
    loss: Callable[[Tensor, Tensor, int, torch.Generator], Tensor]  # of a batch, step, randomness
    learning_rate: float


class Phase(NamedTuple):
    """A part of the training of a model that is not trained privately."""

    training: Minibatches
    updates: tuple[Update, ...]
    averaged: nn.Module  # over the steps
    prepare: Callable[[Tensor, Tensor], Records] | None = None  # what is seen in place of records


class Unprivate(Generative, ABC):
    """A model trained on batches whose records mix; `losses` is of a record alone, in `eval`."""

    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """Its training, in order."""
