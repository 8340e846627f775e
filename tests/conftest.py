"""Options and fixtures shared by the tests."""

from pathlib import Path

import pytest

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
