"""What `training.fit` and the study ask of a generative model."""

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
