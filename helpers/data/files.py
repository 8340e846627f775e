"""The resumable store: what has been trained and measured, one folder per cell.

A folder's name is readable and ends in a hash of everything that decides the training. Files are
written under a temporary name and renamed, so a reader sees a whole file or none; a damaged file
is removed with a warning and made again. Nothing is locked: two processes that compute the same
cell write the same content. What a kill leaves of a write is removed by `sweep`.

Only in the store is a damaged file removed: whatever lies elsewhere, such as a committed result,
cannot be made again in an instant, so it is left as it is and one error names it.
"""

import dataclasses
import errno
import hashlib
import json
import secrets
import shutil
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

_LEFT_OVER_SECONDS = 3600  # a temporary file this old belongs to no writer
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
# What reading a damaged archive or JSON raises.
_DAMAGE = (ValueError, EOFError, AttributeError, RuntimeError, OSError)
_DAMAGE += (zipfile.BadZipFile, zlib.error)
_CONFLICT = ("<<<<<<< ", "||||||| ", ">>>>>>> ")  # how lines of an unresolved merge start
WEB_PAGE = "a web page (a proxy's sign-in page, perhaps)"


class Unwritable(OSError):
    """The store cannot be written: it is full, read-only, or no folder."""


class Damaged(ValueError):
    """A file outside the store that cannot be read; it was left as it is."""


def content_hash(*parts: Any) -> str:
    """Twelve hexadecimal digits that change with any of the parts (dataclasses, dicts, scalars).

    A dataclass's field that is marked `later` has no part in it while it has its default, so that
    adding one changes no hash of what was there before.
    """
    text = json.dumps(parts, sort_keys=True, default=_decisive)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def later(default: Any) -> Any:
    """A dataclass's field that was added after hashes of its class had been kept."""
    return dataclasses.field(default=default, metadata={"later": True})


def _decisive(part: Any) -> dict[str, Any]:
    """The fields of a dataclass that decide its hash."""
    if not dataclasses.is_dataclass(part):
        raise TypeError(f"{part!r} cannot be hashed: give dataclasses, dicts, lists and scalars")
    values = {field: getattr(part, field.name) for field in dataclasses.fields(part)}
    return {
        field.name: value
        for field, value in values.items()
        if not (field.metadata.get("later") and value == field.default)
    }


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
def atomic(path: Path, mode: str = "wb", size: int | None = None) -> Iterator[IO]:
    """Open a temporary file beside `path`; on success it takes its place, on failure it goes.

    Who may read it is what the process's umask says. Raises `Unwritable`, saying what to do, if it
    cannot be written; `size` is how many bytes are needed at most.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with fresh.open(mode.replace("w", "x")) as file:
                yield file
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error, size) from error


def unwritable(path: Path, error: OSError, size: int | None = None) -> Unwritable:
    """What could not be written, why, and what to do; `size` in bytes."""
    return Unwritable(_advice(path, error, size))


def _advice(path: Path, error: OSError, size: int | None) -> str:
    reason = f"{path} cannot be written: {error.strerror or error}"
    if error.errno in _FULL:
        there = next(folder for folder in path.absolute().parents if folder.exists())
        free = shutil.disk_usage(there).free
        needed = f", up to {megabytes(size)} needed" if size else ""
        what = f" ({megabytes(free)} free{needed}). Make room there, or set NFL_HOME to a folder"
        return f"{reason}{what} on a larger disk; what is finished is kept"
    if error.errno in _FORBIDDEN:
        return f"{reason}. Make the folder writable, or set NFL_HOME to a writable copy of it"
    return f"{reason}. Check the folder and its limits, or set NFL_HOME to another"


def megabytes(size: float) -> str:
    """A number of bytes as text, e.g. `1.2 MB`."""
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def sweep(folder: Path) -> None:
    """Remove temporary files that killed writers left in the folder over an hour ago."""
    for path in folder.glob(".*.*"):
        try:
            if time.time() - path.stat().st_mtime > _LEFT_OVER_SECONDS:
                path.unlink()
        except FileNotFoundError:  # its writer has just finished, or another has swept
            continue


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays as a compressed .npz, atomically; equal arrays give equal bytes."""
    with atomic(path, size=sum(np.asarray(array).nbytes for array in arrays.values())) as file:
        np.savez_compressed(file, **arrays)


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys, atomically."""
    with atomic(path, "w") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.write("\n")


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of an .npz, or `None` if it is absent.

    A damaged one is removed with a warning, and `None`, if it lies in the store; else it is left as
    it is and `Damaged` is raised.
    """
    return _read(path, _load_arrays)


def read_json(path: Path) -> Any | None:
    """The content of a JSON file, or `None` if it is absent; damaged ones as in `read_arrays`."""
    return _read(path, lambda path: json.loads(path.read_text()))


def memo(
    path: Path, compute: Callable[[], Any], current: Callable[[Any], bool] = lambda kept: True
) -> Any:
    """What is kept at `path`, or else `compute()`, which is then kept: the one read-or-compute.

    A path that ends in `.npz` holds named arrays, any other JSON. `current` says whether what is
    kept is still what is asked for. Damaged files are made again.
    """
    read, write = (read_arrays, write_arrays) if path.suffix == ".npz" else (read_json, write_json)
    kept = read(path)
    if kept is None or not current(kept):
        kept = compute()
        write(path, kept)
    return kept


def check_no_conflict(path: Path) -> None:
    """Raise `Damaged`, naming the line, if a text file holds the marks of an unresolved merge."""
    with path.open(errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.startswith(_CONFLICT):
                raise Damaged(
                    f"{path}, line {number}: {line.strip()!r} is left of a merge conflict. Resolve "
                    f"it, or take the committed file: git checkout HEAD -- {path}"
                )


def is_web_page(path: Path) -> bool:
    """Whether the file starts as HTML does."""
    with path.open("rb") as file:
        start = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html"))


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read(path: Path, load: Callable[[Path], Any]) -> Any | None:
    if not path.exists():
        return None
    try:
        return load(path)
    except _DAMAGE as error:
        if getattr(error, "errno", errno.EINVAL) != errno.EINVAL:  # a seek to before the start
            raise
        if not _in_store(path):
            check_no_conflict(path)
            raise Damaged(
                f"{path} is damaged ({error}) and was left as it is. If it is a committed file: "
                f"git checkout HEAD -- {path}"
            ) from error
        warnings.warn(f"{path} is damaged ({error}); it is made again", stacklevel=3)
        try:
            path.unlink(missing_ok=True)
        except OSError as failure:
            raise unwritable(path, failure) from failure
        return None


def _in_store(path: Path) -> bool:
    """Whether a file is in the store, `runs` below the data folder: whatever is may be deleted."""
    from . import places

    return path.resolve().is_relative_to((places.root() / "runs").resolve())
