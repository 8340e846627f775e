"""Releases and reports as a newcomer would make them: `walk` by the commands, on small digits or a
folder of the reader's; `photographs` the same on leaves of maize, of which it keeps what is shown.
"""

from pathlib import Path

from . import photographs


def collect() -> Path:
    """Release and judge the photographs, some minutes of one core, and keep what is shown."""
    return photographs.collect()
