"""Results as tables: means over seeds with their 90 % interval and the number of seeds."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import combine_pvalues

from ..metrics.records import record
from ..metrics.statistics import Interval, mean_interval
from ..study import store
from ..study.cell import Cell
from ..study.results import Results
from .style import named, number, ordered, text, with_level


def intervals(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Columns model, level, mean, low, high, n of one metric: the 90 % t interval over seeds."""
    table = [(*key, *interval) for key, interval in _intervals(frame, metric).items()]
    return pd.DataFrame(table, columns=["model", "level", "mean", "low", "high", "n"])


def _intervals(frame: pd.DataFrame, metric: str) -> dict[tuple[str, str], Interval]:
    """By model and level."""
    rows = with_level(frame)
    rows = rows[rows["metric"] == metric]
    groups = rows.groupby(["model", "level"], observed=True, sort=True)["value"]
    return {key: mean_interval(list(values)) for key, values in groups}


def extent(results: Results) -> pd.DataFrame:
    """What a page rests on: per model the seeds, levels, trainings and hours of one core."""
    about, rows = results.provenance["cells"], {}
    for model, group in itertools.groupby(results.cells, key=lambda cell: cell.model):
        cells = list(group)
        rows[model] = {
            "seeds": len({cell.seed for cell in cells}),
            "levels": len({(cell.arm, cell.sigma) for cell in cells}),
            "trainings": sum(_trainings(cell, about[cell.name]) for cell in cells),
            "core-hours": round(sum(about[cell.name]["core_seconds"] for cell in cells) / 3600, 1),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return table.sort_index(key=_by_model).rename(named)


def _trainings(cell: Cell, about: Mapping) -> int:
    """How many trainings the measures took that its provenance says it holds."""
    return 0 if cell.is_reference else len(cell.roles_for(store.held(about)))


def summary(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """One row per model and level, one column per metric: "mean ± half-width" as text.

    Columns are called as the metrics' records say. A metric without a value there shows as "∞" if
    it is the accountant's epsilon of a model trained without noise, else as "–". The last column is
    the number of seeds, if it is not the same everywhere. `ValueError` for a metric without record.
    """
    rows = with_level(frame)
    cells = (
        rows[["model", "level"]].drop_duplicates().sort_values(["model", "level"], key=_by_model)
    )
    order, columns = pd.MultiIndex.from_frame(cells), {}
    for metric in metrics:
        digits, found = record(metric).digits, _intervals(frame, metric)
        columns[record(metric).title] = [
            _shown(found[key], digits) if key in found else _absent(metric, *key) for key in order
        ]
    seeds = rows.groupby(["model", "level"], observed=True)["seed"].nunique()
    if seeds.nunique() > 1:
        columns["seeds"] = seeds.reindex(order).to_numpy()
    return pd.DataFrame(columns, index=order).rename(named, level="model")


def _shown(interval: Interval, digits: int) -> str:
    """What is the same in every seed, as the accountant's epsilon, has no half-width."""
    if math.isclose(interval.high, interval.low):
        return number(interval.mean, digits)
    return text(interval, digits)


def _absent(metric: str, model: str, level: str) -> str:
    """What stands where there is no value; no noise, no bound."""
    return "∞" if metric.startswith("epsilon_1e") and level != "none" else "–"


def _by_model(column: pd.Series | pd.Index) -> pd.Series | pd.Index:
    """Models in their order; other columns as they are."""
    if column.name != "model":
        return column
    return column.map({name: place for place, name in enumerate(ordered(column))})


def leaks(results: Results, variant: str = "") -> pd.DataFrame:
    """The log density ratio at the query, and how surprising it is if nothing leaks (D10).

    One row per model and level: the mean ratio over seeds, each seed's p value, the rank of its
    ratio among those at public images of the query's class (`plane.leak_p_value`), and the one of
    all seeds together. `variant` "one_of_ten" is the second neighbour variant (D11). "–" where
    the points of a run are not kept.
    """
    means, found, rows = _intervals(results.frame, _ratio(variant)), leaked(results, variant), []
    for key in (index := pd.MultiIndex.from_tuples(means, names=["model", "level"])):
        leak = found.get(key)
        seeds = ", ".join(f"{p:.2f}" for p in leak.seeds) if leak else "–"
        rows.append((_shown(means[key], 2), seeds, f"{leak.p:.4f}" if leak else "–"))
    columns = ["log density ratio", "p of each seed", "p of all"]
    table = pd.DataFrame(rows, index=index, columns=columns)
    table = table.sort_index(level="model", key=_by_model, sort_remaining=False, kind="stable")
    return table.rename(named, level="model")


class Leak(NamedTuple):
    """What the test of a leak says of a model and level."""

    seeds: tuple[float, ...]  # p value of each
    p: float  # of all of them together, by Fisher's method


def leaked(results: Results, variant: str = "") -> dict[tuple[str, str], Leak]:
    """What `leaks` shows, of every model and level whose points are kept."""
    from ..metrics import plane  # takes PyTorch, which other tables do not

    saw, saw_not = ("full", "omitted") if variant else ("victim", "ablated")
    public, found = query_class(results), {}
    for cell in results.cells:
        arrays = results.arrays(cell)
        if f"points_{saw_not}" not in arrays:
            continue
        points = (arrays[f"points_{name}"] for name in (saw, saw_not, "query"))
        p = plane.leak_p_value(*points, public, cell.evaluation.neighbors)
        found.setdefault((cell.model, cell.level), []).append(p)
    return {
        key: Leak(tuple(values), float(combine_pvalues(values).pvalue))
        for key, values in found.items()
    }


def query_class(results: Results) -> np.ndarray:
    """The public images of the query's class on the plane, [P, 2]."""
    reference = results.reference()
    return reference["points"][reference["labels"] == reference["query_class"]]


def _ratio(variant: str) -> str:
    return f"log_density_ratio_{variant}" if variant else "log_density_ratio"


def value(frame: pd.DataFrame, metric: str, model: str, level_name: str) -> float:
    """The mean over seeds of one metric at one model and level, for numbers in prose."""
    table = intervals(frame, metric).set_index(["model", "level"])
    return float(table.loc[(model, level_name), "mean"])
