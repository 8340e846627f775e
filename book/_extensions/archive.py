"""The notebooks as one archive: with the library and the results they read, and no network needed.

Written into the built book; the same files give the same bytes.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

NAME = "no-free-lunch-images"
FOLDERS = ("helpers", "notebooks", "data/public", "data/results", "benchmarks")
FILES = ("README.md", "LICENSE", "Makefile", "pyproject.toml", "requirements.txt", "data/README.md")
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints"}
MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that an archive can tell


def contents(root: Path) -> Iterator[Path]:
    """What is archived of a project, relative to it, in order."""
    found = [path for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file()]
    found += [root / name for name in FILES]
    kept = (path.relative_to(root) for path in found)
    yield from sorted(path for path in kept if not LEFT_OUT & set(path.parts))


def write(root: Path, path: Path) -> None:
    """Write the archive of the project at `root`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in contents(root):
            entry = zipfile.ZipInfo(f"{NAME}/{name.as_posix()}", MOMENT)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (root / name).read_bytes())


def write_into_book(app: Sphinx, failed: Exception | None) -> None:
    """Write the archive beside the built pages."""
    if not failed and app.builder.format == "html":
        write(Path(app.srcdir), Path(app.outdir, "_static", f"{NAME}.zip"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", write_into_book)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
