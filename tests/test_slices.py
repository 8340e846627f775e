"""Papermill slices of a chapter: computed as asked, stopped by a wrong parameter."""

import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def run(root, output, parameters):
    return papermill.execute_notebook(
        root / "notebooks" / "mnist.ipynb",
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
        ({"dataset": "mnits"}, "data set 'mnits' is unknown"),
    ],
)
def test_a_wrong_parameter_is_an_error(root, tmp_path, parameters, message):
    with pytest.raises(PapermillExecutionError, match=message):
        run(root, tmp_path / "slice.ipynb", parameters)


def test_a_slice_shows_just_its_cells(root, tmp_path):
    executed = run(root, tmp_path / "slice.ipynb", {"sigmas": "[0.2]", "seeds": "[0, 1]"})
    texts = [o.get("text", "") for cell in executed.cells for o in cell.get("outputs", [])]
    assert "2 cells of 2 seeds, 6 trainings\n" in texts
