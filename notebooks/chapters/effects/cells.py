"""Cells of the study, side by side, and what a difference between them comes to in words.

An interval is the 90 % t interval over seeds, of settings that all seeds have. Texts say
"not measured: ..." where results are missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from chapters.nfl import DATA_TITLES as DATASETS
from chapters.nfl import MODEL_TITLES as MODELS
from helpers.metrics.statistics import mean_interval
from helpers.models.families import VARIANTS
from helpers.report import tables
from helpers.study import results
from helpers.study.results import Results

_CELL = ["dataset", "model", "level", "seed"]


@dataclass(frozen=True)
class Study:
    """Collected results: one row per cell in `wide`, and arrays by data set in `found`."""

    wide: pd.DataFrame  # index dataset, model, level, seed; a column per metric
    found: Mapping[str, Results]
    frame: pd.DataFrame  # tidy, what `wide` was made of

    def of(self, *metrics: str, models: Mapping[str, str] = MODELS) -> pd.DataFrame:
        """The metrics of the cells of some models that have all of them."""
        rows = self.wide[self.wide.index.get_level_values("model").isin(list(models))]
        return rows.reindex(columns=list(metrics)).dropna()


def gather(frame: pd.DataFrame, found: Mapping[str, Results] | None = None) -> Study:
    """A study from a tidy frame of one scale, columns as in `data/results/<dataset>.csv`."""
    levels = [tables.level(a, s) for a, s in zip(frame["arm"], frame["sigma"], strict=True)]
    wide = frame.assign(level=levels).pivot(index=_CELL, columns="metric", values="value")
    return Study(wide, found or {}, frame)


def collected(scale: str = "compact") -> Study:
    """What is collected of the study and of its variants; nothing is computed."""
    found = {name: results.available(name, scale) for name in DATASETS}
    found = {name: part for name, part in found.items() if part is not None}
    frames = [part.frame for part in found.values()]
    for name in found:
        table = pd.read_csv(results.results_root(scale) / f"{name}.csv")
        frames.append(table[table["model"].isin(list(VARIANTS))])
    columns = [*_CELL[:2], "arm", "sigma", "seed", "scale", "metric", "value"]
    return gather(pd.concat(frames) if frames else pd.DataFrame(columns=columns), found)


# Texts


def over_data(values: pd.Series, digits: int, *, signed: bool = True) -> str:
    """ "MNIST +1.0 ± 0.2 (9 cells); ...": means of values by cell, of settings all seeds have."""
    named = [(DATASETS[d], values[values.index.get_level_values("dataset") == d]) for d in DATASETS]
    parts = [f"{name} {_mean(part, digits, signed)}" for name, part in named if len(part)]
    return "; ".join(parts) if parts else "not measured: no cells are collected that have both"


def over_models(values: pd.Series, digits: int, *, signed: bool = True) -> str:
    """The same by data set and model: "MNIST: VAE +1.0 ± 0.2 (3 cells), ..."."""
    texts = []
    for data, title in DATASETS.items():
        own = values[values.index.get_level_values("dataset") == data]
        named = [(MODELS[m], own[own.index.get_level_values("model") == m]) for m in MODELS]
        parts = [f"{name} {_mean(part, digits, signed)}" for name, part in named if len(part)]
        texts += [f"{title}: {', '.join(parts)}"] if parts else []
    return "; ".join(texts) if texts else "not measured: no cells are collected that have both"


def difference(values: pd.Series, digits: int) -> str:
    """ "+1.0 ± 0.2": the mean of one value per seed, without an interval if there is one."""
    found = mean_interval(values.tolist())
    text = number(found.mean, digits, signed=True)
    return text if found.n == 1 else f"{text} ± {found.high - found.mean:,.{digits}f}"


def _mean(values: pd.Series, digits: int, signed: bool) -> str:
    found = mean_interval(balanced(values).groupby("seed").mean().tolist())
    text = number(found.mean, digits, signed)
    cells = f"{len(balanced(values))} cell{'s' * (len(balanced(values)) > 1)}"
    if found.n == 1:
        return f"{text} ({cells}, one seed)"
    return f"{text} ± {found.high - found.mean:,.{digits}f} ({cells})"


def balanced(values: pd.Series) -> pd.Series:
    """Values by cell of the settings that every seed has, lest a seed differ by its settings."""
    seeds = values.index.get_level_values("seed").nunique()
    counts = values.groupby(["dataset", "model", "level"]).transform("size")
    kept = values[counts == seeds]
    if len(kept):
        return kept
    first = values.index.get_level_values("seed").min()  # no setting has all seeds: take one seed
    return values[values.index.get_level_values("seed") == first]


def number(value: float, digits: int, signed: bool = False) -> str:
    """A number with a true minus sign."""
    return f"{value:{'+' if signed else ''},.{digits}f}".replace("-", "−")


def minus(study: Study, first: str, second: str, models: Mapping[str, str] = MODELS) -> pd.Series:
    """One metric minus another, by cell."""
    pair = study.of(first, second, models=models)
    return pair[first] - pair[second]


def between(study: Study, metric: str, first: tuple[str, str], second: tuple[str, str]):
    """A metric at one (model, level) minus another, by data set and seed; indexed as `first`."""
    sides = [study.wide.reindex(columns=[metric])[metric].dropna() for _ in range(2)]
    sides = [
        side[(side.index.get_level_values(1) == m) & (side.index.get_level_values(2) == at)]
        for side, (m, at) in zip(sides, (first, second), strict=True)
    ]
    second_side = sides[1].droplevel(["model", "level"])
    keys = sides[0].index.droplevel(["model", "level"])
    return (sides[0] - second_side.reindex(keys).to_numpy()).dropna()
