"""Results as tables: means over seeds with their 90 % interval and the number of seeds."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from .statistics import mean_interval

DIGITS = {  # decimals shown; what is not named here is shown with 3
    "fid": 1,
    "fid_inf": 1,
    "fd_lite0": 1,
    "psnr": 2,
    "psnr_paper": 2,
    "is_lite0": 2,
    "epsilon_hat": 2,
    "epsilon_hat_paper": 2,
    "log_density_ratio": 2,
    "epsilon_lower": 2,
    "epsilon_1e-3": 0,
    "epsilon_1e-5": 0,
    "noised_parameters": 0,
    "noise_to_signal": 2,
}


def level(arm: str, sigma: float) -> str:
    """How an arm is written on an axis: "sgd", "clipped" or the noise multiplier."""
    return f"{sigma:g}" if arm == "dp" else arm


def levels(frame: pd.DataFrame) -> list[str]:
    """The levels present in a tidy frame, from no clipping to most noise."""
    order = {"sgd": 0, "clipped": 1, "dp": 2}
    pairs = set(zip(frame["arm"], frame["sigma"], strict=True))
    return [level(arm, s) for arm, s in sorted(pairs, key=lambda pair: (order[pair[0]], pair[1]))]


def with_level(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `level`, an ordered category."""
    names = [level(arm, s) for arm, s in zip(frame["arm"], frame["sigma"], strict=True)]
    return frame.assign(level=pd.Categorical(names, categories=levels(frame), ordered=True))


def intervals(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Columns model, level, mean, low, high, n of one metric: the 90 % t interval over seeds."""
    rows = with_level(frame)
    rows = rows[rows["metric"] == metric]
    groups = rows.groupby(["model", "level"], observed=True, sort=True)["value"]
    table = [(*key, *mean_interval(list(values))) for key, values in groups]
    return pd.DataFrame(table, columns=["model", "level", "mean", "low", "high", "n"])


def summary(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """One row per model and level, one column per metric: "mean ± half-width" as text.

    A metric without a value there (the accountant's epsilon without noise) shows as "∞" if it is
    an epsilon of the accountant, else as "–". The last column is the number of seeds.
    """
    columns, seeds = {}, None
    for metric in metrics:
        table = intervals(frame, metric).set_index(["model", "level"])
        columns[metric] = table.apply(lambda row, m=metric: _text(row, DIGITS.get(m, 3)), axis=1)
        seeds = table["n"] if seeds is None else seeds.combine_first(table["n"])
    result = pd.DataFrame(columns)
    for metric in metrics:
        result[metric] = result[metric].fillna("∞" if metric.startswith("epsilon_1e") else "–")
    order = pd.MultiIndex.from_frame(
        with_level(frame)[["model", "level"]].drop_duplicates().sort_values(["model", "level"])
    )
    result = result.reindex(order)
    return result.assign(seeds=seeds.reindex(order).astype(int))


def _text(row: pd.Series, digits: int) -> str:
    if row["n"] == 1 or row["high"] == row["low"]:
        return f"{row['mean']:,.{digits}f}"
    return f"{row['mean']:,.{digits}f} ± {row['high'] - row['mean']:,.{digits}f}"


def value(frame: pd.DataFrame, metric: str, model: str, level_name: str) -> float:
    """The mean over seeds of one metric at one model and level, for numbers in prose."""
    table = intervals(frame, metric).set_index(["model", "level"])
    return float(table.loc[(model, level_name), "mean"])


def benchmark(name: str) -> pd.DataFrame:
    """The bars of a stored benchmark: what was measured, the value, the bar and whether it holds.

    Reads `benchmarks/results/<name>.json`; raises `FileNotFoundError` if `make bench` never ran.
    """
    path = Path(__file__).resolve().parent.parent / "benchmarks" / "results" / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"benchmarks/results/{name}.json is missing; run `make bench`")
    stored = json.loads(path.read_text())
    table = pd.DataFrame(stored["bars"])[["name", "value", "bar", "holds"]]
    host = stored["host"]
    return table.set_index("name").rename_axis(f"{host['processor']}, {stored['date']}")
