"""Papermill slices of a chapter: computed as asked, stopped by a wrong parameter."""

import os
import re
import subprocess
import sys
import time

import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from helpers import study
from helpers.study import compute, results

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.usefixtures("kernels_of_ones_own"),
]


def run(root, output, parameters, page="mnist"):
    return papermill.execute_notebook(
        root / "notebooks" / f"{page}.ipynb",
        output,
        parameters=parameters,
        kernel_name="python3",
        cwd=root / "notebooks",
        progress_bar=False,
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sigma": [0.1]}, "unknown notebook parameter 'sigma'; did you mean 'sigmas'"),
        ({"sigmas": "[-0.1]"}, "sigma -0.1 is not allowed"),  # as the command line passes it
        ({"dataset": "mnits"}, r"unknown data set 'mnits'; did you mean 'mnist'\?"),
    ],
)
def test_a_wrong_parameter_is_an_error(root, tmp_path, parameters, message):
    with pytest.raises(PapermillExecutionError, match=message):
        run(root, tmp_path / "slice.ipynb", parameters)


def test_a_slice_shows_just_its_cells(root, tmp_path):
    asked = {"models": '["vae"]', "sigmas": "[0.2]", "seeds": "[0, 1]"}
    executed = run(root, tmp_path / "slice.ipynb", asked)
    outputs = [o for cell in executed.cells for o in cell.get("outputs", []) if "data" in o]
    texts = [o["data"].get("text/plain", "") for o in outputs]
    # seeds, levels and trainings
    assert any(re.search(r"^VAE +2 +1 +8 ", text, re.MULTILINE) for text in texts)
    rows = [line for text in texts for line in text.splitlines()]
    assert not [row for row in rows if row.startswith(("GAN", "DDPM"))]


@pytest.mark.parametrize("page", ["claims", "no_free_lunch", "trilemma", "both_papers"])
def test_the_pages_over_data_sets_run_on_one(root, tmp_path, page):
    """On any, also without MNIST, which the prose speaks of most; a cell that fails raises."""
    executed = run(root, tmp_path / "page.ipynb", {"datasets": '["octmnist"]'}, page)
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert any("OCTMNIST" in str(cell.outputs) for cell in code)


def test_two_slices_at_once_add_up_to_the_grid(root, tmp_path, monkeypatch):
    """Two papermill processes on one store, as two jobs of a cluster would be; then the whole."""
    environment = os.environ | {"NFL_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def start(seed: int) -> subprocess.Popen:
        command = [sys.executable, "-m", "papermill", "notebooks/mnist.ipynb"]
        command += [str(tmp_path / f"slice-{seed}.ipynb"), "-k", "python3", "--cwd", "notebooks"]
        command += ["-p", "dataset", "digits", "-p", "scale", "smoke", "-p", "sigmas", "[0.5]"]
        command += ["-p", "models", '["vae"]', "-p", "seeds", f"[{seed}]", "--no-progress-bar"]
        return subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    with start(0) as first:
        # Two kernels that look for free ports in the same moment may both take one.
        while first.poll() is None and not _has_run_a_cell(tmp_path / "slice-0.ipynb"):
            time.sleep(0.1)
        with start(1) as second:
            for process in (first, second):
                said, _ = process.communicate(timeout=600)
                assert process.returncode == 0, said.decode()
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    monkeypatch.setattr(compute, "run_cell", None)  # nothing is left to compute
    cells = study.grid("digits", ["vae"], [0.5], [0, 1], "smoke")
    assert set(results.obtain(cells).frame["seed"]) == {0, 1}


def _has_run_a_cell(notebook):
    return notebook.exists() and '"status": "completed"' in notebook.read_text()
