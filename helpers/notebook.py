"""What the notebooks share: their parameters are checked at the door.

Papermill only warns of a parameter that a notebook does not know, and passes on whatever value it
is given, and then something else is computed than was asked for. Here both are errors, before
anything is computed.
"""

import difflib
import json
from collections.abc import Collection, MutableMapping
from types import ModuleType
from typing import Any, NamedTuple

_SHELL = {"In", "Out"}  # what IPython itself puts into a notebook's namespace


class Kind(NamedTuple):
    """What a parameter's value, or each element of its list, must be."""

    types: tuple[type, ...]
    words: str
    example: str
    many: bool = False


_TEXT = Kind((str,), "a text", "mnist")
_FOLDER = Kind((str,), "a folder, as text", "my_images")
_COUNT = Kind((int,), "a whole number", "2")
_TEXTS = Kind((str,), "a list of texts", '["vae", "gan"]', many=True)
_NUMBERS = Kind((int, float), "a list of numbers", "[10, 3]", many=True)

# Every parameter of every notebook; a new one is one more line.
PARAMETERS = {
    "images": _FOLDER,
    "public": _FOLDER,
    "dataset": _TEXT,
    "datasets": _TEXTS,
    "models": _TEXTS,
    "factors": _TEXTS,
    "sigmas": Kind((str, int, float), "a list of levels", '["sgd", 0.1]', many=True),
    "sigma": Kind((int, float), "a number", "0.2"),
    "epsilon": Kind((int, float), "a number", "3"),
    "epsilons": _NUMBERS,
    "seeds": Kind((int,), "a list of whole numbers", "[0, 1]", many=True),
    "scale": _TEXT,
    "workers": _COUNT,
    "device": _TEXT,
}


def read_parameters(namespace: MutableMapping[str, Any], allowed: Collection[str]) -> None:
    """Check a notebook's parameters, and read lists that papermill passed on as text.

    Call it as `read_parameters(globals(), [...])` right after the cell tagged `parameters`, when
    nothing but imports and parameters have been executed. `-p sigmas "[0.1]"` arrives as a string
    and becomes the list it spells. Raises `ValueError` for a value that is no parameter, or is not
    of its kind (see `PARAMETERS`).
    """
    given = {
        name
        for name, value in namespace.items()
        if not (name.startswith("_") or name in _SHELL or name.isupper())  # constants
        and not (isinstance(value, ModuleType) or callable(value))
    }
    for name in sorted(given - set(allowed)):
        near = difflib.get_close_matches(name, allowed, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(f"unknown notebook parameter {name!r}{hint} Allowed: {', '.join(allowed)}")
    for name in given:
        namespace[name] = _read(name, namespace[name], PARAMETERS[name])


def _read(name: str, value: Any, kind: Kind) -> Any:
    """The value, a list read from its text; `ValueError` if it is not of the kind."""
    if kind.many and isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise _wrong(name, value, kind) from None
    if isinstance(value, list) != kind.many:
        raise _wrong(name, value, kind)
    elements = value if kind.many else [value]
    if any(isinstance(e, bool) or not isinstance(e, kind.types) for e in elements):
        raise _wrong(name, value, kind)
    return value


def _wrong(name: str, value: Any, kind: Kind) -> ValueError:
    return ValueError(
        f"notebook parameter {name} is {value!r}; it must be {kind.words}, as in {kind.example}"
    )
