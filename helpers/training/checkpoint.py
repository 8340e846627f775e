"""Where a training keeps its state now and then, so that a killed one goes on, to the same bits.

A state is a dict of tensors and numbers (`fit.Run.state`). It is of one training, which its key
names; where it is computed is part of the key, since another device or PyTorch rounds otherwise.
"""

import hashlib
import io
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import files

EVERY_SECONDS = 300  # between two states that are kept: a shorter training keeps none


class Checkpoint:
    """The file of one training's state; `parts` are what decides the training, as for a hash."""

    def __init__(self, path: Path, *parts: object, device: torch.device):
        self.path, self.kept = path, time.monotonic()
        self.key = files.content_hash(*parts, device.type, str(torch.__version__))

    def read(self) -> dict[str, Any] | None:
        """The state to go on from, on the CPU, if there is one.

        A damaged one, or one of another training, is removed with a warning.
        """
        kept = files.read_arrays(self.path)
        if kept is None:
            return None
        state = kept.get("state", np.array(0)).tobytes()
        if str(kept.get("key")) == self._key(state):
            return torch.load(io.BytesIO(state), weights_only=True)
        told = f"{self.path} is damaged or of another training; this one starts anew"
        warnings.warn(told, stacklevel=2)
        self.remove()
        return None

    def _key(self, state: bytes) -> str:
        return f"{self.key}-{hashlib.sha256(state).hexdigest()[:12]}"

    def due(self) -> bool:
        """Whether it is time to keep the state again."""
        return time.monotonic() - self.kept >= EVERY_SECONDS

    def write(self, state: dict[str, Any]) -> None:
        """Keep the state in place of the one before. Raises `files.Unwritable`."""
        torch.save(_on_cpu(state), buffer := io.BytesIO())
        content = buffer.getvalue()
        arrays = {"key": self._key(content), "state": np.frombuffer(content, np.uint8)}
        arrays |= {name: state[name] for name in ("step", "seconds")}
        with files.atomic(self.path, size=len(content)) as file:
            np.savez(file, **arrays)  # uncompressed: weights do not shrink
        self.kept = time.monotonic()

    def remove(self) -> None:
        """Forget the state: the training is finished, or another one."""
        self.path.unlink(missing_ok=True)


def _on_cpu(state: Any) -> Any:
    if isinstance(state, torch.Tensor):
        return state.detach().cpu()
    if isinstance(state, dict):
        return {name: _on_cpu(value) for name, value in state.items()}
    return [_on_cpu(value) for value in state] if isinstance(state, list) else state
