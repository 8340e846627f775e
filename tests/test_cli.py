"""The command line says what there is, on the right stream and with the right exit code."""

import json

import pytest

from helpers import assets, datasets
from helpers.cli import NETWORKS, main


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
    lines = {line.split()[0]: line for line in output.splitlines()[:8]}
    assert tuple(lines) == ("name", *datasets.NAMES, *NETWORKS)
    assert " yes " in lines["digits"] and " yes " in lines["lite0"]
    for name in ("mnist", "octmnist", "organamnist", "inception", "alexnet"):
        assert " no " in lines[name]
    assert "digits  test    50" in output


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
    for arguments in ([], ["data", "mnits"], ["dta"], ["data", "--yaml"]):
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
        (["--dataset", "mnits"], "data set 'mnits' is unknown"),
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
    assert main(["study", "--dataset", "digits", *slice_]) == 0
    assert "1 of 1 cells done" in capsys.readouterr().out
    assert (tmp_path / "runs" / "results" / "digits.csv").exists()
