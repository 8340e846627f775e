"""Tables as a page shows them: no column that says one thing, and the rows that matter first.

`tables` is called once at the top of a notebook. A frame that is then shown loses the columns
that are the same in every row; a line below says what these are. A long one is folded: above the
fold stand the rows that matter, which `long` chooses, by default the ends of each group.
"""

import html
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from IPython import get_ipython

from chapters.nfl import DATA_TITLES, DENSITY_TITLES
from helpers.report import style

LONG = 12  # rows; more are folded
TITLES = DATA_TITLES | DENSITY_TITLES | style.TITLES  # of data sets, models and maps
Write = Callable[[pd.DataFrame, str], str]


@dataclass(frozen=True)
class Long:
    """A frame with the places of the rows that matter; none where a figure shows what does, and
    `None` where the usual ones do."""

    frame: pd.DataFrame
    matter: Sequence[int] | None

    def __repr__(self) -> str:
        return repr(self.frame)

    def _repr_html_(self) -> str:
        return page(self.frame, self.matter)


def tables() -> None:
    """Show frames by `page` from here on."""
    get_ipython().display_formatter.formatters["text/html"].for_type(pd.DataFrame, page)


def long(frame: pd.DataFrame, matter: Mapping[str, Collection]) -> Long:
    """A frame of which those rows matter whose index has one of these values at each level.

    A short frame without any of them, as few results make it, is shown whole. `ValueError` if a
    long one has none, or no other.
    """
    kept = pd.Series(True, frame.index)
    for name, values in matter.items():
        kept &= frame.index.get_level_values(name).isin(list(values))
    if not 0 < kept.sum() < len(frame):
        if len(frame) <= LONG:
            return Long(frame, None)
        raise ValueError(f"{dict(matter)} chooses {kept.sum()} of {len(frame)} rows; give some")
    return Long(frame, [place for place, keep in enumerate(kept) if keep])


def _html(part: pd.DataFrame, _name: str) -> str:
    """A part as a table; an index that only counts its rows is left out."""
    counts = part.index.names == [None] and pd.api.types.is_integer_dtype(part.index)
    return part.to_html(index=not counts)


def page(frame: pd.DataFrame, matter: Sequence[int] | None = None, write: Write = _html) -> str:
    """A frame as HTML; `matter` are the places of the rows above the fold, if it is long.

    `write` makes a table of a part of it, which is called "first" or "all".
    """
    frame = frame.rename(index=TITLES, columns=TITLES)
    same = constant(frame)
    rest = frame.drop(columns=list(same))
    said = html.escape("; ".join(f"{name}: {value}" for name, value in same.items()))
    if rest.columns.empty:
        rows = html.escape(", ".join(" ".join(map(str, row)) for row in _levels(frame.index)))
        return f'<p class="same">{rows}, alike: {said}.</p>'
    note = f'<p class="same">The same in every row: {said}.</p>' if same else ""
    if len(frame) <= LONG and matter is None:
        return write(rest, "all") + note
    matter = ends(frame) if matter is None else matter
    first = write(rest.iloc[list(matter)], "first") if len(matter) else ""
    summary = f"<summary>All {len(frame)} rows</summary>"
    first = f'<div class="first">{first}</div>' if first else ""
    return f'{first}<details class="rows">{summary}{write(rest, "all")}</details>{note}'


def _levels(index: pd.Index) -> list[tuple]:
    """What stands in each row of an index, of one level or of several."""
    return index.tolist() if index.nlevels > 1 else [(row,) for row in index]


def constant(frame: pd.DataFrame) -> dict[str, str]:
    """The columns that are the same in all of several rows, with what stands in them."""
    if len(frame) < 2:
        return {}
    texts = frame.astype(str)
    return {name: texts[name].iloc[0] for name in frame if texts[name].nunique() == 1}


def ends(frame: pd.DataFrame) -> list[int]:
    """The places of the first and last row of each group of the index; none of a plain index."""
    outer = [frame.index.get_level_values(k) for k in range(frame.index.nlevels - 1)]
    if not outer:
        return []
    groups = pd.Series(range(len(frame))).groupby(outer, sort=False)
    return sorted({place for _, places in groups for place in (places.iloc[0], places.iloc[-1])})
