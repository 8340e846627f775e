"""One criterion over fidelity, utility and privacy: what section 6 of No Free Lunch wishes for.

The dimensions differ in domain, scale and order. Each metric is therefore read between two anchors
that were measured, not between the best and worst competitor: 0 is what has nothing of the
dimension (class means, chance, copies), 1 what has all of it (other real images, the ceiling). The
weighted geometric mean of the three scores is the criterion. It is Nash's product: a zero cannot be
bought back, the order does not depend on where 1 lies, and no third competitor changes it. Beside
it stand the Pareto front and rank aggregation, which need no scale. Tables: `tables`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.special import expit
from scipy.stats import rankdata

from chapters import nfl
from helpers.models.families import REFERENCES
from helpers.report.tables import BETTER, levels, with_level
from helpers.study import results

DIMENSIONS = ("fidelity", "utility", "privacy")
EQUAL = (1 / 3, 1 / 3, 1 / 3)
HEADLINE = ("fid", "accuracy", "mia_auc")  # one yardstick per dimension
FORMAL = "epsilon_1e-3"
FEWEST = 3  # cells to compare
VOTERS = {  # metrics whose orders are aggregated; the dimensions weigh the same
    "fidelity": ("fid", "fd_lite0", "precision", "recall"),
    "utility": ("accuracy", "balanced_accuracy"),
    "privacy": ("mia_auc", "epsilon_lower", "epsilon_hat"),
}


@dataclass(frozen=True)
class Yardstick:
    """A metric with the anchors of its score.

    An anchor is a reference generator, "chance", "ceiling" (the classifier on the private images
    themselves) or a number. `power`: the score is linear in this power of the metric.
    """

    metric: str
    zero: str | float
    one: str | float
    power: float = 1.0


YARDSTICKS = {
    "fid": Yardstick("fid", "means", "real"),
    "root_fid": Yardstick("fid", "means", "real", power=0.5),  # a distance, FID is its square
    "fd_lite0": Yardstick("fd_lite0", "means", "real"),
    "recall": Yardstick("recall", "means", "real"),
    "accuracy": Yardstick("accuracy", "chance", "ceiling"),
    "mia_auc": Yardstick("mia_auc", "copies", "real"),
    "mia_loss_auc": Yardstick("mia_loss_auc", 1.0, 0.5),  # references have no loss to attack
    "epsilon_lower": Yardstick("epsilon_lower", "copies", "real"),
    "epsilon_hat": Yardstick("epsilon_hat", "copies", "real"),
}


@dataclass(frozen=True)
class Judged:
    """The cells of one data set that can be compared: all of them have the same seeds."""

    dataset: str
    frame: pd.DataFrame  # tidy, with `level`; all that is collected, references too
    classes: int
    cells: list[tuple[str, str]]  # model and level, the rows of every array
    seeds: list[int]  # its columns
    excluded: list[tuple[str, str]]  # cells that lack one of these seeds


def judge(names: Sequence[str], scale: str) -> dict[str, Judged]:
    """What is collected of each data set, ready to compare; below `FEWEST` cells it is left out."""
    found = {}
    for name in names:
        some = results.available(name, scale)
        if some is not None and not set(some.frame["model"]) <= set(REFERENCES):
            found[name] = block(name, some.frame, len(some.reference()["classes"]))
    return {name: judged for name, judged in found.items() if len(judged.cells) >= FEWEST}


def block(dataset: str, frame: pd.DataFrame, classes: int) -> Judged:
    """The largest complete block of cells and seeds: a comparison is fair on the same seeds only.

    Of blocks of one size that with more seeds. `ValueError` if there is no trained cell.
    """
    frame = with_level(frame)
    order = {model: i for i, model in enumerate(nfl.MODELS)}
    trained = frame[~frame["model"].isin(REFERENCES)]
    have: dict[tuple[str, str], set[int]] = {}
    for model, level, seed in trained[["model", "level", "seed"]].drop_duplicates().to_numpy():
        have.setdefault((model, level), set()).add(int(seed))
    if not have:
        raise ValueError(f"no trained cell of {dataset}; run `python -m helpers study`")
    names = levels(frame)
    cells = sorted(have, key=lambda c: (order.get(c[0], len(order)), c[0], names.index(c[1])))
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


def sign(metric: str) -> int:
    """+1 if more of a metric is better, -1 if less is; `ValueError` if neither is known."""
    if metric in BETTER[-1]:
        return 1
    if metric in BETTER[+1] or metric in YARDSTICKS or metric == FORMAL:
        return -1
    raise ValueError(f"{metric!r} has no better direction; name one of tables.BETTER")


# Scores


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


def scores(judged: Judged, name: str) -> np.ndarray:
    """A yardstick's scores [C, S] in [0, 1]: 0 and 1 at its anchors, cut off beyond them.

    NaN where an anchor is missing, or where the anchors do not lie apart in the right order.
    `FORMAL` is scored by `formal_score`.
    """
    if name == FORMAL:
        return formal_score(values(judged, FORMAL), 1e-3)
    yard = YARDSTICKS[name]
    ends = [anchor(judged, yard.metric, end) for end in (yard.zero, yard.one)]
    zero, one = (end**yard.power for end in ends)
    span = np.where(sign(yard.metric) * (one - zero) > 0, one - zero, np.nan)
    return np.clip((values(judged, yard.metric) ** yard.power - zero) / span, 0, 1)


def formal_score(epsilon: np.ndarray, delta: float) -> np.ndarray:
    """What (epsilon, delta)-DP leaves of privacy against any attack, in [0, 1]; 0 for NaN or inf.

    1 minus the greatest TPR - FPR that a membership attack can reach, (e^eps - 1 + 2 delta) /
    (e^eps + 1): the corner of the region of Kairouz et al. 2015 (arXiv 1311.0776).
    """
    return 2 * (1 - delta) * expit(-np.nan_to_num(np.asarray(epsilon, float), nan=np.inf))


def profile(judged: Judged, names: Sequence[str] = HEADLINE) -> np.ndarray:
    """Scores [3, C, S] by one yardstick per dimension, in the order of `DIMENSIONS`."""
    return np.stack([scores(judged, name) for name in names])


def combine(
    parts: np.ndarray, weights: Sequence[float] | np.ndarray = EQUAL, power: float = 0.0
) -> np.ndarray:
    """Weighted power mean over the first axis of scores [3, ...] in [0, 1].

    `power` 0 is the geometric mean, the criterion: 0 as soon as a score of positive weight is. 1 is
    the arithmetic mean, -inf the worst score. Weights are >= 0 and sum to 1, else `ValueError`.
    """
    weights = np.asarray(weights, float)
    if weights.shape != (len(parts),) or (weights < 0).any() or abs(weights.sum() - 1) > 1e-9:
        raise ValueError(f"weights are {weights}; {len(parts)} numbers >= 0 with sum 1 are needed")
    if power == -np.inf:
        return parts[weights > 0].min(axis=0)
    shaped = weights.reshape(-1, *[1] * (parts.ndim - 1))
    if power == 0:
        return np.prod(parts**shaped, axis=0)
    return np.sum(shaped * parts**power, axis=0) ** (1 / power)


# Orders


def losses(judged: Judged, names: Sequence[str] = HEADLINE) -> np.ndarray:
    """The metrics themselves [D, C, S], turned so that less is better: no anchor is needed."""
    return np.stack([-sign(name) * values(judged, name) for name in names])


def front(points: np.ndarray) -> np.ndarray:
    """Which of the losses [C, D] are on the Pareto front, [C]: no other is as good in all and
    better in one."""
    no_worse = (points[:, None] <= points[None]).all(axis=2)
    better = (points[:, None] < points[None]).any(axis=2)
    return ~(no_worse & better).any(axis=0)


def ballots(judged: Judged) -> tuple[np.ndarray, np.ndarray]:
    """Losses [V, C], one row per metric of `VOTERS` and seed, and the rows' weights [V].

    Metrics that are not there for all cells have no vote. Dimensions weigh the same in sum.
    """
    rows, weights = [], []
    for names in VOTERS.values():
        cast = [losses(judged, [name])[0].T for name in names]
        cast = [votes for votes in cast if np.isfinite(votes).all()]
        rows += cast
        count = sum(len(votes) for votes in cast)
        weights += [1 / count for _ in range(count)]
    return np.concatenate(rows), np.array(weights) / len(VOTERS)


def borda(votes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean rank [C] over ballots of losses [V, C]; 1 is first, ties share their ranks."""
    return np.average(rankdata(votes, axis=1), axis=0, weights=weights)


def kemeny(votes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Places [C], from 0, in the order that disagrees least with the ballots [V, C] (Kemeny 1959).

    Exact, as an integer programme: one variable per pair, "the first comes before the second", and
    no cycle among three. `RuntimeError` if the solver fails.
    """
    n = votes.shape[1]
    prefer = np.einsum("v,vij->ij", weights, (votes[:, :, None] < votes[:, None, :]) * 1.0)
    pairs = list(itertools.combinations(range(n), 2))
    if not pairs:
        return np.zeros(n, int)
    at = {pair: i for i, pair in enumerate(pairs)}
    triples = list(itertools.combinations(range(n), 3))
    rows = np.zeros((len(triples), len(pairs)))
    for row, (i, j, k) in zip(rows, triples, strict=True):
        row[[at[i, j], at[j, k], at[i, k]]] = 1, 1, -1  # all but 0 and 1 would be a cycle
    cost = np.array([prefer[j, i] - prefer[i, j] for i, j in pairs])
    limits = [LinearConstraint(rows, 0, 1)] if triples else []
    solved = milp(cost, integrality=np.ones(len(pairs)), bounds=Bounds(0, 1), constraints=limits)
    if solved.x is None:
        raise RuntimeError(f"no Kemeny order of {n} cells: {solved.message}")
    before = np.zeros(n, int)
    for (i, j), first in zip(pairs, solved.x, strict=True):
        before[j if first > 0.5 else i] += 1
    return before


# What depends on the weights and on the seeds


def simplex(parts: int) -> np.ndarray:
    """Weights [parts * (parts + 1) / 2, 3], spread evenly over the triangle, off its border.

    The middles of the upright ones of the small triangles that it is cut into.
    """
    whole = [(i, j, parts - 1 - i - j) for i in range(parts) for j in range(parts) if i + j < parts]
    return (np.array(whole) + 1 / 3) / parts


def winners(scored: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The cell [W] of scores [3, C, S] with the highest criterion at each weighting [W, 3]."""
    each = np.prod(scored[None] ** weights[:, :, None, None], axis=1)  # -> [W, C, S]
    return each.mean(axis=2).argmax(axis=1)


def resamples(n: int) -> np.ndarray:
    """All n^n ways [R, n] to draw n seeds with replacement: the bootstrap, enumerated.

    Seeds are drawn for all cells at once, because a seed's cells share their private images. Meant
    for a handful of seeds: `ValueError` beyond six.
    """
    if not 1 <= n <= 6:
        raise ValueError(f"{n} seeds; the bootstrap is enumerated for 1 to 6")
    return np.array(list(itertools.product(range(n), repeat=n)))


def chance_best(scored: np.ndarray) -> np.ndarray:
    """How often each cell is best [C] when the seeds of [C, S] are resampled; ties are shared."""
    means = scored[:, resamples(scored.shape[1])].mean(axis=2)  # -> [C, R]
    first = means >= means.max(axis=0) - 1e-12
    return (first / first.sum(axis=0)).mean(axis=1)


def front_share(lost: np.ndarray) -> np.ndarray:
    """How often each cell is on the front [C] when the seeds of losses [D, C, S] are resampled."""
    draws = resamples(lost.shape[2])
    return np.mean([front(lost[:, :, draw].mean(axis=2).T) for draw in draws], axis=0)
