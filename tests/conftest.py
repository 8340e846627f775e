"""Options and fixtures shared by the tests."""

import fcntl
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


# What takes longest starts first, so that no process is left with it at the end.
FIRST = ("test_execution", "test_slices", "test_additions", "test_density", "mnist", "quickstart")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files that the processes of pytest-xdist take, whole, one after the other."""

    def place(item: pytest.Item) -> int:
        return FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST)

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Start one kernel after the other: two of one instant can take the same port."""
    with Path(__file__).open() as lock:
        if item.path.suffix == ".ipynb":
            fcntl.flock(lock, fcntl.LOCK_EX)
        return (yield)


@pytest.fixture
def kernels_of_ones_own() -> Iterator[None]:
    """No other process of the tests starts a kernel meanwhile."""
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
