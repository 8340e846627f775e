"""What `training.fit` and the study ask of a generative model."""

from typing import Any

import torch
from torch import Tensor, nn

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
