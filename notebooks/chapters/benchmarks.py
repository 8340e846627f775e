"""Stored benchmarks as tables."""

import json
from pathlib import Path

import pandas as pd


def bars(name: str) -> pd.DataFrame:
    """The bars of a stored benchmark: what was measured, the value, the bar and whether it holds.

    Reads `benchmarks/results/<name>.json`; raises `FileNotFoundError` if `make bench` never ran.
    """
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"benchmarks/results/{name}.json is missing; run `make bench`")
    stored = json.loads(path.read_text())
    table = pd.DataFrame(stored["bars"])[["name", "value", "bar", "holds"]]
    host = stored["host"]
    return table.set_index("name").rename_axis(f"{host['processor']}, {stored['date']}")
