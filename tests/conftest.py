"""Options and fixtures shared by the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chapters import nfl
from helpers.study import host
from helpers.study.results import Results

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--book",
        type=Path,
        help="the built book to open in a browser; a missing book or browser is then an error "
        "(without this option: _build/html, skipped when that or Chromium is missing)",
    )


# What takes longest starts first. Kernels start one after the other: two of one instant can take
# the same port.
FIRST = ("kernels", "test_execution")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A process runs whole files, whose tests share what they have computed (pytest-xdist)."""
    for item in items:
        name = "kernels" if item.path.suffix == ".ipynb" else item.path.stem
        item.add_marker(pytest.mark.xdist_group("kernels" if name == "test_slices" else name))

    def place(item: pytest.Item) -> int:
        [group] = item.get_closest_marker("xdist_group").args
        return FIRST.index(group) if group in FIRST else len(FIRST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def committed() -> dict[str, Results]:
    """The committed results of the study, by data set; read once, for reading only."""
    return nfl.collected()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks of a few thousand weights train faster so, and by far where cores are shared."""
    with host.one_thread():
        yield
