"""Where networks run: on a graphics card or on the processor.

Random numbers are drawn on the CPU everywhere and then moved, so that a seed means the same draws
on every device. Sums are rounded in another order on another device: results agree to rounding, not
bit by bit. This project's results and tests are made on CPUs; no graphics card has run them yet.

Trainings are given their device. The networks that measure (features, classifiers, attacks) find
theirs with `current`: the CPU, or what `measuring` says.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

NAMES = ("auto", "cpu", "cuda")
CPU = torch.device("cpu")
_MEASURING = ContextVar("measuring", default=CPU)


def resolve(name: str) -> torch.device:
    """The device of a name: `auto` is `cuda` if this machine has one, else `cpu`.

    Raises `ValueError` for another name, and for `cuda` where there is none.
    """
    if name not in NAMES:
        raise ValueError(f"device {name!r} is unknown; allowed: {', '.join(NAMES)}")
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise ValueError("device 'cuda' is asked for, but torch finds none; give 'auto' or 'cpu'")
    if not present or name == "cpu":
        return CPU
    torch.backends.cudnn.allow_tf32 = False  # else convolutions have three digits, not seven
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda")


@contextmanager
def measuring(device: torch.device) -> Iterator[None]:
    """Let the networks that measure run on `device`."""
    before = _MEASURING.set(device)
    try:
        yield
    finally:
        _MEASURING.reset(before)


def current() -> torch.device:
    """Where networks that measure run now."""
    return _MEASURING.get()


def apart() -> tuple[str, ...]:
    """What keeps numbers of another device than the CPU apart in the store."""
    return () if current() == CPU else (current().type,)
