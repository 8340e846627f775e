"""What must not move by accident: the keys of all committed cells, and every committed verdict.

A key that moves makes a cell stale, and computing all of them anew takes a day of one core.
`pinned.json` holds the training and the measurement key of every cell under `data/results`, and of
every claim the verdict at the matched noise, at equal sigma and in the authors' form, with the
number that decides. A change that is meant changes
the file with it, and says why.
"""

import csv
import json

import pytest

from chapters import claims
from helpers.study import Cell

DATASETS = ("mnist", "octmnist", "organamnist")


@pytest.fixture(scope="module")
def pinned(root):
    return json.loads((root / "tests" / "pinned.json").read_text())


@pytest.mark.parametrize("name", DATASETS)
def test_no_key_of_a_committed_cell_moves(name, pinned, root):
    folder = root / "data" / "results"
    checksum = json.loads((folder / f"{name}.json").read_text())["data"]["checksum"]
    with (folder / f"{name}.csv").open(newline="") as file:
        rows = {
            (r["dataset"], r["model"], r["arm"], float(r["sigma"]), int(r["seed"]), r["scale"])
            for r in csv.DictReader(file)
        }
    cells = [Cell(*row) for row in rows]
    keys = {
        cell.name: [cell.training_key(checksum), cell.measurement_key(checksum)] for cell in cells
    }
    assert keys == pinned["keys"][name]


def test_no_committed_verdict_moves(pinned):
    verdicts = {
        judged.claim.id: [
            judged.verdict.outcome,
            judged.beside.outcome,
            judged.authors.outcome if judged.authors else None,
            judged.verdict.number,
        ]
        for judged in claims.judge(claims.study(DATASETS), claims.density_frame())
    }
    assert verdicts == pinned["verdicts"]
