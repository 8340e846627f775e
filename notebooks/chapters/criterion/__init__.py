"""One criterion over fidelity, utility and privacy: what section 6 of No Free Lunch wishes for.

The dimensions differ in domain, scale and order. Each metric is therefore read between two anchors
that were measured, not between the best and worst competitor (`helpers.report.scores`). The
weighted geometric mean of the three scores is the criterion. It is Nash's product: a zero cannot be
bought back, the order does not depend on where 1 lies, and no third competitor changes it. Beside
it stand the Pareto front and rank aggregation, which need no scale. Tables: `tables`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.stats import rankdata

from chapters import nfl
from helpers.metrics.records import Metric, direction, record
from helpers.models.families import REFERENCES
from helpers.report import scores
from helpers.report.scores import Judged

EQUAL = (1 / 3, 1 / 3, 1 / 3)
HEADLINE = ("fid", "accuracy", "mia_auc")  # one yardstick per dimension
FORMAL = "epsilon_1e-3"
ROOT_FID = "root_fid"
FEWEST = 3  # cells to compare
VOTERS = {  # metrics whose orders are aggregated; the dimensions weigh the same
    "fidelity": ("fid", "fd_lite0", "precision", "recall"),
    "utility": ("accuracy", "balanced_accuracy"),
    "privacy": ("mia_auc", "epsilon_lower", "epsilon_hat"),
}


def judge(names: Sequence[str], scale: str) -> dict[str, Judged]:
    """What is collected of each data set, ready to compare; below `FEWEST` cells it is left out."""
    found = {}
    for name, some in nfl.collected(names, scale).items():
        if not set(some.frame["model"]) <= set(REFERENCES):
            judged = scores.block(name, some.frame, len(some.reference()["classes"]))
            found[name] = replace(judged, tested=sum(some.provenance["data"]["test"]))
    return {name: judged for name, judged in found.items() if len(judged.cells) >= FEWEST}


def yardstick(name: str) -> tuple[str, Metric]:
    """The metric that is scored, and its record; `ROOT_FID` is FID's root, which is a distance."""
    if name == ROOT_FID:
        return "fid", replace(record("fid"), power=0.5)
    return name, record(name)


def score(judged: Judged, name: str) -> np.ndarray:
    """A yardstick's scores [C, S] in [0, 1]; `FORMAL` has no anchors, see `scores.formal_score`."""
    if name == FORMAL:
        return scores.formal_score(scores.values(judged, FORMAL), 1e-3)
    return scores.scores(judged, *yardstick(name))


def profile(judged: Judged, names: Sequence[str] = HEADLINE) -> np.ndarray:
    """Scores [3, C, S] by one yardstick per dimension, in the order of `DIMENSIONS`."""
    return np.stack([score(judged, name) for name in names])


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
    return np.stack([-direction(name) * scores.values(judged, name) for name in names])


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
