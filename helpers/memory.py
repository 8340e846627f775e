"""Keep freed memory in the process instead of giving it back at once.

Networks allocate and free the same large blocks in every step. The C library of Linux returns each
to the system and gets it back page by page, which costs up to a third of the time on a virtual
machine, and stops two workers from being twice as fast as one. No number depends on it.
"""

import ctypes
import functools
import sys

# The parameters of glibc's mallopt(3), and the most it takes for them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST_TRIM, _MOST_MMAP = 2**31 - 1, 2**30


@functools.cache
def keep_freed() -> bool:
    """Set it for the life of this process; returns whether the C library knows how to."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library than glibc
        return False
    return all([mallopt(_MMAP_THRESHOLD, _MOST_MMAP), mallopt(_TRIM_THRESHOLD, _MOST_TRIM)])
