"""Options and fixtures shared by the tests."""

from pathlib import Path

import pytest

from chapters import nfl
from helpers.study import results
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
