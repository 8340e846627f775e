"""Whether other seeds would agree: with the winner, and with the order behind it.

Ties are told as ties. What is equal to the digits that are shown is one, and so is what the seeds
leave open: named are as many cells as are together first in `SURE` of the resamplings. A winner can
be sure in an order that is not, so the order is asked on its own: by Kendall's tau between seeds,
by the pairs that all seeds order alike, and by the places that a cell takes.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import kendalltau, rankdata

from chapters import nfl
from helpers.report.style import COLOURS, MARKERS, TITLES, panels

from .. import criterion
from . import Judged

SURE = 0.9  # of the resamplings of the seeds
DIGITS = 2  # of a score

Key = tuple[np.ndarray, int]  # values [C, S], less is better, and the digits to which they count


def first(keys: Sequence[Key], among: np.ndarray) -> list[int]:
    """The cells of the mask `among` [C] that may be first: by the first key, ties by the next.

    What is first by the means over all seeds comes first, then what is so most often in the
    resamplings of the seeds, until these are together first in `SURE` of them. With one seed only
    the former; none if the mask is empty.
    """
    if not among.any():
        return []
    chosen = list(np.flatnonzero(_first(keys, among, np.arange(keys[0][0].shape[1])[None])[:, 0]))
    share = chances(keys, among)
    for i in np.argsort(-share, kind="stable"):
        if share[chosen].sum() >= SURE - 1e-9:
            break
        chosen += [] if i in chosen else [i]
    return [int(i) for i in chosen]


def chances(keys: Sequence[Key], among: np.ndarray) -> np.ndarray:
    """How often each cell is first [C] when the seeds are resampled; ties are shared."""
    won = _first(keys, among, criterion.resamples(keys[0][0].shape[1]))
    return (won / won.sum(axis=0)).mean(axis=1)


def _first(keys: Sequence[Key], among: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Which cells are first in each draw of seeds [R, S], as a mask [C, R]."""
    left = np.repeat(among[:, None], len(draws), axis=1)
    for values, digits in keys:
        means = np.where(left, values[:, draws].mean(axis=2).round(digits), np.inf)
        left &= means <= means.min(axis=0)
    return left


def leaders(judged: Judged) -> list[int]:
    """The cells that may have the highest criterion at equal weights."""
    whole = criterion.combine(criterion.profile(judged))
    return first([(-whole, DIGITS)], np.ones(len(whole), bool))


def either(cells: Sequence[tuple[str, str]]) -> str:
    """Cells of which any may be meant: "GAN 0.2, 0.1 or DDPM 0.4"."""
    texts, of = [], ""
    for model, level in sorted(cells, key=lambda cell: [m for m, _ in cells].index(cell[0])):
        texts.append(level if model == of else f"{TITLES[model]} {level}")
        of = model
    *rest, last = texts or [""]
    return f"{', '.join(rest)} or {last}" if rest else last


# The order


def taus(whole: np.ndarray) -> list[float]:
    """Kendall's tau between the orders of each two seeds of [C, S]."""
    return [
        float(kendalltau(whole[:, a], whole[:, b]).statistic)
        for a, b in itertools.combinations(range(whole.shape[1]), 2)
    ]


def taus_without(whole: np.ndarray) -> list[float]:
    """Kendall's tau between the order of the means over all seeds and that without one of them."""
    means = whole.mean(axis=1)
    rest = [np.delete(whole, s, axis=1).mean(axis=1) for s in range(whole.shape[1])]
    return [float(kendalltau(means, other).statistic) for other in rest]


def settled(whole: np.ndarray) -> tuple[int, int]:
    """How many pairs of cells [C, S] all seeds put in the same order, and of how many."""
    pairs = list(itertools.combinations(range(len(whole)), 2))
    signs = [np.sign((whole[i] - whole[j]).round(9)) for i, j in pairs]
    return sum(abs(sign.sum()) == len(sign) for sign in signs), len(pairs)


def places(whole: np.ndarray) -> np.ndarray:
    """The first and the last place [C, 2], from 1, that a cell takes in the middle `SURE` of the
    resamplings of the seeds."""
    means = whole[:, criterion.resamples(whole.shape[1])].mean(axis=2)
    ranks = rankdata(-means.round(9), method="min", axis=0)
    ends = ((1 - SURE) / 2, (1 + SURE) / 2)
    return np.quantile(ranks, ends, axis=1, method="inverted_cdf").T.astype(int)


def table(found: Mapping[str, Judged]) -> pd.DataFrame:
    """How far the seeds agree on the order of all cells, a row per data set."""
    rows = {}
    for name, judged in found.items():
        whole = criterion.combine(criterion.profile(judged))
        if len(judged.seeds) < 2:
            rows[name] = ["one seed"] * 4
            continue
        agreed, of = settled(whole)
        rows[name] = [
            "; ".join(either([judged.cells[i]]) for i in whole.argmax(axis=0)),
            _span(taus(whole)),
            _span(taus_without(whole)),
            f"{agreed} of {of}",
        ]
    columns = ["first, seed by seed", "τ of two seeds", "τ without one seed", "pairs in one order"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("data set")


def _span(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def order(found: Mapping[str, Judged]) -> Figure:
    """The places that each cell takes when the seeds are resampled, a panel per data set.

    A mark at the place by the means over all seeds, a bar over those in the middle `SURE` of the
    resamplings. Bars that share places are cells that the seeds do not put in order.
    """
    figure, axes = panels(1, max(len(found), 1), size=(4.4 * max(len(found), 1), 4.6))
    for axis in axes[0, len(found) :]:
        axis.set_axis_off()
    for axis, (name, judged) in zip(axes[0], found.items(), strict=False):
        whole = criterion.combine(criterion.profile(judged))
        ends = places(whole)
        for place, i in enumerate(np.argsort(-whole.mean(axis=1), kind="stable"), start=1):
            model, _ = judged.cells[i]
            axis.plot(ends[i], [place, place], color=COLOURS[model], linewidth=5, alpha=0.35)
            axis.plot(place, place, MARKERS[model], color=COLOURS[model])
        ordered = [judged.cells[i] for i in np.argsort(-whole.mean(axis=1), kind="stable")]
        labels = [f"{TITLES[model]} {level}" for model, level in ordered]
        axis.set_yticks(range(1, len(labels) + 1), labels, fontsize=8)
        axis.invert_yaxis()
        axis.set_xticks([1, *range(5, len(labels) + 1, 5)])
        axis.set(title=nfl.DATA_TITLES.get(name, name), xlabel="place, 1 is the best")
    return figure
