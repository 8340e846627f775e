"""Cells of the study, side by side, and what a difference between them comes to in numbers.

An interval is the 90 % t interval over seeds, of settings that all seeds have. What `mean` gives is
ready for JSON; `words` writes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from chapters import nfl
from chapters.nfl import DATA, MODELS
from helpers.metrics.statistics import mean_interval
from helpers.models.families import VARIANTS
from helpers.study import results
from helpers.study.results import Results

_CELL = ["dataset", "model", "level", "seed"]


@dataclass(frozen=True)
class Study:
    """Collected results: one row per cell in `wide`, and arrays by data set in `found`."""

    wide: pd.DataFrame  # index dataset, model, level, seed; a column per metric
    found: Mapping[str, Results]
    frame: pd.DataFrame  # tidy, what `wide` was made of

    def of(self, *metrics: str, models: tuple[str, ...] = MODELS) -> pd.DataFrame:
        """The metrics of the cells of some models that have all of them."""
        rows = self.wide[self.wide.index.get_level_values("model").isin(models)]
        return rows.reindex(columns=list(metrics)).dropna()


def gather(frame: pd.DataFrame, found: Mapping[str, Results] | None = None) -> Study:
    """A study from a tidy frame of one scale, columns as in `data/results/<dataset>.csv`."""
    return Study(results.cube(frame), found or {}, frame)


def collected(scale: str = "compact") -> Study:
    """What is collected of the study and of its variants; nothing is computed."""
    found = nfl.collected(scale=scale)
    variants = nfl.collected(scale=scale, models=tuple(VARIANTS)).values()
    frames = [part.frame for part in (*found.values(), *variants)]
    columns = [*_CELL[:2], "arm", "sigma", "seed", "scale", "metric", "value"]
    return gather(pd.concat(frames) if frames else pd.DataFrame(columns=columns), found)


def minus(study: Study, first: str, second: str, models: tuple[str, ...] = MODELS) -> pd.Series:
    """One metric minus another, by cell."""
    pair = study.of(first, second, models=models)
    return pair[first] - pair[second]


def between(study: Study, metric: str, first: tuple[str, str], second: tuple[str, str]):
    """A metric at one (model, level) minus another, by data set and seed; indexed as `first`."""
    values = study.wide.reindex(columns=[metric])[metric].dropna()
    where = values.index.droplevel(["dataset", "seed"])
    sides = [values[where == place] for place in (first, second)]
    keys = sides[0].index.droplevel(["model", "level"])
    other = sides[1].droplevel(["model", "level"]).reindex(keys)
    return (sides[0] - other.to_numpy()).dropna()


# Numbers


def mean(values: pd.Series) -> dict[str, float | None]:
    """The mean with its interval over seeds: `mean`, `low`, `high`, `n`; and the number of `cells`.

    Of the settings that every seed has, lest a seed differ by its settings; `low` and `high` are
    `None` for one seed.
    """
    kept = _balanced(values)
    found = mean_interval(kept.groupby("seed").mean().tolist())
    ends = {"low": found.low, "high": found.high} if found.n > 1 else {"low": None, "high": None}
    return {"mean": found.mean, **ends, "n": found.n, "cells": len(kept)}


def _balanced(values: pd.Series) -> pd.Series:
    seeds = values.index.get_level_values("seed").nunique()
    counts = values.groupby(["dataset", "model", "level"]).transform("size")
    kept = values[counts == seeds]
    if len(kept):
        return kept
    first = values.index.get_level_values("seed").min()  # no setting has all seeds: take one seed
    return values[values.index.get_level_values("seed") == first]


def by_data(values: pd.Series) -> dict[str, dict]:
    """The means of values by cell, by data set."""
    return {d: mean(own) for d in DATA if len(own := of_data(values, d))}


def by_model(values: pd.Series) -> dict[str, dict[str, dict]]:
    """The means of values by cell, by data set and model."""
    found = {}
    for data in DATA:
        own = of_data(values, data)
        models = own.index.get_level_values("model")
        means = {m: mean(own[models == m]) for m in MODELS if m in models}
        found |= {data: means} if means else {}
    return found


def of_data(values, data: str):
    """The cells of one data set, of a series or frame by cell."""
    return values[values.index.get_level_values("dataset") == data]
