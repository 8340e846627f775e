"""The committed notebooks: executed, checkable, and the same whoever executes them."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
# An absolute path of two parts or more; not the end of a URL, of a tag or of a relative path.
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/<$}~*)])/[A-Za-z_][\w.-]*/[\w.-]+|\b[A-Z]:\\\w+")
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def texts(notebook: NotebookNode) -> list[str]:
    """Sources and the textual outputs."""
    found = [cell.source for cell in notebook.cells]
    for output in (o for cell in code_cells(notebook) for o in cell.outputs):
        found.append(output.get("text", ""))
        found += [v for kind, v in output.get("data", {}).items() if kind.startswith("text/")]
    return found


def test_there_are_notebooks() -> None:
    assert {"quickstart", "mnist"} <= {path.stem for path in NOTEBOOKS}


def test_kernel_is_python3(notebook: NotebookNode) -> None:
    assert notebook.metadata.kernelspec.name == "python3"


def test_executed_once_from_top_to_bottom(notebook: NotebookNode) -> None:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_holds_no_error_and_no_stderr(notebook: NotebookNode) -> None:
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"] == []


def test_has_one_parameters_cell_before_any_output(notebook: NotebookNode) -> None:
    [parameters] = tagged(notebook, "parameters")
    before = notebook.cells[: notebook.cells.index(parameters)]
    assert not any(cell.get("outputs") for cell in before)


def test_has_outputs_that_nbval_can_compare(notebook: NotebookNode) -> None:
    checked = tagged(notebook, "nbval-check-output")
    assert len(checked) >= 2
    assert all(cell.outputs for cell in checked), "nbval compares nothing where nothing is stored"
    assert not any(cell.source.rstrip().endswith(";") for cell in checked)


def test_figures_are_described(notebook: NotebookNode) -> None:
    drawn = [
        cell
        for cell in code_cells(notebook)
        if any(k.startswith("image/") for o in cell.outputs for k in o.get("data", {}))
    ]
    assert drawn
    assert all(cell.metadata.mystnb.image.alt.strip() for cell in drawn)
    assert all(cell.metadata.mystnb.figure.caption.strip() for cell in drawn)


def test_names_no_absolute_path_or_address(notebook: NotebookNode) -> None:
    found = [m for text in texts(notebook) for m in ABSOLUTE_PATH.findall(text)]
    found += [m for text in texts(notebook) for m in ADDRESS.findall(text)]
    assert found == []


def test_metadata_does_not_change_between_executions(notebook: NotebookNode) -> None:
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert "version" not in notebook.metadata.get("language_info", {})
    volatile = {"papermill", "execution", "ExecuteTime", "collapsed", "scrolled"}
    assert [cell.metadata for cell in notebook.cells if volatile & set(cell.metadata)] == []


@pytest.mark.parametrize(
    ("text", "absolute"),
    [
        ("read /home/ada/data.csv", True),
        ("'/tmp/run/x'", True),
        (r"C:\Users", True),
        ("data/results/mnist.csv", False),
        ("https://arxiv.org/abs/1706.08500", False),
        ("<td>1</td></tr>", False),
        ("../book/method.md", False),
        ("a/b and 1 / 2", False),
    ],
)
def test_absolute_paths_are_told_from_the_rest(text: str, absolute: bool) -> None:
    assert bool(ABSOLUTE_PATH.search(text)) == absolute
