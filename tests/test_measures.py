"""Some measures of a cell alone: what is trained for them, kept, collected and shown."""

import shutil

import numpy as np
import pytest

from helpers.cli import main
from helpers.data import datasets, files
from helpers.metrics.evaluation import MEASURES, ON_DEMAND, ROLES, Measure
from helpers.metrics.records import METRICS
from helpers.report import tables
from helpers.study import Cell, collected, compute, results, store

CELL = Cell("digits", "vae", "dp", 0.5, 0, "smoke")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    return tmp_path


SLICE = ["--models", "vae", "--sigmas", "0.5", "--seeds", "0", "--scale", "smoke"]
ATTACKS = ["study", "--dataset", "digits", *SLICE, "--measures", "membership", "loss_attack"]


def roles_kept():
    place = store.folder(CELL, datasets.identity("digits").checksum)
    return {role for role in ROLES if (place / f"{role}.npz").exists()}


def test_a_cell_trains_the_roles_alone_that_the_measures_taken_need(home):
    assert CELL.roles_for(MEASURES) == CELL.roles == ROLES
    assert CELL.roles_for(["membership", "loss_attack"]) == ("full",)
    assert CELL.roles_for(["accountant"]) == ()
    assert set(compute.run_cell(CELL, measures=["accountant"])["metrics"]) >= {"epsilon_1e-3"}
    assert not roles_kept()
    first = compute.run_cell(CELL, measures=["membership", "loss_attack"])
    assert roles_kept() == {"full"}
    given = {METRICS[name].measure for name in first["metrics"]}
    assert given == {"accountant", "membership", "loss_attack"} == set(store.held(first))
    whole = compute.run_cell(CELL)
    assert roles_kept() == set(ROLES) and not store.lacking(whole)
    assert whole["training_core_seconds"] > first["training_core_seconds"]
    shutil.rmtree(home / "runs")
    again = compute.run_cell(CELL)
    assert again["metrics"] == whole["metrics"] and again["measures"] == whole["measures"]


def test_density_ratios_train_the_full_set_only_where_one_image_of_ten_is_looked_at(home):
    assert CELL.roles_for(["density_ratios"]) == CELL.roles
    variant = Cell("digits", "gan-plain", "dp", 0.5, 0, "compact")  # the paper's roles
    assert variant.roles_for(["density_ratios"]) == ("victim", "ablated")
    assert variant.roles_for(["density_ratios", "worth"]) == variant.roles


def test_a_cell_with_some_measures_is_read_and_says_what_it_lacks(home, capsys):
    assert main(ATTACKS) == 0
    found = results.obtain([CELL])
    assert {METRICS[name].measure for name in found.frame["metric"]} == {
        "membership",
        "loss_attack",
    }
    table = tables.summary(found.frame, ["mia_auc", "fd_lite0"])
    [[attack, fidelity]] = table.to_numpy().tolist()
    assert fidelity == "–" and attack != "–"
    assert tables.extent(found)["trainings"].tolist() == [1]
    capsys.readouterr()
    assert main([*ATTACKS, "--status"]) == 0
    assert " 1        -       -        -" in capsys.readouterr().out.splitlines()[2]
    assert main([*ATTACKS[:-3], "--status"]) == 0
    others = ("membership", "loss_attack", *ON_DEMAND)
    lacks = ", ".join(name for name in MEASURES if name not in others)
    assert f"missing: digits {CELL.name}: lacks {lacks}" in capsys.readouterr().out
    assert main(ATTACKS[:-3]) == 0  # what is measured stays, the rest joins it
    whole = results.obtain([CELL]).frame
    assert set(whole["metric"]) >= {"mia_auc", "fd_lite0", "epsilon_hat"}
    assert tables.extent(results.obtain([CELL]))["trainings"].tolist() == [4]


@pytest.fixture
def committed_alone(home, monkeypatch):
    """A collected cell whose runs are gone, as a checkout has it."""
    results.obtain([CELL])
    kept = collected.root("smoke")
    images = files.read_arrays(
        store.folder(CELL, datasets.identity("digits").checksum) / "full.npz"
    )
    shutil.rmtree(home / "runs" / "digits")
    monkeypatch.setattr(collected, "root", lambda *_: kept)
    monkeypatch.setattr(store, "runs_root", lambda: home / "elsewhere")
    return images["images"]


def test_a_measure_on_demand_is_lacked_once_it_was_held_and_is_of_another_version(monkeypatch):
    never, held = {"metrics": {}}, {"metrics": {"accuracy_combined_3x": 0.5}}
    held |= {"measures": store.versions(["multiples"])}
    assert "multiples" not in store.lacking(never)
    assert store.lacking(never, ["multiples"]) == ["multiples"]
    assert "multiples" not in store.lacking(held) and store.current(held) == held["metrics"]
    monkeypatch.setitem(MEASURES, "multiples", Measure(version=2, on_demand=True))
    assert "multiples" in store.lacking(held) and not store.current(held)


def test_multiples_join_a_cell_as_far_as_it_has_the_images(home):
    cell = Cell("digits", "vae", "sgd", 0.0, 0, "quick")  # of 20 images a class: enough for 2x
    first = compute.run_cell(cell, measures=["accountant"])
    more = compute.run_cell(cell, measures=["multiples"])
    assert more["metrics"].items() > first["metrics"].items()
    new = set(more["metrics"]) - set(first["metrics"])
    assert new == {f"accuracy_{name}_2x" for name in ("synthetic", "real_synthetic", "combined")}
    assert "multiples" in store.held(more) and "multiples" not in store.held(first)
    assert not compute.run_cell(CELL, measures=["multiples"])["metrics"]  # of 3 images a class


def test_a_measure_of_another_version_is_neither_shown_nor_mixed(committed_alone, monkeypatch):
    before = results.obtain([CELL]).frame
    monkeypatch.setitem(MEASURES, "membership", Measure(version=3))
    found = results.obtain([CELL]).frame
    gone = set(before["metric"]) - set(found["metric"])
    assert gone == {name for name, metric in METRICS.items() if metric.measure == "membership"}
    assert tables.summary(found, ["mia_auc"]).to_numpy().tolist() == [["–"]]


def test_one_measure_of_a_collected_cell_is_taken_again_on_the_same_images(
    committed_alone, monkeypatch, capsys
):
    before, arrays = results.obtain([CELL]), results.obtain([CELL]).arrays(CELL)
    monkeypatch.setitem(MEASURES, "membership", Measure(version=3))
    assert main(["study", "--dataset", "digits", *SLICE, "--status"]) == 0
    said = capsys.readouterr().out
    assert "collected; lacks membership: its images are not kept, --measures trains it" in said
    assert main([*ATTACKS, "--dry-run"]) == 0
    assert "1 cells to compute; about" in capsys.readouterr().out
    assert main(ATTACKS) == 0
    assert roles_kept() == {"full"}
    place = store.folder(CELL, datasets.identity("digits").checksum)
    assert np.array_equal(files.read_arrays(place / "full.npz")["images"], committed_alone)
    again = results.obtain([CELL])
    assert again.frame.equals(before.frame)
    assert again.arrays(CELL).keys() == arrays.keys()
    was, is_now = (found.provenance["cells"][CELL.name] for found in (before, again))
    assert is_now == was | {"measures": was["measures"] | {"membership": 3}}
    kept = {path: path.read_bytes() for path in collected.root("smoke").rglob("*.*")}
    assert main(ATTACKS) == 0  # nothing is left to do, and collecting again changes nothing
    results.collect([CELL])
    assert {path: path.read_bytes() for path in collected.root("smoke").rglob("*.*")} == kept


def test_a_measure_that_there_is_not_is_wrong_usage(capsys):
    with pytest.raises(SystemExit, match="2"):
        main([*ATTACKS, "wonder"])
    assert "invalid choice: 'wonder' (choose from" in capsys.readouterr().err
