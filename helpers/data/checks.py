"""What a measure accepts, checked once at the boundary.

Images are float tensors [N, 1 or 3, H, W] in [0, 1], labels integer tensors [N], features and
points arrays [N, D]. Each function returns its input in the form the measures compute with, or
raises one `ValueError` that says what was given and what is allowed.
"""

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray | Tensor


def check_images(images: Tensor, name: str = "images", *, minimum: int = 1) -> Tensor:
    """Grey or colour images as a detached float32 CPU tensor [N, 1 or 3, H, W] within [0, 1]."""
    if not isinstance(images, Tensor) or not images.is_floating_point():
        given = f"{images.dtype} tensor" if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"{name}: a float tensor in [0, 1] is needed, not {given}")
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"{name}: shape {tuple(images.shape)}; grey images [N, 1, H, W] or colour images "
            "[N, 3, H, W] are needed"
        )
    if len(images) < minimum:
        raise ValueError(f"{name}: {len(images)} images, at least {minimum} needed")
    images = images.detach().cpu().float()
    if not torch.isfinite(images).all():
        raise ValueError(f"{name}: pixels contain NaN or infinity")
    low, high = images.min().item(), images.max().item()
    if low < 0 or high > 1:
        raise ValueError(f"{name}: pixels range over [{low:.3g}, {high:.3g}], not within [0, 1]")
    return images


def check_labels(labels: Tensor, count: int, name: str = "labels") -> Tensor:
    """Labels as an int64 CPU tensor [count] of class numbers >= 0."""
    labels = torch.as_tensor(labels).detach().cpu()
    if labels.ndim != 1 or len(labels) != count:
        raise ValueError(f"{name}: shape {tuple(labels.shape)} for {count} images; need [{count}]")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"{name}: class numbers must be integers, not {labels.dtype}")
    if count and labels.min() < 0:
        raise ValueError(f"{name}: {labels.min().item()} is not a class number (they start at 0)")
    return labels.long()


def check_array(values: Array, name: str, *, ndim: int = 2, minimum: int = 1) -> np.ndarray:
    """Finite features, points [N, D] or (`ndim` 1) distances [N] as a float64 NumPy array."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().double().numpy()
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim or 0 in array.shape[1:]:
        wanted = "[N, D]" if ndim == 2 else "[N]"
        raise ValueError(f"{name}: shape {array.shape}; {wanted} is needed")
    if len(array) < minimum:
        raise ValueError(f"{name}: {len(array)} rows, at least {minimum} needed")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: values contain NaN or infinity")
    return array


def check_same_width(a: np.ndarray, b: np.ndarray, names: str) -> None:
    """Both arrays [N, D] have the same D."""
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{names}: {a.shape[1]} and {b.shape[1]} columns; they must be the same")


def check_same_size(a: Tensor, b: Tensor, names: str) -> None:
    """Both image tensors [N, channels, H, W] have the same channels, H and W."""
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{names}: images of {a.shape[1]} and {b.shape[1]} channels; both must be grey or both "
            "colour"
        )
    if a.shape[2:] != b.shape[2:]:
        raise ValueError(
            f"{names}: images of {tuple(a.shape[2:])} and {tuple(b.shape[2:])} pixels; "
            "resize them to the same size first"
        )
