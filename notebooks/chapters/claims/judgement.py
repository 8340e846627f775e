"""How a claim is decided: parts, regions, and the verdict that their intervals lead to.

A claim is a conjunction of *parts*. A part is a quantity, one number per seed, and the region in
which the claim puts it: above 0 for "grows", an interval around 0 for "flat". The part holds if
the quantity's interval over seeds lies in the region, is contradicted if it lies outside, and is
open otherwise. What the paper claims is in `mnist` and `beyond`.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from helpers.metrics.statistics import Interval, mean_interval

from .evidence import ENOUGH, TITLES, Evidence, Quantity

ALPHA = 0.1  # intervals are of 90 %, as the paper's are
OUTCOMES = ("reproduced", "not reproduced", "cannot be decided")

# Margins of the rules.
FLAT = 10.0  # per cent: the paper calls up to 7.5 stable and from 12 on a change (its Table 1)
ABOUT = 0.1  # "about 0.6" and "near chance", in accuracy
STABLE = 0.05  # in accuracy: half the rise that the paper reports for the GAN
LEAK = math.log(2)  # nats: the density doubled; twice the sampling deviation of one estimate


@dataclass(frozen=True)
class Part:
    """A quantity, and where the claim puts it."""

    label: str
    quantity: Quantity
    low: float = -math.inf  # the claimed region
    high: float = math.inf
    digits: int = 3

    def interval(self, confidence: float = 1 - ALPHA) -> Interval | None:
        """The t interval over seeds; `None` if there are too few of them."""
        values = list(self.quantity.values.values())
        return mean_interval(values, confidence) if len(values) >= ENOUGH else None

    def clearance(self) -> float:
        """Distance into the region, in half-widths of the interval: above 1 it holds.

        Negative outside; infinite without any spread; NaN without an interval.
        """
        found = self.interval()
        if found is None:
            return math.nan
        inside = min(found.mean - self.low, self.high - found.mean)
        half = found.high - found.mean
        return inside / half if half > 0 else math.copysign(math.inf, inside)

    def outcome(self, alternatives: int = 1) -> str:
        """`holds`, `contradicted` or `open`; contradicted at the level corrected for alternatives.

        A conjunction may fail by any of its parts, so each part's chance to fail by accident is
        divided by their number (Bonferroni). To hold, all must hold: that needs no correction.
        """
        found, wide = self.interval(), self.interval(1 - ALPHA / alternatives)
        if found is None or wide is None:
            return "open"
        if self.low < found.low and found.high < self.high:
            return "holds"
        return "contradicted" if wide.high < self.low or wide.low > self.high else "open"

    def text(self) -> str:
        """The mean with its interval and the number of seeds."""
        found = self.interval()
        if found is None:
            return "–"
        mean, low, high = (f"{value:.{self.digits}f}" for value in found[:3])
        return f"{mean} [{low}, {high}], n = {found.n}".replace("-", "−")

    def region(self) -> str:
        """The claimed region in words."""
        ends = (f"{end:.2f}".rstrip("0").rstrip(".") for end in (self.low, self.high))
        low, high = (end.replace("-", "−") for end in ends)
        if math.isinf(self.low):
            return f"below {high}"
        return f"above {low}" if math.isinf(self.high) else f"{low} to {high}"


def one(dataset: str, model: str, what: str, quantity: Quantity, **region: float) -> Part:
    """A part on one model; `region` and `digits` as in `Part`."""
    return Part(f"{TITLES[dataset]}, {what}: {TITLES[model]}", quantity, **region)


def more(
    dataset: str, pair: str, what: str, of: Callable[[str], Quantity], digits: int = 3
) -> Part:
    """The part "the first of two models has more", the pair named as in "vae gan"."""
    first, second = pair.split()
    label = f"{TITLES[dataset]}, {what}: {TITLES[first]} − {TITLES[second]}"
    return Part(label, of(first) - of(second), low=0, digits=digits)


@dataclass(frozen=True)
class Verdict:
    """What the results say about a claim."""

    outcome: str  # one of `OUTCOMES`
    number: str  # the part that decides, with its interval and number of seeds
    reason: str
    parts: tuple[Part, ...] = ()

    @property
    def incomplete(self) -> bool:
        """Whether it is undecided because results are missing."""
        lacking = any(part.interval() is None for part in self.parts)
        return self.outcome == OUTCOMES[2] and (lacking or self.number == "–")

    def outcomes(self) -> list[str]:
        """The outcome of each part."""
        return [part.outcome(len(self.parts)) for part in self.parts]


def conjunction(parts: Sequence[Part]) -> Verdict:
    """Reproduced if all parts hold, not reproduced if one is contradicted, else undecided."""
    outcomes = [part.outcome(len(parts)) for part in parts]
    held = outcomes.count("holds")
    number = _number(parts, held)
    if held == len(parts):
        return Verdict(OUTCOMES[0], number, "every part holds", tuple(parts))
    if "contradicted" in outcomes:
        failed = _labels(parts, outcomes, "contradicted")
        return Verdict(OUTCOMES[1], number, f"contradicted: {failed}", tuple(parts))
    lacking = [part for part in parts if part.interval() is None]
    if lacking:
        return Verdict(OUTCOMES[2], number, _missing(parts), tuple(parts))
    reason = f"the intervals leave open: {_labels(parts, outcomes, 'open')}"
    return Verdict(OUTCOMES[2], number, reason, tuple(parts))


def all_of(rule: Callable[[Evidence], Sequence[Part]]) -> Callable[[Evidence], Verdict]:
    """Turn a function that gives the parts of a claim into one that gives its verdict."""

    @functools.wraps(rule)
    def judge(evidence: Evidence) -> Verdict:
        return conjunction(rule(evidence))

    return judge


def _number(parts: Sequence[Part], held: int) -> str:
    """The part farthest from holding, and how many of the parts hold."""
    known = [part for part in parts if part.interval() is not None]
    if not known:
        return "–"
    weakest = min(known, key=Part.clearance)
    text = f"{weakest.label}: {weakest.text()}"
    return text if len(parts) == 1 else f"{text}; {held} of {len(parts)} parts hold"


def _labels(parts: Sequence[Part], outcomes: Sequence[str], outcome: str) -> str:
    """The labels of the parts with an outcome; those that differ in the model alone as one."""
    chosen = [p.label for p, o in zip(parts, outcomes, strict=True) if o == outcome]
    groups: dict[str, list[str]] = {}
    for label in chosen:
        head, _, model = label.rpartition(": ")
        groups.setdefault(head, []).append(model)
    return "; ".join(f"{head}: {', '.join(models)}" for head, models in groups.items())


def _missing(parts: Sequence[Part]) -> str:
    scarce = frozenset().union(*(part.quantity.scarce for part in parts))
    present = frozenset().union(*(part.quantity.needs for part in parts)) - scarce
    if not scarce:
        return "fewer than two seeds have all that is compared"
    empty = {place.dataset for place in scarce} - {place.dataset for place in present}
    texts = [f"{TITLES[dataset]} at all levels" for dataset in sorted(empty)]
    some = sorted(place for place in scarce if place.dataset not in empty)
    for (dataset, model), group in itertools.groupby(some, key=lambda place: place[:2]):
        levels = ", ".join(place.level for place in group)
        texts.append(f"{TITLES[dataset]} {TITLES[model]} at {levels}")
    return f"fewer than two seeds of {'; '.join(texts)}"
