"""Grey 28x28 images as bytes: files of them, read into checked NumPy arrays.

Every reader returns uint8 images [N, 28, 28] and integer labels [N] under MedMNIST's names:
`train_images`, `train_labels`, `test_images`, `test_labels`. This module knows file formats, not
where files come from or what they are used for.
"""

import gzip
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SIZE = 28  # pixels per side
SPLITS = ("train", "test")
KEYS = tuple(f"{split}_{part}" for split in SPLITS for part in ("images", "labels"))


def to_bytes(images: Tensor) -> np.ndarray:
    """Images [N, 1 or 3, S, S] in [0, 1] as uint8 [N, S, S] (grey) or [N, S, S, 3] (colour)."""
    pixels = images[:, 0] if images.shape[1] == 1 else images.movedim(1, 3)
    return (pixels * 255).round().byte().numpy()


def from_bytes(pixels: np.ndarray) -> Tensor:
    """Images uint8 [N, S, S] or [N, S, S, 3] as float32 [N, 1 or 3, S, S] in [0, 1]."""
    images = torch.from_numpy(pixels)
    images = images.unsqueeze(1) if images.ndim == 3 else images.movedim(3, 1).contiguous()
    return images.float() / 255


def read_npz(
    path: Path, n_classes: int | None = None, extras: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """The arrays of a MedMNIST-layout file; its labels may be [N, 1] and of any integer type.

    `extras` names arrays to return as well if they are there. Pickled objects are refused. Raises
    `ValueError` naming the file and what is wrong with it, labels of `n_classes` or more included.
    """
    try:
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is not an .npz archive")
            missing = [key for key in KEYS if key not in archive]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}")
            arrays = {key: archive[key] for key in (*KEYS, *extras) if key in archive}
        for split in SPLITS:
            arrays[f"{split}_labels"] = _check_split(split, arrays, n_classes)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a usable data file: {error}") from error
    return arrays


def _check_split(split: str, arrays: dict[str, np.ndarray], n_classes: int | None) -> np.ndarray:
    """The labels [N] of one split, after checking them and the images."""
    images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIZE, SIZE):
        raise ValueError(
            f"{split}_images is {images.dtype} {list(images.shape)}; it must be uint8 [N, 28, 28]"
        )
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(images),), (len(images), 1)):
        raise ValueError(
            f"{split}_labels is {labels.dtype} {list(labels.shape)}; "
            f"it must be integers [{len(images)}, 1], one per image"
        )
    if len(labels) == 0:
        raise ValueError(f"{split}_images is empty")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (n_classes is not None and high >= n_classes):
        allowed = f"0 to {n_classes - 1}" if n_classes else "0 or more"
        raise ValueError(f"{split}_labels has values from {low} to {high}; allowed: {allowed}")
    return labels.reshape(-1)


def read_mnist_table(path: Path, n_train: int = 60_000) -> dict[str, np.ndarray]:
    """MNIST as a table: a line per digit, 784 pixels and the label, the training split first."""
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    arrays = {}
    for split, rows in zip(SPLITS, (table[:n_train], table[n_train:]), strict=True):
        arrays[f"{split}_images"] = rows[:, :-1].reshape(-1, SIZE, SIZE)
        arrays[f"{split}_labels"] = rows[:, -1]
    return arrays


def read_idx(path: Path) -> np.ndarray:
    """A gzipped array of bytes in MNIST's own format: 4 bytes, 4 per dimension, then the data."""
    content = gzip.decompress(path.read_bytes())
    ndim = content[3]
    shape = np.frombuffer(content, ">u4", count=ndim, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * ndim).reshape(shape)


def enlarge_digits(images: np.ndarray) -> np.ndarray:
    """8x8 images with values 0 to 16, enlarged bilinearly: uint8 [N, 28, 28].

    In integers, so that every machine gets the same pixels.
    """
    weights = _bilinear_weights()
    wide = weights @ images.astype(np.int64) @ weights.T
    scale = 16 * 14 * 14
    return ((255 * wide + scale // 2) // scale).astype(np.uint8)


def _bilinear_weights() -> np.ndarray:
    """Linear interpolation from 8 to 28 pixels, edges aligned: integers [28, 8] in 14ths."""
    rows = np.arange(SIZE)
    position = np.clip(4 * rows - 5, 0, 14 * 7)  # in 14ths: (row + 1/2) * 8/28 - 1/2
    left = np.minimum(position // 14, 6)
    weights = np.zeros((SIZE, 8), dtype=np.int64)
    weights[rows, left] = 14 * (left + 1) - position
    weights[rows, left + 1] = position - 14 * left
    return weights
