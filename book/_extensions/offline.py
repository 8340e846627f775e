"""Serve MathJax from the built book, so that formulas need no network.

The wheel `django-static-mathjax` carries MathJax as plain files. One of them, the TeX-to-SVG
bundle, holds every TeX extension and its glyphs; it is copied into the book's `_static` folder.
"""

from importlib.metadata import distribution
from pathlib import Path, PurePosixPath

from sphinx.application import Sphinx
from sphinx.config import Config

BUNDLE = PurePosixPath("mathjax/static/mathjax/es5/tex-svg-full.js")  # inside the wheel


def bundled_mathjax() -> Path:
    """Path of the installed MathJax bundle."""
    return Path(distribution("django-static-mathjax").locate_file(BUNDLE))


def use_bundled_mathjax(_app: Sphinx, config: Config) -> None:
    """Copy the bundle with the static files and load it from there."""
    config.html_static_path.append(str(bundled_mathjax()))
    config.mathjax_path = BUNDLE.name


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", use_bundled_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
