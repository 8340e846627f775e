"""Numbers tables of notebooks as tables, and sets what they print as a book would.

A cell's caption and name, `mystnb.figure` in its metadata, make a figure of whatever it shows. One
that shows a table becomes a numbered table here, with its caption above. A frame's headings take
one row, also where its index has names, and negative numbers have a minus sign, here and in text.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx


class numbered_table(nodes.figure):
    """A table that a notebook shows, with its caption."""


def number_tables(app: Sphinx, doctree: nodes.document) -> None:
    """Make tables of the figures that hold one."""
    for figure in list(doctree.findall(lambda node: node.__class__ is nodes.figure)):
        if not any(_is_table(node) for node in figure.findall(nodes.raw)):
            continue
        captions = [node for node in figure if isinstance(node, nodes.caption)]
        table = numbered_table("", *captions, *(n for n in figure if n not in captions))
        table.attributes = figure.attributes
        table["classes"].append("numbered-table")
        figure.replace_self(table)
        for name in table["ids"]:
            doctree.ids[name] = table


def _is_table(node: nodes.Node) -> bool:
    return node.get("format") == "html" and (
        "<table" in node.astext() or 'class="same"' in node.astext()
    )


def set_tables(app: Sphinx, doctree: nodes.document) -> None:
    """Set the tables that notebooks show."""
    for node in list(doctree.findall(nodes.raw)):
        if _is_table(node):
            text = re.sub(
                r"<thead>.*?</thead>", lambda m: headings(m[0]), node.astext(), flags=re.S
            )
            text = re.sub(r"(?<=<td)(.*?>)(.*?)(?=</td>)", lambda m: m[1] + signs(m[2]), text)
            node.children = [nodes.Text(text)]


def set_numbers(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Set the numbers that are inserted in text."""
    for node in doctree.findall(nodes.inline):
        if "pasted-text" in node["classes"] and len(node) == 1:
            node.children = [nodes.Text(signs(node.astext()))]


def headings(head: str) -> str:
    """The head of a table, where pandas gives the names of the index a row of their own, as one."""
    rows = re.findall(r"<tr.*?</tr>", head, re.S)
    cells = [re.findall(r"<th[^>]*>(.*?)</th>", row, re.S) for row in rows]
    if len(rows) < 2 or len(cells[-1]) != len(cells[-2]):
        return head
    names = [name for name in cells[-1] if name]
    empty = len(names) * [""]
    if (
        cells[-1] != names + [""] * (len(cells[-1]) - len(names))
        or cells[-2][: len(names)] != empty
    ):
        return head
    merged = rows[-2]
    for name in names:
        merged = merged.replace("<th></th>", f"<th>{name}</th>", 1)
    return head.replace(rows[-1], "").replace(rows[-2], merged)


def signs(text: str) -> str:
    """Hyphens before numbers as minus signs, and none before a number that is rounded to zero."""
    text = re.sub(r"(?<![\w.)\]-])-(?=\.?\d)", "−", text)
    return re.sub(r"−(0(?:\.0+)?)(?![\d.%])", r"\1", text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    shown = lambda translator, node: translator.visit_figure(node)  # noqa: E731
    ended = lambda translator, node: translator.depart_figure(node)  # noqa: E731
    app.add_enumerable_node(numbered_table, "table", html=(shown, ended))
    app.connect("doctree-read", number_tables)
    app.connect("doctree-read", set_tables)
    app.connect("doctree-resolved", set_numbers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
