"""What the notebooks share: their parameters are checked, their numbers go into the prose.

Papermill only warns of a parameter that a notebook does not know, and then computes something
else than was asked for. Here that is an error.
"""

import difflib
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

_SHELL = {"In", "Out"}  # what IPython itself puts into a notebook's namespace


def check_parameters(namespace: Mapping[str, Any], allowed: Collection[str]) -> None:
    """Raise `ValueError` if a notebook's namespace holds a value that is not a parameter.

    Call it as `check_parameters(globals(), [...])` right after the cell tagged `parameters`, when
    nothing but imports and parameters have been executed.
    """
    given = {
        name
        for name, value in namespace.items()
        if not (name.startswith("_") or name in _SHELL)
        and not (isinstance(value, ModuleType) or callable(value))
    }
    for name in sorted(given - set(allowed)):
        near = difflib.get_close_matches(name, allowed, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown notebook parameter {name!r}{hint} Allowed: {', '.join(allowed)}")
