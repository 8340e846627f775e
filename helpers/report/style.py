"""The look of every page: colours and markers of families, names of levels, numbers as text.

One colour and one marker per family, the same in every figure; `text` is how a mean over seeds is
written everywhere. What is drawn or listed comes from results and is put in order here: adding a
family changes no page of results that lack it.
"""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ..metrics.statistics import Interval
from ..models.families import FAMILIES, REFERENCES, VARIANTS, family_of
from ..study.cell import Cell, level

_FAMILY = {name: FAMILIES[family_of(name)] for name in [*FAMILIES, *VARIANTS]}
COLOURS = {name: to_rgb(family.colour) for name, family in _FAMILY.items()}
MARKERS = {name: family.marker for name, family in _FAMILY.items()}
TITLES = {name: name for name in VARIANTS} | {name: f.title for name, f in FAMILIES.items()}


def style() -> None:
    """The look of figures, and tables with their texts whole: set once at the top of a notebook."""
    pd.set_option("display.max_colwidth", None)
    sns.set_theme(context="notebook", style="whitegrid", font_scale=0.9)
    plt.rcParams.update({"figure.dpi": 100, "savefig.dpi": 120, "axes.titlesize": 11})


def panels(rows: int = 1, columns: int = 1, *, size: tuple[float, float]) -> tuple[Figure, Any]:
    """A figure with its axes [rows, columns]; pyplot forgets it, so a notebook shows it once."""
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    plt.close(figure)
    return figure, axes


# Numbers


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """A number with so many decimals and commas between thousands, `signed` with its sign."""
    return f"{value:{'+' if signed else ''},.{digits}f}"


def text(interval: Interval, digits: int, *, signed: bool = False) -> str:
    """A mean over seeds: "1.23 ± 0.04", the half-width of its interval left out for one seed."""
    mean = number(interval.mean, digits, signed=signed)
    if interval.n == 1:
        return mean
    return f"{mean} ± {number(interval.high - interval.mean, digits)}"


# Models and levels


def ordered(models: Iterable[str]) -> list[str]:
    """Models, each once, as they are listed: families, their variants, references, any others."""
    places = {name: place for place, name in enumerate([*FAMILIES, *VARIANTS, *REFERENCES])}
    return sorted(set(models), key=lambda name: (places.get(name, len(places)), name))


def trained(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of trained models: all but the reference generators."""
    return frame[~frame["model"].isin(REFERENCES)]


def named(model: str) -> str:
    """How a model or reference generator is written in a table."""
    return TITLES.get(model) or REFERENCES.get(model, model)


def levels(frame: pd.DataFrame) -> list[str]:
    """The levels present in a tidy frame, from no clipping to most noise."""
    order = {"none": 0, "sgd": 1, "clipped": 2, "dp": 3}
    pairs = set(zip(frame["arm"], frame["sigma"], strict=True))
    return [level(arm, s) for arm, s in sorted(pairs, key=lambda pair: (order[pair[0]], pair[1]))]


def with_level(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `level`, an ordered category."""
    names = [level(arm, s) for arm, s in zip(frame["arm"], frame["sigma"], strict=True)]
    return frame.assign(level=pd.Categorical(names, categories=levels(frame), ordered=True))


def written(level: str) -> str:
    """A level in a title: "sgd", "clipped" or "σ = 0.1"."""
    return level if level.isalpha() else f"σ = {level}"


def title(cell: Cell) -> str:
    """A cell's level in a title."""
    return written(cell.level)
