"""The resumable store: what has been trained and measured, one folder per cell.

A folder's name is readable and ends in a hash of everything that decides the training. Files are
written under a temporary name and renamed, so a reader sees a whole file or none; a damaged file
is removed with a warning and made again. Nothing is locked: two processes that compute the same
cell write the same content.
"""

import dataclasses
import hashlib
import json
import os
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np


def content_hash(*parts: Any) -> str:
    """Twelve hexadecimal digits that change with any of the parts (dataclasses, dicts, scalars)."""
    text = json.dumps(parts, sort_keys=True, default=dataclasses.asdict)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def file_hash(path: Path) -> str:
    """Twelve hexadecimal digits of the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def intact(path: Path, expected: str) -> bool:
    """Whether the file is there with the expected `file_hash`; warns if it is not."""
    whole = path.exists() and file_hash(path) == expected
    if not whole:
        warnings.warn(f"{path} is damaged or missing; it is made again", stacklevel=2)
    return whole


@contextmanager
def atomic(path: Path, mode: str = "wb") -> Iterator[IO]:
    """Open a temporary file beside `path`; on success it takes its place, on failure it goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, mode) as file:
            yield file
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays as a compressed .npz, atomically; equal arrays give equal bytes."""
    with atomic(path) as file:
        np.savez_compressed(file, **arrays)


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys, atomically."""
    with atomic(path, "w") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.write("\n")


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of an .npz, or `None` if it is absent or, with a warning, damaged."""
    return _read(path, _load_arrays)


def read_json(path: Path) -> Any | None:
    """The content of a JSON file, or `None` if it is absent or, with a warning, damaged."""
    return _read(path, lambda path: json.loads(path.read_text()))


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read(path: Path, load: Callable[[Path], Any]) -> Any | None:
    if not path.exists():
        return None
    try:
        return load(path)
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        warnings.warn(f"{path} is damaged ({error}); it is made again", stacklevel=3)
        path.unlink(missing_ok=True)
        return None
