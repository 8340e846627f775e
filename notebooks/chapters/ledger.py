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

from chapters import shown
from chapters.verdicts import (
    CONTRADICTED,
    LABELS,
    OUTCOMES,
    PART_OUTCOMES,
    REPRODUCED,
    UNDECIDED,
    Claim,
    Judged,
    Verdict,
)

SIGNS = dict(zip(OUTCOMES, "●✕✕○–", strict=True))
_PALETTE = sns.color_palette("colorblind")
COLOURS = dict(zip(PART_OUTCOMES, (_PALETTE[0], _PALETTE[3], (0.45, 0.45, 0.45)), strict=True))
MARKERS = dict(zip(PART_OUTCOMES, "oXo", strict=True))
FARTHEST = 40.0  # half-widths; what lies farther out is drawn there


def text_table(
    frame: pd.DataFrame, name: str, widths: Sequence[int], matter: Sequence[int] | None = None
) -> HTML:
    """A frame of sentences as a table whose lines wrap; `widths` are per cent of the page.

    `name` marks the table in the page: letters, unique on it. The index is not shown. As with
    other tables a long one is folded (see `shown.page`).
    """
    wide = dict(zip(frame, widths, strict=True))

    def write(part: pd.DataFrame, which: str) -> str:
        uuid = name if which == "all" else f"{name}-{which}"
        return _styled(part, uuid, [wide[column] for column in part])

    return HTML(shown.page(frame, matter, write))


def _styled(frame: pd.DataFrame, name: str, widths: Sequence[int]) -> str:
    columns = [
        {"selector": f"th.col{i}, td.col{i}", "props": f"width: {100 * width / sum(widths):.0f}%"}
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
    return styler.to_html(table_uuid=name, table_attributes='class="dataframe text"')


def ended(details: pd.DataFrame, outcome: str) -> list[int]:
    """The places of the parts that end so at the matched noise, by the table `details`."""
    column = details["at matched noise [90 % interval]"]
    return [place for place, text in enumerate(column) if text.endswith(f" {outcome}")]


def settled(judged: Sequence[Judged]) -> list[int]:
    """The places of the claims that are reproduced, or contradicted whatever the network."""
    return [i for i, f in enumerate(judged) if f.verdict.outcome in (REPRODUCED, CONTRADICTED)]


def _unbroken(text: str) -> str:
    """With spaces that do not break a line in equations and intervals."""
    text = text.replace(" = ", "\u00a0=\u00a0").replace(" %", "\u00a0%").replace("− ", "−\u00a0")
    return re.sub(r"\[[^]]*\]", lambda found: found[0].replace(" ", "\u00a0"), text)


def rules(claims: Sequence[Claim]) -> pd.DataFrame:
    """Every claim in our words, the section it stands in, the rule that decides it, and,
    if that is so of any, what of the rule was changed after results had been seen."""
    rows = [
        {
            "claim": f"{c.id}. {c.statement}",
            "section": c.section,
            "rule": c.rule.replace("*", ""),
            "fixed": f"after: {c.revised}" if c.revised else "before",
        }
        for c in claims
    ]
    table = pd.DataFrame(rows)
    return table if any(c.revised for c in claims) else table.drop(columns="fixed")


def ledger(judged: Sequence[Judged]) -> pd.DataFrame:
    """One row per claim: what it says, on which data, our number, the verdict and why; the verdict
    at other levels of noise, and by the authors' form of the measures."""
    return pd.DataFrame([_row(found) for found in judged])


def _row(found: Judged) -> dict[str, str]:
    claim, verdict = found.claim, found.verdict
    return {
        "claim": f"{claim.id}. {claim.statement}",
        "data": claim.data,
        "our number": _brief(verdict.number, claim.data),
        "verdict": _worded(found),
        "at equal σ": _beside(found),
        "authors' form": _authors(found),
    }


def _worded(found: Judged) -> str:
    """The verdict with its sign, and why."""
    outcome, reason = found.verdict.outcome, found.verdict.reason
    firm = " *" if found.firm else ""
    why = _brief(reason[0].upper() + reason[1:], found.claim.data)
    return f"{SIGNS[outcome]} {outcome}{firm}. {why}"


def _beside(found: Judged) -> str:
    """The verdict at the other levels, with its number where it is another."""
    other = found.beside
    if other is None or other.outcome == found.verdict.outcome:
        return "–" if other is None else "the same"
    return f"{SIGNS[other.outcome]} {other.outcome}: {_brief(other.number, found.claim.data)}"


def _brief(text: str, data: str) -> str:
    """Without the name of the only data set that a claim is about, unless levels of it follow."""
    return re.sub(rf"\b{re.escape(data)}(, | (?!at ))", "", text)


def _authors(found: Judged) -> str:
    if found.authors is None:
        return "one form only"
    return f"{'differs' if found.changes else 'the same'}: {found.authors.outcome}"


def details(judged: Sequence[Judged], group: str) -> pd.DataFrame:
    """One row per part of the claims of a group: the claimed region, our interval and its outcome,
    at both grids of noise and in the authors' form."""
    rows = []
    for found in (f for f in judged if f.claim.group == group):
        ours, beside, authors = (
            _intervals(one, len(found.verdict.parts))
            for one in (found.verdict, found.beside, found.authors)
        )
        for place, part in enumerate(found.verdict.parts):
            rows.append(
                {
                    "part": f"{found.claim.id} {part.label}",
                    "claimed": part.region(),
                    "at matched noise [90 % interval]": " ".join(ours[place]).strip(),
                    "at equal σ": " ".join(beside[place]).strip(),
                    "authors' form": authors[place][1] or "–",
                }
            )
    return pd.DataFrame(rows)


def _intervals(verdict: Verdict | None, parts: int) -> list[tuple[str, str]]:
    """The interval and the outcome of each part; without an outcome if there is no interval."""
    if verdict is None:
        return [("–", "")] * parts
    return [
        (part.text(), "" if part.interval() is None else outcome)
        for part, outcome in zip(verdict.parts, verdict.outcomes(), strict=True)
    ]


def closing(judged: Sequence[Judged]) -> str:
    """Which claims ended how, as Markdown."""
    missing = [f.claim.id for f in judged if f.verdict.incomplete]
    lines = {
        outcome.capitalize(): [f.claim.id for f in judged if f.verdict.outcome == outcome]
        for outcome in OUTCOMES
        if outcome != UNDECIDED
    }
    open_ = [f.claim.id for f in judged if f.verdict.outcome == UNDECIDED]
    lines["Cannot be decided, though all that is needed is there"] = [
        name for name in open_ if name not in missing
    ]
    lines["Cannot be decided yet, because results are missing"] = missing
    lines["Standing also at the level corrected for all claims"] = [
        f.claim.id for f in judged if f.firm
    ]
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
    right are the verdicts. Parts are drawn at the matched noise, or at equal sigma, hollow and
    faint, where nothing is collected of that.
    """
    figure, axis = plt.subplots(figsize=(8.6, 8.2), layout="constrained")
    plt.close(figure)  # the notebook shows what is returned
    axis.axvline(0, color="black", linewidth=1)
    for row, found in enumerate(judged):
        _parts(axis, row, found)
        outcome = found.verdict.outcome
        colour = COLOURS[LABELS[outcome]]
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
    drawn = _drawn(found)
    offsets = np.linspace(-0.33, 0.33, len(drawn)) if len(drawn) > 1 else [0.0]
    for (distance, outcome, faint), offset in zip(drawn, offsets, strict=False):
        hollow = outcome == "open" or faint
        axis.errorbar(
            float(np.clip(distance, -FARTHEST, FARTHEST)),
            row + offset,
            xerr=1,
            fmt=MARKERS[outcome],
            color=COLOURS[outcome],
            markerfacecolor="white" if hollow else COLOURS[outcome],
            markersize=5,
            linewidth=1,
            alpha=0.4 if faint else 1,
        )


def _drawn(found: Judged) -> list[tuple[float, str, bool]]:
    """Of each part its distance, its outcome, and whether it is of the other grid of noise."""
    drawn, verdicts = [], [found.verdict, *([found.beside] if found.beside else [])]
    for versions in zip(*(zip(v.parts, v.outcomes(), strict=True) for v in verdicts), strict=True):
        known = [
            (part.clearance(), outcome, place > 0)
            for place, (part, outcome) in enumerate(versions)
            if part.interval() is not None
        ]
        drawn += known[:1]
    return drawn


def _legend(axis: Axes) -> None:
    for outcome in PART_OUTCOMES:
        face = "white" if outcome == "open" else COLOURS[outcome]
        style = {"color": COLOURS[outcome], "markerfacecolor": face, "linestyle": "-"}
        axis.plot([], [], MARKERS[outcome], label=f"part: {outcome}", **style)
    axis.plot(
        [], [], "o-", color="0.6", markerfacecolor="white", alpha=0.6, label="at equal σ only"
    )
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=8.5)
