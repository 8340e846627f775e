"""The folders of data: the store and its caches, data sets of one's own, and what is committed."""

import os
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]


def root() -> Path:
    """The data folder: `$NFL_HOME`, else `data` beside the package. Caches are below it.

    Absolute: a relative `NFL_HOME` is taken from the project's folder, not from wherever a process
    runs, since a notebook's kernel runs elsewhere than the command line.
    """
    return _absolute(os.environ.get("NFL_HOME") or "data")


def given() -> Path | None:
    """The folder of data sets that `$NFL_DATA` names, absolute as `root`; `None` if it names none.

    Raises `FileNotFoundError` if there is no such folder.
    """
    folder = os.environ.get("NFL_DATA")
    if not folder:
        return None
    path = _absolute(folder)
    if not path.is_dir():
        raise FileNotFoundError(
            f"NFL_DATA is {folder!r}; there is no such folder. Correct or unset it"
        )
    return path


def committed() -> Path:
    """The data folder of the checkout, with the committed files; does not follow `$NFL_HOME`."""
    return _CHECKOUT / "data"


def _absolute(folder: str) -> Path:
    return Path(os.path.abspath(_CHECKOUT / Path(folder).expanduser()))
