"""Where trainings run: on a graphics card or on the processor.

Random numbers are drawn on the CPU everywhere and then moved, so that a seed means the same draws
on every device. Sums are rounded in another order on another device: results agree to rounding, not
bit by bit. This project's results and tests are made on CPUs; no graphics card has run them yet.
"""

import torch

NAMES = ("auto", "cpu", "cuda")


def resolve(name: str) -> torch.device:
    """The device of a name: `auto` is `cuda` if this machine has one, else `cpu`.

    Raises `ValueError` for another name, and for `cuda` where there is none.
    """
    if name not in NAMES:
        raise ValueError(f"device {name!r} is unknown; allowed: {', '.join(NAMES)}")
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise ValueError("device 'cuda' is asked for, but torch finds none; give 'auto' or 'cpu'")
    return torch.device("cuda" if present and name != "cpu" else "cpu")
