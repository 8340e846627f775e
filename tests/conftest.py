"""Options and fixtures shared by the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chapters import nfl
from helpers.study import host, results
from helpers.study.results import Results

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--book",
        type=Path,
        help="the built book to open in a browser; a missing book or browser is then an error "
        "(without this option: _build/html, skipped when that or Chromium is missing)",
    )


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def committed() -> dict[str, Results]:
    """The committed results of the study, by data set; read once, for reading only."""
    found = {name: results.available(name) for name in nfl.DATA}
    return {name: part for name, part in found.items() if part is not None}


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks of a few thousand weights train faster so, and by far where cores are shared."""
    with host.one_thread():
        yield
