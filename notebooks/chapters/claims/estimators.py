"""The claims of the paper on density estimation, C14 and C15, from an experiment of their own.

The rules were fixed before the full run, after three trial units had been looked at. Which parts
there are, and how their outcomes combine, is here; the numbers are from `density.tables`.
"""

import re
from typing import NamedTuple

import pandas as pd

from chapters.density import grid, ratios, tables
from chapters.density.tables import FOUND, LARGE, SCORE_K, STUDY, TOLERANCE, real
from chapters.nfl import DATA, DENSITY_TITLES
from chapters.quantities import Quantity
from chapters.verdicts import Part, Verdict, bracketed, claim, opposite, outcomes, together, verdict
from helpers.metrics.statistics import mean_interval
from helpers.report.style import text

from .evidence import TITLES, Evidence

SCARCE, PLENTY = grid.FULL.per_class  # fitted images per class; the first is the paper's scarcity
BEST = {"holds": "best", "contradicted": "beaten", "open": "undecided"}
INVARIANT = {"holds": "yes", "contradicted": "no", "open": "undecided"}


@claim("C14", "density", "4.1", "all three")
def c14(e: Evidence) -> Verdict:
    """Of the reducers Isomap keeps the order of densities best.

    On one data set Isomap is *best* if, for every rival with a map, the 90 % t interval over seeds
    of its score minus the rival's lies above 0; it is *beaten* if for some rival the interval at
    the level corrected for the number of rivals (Bonferroni) lies below 0. C14 holds if Isomap is
    best on all three data sets at the paper's scarcity, is contradicted if it is beaten on one, and
    is undecided otherwise.
    """
    frame = _spoken_of(e)
    if frame is None:
        return verdict("open", "–", "results of the experiment on reducers are missing")
    frame = _authors_scores(frame) if e.authors else frame
    table = reducers(frame, SCARCE)
    number = "; ".join(
        f"{TITLES[name]}, Isomap − {row['best rival']}: {row['Isomap minus rival']}"
        for name, row in table.iterrows()
    )
    against = ", ".join(f"{value} on {TITLES[d]}" for d, value in table["Isomap is"].items())
    return verdict(
        isomap_is_best(frame, SCARCE),
        _seeds(number, frame[frame["per_class"] == SCARCE]),
        f"Isomap against its rivals: {against}",
    )


@claim("C15", "density", "4.1", "all three", two_forms=False)
def c15(e: Evidence) -> Verdict:
    """Of the estimators of a density ratio only nearest neighbours do not depend on their setting.

    The spread of an estimator is the range over its settings of its mean estimate, averaged over
    the fractions of leak. It is *invariant* on a data set if the 90 % t interval over seeds of the
    spread lies below the sampling deviation of one estimate of the study's, √(2/20) = 0.32 nats,
    and *not invariant* if it lies above. C15 holds if kNN is invariant on all three data sets and
    no other estimator that finds a leak of 5 % on all of them is; it is contradicted if kNN is not
    invariant on one, or if such a rival is; and it is undecided otherwise.
    """
    frame = _spoken_of(e)
    if frame is None:
        return verdict("open", "–", "results of the experiment on estimators are missing")
    table = estimators(frame)
    number = "; ".join(f"{TITLES[d]}, spread of kNN: {table.loc['knn', d]} nats" for d in DATA)
    answers = table["invariant"].items()
    invariant = ", ".join(f"{DENSITY_TITLES.get(name, name)} {value}" for name, value in answers)
    pairs = frame[frame["estimator"] != ""]
    return verdict(only_knn(frame), _seeds(number, pairs), f"invariant to its setting: {invariant}")


def _spoken_of(e: Evidence) -> pd.DataFrame | None:
    """The experiment on the data sets of the claims; `None` unless all three are there."""
    if e.density is None or not set(DATA) <= set(e.density["dataset"]):
        return None
    return e.density[e.density["dataset"].isin(grid.DATASETS)]


def _seeds(number: str, frame: pd.DataFrame) -> str:
    return re.sub(r"-(?=\d)", "−", f"{number}; n = {frame['seed'].nunique()}")


def _authors_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the authors' combined score in the place of the densities' correlation."""
    own = frame[frame["metric"] == "combined_paper"]
    own = own.assign(metric="density_spearman", setting=float(SCORE_K))
    return pd.concat([frame[frame["metric"] != "density_spearman"], own], ignore_index=True)


# C14


def differences(frame: pd.DataFrame, per_class: int) -> dict[str, dict[str, Part]]:
    """By real data set and rival, best first: Isomap's score minus the rival's, claimed above 0."""
    parts = {}
    for name in real(frame):
        wide = tables.by_seed(frame, name, per_class)
        rivals = [r for r in grid.MAPS if r != "isomap" and r in wide]
        rivals.sort(key=lambda r: -wide[r].mean())
        minus = {r: (wide["isomap"] - wide[r]).dropna().to_dict() for r in rivals}
        parts[name] = {r: Part(r, Quantity(values), low=0) for r, values in minus.items()}
    return parts


def _best(parts: dict[str, Part]) -> str:
    """Isomap's outcome on one data set: the correction is for the number of its rivals there."""
    return together(outcomes(list(parts.values())))


def isomap_is_best(frame: pd.DataFrame, per_class: int) -> str:
    """The outcome of C14, one of `PART_OUTCOMES`."""
    return together(map(_best, differences(frame, per_class).values()))


def reducers(frame: pd.DataFrame, per_class: int) -> pd.DataFrame:
    """Isomap against its rivals on each real data set, as text.

    Columns: Isomap's score, the best rival by its mean, the difference with its 90 % interval, and
    whether Isomap is best, beaten or undecided.
    """
    rows = {}
    for name, parts in differences(frame, per_class).items():
        rival, part = next(iter(parts.items()))
        interval = mean_interval(list(part.quantity.values.values()))
        rows[name] = {
            "isomap": f"{tables.by_seed(frame, name, per_class)['isomap'].mean():.3f}",
            "best rival": DENSITY_TITLES.get(rival, rival),
            "Isomap minus rival": bracketed(interval, 3, signed=True),
            "Isomap is": BEST[_best(parts)],
        }
    return pd.DataFrame(rows).T.rename_axis("data set")


# C15


class Tried(NamedTuple):
    """One estimator at all its settings."""

    spreads: dict[str, Part]  # by data set: the spread, claimed below the tolerance
    finds: bool  # whether it finds a leak of 5 % on all real data sets
    invariant: str  # the outcome of its spreads on all real data sets


def tried(frame: pd.DataFrame, reducer: str = STUDY[0]) -> dict[str, Tried]:
    """Every estimator with a setting, behind a reducer."""
    found = {}
    for estimator in (name for name, e in ratios.ESTIMATORS.items() if len(e.values) > 1):
        where = reducer, estimator
        spreads = {
            name: Part(name, Quantity(tables.spread(frame, name, *where)), high=TOLERANCE)
            for name in tables.names(frame)
        }
        finds = all(tables.separation(frame, d, *where, LARGE) >= FOUND for d in real(frame))
        invariant = together(spreads[name].outcome() for name in real(frame))
        found[estimator] = Tried(spreads, finds, invariant)
    return found


def only_knn(frame: pd.DataFrame) -> str:
    """The outcome of C15: kNN is invariant, and no rival that finds a leak is."""
    rivals = tried(frame)
    own = rivals.pop("knn").invariant
    return together([own, *(opposite(r.invariant) for r in rivals.values() if r.finds)])


def estimators(frame: pd.DataFrame, reducer: str = STUDY[0]) -> pd.DataFrame:
    """Spread over settings of each estimator on each data set, as text.

    The last columns say whether the estimator finds a leak of 5 % on all real data sets and whether
    it is invariant on all of them.
    """
    rows = {}
    for estimator, (spreads, finds, invariant) in tried(frame, reducer).items():
        values = {name: list(part.quantity.values.values()) for name, part in spreads.items()}
        rows[estimator] = {name: text(mean_interval(v), 2) for name, v in values.items()} | {
            "finds 5 %": "yes" if finds else "no",
            "invariant": INVARIANT[invariant],
        }
    return pd.DataFrame(rows).T.rename_axis("estimator")


def answers(frame: pd.DataFrame, scarce: pd.DataFrame) -> dict[str, str]:
    """The outcomes for the prose of the experiment's own page, by name.

    `scarce` has the reducers at the paper's scarcity in more seeds, see `experiment.obtain`.
    """
    found = {
        "c14": isomap_is_best(scarce, SCARCE),
        "c14_plenty": isomap_is_best(frame, PLENTY),
        "c15": only_knn(frame),
    }
    return {name: "undecided" if outcome == "open" else outcome for name, outcome in found.items()}


CLAIMS = (c14, c15)
