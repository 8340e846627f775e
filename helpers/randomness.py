"""Independent random streams, one per purpose.

One seed decides a run, but the draw of the private images, the initial weights, the DP noise and
the samples must not share a stream: drawing one image more would otherwise change the noise. Each
purpose gets a generator of its own, derived from the seed by hashing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose, e.g. `generator(0, "few-shot")`.

    Streams of different seeds or purposes are independent; the same pair gives the same stream on
    every machine. Raises `ValueError` for a seed that is not a non-negative integer.
    """
    import torch  # here, so that a seed is checked without it

    check_seed(seed)
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def check_seed(seed: int) -> None:
    """Raise `ValueError` unless the seed is an integer >= 0."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be an integer >= 0")
