"""What every benchmark writes: its bars, what was measured, on what machine, with which versions.

A bar is a named value, what it must reach, and whether it does. A benchmark measures all its rivals
in one run, by turns, so that whatever else the machine does falls on all alike.
"""

import datetime
import json
import operator
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_REACHES = {"<=": operator.le, ">=": operator.ge}


def bar(name: str, value: float, limit: str, **more: Any) -> dict[str, Any]:
    """A bar, e.g. `bar("core-seconds", 3.8, "<= 20")`; `more` is kept beside it.

    Raises `ValueError` for a limit that is not "<= number" or ">= number".
    """
    sign, _, number = limit.partition(" ")
    if sign not in _REACHES:
        raise ValueError(f"limit is {limit!r}; give '<= number' or '>= number'")
    value = round(float(value), 3)
    holds = bool(_REACHES[sign](value, float(number)))
    return {"name": name, "value": value, "bar": limit, "holds": holds, **more}


def write(
    name: str, bars: list[dict[str, Any]], *, packages: tuple[str, ...] = ("torch",), **more: Any
) -> Path:
    """Print the bars; store them with `more`, host, its load, versions of `packages` and the date.

    Returns the file, `benchmarks/results/<name>.json`.
    """
    for each in bars:
        verdict = "holds " if each["holds"] else "MISSED"
        print(f"{verdict} {each['value']:8.2f} {each['bar']:8}  {each['name']}")
    content = {
        "bars": bars,
        **more,
        "host": {"processor": processor(), "cores": os.cpu_count(), "load": load()},
        "versions": {"python": platform.python_version()} | {p: version(p) for p in packages},
        "date": datetime.date.today().isoformat(),
    }
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def load() -> list[float]:
    """How many processes wanted a core in the last 1, 5 and 15 minutes, this one included."""
    return [round(average, 2) for average in os.getloadavg()]


def processor() -> str:
    """The processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
