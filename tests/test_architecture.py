"""The house: rooms that import downwards, nothing of a chapter in the library, and slim.

And its purpose: a data set, a family, a metric or a field of a preset more changes no key and no
verdict of what is committed.
"""

import ast
import graphlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "helpers"
ROOMS = ("data", "models", "training", "metrics", "study", "report")  # each imports from the left
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in LIBRARY.rglob("*.py")
}


def imports(name: str) -> set[str]:
    """The absolute names of what a module imports, wherever in it."""
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - (node.level - 1)]
            start = ".".join([*base, *filter(None, [node.module])]) if node.level else node.module
            found |= {start} | {f"{start}.{alias.name}" for alias in node.names}
    return found


def room(name: str) -> int:
    """The place of a module's room; after all rooms for what stands at the top."""
    part = name.split(".")[1] if "." in name else ""
    return ROOMS.index(part) if part in ROOMS else len(ROOMS)


def test_the_library_imports_no_chapter():
    assert not {n for n in MODULES if any(i.split(".")[0] == "chapters" for i in imports(n))}


def test_imports_go_downwards():
    free = {"helpers", "helpers.randomness"}  # which themselves import nothing of the library
    upwards = {
        (name, other)
        for name in MODULES
        for other in imports(name) & MODULES.keys() - free
        if room(other) > room(name)
    }
    assert upwards == set()


def test_there_is_no_circle():
    graph = {name: imports(name) & MODULES.keys() - {name} for name in MODULES}
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(graph)


def test_it_is_slim():
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert sum(lengths.values()) <= 13932
    assert {name: n for name, n in lengths.items() if n > 400} == {}
    entries = {path.relative_to(LIBRARY).parts[0] for path in MODULES.values()}
    assert len(entries) <= 12 and set(ROOMS) <= entries


ADDED = {
    "data/records.py": 'DATASETS["made_up"] = DATASETS["mnist"]\n',
    "models/families.py": 'FAMILIES["made_up"] = replace(FAMILIES["vae"], title="Made up")\n',
    "metrics/records.py": 'METRICS["made_up"] = METRICS["fid"]\n',
    "metrics/evaluation.py": 'MEASURES["made_up"] = Measure()\n',
}
FIELD = "    annealed: bool = False"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project in which a record of each kind, and a field, are added."""
    home = tmp_path_factory.mktemp("copy")
    for name in ("helpers", "notebooks/chapters", "data/results", "data/public"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    (home / "tests").mkdir()
    for name in ("pyproject.toml", *(f"tests/{n}" for n in ("test_pinned.py", "pinned.json"))):
        shutil.copyfile(ROOT / name, home / name)
    shutil.copyfile(ROOT / "tests" / "conftest.py", home / "tests" / "conftest.py")
    for name, line in ADDED.items():
        with (home / "helpers" / name).open("a") as file:
            file.write(f"\n{line}")
    presets = home / "helpers" / "models" / "presets.py"
    text = presets.read_text()
    assert text.count(FIELD) == 1
    field = f"{FIELD}\n    made_up: float = later(0.0)\n"
    text = text.replace("from dataclasses", "from ..data.files import later\nfrom dataclasses", 1)
    presets.write_text(text.replace(f"{FIELD}", field))
    return home


def test_additions_change_no_key_and_no_verdict(copy):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    program = "import helpers.models.presets as p; print(p.__file__, p.Training(1, 1).made_up)"
    said = subprocess.run([sys.executable, "-c", program], cwd=copy, capture_output=True, text=True)
    assert said.stdout.split() == [str(copy / "helpers" / "models" / "presets.py"), "0.0"]
