"""The command line says what there is, on the right stream and with the right exit code."""

import json
import re

import pytest

from helpers.cli import NETWORKS, main
from helpers.data import assets, datasets
from helpers.study import compute


@pytest.fixture
def home(tmp_path, monkeypatch):
    """No data and no network."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    monkeypatch.delenv("NFL_DATA", raising=False)
    way = assets.Official("http://127.0.0.1:9/thing", "md5:" + "0" * 32)
    for name in assets.ASSETS:
        monkeypatch.setitem(assets.ASSETS, name, assets.Asset("raw", (way,), "free"))
    return tmp_path


def test_data_lists_what_is_there_and_what_is_not(home, capsys):
    assert main(["data"]) == 0
    output = capsys.readouterr().out
    known = len(datasets.DATASETS) + len(NETWORKS)
    lines = {line.split()[0]: line for line in output.splitlines()[: known + 1]}
    assert tuple(lines) == ("name", *datasets.DATASETS, *NETWORKS)
    assert " yes " in lines["digits"] and " yes " in lines["lite0"]
    for name in (
        "mnist",
        "octmnist",
        "organamnist",
        "kvasir",
        "corn",
        "inception",
        "alexnet",
        "vgg16",
    ):
        assert " no " in lines[name]
    assert "digits  test    50" in output


def test_the_help_names_the_data_sets_and_the_exit_codes(capsys):
    for command in (["data"], ["study"]):
        with pytest.raises(SystemExit) as stopped:
            main([*command, "--help"])
        said = " ".join(capsys.readouterr().out.split())
        assert stopped.value.code == 0 and "Exit codes: 0 all is well; 1 " in said
        assert all(name in said for name in datasets.DATASETS)


def test_alone_it_says_which_command_is_for_whom(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    named = re.findall(r"python -m helpers ([a-z]+) ", said)
    assert named == ["release", "report", "study", "study", "data"]
    for command in {*named}:  # each is there, with the options that are shown
        with pytest.raises(SystemExit):
            main([command, "--help"])
        shown = [line for line in said.splitlines() if f"helpers {command} " in line]
        options = re.findall(r"--[a-z-]+", " ".join(shown))
        assert set(options) <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))


def test_all_are_those_that_can_be_fetched(home, capsys):
    assert main(["data", "all"]) == 1  # there is no network
    output, errors = capsys.readouterr()
    failed = {line.split(": ")[1] for line in errors.splitlines()}
    assert failed == {
        "mnist",
        "octmnist",
        "organamnist",
        "bloodmnist",
        "inception",
        "alexnet",
        "vgg16",
    }
    assert "digits" in output


def test_data_as_json(home, capsys):
    assert main(["data", "digits", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["present"] and row["source"] == "scikit-learn"
    assert sum(row["images_per_class"]["test"].values()) == 500


def test_what_cannot_be_had_is_one_line_on_stderr_and_exit_code_1(home, capsys):
    assert main(["data", "mnist", "digits"]) == 1
    output, errors = capsys.readouterr()
    assert errors.startswith("error: mnist: no way to mnist worked") and errors.count("\n") == 1
    assert "digits" in output


def test_a_malformed_file_is_one_line_too(home, capsys):
    (home / "raw").mkdir()
    (home / "raw" / "octmnist.npz").write_bytes(b"no zip")
    assert main(["data"]) == 1
    output, errors = capsys.readouterr()
    assert "octmnist.npz is not a usable data file" in errors and errors.count("\n") == 1
    assert "organamnist" in output


def test_wrong_usage_is_exit_code_2(home, capsys):
    for arguments in (["data", "mnits"], ["dta"], ["data", "--yaml"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "did you mean 'mnist'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--sigmas", "-0.1"], "sigma '-0.1' is not allowed"),
        (["--sigmas", "nan"], "sigma 'nan' is not allowed"),
        (["--models", "vea"], "model 'vea' is unknown"),
        (["--scale", "big"], "scale 'big' is unknown"),
        (["--dataset", "mnits"], "'mnits'; did you mean 'mnist'?"),
        (["--workers", "0"], "workers is 0; it must be at least 1"),
        (["--status", "--dry-run"], "not allowed with argument"),
    ],
)
def test_a_wrong_slice_is_wrong_usage(option, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["study", "--dataset", "digits", "--models", "vae", *option])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_study_is_computed_collected_and_named(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    slice_ = ["--models", "vae", "--sigmas", "0.5", "--seeds", "0", "--scale", "smoke"]
    command = ["study", "--dataset", "digits", *slice_]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "1 of 1 cells done" in said and "peak memory of a worker: " in said
    table = tmp_path / "runs" / "results" / "digits.csv"
    assert table.exists()
    assert main([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["done"], answer["failed"], answer["tables"]) == (1, [], [str(table)])


def test_an_interrupted_study_says_how_to_go_on(capsys, tmp_path, monkeypatch):
    def interrupted(cell, **_):
        raise KeyboardInterrupt

    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    monkeypatch.setattr(compute, "run_cell", interrupted)
    assert main(["study", "--dataset", "digits", "--models", "vae", "--scale", "smoke"]) == 130
    assert "run the same command again" in capsys.readouterr().err
    assert not list(tmp_path.rglob("running.*"))


def test_a_chapter_is_brought_up_to_date_by_its_name(capsys, root):
    assert main(["chapter", "effects"]) == 0
    assert capsys.readouterr().out.split() == [str(root / "data" / "results" / "effects.json")]
    with pytest.raises(SystemExit) as caught:
        main(["chapter", "claims"])
    assert caught.value.code == 2
    assert "chapter 'claims' collects nothing; allowed: beyond, effects" in capsys.readouterr().err
