"""Numbers tables of notebooks as tables.

A cell's caption and name, `mystnb.figure` in its metadata, make a figure of whatever it shows. One
that shows a table becomes a numbered table here, with its caption above.
"""

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


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    shown = lambda translator, node: translator.visit_figure(node)  # noqa: E731
    ended = lambda translator, node: translator.depart_figure(node)  # noqa: E731
    app.add_enumerable_node(numbered_table, "table", html=(shown, ended))
    app.connect("doctree-read", number_tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
