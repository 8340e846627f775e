"""A ledger of claims as tables and a figure; nothing is judged here (see `verdicts`)."""

import re
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chapters.verdicts import OUTCOMES, PART_OUTCOMES, Claim, Judged, Part

SIGNS = dict(zip(OUTCOMES, "●✕○", strict=True))
_PALETTE = sns.color_palette("colorblind")
COLOURS = dict(zip(PART_OUTCOMES, (_PALETTE[0], _PALETTE[3], (0.45, 0.45, 0.45)), strict=True))
MARKERS = dict(zip(PART_OUTCOMES, "oXo", strict=True))
FARTHEST = 40.0  # half-widths; what lies farther out is drawn there


def text_table(frame: pd.DataFrame, name: str, widths: Sequence[int]) -> HTML:
    """A frame of sentences as a table whose lines wrap; `widths` are per cent of the page.

    `name` marks the table in the page: letters, unique on it. The index is not shown.
    """
    columns = [
        {"selector": f"th.col{i}, td.col{i}", "props": f"width: {width}%"}
        for i, width in enumerate(widths)
    ]
    cells = (
        "box-sizing: border-box; white-space: normal; overflow-wrap: break-word; "
        "text-align: left; vertical-align: top"
    )
    styles = [
        {"selector": "", "props": "table-layout: fixed; width: 100%; min-width: 38rem"},
        {"selector": "th, td", "props": cells},
        *columns,
    ]
    styler = (
        frame.map(_unbroken).style.hide(axis="index").format(escape="html").set_table_styles(styles)
    )
    return HTML(styler.to_html(table_uuid=name, table_attributes='class="dataframe text"'))


def _unbroken(text: str) -> str:
    """With spaces that do not break a line in equations and intervals."""
    text = text.replace(" = ", "\u00a0=\u00a0").replace(" %", "\u00a0%").replace("− ", "−\u00a0")
    return re.sub(r"\[[^]]*\]", lambda found: found[0].replace(" ", "\u00a0"), text)


def rules(claims: Sequence[Claim]) -> pd.DataFrame:
    """Every claim in our words, the section it stands in, and the rule that decides it."""
    rows = [
        {
            "claim": f"{c.id}. {c.statement}",
            "section": c.section,
            "rule": c.rule.replace("*", ""),
        }
        for c in claims
    ]
    return pd.DataFrame(rows)


def ledger(judged: Sequence[Judged]) -> pd.DataFrame:
    """One row per claim: what it says, on which data, our number, the verdict and why, and the
    verdict by the authors' form of the measures."""
    return pd.DataFrame([_row(found) for found in judged])


def _row(found: Judged) -> dict[str, str]:
    claim, verdict = found.claim, found.verdict
    return {
        "claim": f"{claim.id}. {claim.statement}",
        "data": claim.data,
        "our number": _brief(verdict.number, claim.data),
        "verdict": _worded(found),
        "authors' form": _authors(found),
    }


def _worded(found: Judged) -> str:
    """The verdict with its sign, and why."""
    outcome, reason = found.verdict.outcome, found.verdict.reason
    return f"{SIGNS[outcome]} {outcome}. {_brief(reason[0].upper() + reason[1:], found.claim.data)}"


def _brief(text: str, data: str) -> str:
    """Without the name of the only data set that a claim is about, unless levels of it follow."""
    return re.sub(rf"\b{re.escape(data)}(, | (?!at ))", "", text)


def _authors(found: Judged) -> str:
    if found.authors is None:
        return "one form only"
    return f"{'differs' if found.changes else 'the same'}: {found.authors.outcome}"


def details(judged: Sequence[Judged], group: str) -> pd.DataFrame:
    """One row per part of the claims of a group: the claimed region, our interval, its outcome."""
    rows = []
    for found in (f for f in judged if f.claim.group == group):
        verdict, authors = found.verdict, found.authors
        theirs = authors.outcomes() if authors else ["–"] * len(verdict.parts)
        for part, ours, their in zip(verdict.parts, verdict.outcomes(), theirs, strict=True):
            absent = part.interval() is None
            outcomes = ("missing", "–") if absent else (ours, their)
            names = ("outcome", "authors' form")
            rows.append(_shown(part, found.claim.id) | dict(zip(names, outcomes, strict=True)))
    return pd.DataFrame(rows)


def _shown(part: Part, claim: str) -> dict[str, str]:
    return {
        "part": f"{claim} {part.label}",
        "claimed": part.region(),
        "ours [90 % interval]": part.text(),
    }


def closing(judged: Sequence[Judged]) -> str:
    """Which claims ended how, as Markdown."""
    missing = [f.claim.id for f in judged if f.verdict.incomplete]
    lines = {
        outcome.capitalize(): [f.claim.id for f in judged if f.verdict.outcome == outcome]
        for outcome in OUTCOMES[:2]
    }
    open_ = [f.claim.id for f in judged if f.verdict.outcome == OUTCOMES[2]]
    lines["Cannot be decided, though all that is needed is there"] = [
        name for name in open_ if name not in missing
    ]
    lines["Cannot be decided yet, because results are missing"] = missing
    lines["Another verdict by the authors' form of the measures"] = [
        f.claim.id for f in judged if f.changes
    ]
    return "\n".join(f"- {what}: {', '.join(ids) or 'none'}." for what, ids in lines.items())


def elsewhere(judged: Sequence[Judged], group: str) -> pd.DataFrame:
    """The numbers and verdicts of claims whose parts are on a page of their own."""
    rows = [
        {"claim": f.claim.id, "our number": f.verdict.number, "verdict": _worded(f)}
        for f in judged
        if f.claim.group == group
    ]
    return pd.DataFrame(rows)


def forest(judged: Sequence[Judged]) -> Figure:
    """Each part's distance into the region that its claim gives it, in half-widths of its interval.

    A whisker is the 90 % interval: clear of the line on the right, the part holds. Words on the
    right are the verdicts.
    """
    figure, axis = plt.subplots(figsize=(8.6, 8.2), layout="constrained")
    plt.close(figure)  # the notebook shows what is returned
    axis.axvline(0, color="black", linewidth=1)
    for row, found in enumerate(judged):
        _parts(axis, row, found)
        outcome = found.verdict.outcome
        colour = COLOURS[PART_OUTCOMES[OUTCOMES.index(outcome)]]
        axis.annotate(
            f"{SIGNS[outcome]} {outcome}",
            (1.01, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            color=colour,
        )
    axis.set_xscale("symlog", linthresh=1, linscale=1.2)
    ticks = [-30, -10, -3, -1, 0, 1, 3, 10, 30]
    axis.set_xticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axis.set_xticks([], minor=True)
    axis.set(xlim=(-FARTHEST - 12, FARTHEST + 12), ylim=(len(judged) - 0.4, -0.6))
    axis.set_yticks(range(len(judged)), [_name(found) for found in judged])
    axis.set_xlabel("outside the claimed region   ←   half-widths of the interval   →   inside it")
    _legend(axis)
    return figure


def _name(found: Judged) -> str:
    parts = found.verdict.parts
    missing = sum(part.interval() is None for part in parts)
    if not parts:
        return f"{found.claim.id}  (own page)"
    return f"{found.claim.id}  ({missing} of {len(parts)} missing)" if missing else found.claim.id


def _parts(axis: Axes, row: int, found: Judged) -> None:
    """The parts of one claim around its row, the first one uppermost."""
    verdict = found.verdict
    drawn = [
        (part.clearance(), outcome)
        for part, outcome in zip(verdict.parts, verdict.outcomes(), strict=True)
        if part.interval() is not None
    ]
    offsets = np.linspace(-0.33, 0.33, len(drawn)) if len(drawn) > 1 else [0.0]
    for (distance, outcome), offset in zip(drawn, offsets, strict=False):
        at = float(np.clip(distance, -FARTHEST, FARTHEST))
        axis.errorbar(
            at,
            row + offset,
            xerr=1,
            fmt=MARKERS[outcome],
            color=COLOURS[outcome],
            markerfacecolor="white" if outcome == "open" else COLOURS[outcome],
            markersize=5,
            linewidth=1,
        )


def _legend(axis: Axes) -> None:
    for outcome in PART_OUTCOMES:
        face = "white" if outcome == "open" else COLOURS[outcome]
        style = {"color": COLOURS[outcome], "markerfacecolor": face, "linestyle": "-"}
        axis.plot([], [], MARKERS[outcome], label=f"part: {outcome}", **style)
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=8.5)
