"""Where data files and network weights come from."""

import os
from pathlib import Path


class Unavailable(RuntimeError):
    """Every way to a file failed; the message lists each way and what it said."""


def root() -> Path:
    """The data folder: `$NFL_HOME`, else `data` beside the package."""
    home = os.environ.get("NFL_HOME")
    return Path(home) if home else Path(__file__).resolve().parent.parent / "data"


def fetch(name: str) -> Path:
    """The file `name`, downloaded and verified if need be."""
    raise Unavailable(f"{name}: put it below {root()}")
