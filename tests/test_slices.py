"""Papermill slices of a chapter: a wrong parameter stops it, before anything is computed."""

import papermill
import pytest
from papermill.exceptions import PapermillExecutionError


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
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
        papermill.execute_notebook(
            root / "notebooks" / "mnist.ipynb",
            tmp_path / "slice.ipynb",
            parameters=parameters,
            kernel_name="python3",
            cwd=root / "notebooks",
            progress_bar=False,
        )
