"""The numbers and words of the chapter on the criterion, by the names its prose has for them."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from chapters import nfl
from helpers.report import scores
from helpers.report.style import TITLES

from .. import criterion
from . import FORMAL, Judged, demands, stability, tables

NAMES = (  # of what is said of each data set, after `best_<data set>_`
    *("cells", "score", "chance", "share", "models", "sure", "front", "seeds"),
    *("agree", "least_tau", "least_by", "turned", "tau", "pairs", "loosest", "methods"),
)
LACKING = "cannot be judged yet"  # too few cells, or an anchor is missing
WITHDRAWN = "is not scored"


def answers(names: Sequence[str], found: Mapping[str, Judged]) -> dict[str, str | float | int]:
    """What the prose says of the data sets asked for, e.g. `best_mnist_cells`.

    `LACKING` of what cannot be judged yet, `WITHDRAWN` of what has no scale.
    """
    ready, given = tables.scored(found), {}
    for name in names:
        gap = WITHDRAWN if name in tables.anchored(found) else LACKING
        own = _judgement(ready[name]) if name in ready else [gap] * len(NAMES)
        given |= {f"best_{name}_{key}": value for key, value in zip(NAMES, own, strict=True)}
        private, unmet = _demanded(ready[name]) if name in ready else (gap, gap)
        given |= {f"demands_{name}_private": private, f"demands_{name}_unmet": unmet}
    every = [scores.values(judged, FORMAL).ravel() for judged in found.values()]
    epsilons = np.nan_to_num(np.concatenate([[np.inf], *every]), nan=np.inf)
    given["demands_least_epsilon"] = float(epsilons.min())
    given["demands_formal_score"] = round(float(scores.formal_score(epsilons, 1e-3).max()), 6)
    given["withdrawn"] = withdrawal(found)
    given["withdrawn_errors"] = tables.ERRORS
    return given


def withdrawal(found: Mapping[str, Judged]) -> str:
    """Which data sets are withdrawn from the criterion, and why, as sentences."""
    told = []
    for name, judged in tables.anchored(found).items():
        if tables.withdrawn(judged):
            span, error = tables.span(judged), tables.error(judged)
            told.append(
                f"{nfl.DATA_TITLES.get(name, name)} is withdrawn: its ceiling lies "
                f"{span.min():.2f} to {span.max():.2f} above chance, where the standard error of "
                f"an accuracy on its {judged.tested:,} test images is {error.mean():.3f}"
            )
    return "; ".join(told) or "No data set is withdrawn"


def _demanded(judged: Judged) -> tuple[str, str]:
    """The most private cell with 90 % of the utility, and how many demands nobody meets."""
    met = [demands.met(judged, demand) for demand in demands.DEMANDS]
    unmet = sum(some is not None and not some.any() for some in met)
    return demands.row(judged, demands.DEMANDS[0])[1], f"{unmet} of {len(met)}"


def _judgement(judged: Judged) -> list[str | float | int]:
    parts, grid = criterion.profile(judged), criterion.simplex(tables.GRID)
    whole = criterion.combine(parts)
    leaders = stability.leaders(judged)
    share, chance = tables.shares(judged), criterion.chance_best(whole)
    models = pd.Series(share).groupby([model for model, _ in judged.cells]).sum()
    models = models[models > 0].sort_values(ascending=False, kind="stable")
    front = criterion.front(criterion.losses(judged).mean(axis=2).T)
    return [
        stability.either([judged.cells[i] for i in leaders]),
        _listed(f"{whole[i].mean():.2f}" for i in leaders),
        _listed(f"{chance[i]:.0%}" for i in leaders)
        if len(judged.seeds) > 1
        else "unknown: one seed",
        round(float(share[leaders].sum()), 6),
        ", ".join(f"{TITLES[model]} {part:.0%}" for model, part in models.items()),
        round(float((tables.certainty(judged, grid) >= stability.SURE).mean()), 6),
        f"{front.sum()} of {len(front)}",
        len(judged.seeds),
        *(methods := _methods(judged, leaders, whole.mean(axis=1))),
        *_order(judged, whole, methods[1]),
    ]


def _methods(judged: Judged, leaders: list[int], own: np.ndarray) -> list[str | float]:
    """How many other ways name one of the leaders, and which of them orders most unlike ours."""
    found = {key: scheme(judged) for key, scheme in tables.SCHEMES.items() if key != tables.OURS}
    usable = {k: v for k, v in found.items() if not np.isnan(v).any() and np.ptp(v) > 1e-9}
    alike = {key: tables.tau(values, own) for key, values in usable.items()}
    least = min(alike, key=alike.get)
    pairs = len(judged.cells) - 1
    return [
        f"{sum(int(v.argmax()) in leaders for v in usable.values())} of {len(found)}",
        round(alike[least], 6),
        least,
        f"{tables.reversed_pairs(judged, tables.min_max)} of {pairs * (pairs - 1) // 2}",
    ]


def _order(judged: Judged, whole: np.ndarray, least: float) -> list[str]:
    """How far the seeds agree on the order, the cells whose places are the least sure, and whether
    the method that orders most unlike ours, by the tau `least`, moves cells more than seeds do."""
    if len(judged.seeds) < 2:
        return ["unknown: one seed"] * 4
    taus, places = stability.taus(whole), stability.places(whole)
    width = places[:, 1] - places[:, 0]
    loosest = [judged.cells[i] for i in np.flatnonzero(width == width.max())]
    return [
        f"{min(taus):.2f} to {max(taus):.2f}",
        "{} of {}".format(*stability.settled(whole)),
        f"{_listed(map(tables.label, loosest))} ({width.max() + 1} places)",
        "more" if least < min(taus) else "no more",
    ]


def _listed(texts: Iterable[str]) -> str:
    """Texts as a list in a sentence: "a", "a and b", "a, b and c"."""
    *rest, last = texts
    return f"{', '.join(rest)} and {last}" if rest else last
