"""How often the test of a leak errs: on pairs of runs that never saw the image it looks at.

An ablated run has no image of the query's class. Two of different seeds, held against each other as
if one were the victim, can leak nothing of it, so the test may call at most as many of such pairs a
leak as its level says.
"""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2

from helpers.metrics import attacks, plane
from helpers.report.tables import query_class
from helpers.study.results import Results

from .nfl import DATA_TITLES, MODELS

LEVEL = 0.05


class Run(NamedTuple):
    """What is kept of an ablated run: its points on the plane, and the query it never saw."""

    points: np.ndarray  # [N, 2]
    query: np.ndarray  # [1, 2]
    k: int


class Null(NamedTuple):
    """p values where there is no leak: a row per ordered pair of runs, a column per image."""

    queries: np.ndarray  # [pairs, 2]: at the query of the first run, and of the second
    others: np.ndarray  # [pairs, images]: at real images of the class that nobody trained on

    def together(self) -> "Null":
        """By Fisher's method of three pairs each, as a table of three seeds has them.

        Each run is the victim once: pairs (0, 1), (1, 2), (2, 0), and the other way round. At other
        images each pair looks at one of its own.
        """
        return Null(_three(self.queries, 0), _three(self.others, self.others.shape[1] // 3))


def _three(values: np.ndarray, shift: int) -> np.ndarray:
    """Fisher's p values of the pairs of both ways round, each `shift` columns beside the last."""
    logs, found = np.log(values).reshape(-1, 6, values.shape[1]), []
    for rows in ([0, 3, 4], [1, 5, 2]):  # of (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)
        parts = [np.roll(logs[:, row], i * shift, axis=1) for i, row in enumerate(rows)]
        found.append(chi2.sf(-2 * sum(parts), 2 * len(rows)))
    return np.concatenate(found)


def null(results: Results) -> Null:
    """The null p values of all pairs of ablated runs of one model and level, of three seeds."""
    public, others = query_class(results), _others(results)
    at_queries, at_others = [], []
    for runs in _runs(results):
        for one, other in itertools.permutations(runs, 2):
            places = np.concatenate([one.query, other.query, others, public])
            ratios = plane.log_density_ratios(one.points, other.points, places, one.k)
            at_public, asked = np.sort(ratios[-len(public) :]), ratios[: -len(public)]
            below = np.searchsorted(at_public, asked, side="left")
            values = (1 + len(public) - below) / (1 + len(public))
            at_queries.append(values[:2])
            at_others.append(values[2:])
    return Null(np.array(at_queries), np.array(at_others))


def _runs(results: Results) -> list[list[Run]]:
    """The ablated runs of each model and level, by seed."""
    cells = sorted(cell for cell in results.cells if cell.model in MODELS)
    groups = []
    for _, group in itertools.groupby(cells, key=lambda cell: (cell.model, cell.level)):
        kept = [(cell, results.arrays(cell)) for cell in group]
        groups.append(
            [Run(a["points_ablated"], a["points_query"], c.evaluation.neighbors) for c, a in kept]
        )
    return groups


def _others(results: Results) -> np.ndarray:
    """The query's class in the reference `real`, of all seeds: neither private nor public."""
    about, images = results.reference(), []
    for cell in (cell for cell in results.cells if cell.model == "real"):
        by_class = np.split(results.arrays(cell)["points_victim"], len(about["classes"]))
        images.append(by_class[int(about["query_class"])])
    return np.concatenate(images)


def nulls(found: Mapping[str, Results]) -> dict[str, Null]:
    """Of each data set that has three seeds of every model and level, and real images."""
    return {
        name: null(results)
        for name, results in found.items()
        if {len(runs) for runs in _runs(results)} == {3}
        and any(cell.model == "real" for cell in results.cells)
    }


def calibration(found: Mapping[str, Null]) -> pd.DataFrame:
    """A row per data set: the share of null p values of at most `LEVEL`, with its 95 % interval.

    Clopper-Pearson, as if p values were independent.
    """
    rows = {}
    for name, one in found.items():
        joint = one.together()
        rows[DATA_TITLES[name]] = {
            "one pair, at queries": _share(one.queries),
            "at other images": _share(one.others),
            "three pairs, at queries": _share(joint.queries),
            "three pairs, at other images": _share(joint.others),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def share(values: np.ndarray) -> float:
    """How many of the p values are at most `LEVEL`, of 1."""
    return float((values <= LEVEL).mean())


def _share(values: np.ndarray) -> str:
    low, high = attacks.clopper_pearson(int((values <= LEVEL).sum()), values.size)
    return f"{share(values):.3f} [{low:.3f}, {high:.3f}]"
