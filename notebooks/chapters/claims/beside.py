"""What the page shows beside the verdicts and judges by nothing: what they rest on, and levels."""

from collections.abc import Mapping

import pandas as pd

from chapters.nfl import DATA, MODELS
from chapters.verdicts import Part, combine
from helpers.report import style, tables
from helpers.study.results import Results

from . import beyond
from .evidence import NOISE, TITLES, Evidence, gather, one


def beside(study: pd.DataFrame) -> pd.DataFrame:
    """Quantities that are shown and not judged: what clipping alone does, levels, and wins."""
    e = gather(study)
    parts = []
    for metric in ("accuracy", "recall", "coverage"):  # C8, C10
        clipped = e.at("mnist", "gan", "clipped", metric)
        noise, none = e.over("mnist", "gan", NOISE, metric), e.at("mnist", "gan", "sgd", metric)
        parts.append(one("mnist", "gan", f"{metric}, noise minus clipped", noise - clipped))
        parts.append(one("mnist", "gan", f"{metric}, clipped minus σ = 0", clipped - none))
    for model in ("gan", "ddpm"):  # C16
        level = e.at("octmnist", model, "sgd", "fid")
        parts.append(one("octmnist", model, "FID, σ = 0", level, digits=1))
    score = e.over("octmnist", "gan", NOISE[1:], "is_lite0")  # C17
    parts.append(one("octmnist", "gan", "IS by Lite0, σ ≥ 0.2", score, digits=2))
    parts += [beyond.consistency(e, d, m) for d in DATA[1:] for m in MODELS]  # C22
    rows = [
        {"quantity": part.label, "ours [90 % interval]": part.text()}
        for part in [*parts, *_best(e)]
    ]
    return pd.DataFrame(rows)


def _best(e: Evidence) -> list[Part]:
    """In what share of the comparisons of C21 each model is best; by chance, a third."""
    ranks = [beyond.ranks(e, model) for model in MODELS]
    shares = [combine(lambda *v: (sum(r == 1 for r in v)) / len(v), *of_one) for of_one in ranks]
    return [
        Part(f"share of comparisons won: {TITLES[model]}", share, digits=2)
        for model, share in zip(MODELS, shares, strict=True)
    ]


def coverage(frame: pd.DataFrame) -> pd.DataFrame:
    """How many seeds of each data set, model and level there are."""
    rows = style.with_level(frame[frame["model"].isin(MODELS)])
    counts = rows.groupby(["dataset", "model", "level"], observed=True)["seed"].nunique()
    columns = ["sgd", "clipped", "0.1", "0.2", "0.3", "0.4"]
    index = pd.MultiIndex.from_product([DATA, MODELS], names=["data set", "model"])
    wide = counts.unstack("level").reindex(index=index, columns=columns)
    wide = wide.fillna(0).astype(int)
    wide.index = index.map(lambda key: (TITLES[key[0]], TITLES[key[1]]))
    return wide.rename_axis(columns=None)


def leaks(found: Mapping[str, Results], dataset: str) -> pd.DataFrame:
    """`tables.leaks` of a data set, or a row that says that nothing of it is there."""
    if dataset in found:
        return tables.leaks(found[dataset])
    return pd.DataFrame({"log density ratio": ["–"]}, index=["no results yet"])
