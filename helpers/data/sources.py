"""Files of images, read into checked NumPy arrays: archives, tables and MNIST's own format.

Every reader returns a `Content`: uint8 images [N, S, S] (grey) or [N, S, S, 3] (colour) and class
numbers [N] of both splits. This module knows file formats, not where files come from or what they
are used for. Folders of image files are read in `folders`.
"""

import gzip
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import files
from .conversion import KEYS, SPLITS, Arrays, Content, convert

if TYPE_CHECKING:  # PyTorch takes seconds to import, and reading files does not need it
    from torch import Tensor

_KERAS = {"x_train": KEYS[0], "y_train": KEYS[1], "x_test": KEYS[2], "y_test": KEYS[3]}
_DIGITS = tuple("0123456789")


def to_bytes(images: "Tensor") -> np.ndarray:
    """Images [N, 1 or 3, S, S] in [0, 1] as uint8 [N, S, S] (grey) or [N, S, S, 3] (colour)."""
    pixels = images[:, 0] if images.shape[1] == 1 else images.movedim(1, 3)
    return (pixels * 255).round().byte().numpy()


def from_bytes(pixels: np.ndarray) -> "Tensor":
    """Images uint8 [N, S, S] or [N, S, S, 3] as float32 [N, 1 or 3, S, S] in [0, 1]."""
    return channels_first(pixels).float() / 255


def channels_first(pixels: np.ndarray) -> "Tensor":
    """Images uint8 [N, S, S] or [N, S, S, 3] as uint8 [N, 1 or 3, S, S]."""
    import torch

    images = torch.from_numpy(pixels)
    return images.unsqueeze(1) if images.ndim == 3 else images.movedim(3, 1).contiguous()


def read_npz(
    path: Path,
    classes: Sequence[str] | None = None,
    shape: tuple[int, int, int] | None = None,
    extras: Sequence[str] = (),
) -> Content:
    """A file in MedMNIST's layout, or in Keras's (x_train, y_train, x_test, y_test).

    What arrays may be is said at `convert`, as is what happens without a test split. `extras` names
    arrays to return as well if they are there. Pickled objects are refused. Raises `ValueError`
    naming the file and what is wrong with it.
    """
    try:
        return convert(_arrays(path, extras), classes, shape)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{_unusable(path)} it is cut off or damaged ({error})") from error
    except (ValueError, OSError) as error:
        raise ValueError(f"{_unusable(path)} {error}") from error


def _unusable(path: Path) -> str:
    return f"{path} is not a usable data file:"


def _arrays(path: Path, extras: Sequence[str]) -> Arrays:
    """The wanted arrays of an archive by MedMNIST's names."""
    if files.is_web_page(path):
        raise ValueError(f"it is {files.WEB_PAGE}. Download it anew")
    with path.open("rb") as stream:
        start = stream.read(6)
        if start[:2] != b"PK":
            single = "a single array (.npy), " if start == b"\x93NUMPY" else ""
            raise ValueError(f"it is {single}not an .npz archive")
        stream.seek(0)
        archive = np.load(stream, allow_pickle=False)
        held = {_KERAS.get(key.lower(), key): key for key in archive.files}
        needed = KEYS if {"test_images", "test_labels"} & set(held) else KEYS[:2]
        if missing := [key for key in needed if key not in held]:
            raise ValueError(
                f"it lacks {', '.join(missing)}. It holds {', '.join(archive.files) or 'nothing'}; "
                f"needed are {', '.join(KEYS)} (or {', '.join(_KERAS)}), or the two of train alone"
            )
        return {key: _array(archive, held[key]) for key in (*needed, *extras) if key in held}


def _array(archive: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    try:
        return archive[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ValueError(
            f"{key} holds Python objects, which are not read since that may run code. Save it as "
            "an array of numbers or of text: np.array(values.tolist())"
        ) from error


def read_mnist_table(path: Path, n_train: int = 60_000) -> Content:
    """MNIST as a table: a line per digit, 784 pixels and the label, the training split first."""
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    arrays = {}
    for split, rows in zip(SPLITS, (table[:n_train], table[n_train:]), strict=True):
        arrays[f"{split}_images"] = rows[:, :-1].reshape(-1, 28, 28)
        arrays[f"{split}_labels"] = rows[:, -1]
    return convert(arrays, _DIGITS)


def read_mnist_files(*paths: Path) -> Content:
    """MNIST's four official files, in the order of `KEYS`."""
    return convert(dict(zip(KEYS, map(read_idx, paths), strict=True)), _DIGITS)


def read_idx(path: Path) -> np.ndarray:
    """A gzipped array of bytes in MNIST's own format: 4 bytes, 4 per dimension, then the data."""
    content = gzip.decompress(path.read_bytes())
    ndim = content[3]
    shape = np.frombuffer(content, ">u4", count=ndim, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * ndim).reshape(shape).copy()


def read_digits(path: Path) -> Content:
    """scikit-learn's table of 1,797 digits, enlarged; all of them in both splits, to be cut."""
    table = np.loadtxt(path, delimiter=",")
    images, labels = enlarge_digits(table[:, :-1].reshape(-1, 8, 8)), table[:, -1].astype(np.int64)
    return Content(dict(zip(KEYS, (images, labels) * 2, strict=True)), _DIGITS)


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
    rows = np.arange(28)
    position = np.clip(4 * rows - 5, 0, 14 * 7)  # in 14ths: (row + 1/2) * 8/28 - 1/2
    left = np.minimum(position // 14, 6)
    weights = np.zeros((28, 8), dtype=np.int64)
    weights[rows, left] = 14 * (left + 1) - position
    weights[rows, left + 1] = position - 14 * left
    return weights
