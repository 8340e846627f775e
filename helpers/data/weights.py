"""Reading network weights from files: numbers only, no code from a file is ever run.

This module knows file formats, not networks.
"""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a `.pth` file. Nothing but tensors and containers of them is accepted."""
    return torch.load(path, map_location="cpu", weights_only=True)


def read_float32_zip(path: Path) -> list[np.ndarray]:
    """The members `<top>/data/0`, `<top>/data/1`, ... of a zip, each as flat float32 numbers.

    Such a file is a TorchScript archive; its code is not looked at.
    """
    with zipfile.ZipFile(path) as archive:
        numbered = {}
        for member in archive.namelist():
            _, _, number = member.rpartition("/data/")
            if number.isdigit():
                numbered[int(number)] = np.frombuffer(archive.read(member), "<f4")
    return [numbered[position] for position in sorted(numbered)]


_ARRAY_PARTS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Rebuilds NumPy arrays and refuses every other class or function."""

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle may name; `pickle.UnpicklingError` for anything else."""
        try:
            return _ARRAY_PARTS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in weights") from None


def read_array_pickle(path: Path) -> dict[str, Any]:
    """A nested dict of NumPy arrays from a pickle that may hold nothing else."""
    with path.open("rb") as stream:
        return _ArrayUnpickler(stream).load()


def fill_convolutions(network: torch.nn.Module, layers: dict[str, Any]) -> None:
    """Give a network's convolutions, in order, Flax's arrays `Conv_<i>` (kernels HWIO)."""
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    for i, convolution in enumerate(convolutions):
        kernel = torch.tensor(layers[f"Conv_{i}"]["kernel"]).permute(3, 2, 0, 1).contiguous()
        bias = torch.tensor(layers[f"Conv_{i}"]["bias"])
        convolution.load_state_dict({"weight": kernel, "bias": bias})
