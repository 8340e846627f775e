"""The numbers and words of the chapter on the criterion, by the names its prose has for them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.report import scores

from .. import criterion
from . import FORMAL, Judged, demands, tables

NAMES = (  # of what is said of each data set, after `best_<data set>_`
    *("model", "level", "score", "chance", "share", "models", "sure", "front", "seeds"),
    *("agree", "least_tau", "turned"),
)
LACKING = "cannot be judged yet"  # too few cells, or an anchor is missing


def answers(names: Sequence[str], found: Mapping[str, Judged]) -> dict[str, str | float | int]:
    """What the prose says of the data sets asked for, e.g. `best_mnist_model`; else `LACKING`."""
    ready, given = tables.scored(found), {}
    for name in names:
        own = _judgement(ready[name]) if name in ready else [LACKING] * len(NAMES)
        given |= {f"best_{name}_{key}": value for key, value in zip(NAMES, own, strict=True)}
        private, unmet = _demanded(ready[name]) if name in ready else (LACKING, LACKING)
        given |= {f"demands_{name}_private": private, f"demands_{name}_unmet": unmet}
    every = [scores.values(judged, FORMAL).ravel() for judged in found.values()]
    epsilons = np.nan_to_num(np.concatenate([[np.inf], *every]), nan=np.inf)
    given["demands_least_epsilon"] = float(epsilons.min())
    given["demands_formal_score"] = round(float(scores.formal_score(epsilons, 1e-3).max()), 6)
    return given


def _demanded(judged: Judged) -> tuple[str, str]:
    """The most private cell with 90 % of the utility, and how many demands nobody meets."""
    met = [demands.met(judged, demand) for demand in demands.DEMANDS]
    unmet = sum(some is not None and not some.any() for some in met)
    return demands.row(judged, demands.DEMANDS[0])[1], f"{unmet} of {len(met)}"


def _judgement(judged: Judged) -> list[str | float | int]:
    parts, grid = criterion.profile(judged), criterion.simplex(tables.GRID)
    whole = criterion.combine(parts)
    i = int(whole.mean(axis=1).argmax())
    share = tables.shares(judged)
    models = pd.Series(share).groupby([model for model, _ in judged.cells]).sum()
    models = models[models > 0].sort_values(ascending=False, kind="stable")
    front = criterion.front(criterion.losses(judged).mean(axis=2).T)
    verdicts = {key: scheme(judged) for key, scheme in tables.SCHEMES.items() if key != tables.OURS}
    usable = [v for v in verdicts.values() if not np.isnan(v).any() and np.ptp(v) > 1e-9]
    turned = tables.reversed_pairs(judged, tables.min_max)
    n = len(judged.cells) - 1
    return [
        *judged.cells[i],
        round(float(whole[i].mean()), 6),
        f"{criterion.chance_best(whole)[i]:.0%}" if len(judged.seeds) > 1 else "unknown: one seed",
        round(float(share[i]), 6),
        ", ".join(f"{model} {part:.0%}" for model, part in models.items()),
        round(float((tables.certainty(judged, grid) >= tables.SURE).mean()), 6),
        f"{front.sum()} of {len(front)}",
        len(judged.seeds),
        f"{sum(int(v.argmax()) == i for v in usable)} of {len(verdicts)}",
        round(min(tables.tau(v, whole.mean(axis=1)) for v in usable), 6),
        f"{turned} of {n * (n - 1) // 2}",
    ]
