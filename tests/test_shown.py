"""Tables as pages show them: nothing that one line says, and the rows that matter first."""

import re

import pandas as pd
import pytest

from chapters import ledger, shown


def frame(rows, seeds=3):
    """A frame of a model's levels: an accuracy that varies, and seeds that do not."""
    index = [(model, level) for model in ("vae", "gan") for level in range(rows // 2)]
    index = pd.MultiIndex.from_tuples(index, names=["model", "level"])
    return pd.DataFrame({"accuracy": range(rows), "seeds": seeds}, index=index)


def rows(html):
    return len(re.findall("<tr", html)) - html.count("<thead>") * 2  # an index of two levels


def test_a_column_that_says_one_thing_becomes_a_line():
    html = shown.page(frame(4))
    assert "<th>accuracy</th>" in html and "<th>seeds</th>" not in html
    assert '<p class="same">The same in every row: seeds: 3.</p>' in html
    assert shown.constant(frame(4).iloc[:1]) == {}  # of one row everything is the same


def test_a_table_of_constants_is_a_line_alone():
    table = pd.DataFrame({"a<b": ["x & y"] * 2}, index=["mnist", "octmnist"])
    html = shown.page(table)
    assert html == '<p class="same">MNIST, OCTMNIST, alike: a&lt;b: x &amp; y.</p>'
    rows = pd.MultiIndex.from_product([["MNIST"], ["VAE", "GAN"]])
    html = shown.page(pd.DataFrame({"seeds": [3, 3]}, index=rows))
    assert html == '<p class="same">MNIST VAE, MNIST GAN, alike: seeds: 3.</p>'


def test_a_long_table_is_folded_below_the_ends_of_its_groups():
    assert "<details" not in shown.page(frame(shown.LONG))
    html = shown.page(frame(shown.LONG + 2))
    first, folded = html.split('<details class="rows">')
    assert re.findall("<td>(.*?)</td>", first) == ["0", "6", "7", "13"]
    assert f"<summary>All {shown.LONG + 2} rows</summary>" in folded
    assert re.findall("<td>(.*?)</td>", folded) == [str(i) for i in range(shown.LONG + 2)]


def test_a_page_chooses_the_rows_that_matter():
    table = shown.long(frame(20), {"model": ["gan"], "level": [2, 3]})
    assert table.matter == [12, 13]
    assert table._repr_html_().index("<td>12</td>") < table._repr_html_().index("<details")
    assert repr(table) == repr(frame(20))
    assert "first" not in shown.Long(frame(20), ())._repr_html_()  # where a figure comes before


@pytest.mark.parametrize("matter", [{"model": ["ddpm"]}, {"model": ["vae", "gan"]}])
def test_a_choice_of_no_row_or_of_all_is_refused(matter):
    with pytest.raises(ValueError, match="of 20 rows"):
        shown.long(frame(20), matter)


@pytest.mark.parametrize("rows", [0, 6])
def test_a_short_table_without_the_rows_that_matter_is_shown_whole(rows):
    table = shown.long(frame(20).iloc[:rows], {"model": ["ddpm"]})
    assert "<details" not in table._repr_html_() and table._repr_html_().count("<td>") == rows


def test_tables_of_sentences_fold_too_and_keep_their_widths():
    table = pd.DataFrame({"what": [f"row {i}" for i in range(14)], "same": "x", "why": range(14)})
    html = ledger.text_table(table.astype(str), "told", (60, 20, 20), (3,)).data
    first, folded = html.split('<details class="rows">')
    assert first.count("<td") == 2 and folded.count("<td") == 28
    assert 'id="T_told-first"' in first and 'id="T_told"' in folded
    assert "width: 75%" in first and "width: 25%" in first
    assert "The same in every row: same: x." in folded


def test_an_index_that_only_counts_is_not_shown():
    frame = pd.DataFrame({"noise": ["as claimed", "less"], "proved": [1.0, 2.0]})
    assert "<th>0</th>" not in shown.page(frame)
    assert "<th>1</th>" not in shown.page(frame, [1])
    assert "<th>1</th>" in shown.page(frame.rename_axis("k"))
