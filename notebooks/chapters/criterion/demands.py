"""Fix one dimension and read off the best of the others: the principle of least privilege.

Section 6 of No Free Lunch recommends it: ask for as much utility or fidelity as the task needs, and
then take the most private. Here each dimension can be the one that is asked of, privacy by the
attack, by what the attack proves, or by the accountant. "None" is an answer, and "most private" is
nobody who was trained without noise, whose accountant's epsilon is infinite.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.metrics.records import record
from helpers.metrics.statistics import mean_interval
from helpers.report import scores

from .. import criterion
from . import FORMAL, HEADLINE, Judged, stability
from .stability import DIGITS
from .tables import anchored, indexed, withdrawn

NOISELESS = "none with noise"  # whoever meets the demand has no bound at all


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
    Demand("as on unseen images", 2, "null"),
    Demand("accountant's ε ≤ 10", 2, "accountant", 10.0),
    Demand("accountant's ε ≤ 10,000", 2, "accountant", 10_000.0),
)


def met(judged: Judged, demand: Demand) -> np.ndarray | None:
    """Which cells meet a demand [C]; `None` if that cannot be decided with one seed.

    A score is demanded of the mean over seeds; the accountant's bound and the proof of every seed;
    the null by the 90 % t interval of the paired difference to other real images.
    """
    if demand.by == "score":
        score = criterion.score(judged, HEADLINE[demand.dimension])
        return score.mean(axis=1) >= demand.level
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
    """What a demand leaves: how many cells, the most private, and the best in the other two.

    Of both as many rows of `Judged.cells` as the seeds do not tell apart, the first first.
    """

    count: int
    private: list[int]  # empty if none that meets the demand was trained with noise
    best: list[int]  # empty if utility has no scale


def read_off(judged: Judged, demand: Demand) -> Choice | None:
    """The choice that a demand leaves; `None` if no cell meets it or that cannot be decided."""
    meets = met(judged, demand)
    if meets is None or not meets.any():
        return None
    private = stability.first(_privacy(judged), meets & noised(judged))
    if withdrawn(judged):
        return Choice(int(meets.sum()), private, [])
    weights = [0.0 if d == demand.dimension else 0.5 for d in range(3)]
    both = criterion.combine(criterion.profile(judged), weights)
    return Choice(int(meets.sum()), private, stability.first([(-both, DIGITS)], meets))


def noised(judged: Judged) -> np.ndarray:
    """Which cells have an accountant's epsilon at all [C]: without noise it is infinite."""
    return np.isfinite(scores.values(judged, FORMAL)).all(axis=1)


def _privacy(judged: Judged) -> list[stability.Key]:
    """What "most private" goes by: the score, which is cut off at 1, then what the attack at the
    query finds, then the accountant's epsilon. All to the digits that are shown."""
    others = ("epsilon_hat", FORMAL)
    found = [(name, scores.values(judged, name)) for name in others]
    known = [(v, record(name).digits) for name, v in found if np.isfinite(v[noised(judged)]).all()]
    return [(-criterion.score(judged, HEADLINE[2]), DIGITS), *known]


def advice(found: Mapping[str, Judged], dataset: str | None = None) -> pd.DataFrame:
    """For each demand on one dimension: who meets it, and whom to take.

    `dataset` picks one; without it all. The scores are those of the best cell that is named first,
    means over seeds. Where utility has no scale nothing can be asked of it or told of it.
    """
    rows = {}
    for name, judged in anchored(found).items():
        if dataset in (None, name):
            rows |= {(name, demand.text): row(judged, demand) for demand in asked(judged)}
    columns = ["cells", "most private", "best in the others", "fidelity, utility, privacy"]
    return indexed(rows, ["data set", "demand"], columns)


def asked(judged: Judged) -> list[Demand]:
    """The demands that can be made on a data set: none on a utility without a scale."""
    return [demand for demand in DEMANDS if demand.dimension != 1 or not withdrawn(judged)]


def row(judged: Judged, demand: Demand) -> list[str]:
    """A row of `advice`."""
    choice = read_off(judged, demand)
    if choice is None:
        undecided = met(judged, demand) is None
        return ["one seed" if undecided else "0", *["undecided" if undecided else "none"] * 2, "–"]
    count = f"{choice.count}{_always(judged, demand)} of {len(judged.cells)}"
    private, best = (
        stability.either([judged.cells[i] for i in some]) for some in (choice.private, choice.best)
    )
    if not choice.best:
        return [count, private or NOISELESS, "–", "–"]
    triple = criterion.profile(judged)[:, choice.best[0]].mean(axis=1)
    return [count, private or NOISELESS, best, ", ".join(f"{score:.2f}" for score in triple)]


def _always(judged: Judged, demand: Demand) -> str:
    """How many cells meet a demand on the mean score in every seed too."""
    if demand.by != "score" or len(judged.seeds) < 2:
        return ""
    meets = criterion.score(judged, HEADLINE[demand.dimension]) >= demand.level
    return f" ({meets.all(axis=1).sum()})"
