"""What a reader meets on a page: results before code, and below them which version made them."""

import json
import re
import subprocess
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

CODE_FIRST = {"notebooks/quickstart", "notebooks/your_images"}  # pages on how to write it
GLOSSARY = "book/glossary"
KEPT_OPEN = {"hide-input", "remove-input", "remove-cell"}  # a cell that decides for itself


def fold_code(app: Sphinx, docname: str, source: list[str]) -> None:
    """Fold the code of cells that show something; leave out cells that only prepare others."""
    notebook = docname.startswith("notebooks/") and docname not in CODE_FIRST
    if not notebook:
        return
    page = json.loads(source[0])
    for cell in page["cells"]:
        tags = cell["metadata"].setdefault("tags", [])
        if cell["cell_type"] == "code" and not KEPT_OPEN & set(tags):
            shown = cell["outputs"] and "remove-output" not in tags
            tags.append("hide-input" if shown else "remove-cell")
    source[0] = json.dumps(page)


def lead_with_a_figure(app: Sphinx, doctree: nodes.document) -> None:
    """Put the figure of the cell tagged `lead` below the first paragraph of its page.

    A notebook computes in its own order; a reader sees first what it is about. Folded code comes
    with its figure, code that is read stays in its place.
    """
    for cell in list(doctree.findall(nodes.container)):
        if "tag_lead" not in cell["classes"]:
            continue
        [figure] = cell.findall(nodes.figure)
        moved = figure if app.env.docname in CODE_FIRST else cell
        moved["classes"].append("first-figure")
        moved.parent.remove(moved)
        [first, *_] = doctree.findall(nodes.paragraph)
        first.parent.insert(first.parent.index(first) + 1, moved)


def explain_terms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give links to the glossary their definition as a title, which shows on hover and focus."""
    links = [n for n in doctree.findall(nodes.reference) if "#term-" in _target(n)]
    if not links or app.builder.name != "html":
        return  # on paper nothing hovers
    defined = {}
    for item in app.env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        [definition] = item.findall(nodes.definition)
        text = " ".join(definition.astext().split())
        defined |= {name: text for term in item.findall(nodes.term) for name in term["ids"]}
    for link in links:
        link["reftitle"] = defined[_target(link).split("#")[1]]


def _target(link: nodes.reference) -> str:
    return link.get("refuri") or f"#{link.get('refid', '')}"


def name_the_version(app: Sphinx, config: Config) -> None:
    """Put the version, the commit and its date, and the licence below every page."""
    root = Path(app.srcdir)
    version = re.search(r"^version: (\S+)", (root / "CITATION.cff").read_text(), re.MULTILINE)[1]
    asked = ["git", "log", "-1", "--format=commit %h of %cs"]
    found = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    parts = [f"Version {version}", found.stdout.strip(), "MIT licence; data have their own"]
    config.html_theme_options["extra_footer"] = "<p>" + " · ".join(filter(None, parts)) + "</p>"


def link_to_the_repository(_app: Sphinx, config: Config) -> None:
    """Give pages links to the repository, to edit and to ask, where its address is configured."""
    options = config.html_theme_options
    known = bool(options.get("repository_url"))
    for link in ("repository", "edit_page", "issues"):
        options[f"use_{link}_button"] = known


def drop_source_maps(app: Sphinx, failed: Exception | None) -> None:
    """Delete the themes' source maps, which are for their developers, and what points to them."""
    if failed or app.builder.format != "html":
        return
    for path in Path(app.outdir, "_static").rglob("*.map"):
        path.unlink()
        code = path.with_suffix("")
        text = code.read_text()
        code.write_text(re.sub(r"\n?(//# |/\*# )sourceMappingURL=\S+( \*/)?", "", text))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", fold_code)
    app.connect("doctree-read", lead_with_a_figure)
    app.connect("doctree-resolved", explain_terms)
    app.connect("config-inited", name_the_version)
    app.connect("config-inited", link_to_the_repository)
    app.connect("build-finished", drop_source_maps)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
