"""Freed memory stays in the process where the C library can do that."""

import platform
import subprocess
import sys

import pytest

# Pages that fifty turns of allocating and filling 40 MB touch for the first time.
COUNT = """
import resource, sys, torch
from helpers.study import host
if sys.argv[1] == "keep":
    assert host.keep_freed()
torch.set_num_threads(1)
torch.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    command = [sys.executable, "-c", COUNT, mode]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to")
def test_freed_blocks_are_used_again():
    assert faults("keep") < faults("leave") / 5
