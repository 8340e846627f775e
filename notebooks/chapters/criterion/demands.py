"""Fix one dimension and read off the best of the others: the principle of least privilege.

Section 6 of No Free Lunch recommends it: ask for as much utility or fidelity as the task needs, and
then take the most private. Here each dimension can be the one that is asked of, privacy by the
attack, by what the attack proves, or by the accountant. "None" is an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.metrics.statistics import mean_interval
from helpers.report import scores

from .. import criterion
from . import FORMAL, HEADLINE, Judged
from .tables import indexed, label, scored


@dataclass(frozen=True)
class Demand:
    """What is asked of one dimension. `by`: "score" (at least), "accountant", "proof" (at most)
    or "null" (the attack does no better than on images of other people)."""

    text: str
    dimension: int
    by: str
    level: float = 0.0


DEMANDS = (
    *(Demand(f"utility ≥ {x:.0%}", 1, "score", x) for x in (0.9, 0.75, 0.5)),
    *(Demand(f"fidelity ≥ {x:.0%}", 0, "score", x) for x in (0.9, 0.75, 0.5)),
    *(Demand(f"privacy ≥ {x:.0%}", 2, "score", x) for x in (0.9, 0.75, 0.5)),
    Demand("no leak proved", 2, "proof", 0.0),
    Demand("attack as on unseen images", 2, "null"),
    Demand("accountant's ε ≤ 10", 2, "accountant", 10.0),
    Demand("accountant's ε ≤ 10,000", 2, "accountant", 10_000.0),
)


def met(judged: Judged, demand: Demand) -> np.ndarray | None:
    """Which cells meet a demand [C]; `None` if that cannot be decided with one seed.

    A score is demanded of the mean over seeds; the accountant's bound and the proof of every seed;
    the null by the 90 % t interval of the paired difference to other real images.
    """
    if demand.by == "score":
        asked = criterion.score(judged, HEADLINE[demand.dimension])
        return asked.mean(axis=1) >= demand.level
    if demand.by == "accountant":
        epsilon = np.nan_to_num(scores.values(judged, FORMAL), nan=np.inf)
        return epsilon.max(axis=1) <= demand.level
    if demand.by == "proof":
        return scores.values(judged, "epsilon_lower").max(axis=1) <= demand.level
    if len(judged.seeds) < 2:
        return None
    excess = scores.values(judged, "mia_auc") - scores.anchor(judged, "mia_auc", "real")
    return np.array([mean_interval(list(row)).low <= 0 for row in excess])


@dataclass(frozen=True)
class Choice:
    """What a demand leaves: how many cells, the most private, and the best in the other two."""

    count: int
    private: int  # rows of `Judged.cells`
    best: int


def read_off(judged: Judged, demand: Demand) -> Choice | None:
    """The choice that a demand leaves; `None` if no cell meets it or that cannot be decided."""
    meets = met(judged, demand)
    if meets is None or not meets.any():
        return None
    parts = criterion.profile(judged)
    weights = [0.0 if d == demand.dimension else 0.5 for d in range(3)]
    both = np.where(meets, criterion.combine(parts, weights).mean(axis=1), -1)
    private = np.where(meets, parts[2].mean(axis=1), -1)
    return Choice(int(meets.sum()), int(private.argmax()), int(both.argmax()))


def advice(found: Mapping[str, Judged], dataset: str | None = None) -> pd.DataFrame:
    """For each demand on one dimension: who meets it, and whom to take.

    `dataset` picks one; without it all. The scores are those of the best cell, means over seeds.
    """
    rows = {}
    for name, judged in scored(found).items():
        if dataset in (None, name):
            rows |= {(name, demand.text): row(judged, demand) for demand in DEMANDS}
    columns = ["cells", "most private", "best in the others", "fidelity, utility, privacy"]
    return indexed(rows, ["data set", "demand"], columns)


def row(judged: Judged, demand: Demand) -> list[str]:
    """A row of `advice`."""
    choice = read_off(judged, demand)
    if choice is None:
        undecided = met(judged, demand) is None
        return ["one seed" if undecided else "0", *["undecided" if undecided else "none"] * 2, "–"]
    triple = criterion.profile(judged)[:, choice.best].mean(axis=1)
    return [
        f"{choice.count} of {len(judged.cells)}{_always(judged, demand)}",
        label(judged.cells[choice.private]),
        label(judged.cells[choice.best]),
        ", ".join(f"{score:.2f}" for score in triple),
    ]


def _always(judged: Judged, demand: Demand) -> str:
    """How many cells meet a demand on the mean score in every seed too."""
    if demand.by != "score" or len(judged.seeds) < 2:
        return ""
    asked = criterion.score(judged, HEADLINE[demand.dimension]) >= demand.level
    return f", {asked.all(axis=1).sum()} always"
