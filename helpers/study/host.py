"""A computing process, whatever it computes: its threads, its memory, and where it runs."""

import ctypes
import functools
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path

import torch

# The parameters of glibc's mallopt(3), and the most it takes for them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST_TRIM, _MOST_MMAP = 2**31 - 1, 2**30


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, and keep freed memory.

    Sums depend on how many threads share them: a kept number must not.
    """
    keep_freed()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _one_thread_of_others():
            yield
    finally:
        torch.set_num_threads(threads)


def _one_thread_of_others() -> AbstractContextManager:
    """Of NumPy, SciPy and scikit-learn; trainings, for which the limit may be missing, use none."""
    if find_spec("threadpoolctl") is None:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


@functools.cache
def keep_freed() -> bool:
    """Keep freed memory in this process from now on; returns whether the C library knows how to.

    Networks allocate and free the same large blocks in every step. The C library of Linux returns
    each to the system and gets it back page by page, which costs up to a third of the time on a
    virtual machine, and stops two workers from being twice as fast as one.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library than glibc
        return False
    return all([mallopt(_MMAP_THRESHOLD, _MOST_MMAP), mallopt(_TRIM_THRESHOLD, _MOST_TRIM)])


def host() -> dict[str, str | int | None]:
    """What of this machine belongs beside a committed number."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        if lines:
            return lines[0].split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
