"""How a claim of TRI is judged on whatever evidence: its parts, and why there may be none.

Each rule gives parts of the evidence it is handed, TRI's printed tables (`paper.Paper`) or what is
collected here (`study.Study`). Parts, intervals and conjunctions are those of `chapters.verdicts`;
what differs is where an interval comes from, from the test set's size there and from the seeds
here. Some claims are about numbers that TRI does not print, or about data sets that are not here:
`unless` says so in place of a verdict.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chapters.verdicts import UNTESTABLE, Part, Verdict, conjunction, verdict

from . import MODELS, SETTINGS, accuracy
from .paper import DATA, Paper, Term
from .study import Study

LITTLE = 0.02  # in accuracy: TRI calls one point slight and three substantial

Evidence = Paper | Study
Parts = Callable[[Evidence], Sequence[Part]]


def unless(
    *, paper: str = "", here: str = "", on: Sequence[str] = ()
) -> Callable[[Parts], Callable[[Any], Verdict]]:
    """A judge from a function that gives parts.

    `paper` and `here` say why there are none of these; `on` are the data sets it is about, which
    cannot be tested where no model of the study was trained on them.
    """

    def decide(parts: Parts) -> Callable[[Any], Verdict]:
        @functools.wraps(parts)
        def judge(e: Evidence) -> Verdict:
            if e.printed and paper:
                return verdict("open", "–", paper)
            absent = [DATA[d] for d in on if d not in e.datasets]
            if not e.printed and (here or absent):
                why = here or f"no model of the study was trained on {', '.join(absent)}"
                return Verdict(UNTESTABLE, "–", why)
            return _worded(conjunction(parts(e)), e)

        return judge

    return decide


def _worded(found: Verdict, e: Evidence) -> Verdict:
    """Of one run no seeds can be missing, and what is open is so by the test set's size."""
    if not e.printed:
        return found
    reason = found.reason.replace(
        "the intervals leave open", "one run on a test set of this size leaves open"
    )
    return Verdict(found.outcome, found.number, reason, found.parts)


# What the parts are made of


def first_minus_rest(*values: np.ndarray) -> np.ndarray:
    """The first minus the greatest of the others, seed by seed."""
    return values[0] - np.max(values[1:], axis=0)


def minus(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The difference, seed by seed."""
    return first - second


def means(groups: int, then: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """`then` of the means of so many groups of equal size, in the order of the values."""

    def function(*values: np.ndarray) -> np.ndarray:
        parts = np.split(np.asarray(values), groups)
        return then(*(part.mean(axis=0) for part in parts))

    return function


def everywhere(e: Evidence, model: str, metrics: Sequence[str]) -> list[Term]:
    """A model's metrics on all data sets."""
    return [(d, model, metric) for d in e.datasets for metric in metrics]


SHORT = {
    "real": "real",
    "geometric": "geometric",
    "synthetic": "synthetic alone",
    "real_synthetic": "real + synthetic",
    "combined": "combined",
}
UTILITY = [accuracy(setting) for setting in SETTINGS]


def leads(e: Evidence, model: str, what: str, metrics: Sequence[str], sign: int = 1) -> Part:
    """The part "a model's mean over data sets is better than that of each other model"."""
    order = [model, *(m for m in MODELS if m != model)]
    terms = [term for m in order for term in everywhere(e, m, metrics)]
    label = f"{what}, mean over data sets: {MODELS[model]} − the better of the others"

    def function(*values: np.ndarray) -> np.ndarray:
        return means(len(order), first_minus_rest)(*(sign * np.asarray(values)))

    return e.part(label, function, *terms, low=0, digits=3 if metrics != ["fid"] else 1)


def gain(e: Evidence, dataset: str, setting: str, model: str, over: str, **region: float) -> Part:
    """The accuracy in one setting minus that in another."""
    terms = [(dataset, model if s in SETTINGS else "", accuracy(s)) for s in (setting, over)]
    title = e.datasets.get(dataset, dataset)
    what = f"{SHORT[setting]} − {SHORT[over]}"
    label = f"{title}, {what}: {MODELS[model]}" if model else f"{what}: {title}"
    return e.part(label, minus, *terms, **({"low": 0} | region))


def each(e: Evidence) -> Iterator[tuple[str, str, str]]:
    """Data set, its title and each model."""
    for dataset, title in e.datasets.items():
        for model in MODELS:
            yield dataset, title, model
