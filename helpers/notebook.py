"""What the notebooks share: their parameters are checked, their numbers go into the prose.

Papermill only warns of a parameter that a notebook does not know, and then computes something
else than was asked for. Here that is an error.
"""

import difflib
import json
from collections.abc import Collection, MutableMapping
from types import ModuleType
from typing import Any

_SHELL = {"In", "Out"}  # what IPython itself puts into a notebook's namespace


def read_parameters(namespace: MutableMapping[str, Any], allowed: Collection[str]) -> None:
    """Check a notebook's parameters, and read lists that papermill passed on as text.

    Call it as `read_parameters(globals(), [...])` right after the cell tagged `parameters`, when
    nothing but imports and parameters have been executed. `-p sigmas "[0.1]"` arrives as a string
    and becomes the list it spells. Raises `ValueError` for a value that is no parameter, or a text
    that starts like a list and is none.
    """
    given = {
        name
        for name, value in namespace.items()
        if not (name.startswith("_") or name in _SHELL)
        and not (isinstance(value, ModuleType) or callable(value))
    }
    for name in sorted(given - set(allowed)):
        near = difflib.get_close_matches(name, allowed, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(f"unknown notebook parameter {name!r}{hint} Allowed: {', '.join(allowed)}")
    for name in given:
        if isinstance(namespace[name], str) and namespace[name].lstrip().startswith("["):
            namespace[name] = _read_list(name, namespace[name])


def _read_list(name: str, text: str) -> list[Any]:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"notebook parameter {name} is {text!r}; write a list as in '[\"sgd\", 0.1]'"
        ) from error
