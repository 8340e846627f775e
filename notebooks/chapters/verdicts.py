"""The verdict machine of every ledger: parts, and the verdict that their intervals lead to.

A claim is one record (`Claim`) and, as a rule, a conjunction of *parts*. A part is a quantity, one
number per seed, and the region in which the claim puts it: above 0 for "grows", an interval around
0 for "flat". The part holds if the quantity's interval over seeds lies in the region, is
contradicted if it lies outside, and is open otherwise. A claim's outcome says what was shown: what
is contradicted by networks of another size than the paper's is contradicted at that scale alone.
What is claimed, and of what, is in the chapters: nothing here knows a data set, a model or metric.
"""

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from chapters.quantities import ENOUGH, Quantity
from helpers.metrics.statistics import Interval
from helpers.report.style import number

ALPHA = 0.1  # intervals are of 90 %, as the paper's are
PART_OUTCOMES = ("holds", "contradicted", "open")
# What is said of a claim, and what came of its parts together.
LABELS = {
    "reproduced": "holds",
    "contradicted at compact scale": "contradicted",  # other networks may be otherwise
    "contradicted": "contradicted",  # no network and no noise could be
    "cannot be decided": "open",
    "not testable here": "open",  # its rule could not fail, or not hold, on these data
}
OUTCOMES = tuple(LABELS)
REPRODUCED, AT_SCALE, CONTRADICTED, UNDECIDED, UNTESTABLE = OUTCOMES


# Numbers as text


def bracketed(interval: Interval, digits: int, *, signed: bool = False) -> str:
    """A mean over seeds with the ends of its interval: "1.23 [1.19, 1.27]"."""
    mean, low, high = (number(end, digits, signed=signed) for end in interval[:3])
    return f"{mean} [{low}, {high}]"


# Parts


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
        enough = len(self.quantity.values) >= ENOUGH
        return self.quantity.interval(confidence) if enough else None

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

    def outcome(self, alternatives: int = 1, alpha: float = ALPHA) -> str:
        """One of `PART_OUTCOMES`; contradicted at the level corrected for alternatives.

        A conjunction may fail by any of its parts, so each part's chance to fail by accident is
        divided by their number (Bonferroni). To hold, all must hold: that needs no correction.
        """
        found, wide = self.interval(1 - alpha), self.interval(1 - alpha / alternatives)
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
        return f"{bracketed(found, self.digits)}, n = {found.n}".replace("-", "−")

    def region(self) -> str:
        """The claimed region in words."""
        ends = (f"{end:.2f}".rstrip("0").rstrip(".") for end in (self.low, self.high))
        low, high = (end.replace("-", "−") for end in ends)
        if math.isinf(self.low):
            return f"below {high}"
        return f"above {low}" if math.isinf(self.high) else f"{low} to {high}"


def outcomes(parts: Sequence[Part], alpha: float = ALPHA) -> list[str]:
    """The outcome of each part of a conjunction."""
    return [part.outcome(len(parts), alpha) for part in parts]


def together(found: Iterable[str]) -> str:
    """All of several: holds if each does, is contradicted if one is, and is open otherwise."""
    found = set(found)
    if "contradicted" in found:
        return "contradicted"
    return "holds" if found == {"holds"} else "open"


def opposite(found: str) -> str:
    """The outcome of the contrary."""
    return {"holds": "contradicted", "contradicted": "holds"}.get(found, found)


# Verdicts


@dataclass(frozen=True)
class Verdict:
    """What the results say about a claim."""

    outcome: str  # one of `OUTCOMES`
    number: str  # the part that decides, with its interval and number of seeds
    reason: str
    parts: tuple[Part, ...] = ()  # none where a claim has a page of its own

    @property
    def found(self) -> str:
        """What came of its parts together, one of `PART_OUTCOMES`."""
        return LABELS[self.outcome]

    @property
    def incomplete(self) -> bool:
        """Whether it is undecided because results are missing."""
        lacking = any(part.interval() is None for part in self.parts)
        return self.outcome == UNDECIDED and (lacking or self.number == "–")

    def outcomes(self) -> list[str]:
        """The outcome of each part."""
        return outcomes(self.parts)


def verdict(outcome: str, number: str, reason: str, parts: Sequence[Part] = ()) -> Verdict:
    """The verdict on a claim of which all parts together have this outcome."""
    label = {"holds": REPRODUCED, "contradicted": CONTRADICTED, "open": UNDECIDED}[outcome]
    return Verdict(label, number, reason, tuple(parts))


def conjunction(parts: Sequence[Part]) -> Verdict:
    """Reproduced if all parts hold, contradicted if one is, else undecided."""
    found = outcomes(parts)
    outcome = together(found)
    if outcome == "holds":
        reason = "every part holds"
    elif outcome == "contradicted":
        reason = f"contradicted: {_labels(parts, found, outcome)}"
    elif any(part.interval() is None for part in parts):
        reason = _missing(parts)
    else:
        reason = f"the intervals leave open: {_labels(parts, found, outcome)}"
    return verdict(outcome, _number(parts, found.count("holds")), reason, parts)


def _number(parts: Sequence[Part], held: int) -> str:
    """The part farthest from holding, and how many of the parts hold."""
    known = [part for part in parts if part.interval() is not None]
    if not known:
        return "–"
    weakest = min(known, key=Part.clearance)
    found = f"{weakest.label}: {weakest.text()}"
    return found if len(parts) == 1 else f"{found}; {held} of {len(parts)} parts hold"


def _labels(parts: Sequence[Part], found: Sequence[str], outcome: str) -> str:
    """The labels of the parts with an outcome; those that differ in the model alone as one."""
    groups: dict[str, list[str]] = {}
    for label in (p.label for p, o in zip(parts, found, strict=True) if o == outcome):
        head, _, model = label.rpartition(": ")
        groups.setdefault(head, []).append(model)
    return "; ".join(f"{head}: {', '.join(models)}" for head, models in groups.items())


_NAMED = 4  # settings of a data set that a reason names one by one


def _missing(parts: Sequence[Part]) -> str:
    scarce = frozenset().union(*(part.quantity.scarce for part in parts))
    present = frozenset().union(*(part.quantity.needs for part in parts)) - scarce
    if not scarce:
        return "fewer than two seeds have all that is compared"
    texts = []
    for dataset, group in itertools.groupby(sorted(scarce), key=lambda setting: setting.dataset):
        settings = list(group)
        if len(settings) > _NAMED:
            all_of_it = dataset not in {setting.dataset for setting in present}
            where = "at all levels" if all_of_it else f"at {len(settings)} settings"
            texts.append(f"{dataset} {where}")
            continue
        for model, levels in itertools.groupby(settings, key=lambda setting: setting.model):
            texts.append(f"{dataset} {model} at {', '.join(found.level for found in levels)}")
    return f"fewer than two seeds of {'; '.join(texts)}"


# Claims


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, in our words, with the rule that decides it."""

    id: str
    group: str  # under which the page shows its parts
    section: str  # of the paper
    data: str  # what it is about
    statement: str
    rule: str  # in words, as Markdown
    judge: Callable[[Any], Verdict]  # of the chapter's evidence
    two_forms: bool  # whether the authors' code computes a measure of it in another way
    elsewhere: str  # why another scale may contradict us where we contradict it; "" if none can
    untestable: Callable[[Any], str] | None  # why the evidence cannot test it; "" if it can
    revised: str  # what of the rule was changed after results were seen; "" for nothing

    def on(self, evidence: Any) -> Verdict:
        """The verdict, under the label that says what was shown."""
        found = self.judge(evidence)
        why = self.untestable(evidence) if self.untestable else ""
        if why:
            return replace(found, outcome=UNTESTABLE, reason=why)
        if found.outcome == CONTRADICTED and self.elsewhere:
            reason = f"{found.reason}. Another scale may differ: {self.elsewhere}"
            return replace(found, outcome=AT_SCALE, reason=reason)
        return found


def claim(
    id: str,
    group: str,
    section: str,
    data: str,
    *,
    two_forms: bool = True,
    elsewhere: str = "",
    untestable: Callable[[Any], str] | None = None,
    revised: str = "",
) -> Callable[[Callable[[Any], Verdict]], Claim]:
    """The record of a claim from the function that judges it.

    The first paragraph of its docstring is what the paper claims, the second the rule that decides.
    """

    def record(judge: Callable[[Any], Verdict]) -> Claim:
        paragraphs = (inspect.getdoc(judge) or "").split("\n\n")
        if len(paragraphs) != 2:
            raise ValueError(
                f"the docstring of {id} has {len(paragraphs)} paragraphs; it must have "
                "two, the claim in words and its rule"
            )
        statement, rule = (" ".join(paragraph.split()) for paragraph in paragraphs)
        about = id, group, section, data, statement, rule
        return Claim(*about, judge, two_forms, elsewhere, untestable, revised)

    return record


def all_of(parts: Callable[[Any], Sequence[Part]]) -> Callable[[Any], Verdict]:
    """Turn a function that gives the parts of a claim into one that gives its verdict."""

    @functools.wraps(parts)
    def judge(evidence: Any) -> Verdict:
        return conjunction(parts(evidence))

    return judge


class Judged(NamedTuple):
    """A claim with its verdict, and the verdicts by other lenses."""

    claim: Claim
    verdict: Verdict
    beside: Verdict | None = None  # by other levels of the same evidence, if there are any
    authors: Verdict | None = None  # by the authors' form of the measures, if it has one
    firm: bool = False  # whether the verdict stands at the level corrected for all claims

    @property
    def changes(self) -> bool:
        """Whether the authors' form of the measures leads to another verdict."""
        return self.authors is not None and self.authors.outcome != self.verdict.outcome


def judge(
    claims: Iterable[Claim], ours: Any, theirs: Any = None, beside: Any = None
) -> list[Judged]:
    """Claims, judged by the evidence; and beside it in the authors' form, and at other levels."""
    claims = list(claims)
    alpha, judged = ALPHA / len(claims), []
    for one in claims:
        found = one.on(ours)
        strict = together(outcomes(found.parts, alpha)) if found.parts else "open"
        judged.append(
            Judged(
                one,
                found,
                None if beside is None else one.on(beside),
                one.on(theirs) if one.two_forms and theirs is not None else None,
                found.outcome != UNTESTABLE and strict == found.found != "open",
            )
        )
    return judged


def count(judged: Sequence[Judged]) -> dict[str, int | str]:
    """Numbers for prose, by name: how many claims have which verdict, and each claim's."""
    found = [one.verdict.outcome for one in judged]
    numbers: dict[str, int | str] = {
        "claims_total": len(judged),
        "claims_reproduced": found.count(REPRODUCED),
        "claims_at_scale": found.count(AT_SCALE),
        "claims_contradicted": found.count(CONTRADICTED),
        "claims_undecided": found.count(UNDECIDED),
        "claims_untestable": found.count(UNTESTABLE),
        "claims_changed": sum(one.changes for one in judged),
        "claims_firm": sum(one.firm for one in judged),
    }
    return numbers | {f"claim_{one.claim.id.lower()}": one.verdict.outcome for one in judged}
