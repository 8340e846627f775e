"""`study` on a folder of ten images of each class: no more is needed, and what is lost is said."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from helpers import cli
from helpers.data import datasets, places
from helpers.study import collected


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Ten images of each of two classes."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NFL_DATA", str(tmp_path))  # put back what the command sets
    monkeypatch.delenv("NFL_DATA")
    numbers = np.random.default_rng(0)
    for label, name in enumerate(("healthy", "ill")):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for k in range(10):
            pixels = numbers.integers(0, 80, (28, 28)) + 120 * label
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "scans" / name / f"{k}.png")
    return tmp_path / "scans"


def study(folder, *more):
    return cli.main(["study", "--dataset", str(folder), "--scale", "smoke", "--seeds", "0", *more])


def test_ten_images_of_a_class_are_enough_and_what_is_lost_is_said(folder, capsys):
    models = ["--models", "vae", "copies", "--sigmas", "sgd", "--json"]
    assert study(folder, *models) == 0
    printed, said = capsys.readouterr()
    told = json.loads(printed)
    assert told["done"] == told["cells"] == 2
    line = next(line for line in said.splitlines() if line.startswith("scans: "))
    for lost in ("8 private images", "no public pool", "2 hold-out images", "reference real"):
        assert lost in line
    (table,) = told["tables"]
    assert table.startswith(str(places.root() / "runs"))  # not among what is committed
    assert os.environ["NFL_DATA"] == str(folder.parent)


def test_results_of_ones_own_stay_in_the_store_at_every_scale(folder):
    for scale in ("smoke", "compact", "paper"):
        assert collected.root(scale, "scans").is_relative_to(places.root() / "runs")
    assert collected.root("compact", "mnist") == places.committed() / "results"


def test_without_images_to_spare_the_reference_real_is_not_asked_for(folder, capsys):
    assert study(folder, "--dry-run", "--json", "--sigmas", "sgd") == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    assert {name.split()[1].split("-")[0] for name in cells} == {
        *("vae", "gan", "ddpm"),
        *("copies", "means"),
    }
    assert datasets.has_others(20, 10) and not datasets.has_others(19, 10)


def test_a_folder_that_cannot_be_studied_is_one_error(folder, tmp_path, capsys, monkeypatch):
    assert study(tmp_path / "nowhere") == 1
    assert "nowhere is no folder" in capsys.readouterr().err
    for name in ("my scans", "mnist"):
        folder = folder.rename(tmp_path / name)
        assert study(folder) == 1
        assert "Rename it" in capsys.readouterr().err
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("NFL_DATA", str(tmp_path / "elsewhere"))
    assert study(folder) == 1
    assert "does not lie in NFL_DATA" in capsys.readouterr().err
