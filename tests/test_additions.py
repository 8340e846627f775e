"""Adding a family or a metric is adding a record: no page of results that lack it changes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("additions.py")


def shown(root, *arguments):
    """What pages show, by name."""
    path = os.pathsep.join([str(root), str(root / "notebooks")])
    environment = {k: v for k, v in os.environ.items() if k != "NFL_HOME"} | {"PYTHONPATH": path}
    command = [sys.executable, str(SCRIPT), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def pages(root):
    return shown(root), shown(root, "added")


def test_a_family_and_a_metric_more_change_no_table_and_no_figure(pages):
    before, after = pages
    assert {name for name in before if before[name] != after[name]} == set()
    assert len(before) == 17
