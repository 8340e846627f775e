"""Scores of metrics in [0, 1], read between two anchors that were measured.

Metrics differ in domain, scale and order. Each is therefore read not between the best and the worst
competitor but between what has nothing of its dimension (class means, chance, copies: score 0) and
what has all of it (other real images, the ceiling: score 1). The anchors of a metric stand in its
record. The accountant's epsilon needs none: see `formal_score`.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from ..metrics.records import Metric
from .style import levels, ordered, trained, with_level


@dataclass(frozen=True)
class Judged:
    """The cells of one data set that can be compared: all of them have the same seeds."""

    dataset: str
    frame: pd.DataFrame  # tidy, with `level`; all that is collected, references too
    classes: int
    cells: list[tuple[str, str]]  # model and level, the rows of every array
    seeds: list[int]  # its columns
    excluded: list[tuple[str, str]]  # cells that lack one of these seeds
    tested: int = 0  # real test images behind an accuracy; 0 where that is not known


def block(dataset: str, frame: pd.DataFrame, classes: int) -> Judged:
    """The largest complete block of cells and seeds: a comparison is fair on the same seeds only.

    Of blocks of one size that with more seeds. `ValueError` if there is no trained cell.
    """
    frame = with_level(frame)
    have: dict[tuple[str, str], set[int]] = {}
    for row in trained(frame)[["model", "level", "seed"]].drop_duplicates().itertuples():
        have.setdefault((row.model, row.level), set()).add(int(row.seed))
    if not have:
        raise ValueError(f"no trained cell of {dataset}; run `python -m helpers study`")
    models, names = ordered(model for model, _ in have), levels(frame)
    cells = sorted(have, key=lambda cell: (models.index(cell[0]), names.index(cell[1])))
    seeds = sorted(set().union(*have.values()))
    subsets = [s for n in range(1, len(seeds) + 1) for s in itertools.combinations(seeds, n)]
    whole = {s: [c for c in cells if have[c] >= set(s)] for s in subsets}
    chosen = max(subsets, key=lambda s: (len(s) * len(whole[s]), len(s)))
    rest = [cell for cell in cells if cell not in whole[chosen]]
    return Judged(dataset, frame, classes, whole[chosen], list(chosen), rest)


def values(judged: Judged, metric: str) -> np.ndarray:
    """The metric of each cell and seed [C, S]; NaN where it is not there."""
    rows = judged.frame[judged.frame["metric"] == metric]
    wide = rows.astype({"level": str}).pivot(
        index=["model", "level"], columns="seed", values="value"
    )
    index = pd.MultiIndex.from_tuples(judged.cells, names=["model", "level"])
    return wide.reindex(index=index, columns=judged.seeds).to_numpy(float)


def anchor(judged: Judged, metric: str, name: str | float) -> np.ndarray:
    """The anchor's value of the metric per seed [S].

    Of the same seed, which has the same private images; else the mean over the seeds there are, and
    NaN if there are none.
    """
    if isinstance(name, float):
        return np.full(len(judged.seeds), name)
    if name == "chance":
        return np.full(len(judged.seeds), 1 / judged.classes)
    frame = judged.frame
    if name == "ceiling":
        rows = frame[frame["metric"] == "accuracy_real"]
    else:
        rows = frame[(frame["model"] == name) & (frame["metric"] == metric)]
    own = rows.groupby("seed")["value"].mean()
    return own.reindex(judged.seeds).fillna(own.mean()).to_numpy(float)


def scores(judged: Judged, metric: str, record: Metric) -> np.ndarray:
    """Scores [C, S] in [0, 1] of a metric: 0 and 1 at the anchors of its record, cut off beyond.

    NaN where an anchor is missing, or where the anchors do not lie apart in the right order.
    `ValueError` if the record has no anchors or no better direction.
    """
    if record.zero is None or record.one is None or not record.better:
        raise ValueError(
            f"metric {metric!r} has no score; its record needs a zero, a one and which is better"
        )
    zero, one = (anchor(judged, metric, end) ** record.power for end in (record.zero, record.one))
    span = np.where(record.better * (one - zero) > 0, one - zero, np.nan)
    return np.clip((values(judged, metric) ** record.power - zero) / span, 0, 1)


def formal_score(epsilon: np.ndarray, delta: float) -> np.ndarray:
    """What (epsilon, delta)-DP leaves of privacy against any attack, in [0, 1]; 0 for NaN or inf.

    1 minus the greatest TPR - FPR that a membership attack can reach, (e^eps - 1 + 2 delta) /
    (e^eps + 1): the corner of the region of Kairouz et al. 2015 (arXiv 1311.0776).
    """
    return 2 * (1 - delta) * expit(-np.nan_to_num(np.asarray(epsilon, float), nan=np.inf))
