"""The criterion as tables: what can be judged, who is best, on what that depends, what to read off.

Every function takes what `criterion.judge` found. A data set whose anchors are missing is named
with what it lacks; one that is not collected is not there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from helpers.metrics.records import DIMENSIONS, record
from helpers.metrics.statistics import mean_interval
from helpers.models.families import REFERENCES
from helpers.report import scores
from helpers.report.style import TITLES, number, text

from .. import criterion
from . import FORMAL, HEADLINE, ROOT_FID, Judged, stability

Found = Mapping[str, Judged]
GRID = 60  # steps along a side of the triangle of weights
ERRORS = 10  # that the ceiling has to lie above chance, for utility to have a scale


def missing(judged: Judged) -> list[str]:
    """The anchors that are missing or useless; without them there is no criterion."""
    lost = []
    for name in HEADLINE:
        known = record(name)
        ends = (known.zero, known.one)
        gone = [end for end in ends if np.isnan(scores.anchor(judged, name, end)).any()]
        lost += [f"{end} ({name})" for end in gone]
        if not gone and np.isnan(criterion.score(judged, name)).any():
            lost.append(f"{known.one} not better than {known.zero} ({name})")
    return lost


def thin(judged: Judged) -> list[str]:
    """The reference generators that lack some of the seeds: their mean over seeds stands in."""
    frame, wanted = judged.frame, len(judged.seeds)
    have = {
        name: set(frame[frame["model"] == name]["seed"]) & set(judged.seeds) for name in REFERENCES
    }
    return [
        f"{name}: {len(s)} of {wanted} seeds" for name, s in have.items() if 0 < len(s) < wanted
    ]


def error(judged: Judged) -> np.ndarray:
    """The standard error of the ceiling per seed [S], from the number of test images alone."""
    ceiling = scores.anchor(judged, "accuracy", "ceiling")
    return np.sqrt(ceiling * (1 - ceiling) / judged.tested)


def span(judged: Judged) -> np.ndarray:
    """How far the ceiling lies above chance per seed [S]: the length of utility's scale."""
    return scores.anchor(judged, "accuracy", "ceiling") - 1 / judged.classes


def withdrawn(judged: Judged) -> bool:
    """Whether utility has no scale to be scored on, so that the criterion would order noise.

    In some seed the ceiling lies less than `ERRORS` standard errors above chance: then the test
    set alone moves a score by a tenth or more, and demands of 75 and 90 % are one. Not so where
    the number of test images is not known.
    """
    return judged.tested > 0 and bool((span(judged) < ERRORS * error(judged)).any())


def anchored(found: Found) -> dict[str, Judged]:
    """The data sets that have all their anchors, withdrawn or not."""
    return {name: judged for name, judged in found.items() if not missing(judged)}


def scored(found: Found) -> dict[str, Judged]:
    """The data sets that have all their anchors, and a scale between them."""
    return {name: judged for name, judged in anchored(found).items() if not withdrawn(judged)}


def label(cell: tuple[str, str]) -> str:
    """A cell as text: "DDPM 0.1"."""
    return f"{TITLES[cell[0]]} {cell[1]}"


def basis(names: Sequence[str], found: Found) -> pd.DataFrame:
    """What each of the data sets asked for is judged on, and what is not there yet."""
    rows = {}
    for name in names:
        judged = found.get(name)
        if judged is None:
            rows[name] = (f"fewer than {criterion.FEWEST} cells yet", "–", "–", "–")
            continue
        n = len(judged.seeds)
        rows[name] = (
            f"{n}" if n > 1 else "1: nothing is certain",
            f"{len(judged.cells)} of {len(judged.cells) + len(judged.excluded)}",
            _grouped(judged.excluded) or "none",
            ", ".join(missing(judged) + thin(judged)) or "none",
        )
    columns = [
        "seeds",
        "cells compared",
        "left out (too few seeds)",
        "missing anchors or their seeds",
    ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("data set")


def _grouped(cells: Sequence[tuple[str, str]]) -> str:
    levels: dict[str, list[str]] = {}
    for model, level in cells:
        levels.setdefault(model, []).append(level)
    return "; ".join(f"{TITLES[model]} {', '.join(some)}" for model, some in levels.items())


def anchors(found: Found) -> pd.DataFrame:
    """The metrics' values at scores 0 and 1, means over the seeds."""
    rows = {}
    for name, judged in found.items():
        cells = []
        for metric in HEADLINE:
            known = record(metric)
            ends = [scores.anchor(judged, metric, end).mean() for end in (known.zero, known.one)]
            shown = " → ".join(number(end, known.digits) for end in ends)
            cells.append(shown.replace("nan", "missing"))
        rows[name] = [*cells, *_scale(judged)]
    columns = [
        f"{dimension}: {record(metric).title}"
        for dimension, metric in zip(DIMENSIONS, HEADLINE, strict=True)
    ]
    columns += ["ceiling − chance", "in standard errors", "criterion"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("data set")


def _scale(judged: Judged) -> list[str]:
    """How long utility's scale is, over the seeds, and whether that is enough."""
    if not judged.tested or np.isnan(span(judged)).any():
        return ["–", "–", "–"]
    texts = [
        _ends(span(judged), 3),
        _ends(span(judged) / error(judged), 1),
    ]
    return [*texts, "withdrawn" if withdrawn(judged) else "scored"]


def _ends(values: np.ndarray, digits: int) -> str:
    return f"{number(values.min(), digits)} to {number(values.max(), digits)}"


def best(found: Found, shown: int = 6) -> pd.DataFrame:
    """The cells with the highest criterion at equal weights, of each data set.

    Scores are means over seeds; "best, on the front" says in how many of the resamplings of the
    seeds the cell has the highest criterion, and in how many nothing beats it in all three;
    "places", between which places it lies in the middle 90 % of them.
    """
    rows = {}
    for name, judged in scored(found).items():
        parts = criterion.profile(judged)
        whole = criterion.combine(parts)
        first = criterion.chance_best(whole)
        front = criterion.front_share(criterion.losses(judged))
        places = stability.places(whole)
        for i in np.argsort(-whole.mean(axis=1), kind="stable")[:shown]:
            rows[(name, *judged.cells[i])] = [
                *(f"{score:.2f}" for score in parts[:, i].mean(axis=1)),
                text(mean_interval(list(whole[i])), 2),
                *(
                    ["one seed", "one seed"]
                    if whole.shape[1] == 1
                    else [
                        f"{first[i]:.0%}, {front[i]:.0%}",
                        "–".join(map(str, dict.fromkeys(places[i]))),
                    ]
                ),
            ]
    columns = [*DIMENSIONS, "criterion", "best, on the front", "places"]
    return indexed(rows, ["data set", "model", "level"], columns)


def indexed(rows: dict[tuple, list], names: list[str], columns: list[str]) -> pd.DataFrame:
    """A table from rows by several keys; empty if there are none."""
    index = pd.MultiIndex.from_tuples(rows, names=names) if rows else None
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def shares(judged: Judged) -> np.ndarray:
    """The share of all weightings at which each cell is best, [C]."""
    won = criterion.winners(criterion.profile(judged), criterion.simplex(GRID))
    return np.bincount(won, minlength=len(judged.cells)) / len(won)


def certainty(judged: Judged, weights: np.ndarray) -> np.ndarray:
    """In how many resamplings of the seeds the winner at each weighting [W, 3] is best, [W].

    0 with one seed: nothing is known of how another would have turned out.
    """
    if len(judged.seeds) < 2:
        return np.zeros(len(weights))
    parts = criterion.profile(judged)
    won = criterion.winners(parts, weights)
    wholes = (criterion.combine(parts, w) for w in weights)
    return np.array([criterion.chance_best(whole)[i] for whole, i in zip(wholes, won, strict=True)])


# On what the order depends

Scheme = Callable[[Judged], np.ndarray]  # one number per cell, more is better


def _criterion(names: Sequence[str] = HEADLINE, power: float = 0.0) -> Scheme:
    def scheme(judged: Judged) -> np.ndarray:
        return criterion.combine(criterion.profile(judged, names), power=power).mean(axis=1)

    return scheme


def min_max(judged: Judged) -> np.ndarray:
    """The geometric mean with the best and the worst competitor as anchors, as is often done."""
    means = -criterion.losses(judged).mean(axis=2)
    low, high = means.min(axis=1, keepdims=True), means.max(axis=1, keepdims=True)
    return criterion.combine((means - low) / np.where(high > low, high - low, 1))


def _borda(judged: Judged) -> np.ndarray:
    return -criterion.borda(*criterion.ballots(judged))


def _kemeny(judged: Judged) -> np.ndarray:
    return -criterion.kemeny(*criterion.ballots(judged)).astype(float)


OURS = "the criterion"
SCHEMES: dict[str, Scheme] = {
    OURS: _criterion(),
    "arithmetic mean": _criterion(power=1.0),
    "worst of the three": _criterion(power=-np.inf),
    "fidelity by √FID": _criterion((ROOT_FID, *HEADLINE[1:])),
    "fidelity by Lite0's features": _criterion(("fd_lite0", *HEADLINE[1:])),
    "fidelity by recall": _criterion(("recall", *HEADLINE[1:])),
    "privacy by the proved ε": _criterion((*HEADLINE[:2], "epsilon_lower")),
    "privacy by the leak at one image": _criterion((*HEADLINE[:2], "epsilon_hat")),
    "privacy by the loss attack": _criterion((*HEADLINE[:2], "mia_loss_auc")),
    "privacy by the accountant": _criterion((*HEADLINE[:2], FORMAL)),
    "min–max between competitors": min_max,
    "Borda: mean rank": _borda,
    "Kemeny: least disagreement": _kemeny,
}


def agreement(found: Found) -> pd.DataFrame:
    """The best cell by each way to judge, and Kendall's τ between its order and the criterion's.

    "none" if all cells are alike, "–" if the metric or its anchor is missing.
    """
    columns = {}
    for name, judged in scored(found).items():
        own = SCHEMES[OURS](judged)
        columns[name] = {
            key: _agrees(judged, scheme(judged), own) for key, scheme in SCHEMES.items()
        }
    return pd.DataFrame(columns).rename_axis("judged by")


def _agrees(judged: Judged, values: np.ndarray, own: np.ndarray) -> str:
    if np.isnan(values).any():
        return "–"
    if np.ptp(values) < 1e-9:
        return f"none: all {values[0]:.0f}" if len(values) > 1 else label(judged.cells[0])
    top = np.flatnonzero(values >= values.max() - 1e-9)
    return f"{stability.either([judged.cells[i] for i in top])} (τ {tau(values, own):.2f})"


def tau(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's rank correlation, in [-1, 1], of two judgements of the same cells."""
    return float(kendalltau(a, b).statistic)


def without(judged: Judged, i: int) -> Judged:
    """The same data set without its i-th cell."""
    model, level = judged.cells[i]
    frame = judged.frame
    frame = frame[(frame["model"] != model) | (frame["level"] != level)]
    return replace(judged, frame=frame, cells=judged.cells[:i] + judged.cells[i + 1 :])


def reversed_pairs(judged: Judged, scheme: Scheme) -> int:
    """The most pairs of cells whose order turns round when one other cell is left out."""
    whole, worst = scheme(judged), 0
    for i in range(len(judged.cells)):
        before, after = np.delete(whole, i), scheme(without(judged, i))
        turned = np.sign(np.subtract.outer(before, before).round(9)) * np.sign(
            np.subtract.outer(after, after).round(9)
        )
        worst = max(worst, int((turned < 0).sum()) // 2)
    return worst


def dependence(found: Found) -> pd.DataFrame:
    """How many pairs change their order, at most, when a third cell is left out."""
    columns = {}
    names = (OURS, "min–max between competitors", "Borda: mean rank", "Kemeny: least disagreement")
    for name, judged in scored(found).items():
        n = len(judged.cells) - 1
        columns[name] = {
            key: f"{reversed_pairs(judged, SCHEMES[key])} of {n * (n - 1) // 2}" for key in names
        }
    return pd.DataFrame(columns).rename_axis("judged by")
