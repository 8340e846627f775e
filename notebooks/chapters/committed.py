"""Reading what chapters have collected below `data/results`."""

import json
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any | None:
    """The content of a collected JSON file, or `None` if there is none.

    Raises `ValueError` if it cannot be read: what is committed is neither removed nor overwritten.
    """
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(
            f"{path} cannot be read ({error}); bring it back by `git checkout`, or move it away"
        ) from error
