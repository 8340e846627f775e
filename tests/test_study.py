"""The grid, the cells and the table they are collected into, at the scale `smoke` on digits."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from helpers import study
from helpers.cli import main
from helpers.data import datasets, draws, files
from helpers.metrics import measures
from helpers.metrics.evaluation import EVALUATIONS, MEASURES, ROLES, Measure
from helpers.models import families, presets
from helpers.models.families import FAMILIES
from helpers.randomness import generator as stream
from helpers.study import Cell, collected, compute, execute, results, status, store, trainings
from helpers.study import cell as cell_module
from helpers.study.cell import parse_sigma


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    return tmp_path


CELL = Cell("digits", "vae", "dp", 0.5, 0, "smoke")


def test_a_grid_is_the_product_of_its_axes_in_a_stable_order():
    cells = study.grid("digits", ["vae"], [0.2, "clipped", "sgd", 0.1], [1, 0], "smoke")
    assert len(cells) == 8 and cells == sorted(cells)
    assert cells == study.grid("digits", ["vae"], ["sgd", "0.1", "clipped", 0.2], [0, 1], "smoke")


@pytest.mark.parametrize("sigma", [-0.1, 0, "0", float("nan"), float("inf"), "sdg", None])
def test_a_sigma_that_is_no_level_is_refused(sigma):
    with pytest.raises(ValueError, match="'sgd', 'clipped' or a number > 0"):
        parse_sigma(sigma)


@pytest.mark.parametrize(
    ("axes", "match"),
    [
        (("a/b", ["vae"], ["sgd"], [0], "smoke"), "data set 'a/b' is no name"),
        (("digits", ["vea"], ["sgd"], [0], "smoke"), "model 'vea' is unknown; did you mean 'vae'"),
        (("digits", ["vae"], ["sgd"], [0], "big"), "scale 'big' is unknown; allowed: smoke"),
        (("digits", ["vae"], ["sgd"], [-1], "smoke"), "seed is -1"),
        (("digits", ["vae"], [], [0], "smoke"), "sigmas is"),
        (("digits", "vae", ["sgd"], [0], "smoke"), "models is 'vae'"),
    ],
)
def test_a_wrong_axis_is_one_clear_error(axes, match):
    with pytest.raises(ValueError, match=match):
        study.grid(*axes)


def test_keys_follow_the_data_and_the_cell():
    other = Cell("digits", "vae", "dp", 0.5, 1, "smoke")
    assert CELL.training_key("a") != CELL.training_key("b")
    assert CELL.training_key("a") != other.training_key("a")


def test_a_measurement_change_keeps_the_trainings(monkeypatch):
    before = CELL.training_key("a"), CELL.measurement_key("a")
    monkeypatch.setattr(cell_module, "MEASURED", 6)
    assert CELL.training_key("a") == before[0] and CELL.measurement_key("a") != before[1]


def test_a_cell_is_computed_once_and_then_read(home, monkeypatch):
    first = compute.run_cell(CELL)

    def refuse(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(trainings, "train_role", refuse)
    assert compute.run_cell(CELL) == first
    assert {"fd_lite0", "epsilon_hat", "accuracy", "accuracy_real", "epsilon_1e-3"} <= set(
        first["metrics"]
    )


def test_a_kill_between_roles_costs_only_the_missing_ones(home, monkeypatch):
    trained = []
    real = trainings.train_role

    def interrupted(cell, dataset, records, **others):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(len(records.images))
        return real(cell, dataset, records, **others)

    monkeypatch.setattr(trainings, "train_role", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compute.run_cell(CELL)
    monkeypatch.setattr(
        trainings,
        "train_role",
        lambda *given, **others: trained.append(0) or real(*given, **others),
    )
    resumed = compute.run_cell(CELL)
    assert trained == [100, 91, 0, 0]  # full, victim; then only the other two were missing
    shutil.rmtree(store.runs_root())
    monkeypatch.setattr(trainings, "train_role", real)
    assert compute.run_cell(CELL)["metrics"] == resumed["metrics"]


def test_collected_results_need_no_data_set(home, monkeypatch):
    execute.run([CELL], progress=False)
    results.collect([CELL])
    monkeypatch.setattr(datasets, "load", lambda name: pytest.fail("asked for the data set"))
    found = results.obtain([CELL])
    assert found.frame["value"].notna().all()
    assert set(found.frame["metric"]) >= {"fd_lite0", "epsilon_hat", "accuracy"}


def test_results_of_other_presets_are_not_read_as_current(home, monkeypatch):
    results.obtain([CELL])
    monkeypatch.setattr(cell_module, "MEASURED", 6)
    assert collected.read(collected.root("smoke"), "digits").records() == {}


def of_other_images(checksum="0" * 64):
    """Make the collected digits those of other images; the path of their JSON."""
    path = collected.root("smoke") / "digits.json"
    kept = json.loads(path.read_text())
    kept["data"]["checksum"] = checksum
    kept["cells"][CELL.name]["key"] = CELL.measurement_key(checksum)
    path.write_text(json.dumps(kept))
    return path


def test_results_of_other_images_are_kept_apart(home, capsys):
    here = results.obtain([CELL])
    before = of_other_images().read_bytes()
    assert results.obtain([CELL]).provenance["data"]["checksum"] == "0" * 64  # nothing computed
    digits = datasets.identity("digits").checksum
    kept = results.collect([CELL])  # of the images that are here
    assert kept.table.name == f"digits-{digits[:8]}.csv"
    assert kept.records().keys() == {CELL} and kept.arrays_path(CELL).is_file()
    assert (collected.root("smoke") / "digits.json").read_bytes() == before
    assert results.obtain([CELL], images=digits[:8]).frame.equals(here.frame)
    with pytest.raises(ValueError, match="on the images 123456 are asked for; neither are they"):
        results.obtain([CELL], images="123456")


def test_status_says_of_which_images_it_speaks(home):
    results.obtain([CELL])
    of_other_images()
    said = str(status.images("digits", "smoke"))
    assert "not the images of the collected results (sha256 000000000000)" in said
    assert f"results of these are digits-{datasets.identity('digits').checksum[:8]}" in said


def test_what_is_collected_needs_no_images_for_its_status(home, monkeypatch, capsys):
    results.obtain([CELL])
    monkeypatch.setattr(datasets, "ready", lambda name: False)
    monkeypatch.setattr(datasets, "identity", lambda name: pytest.fail("asked for the images"))
    slice_ = ["--models", "vae", "--sigmas", "0.5", "--seeds", "0", "--scale", "smoke"]
    assert main(["study", "--dataset", "digits", *slice_, "--status"]) == 0
    said = capsys.readouterr().out
    assert "those of the collected results; none are here" in said
    assert "all                       1        0       0        0" in said


def test_a_metric_that_is_no_number_fails_the_cell(monkeypatch):
    no_number = measures.Measured({"fid": float("nan"), "accuracy": 0.5}, {})
    monkeypatch.setattr(measures, "take_fidelity", lambda subject: no_number)
    with pytest.raises(ValueError, match="fid are not finite"):
        measures.take(["fidelity"], None)


def test_roles_share_their_weights_and_draws(home):
    """A run on the same records under another role's name is the same run (defect D10)."""
    data = datasets.load("digits")
    records = draws.few_shot(data, 10, generator=torch.Generator().manual_seed(0))
    one, two = (
        trainings.train_role(CELL, data, records, places=torch.arange(100)) for _ in range(2)
    )
    assert np.array_equal(one["images"], two["images"])


def accounted(cell):
    digits = datasets.load("digits")
    return measures.accounted(compute.private(cell, len(digits.classes), digits.shape))


def test_a_private_cell_reports_its_accountant(home):
    metrics = accounted(CELL)
    assert 0 < metrics["epsilon_1e-3"] < metrics["epsilon_1e-5"]
    size = metrics["noised_parameters"]
    assert metrics["noise_to_signal"] == pytest.approx(0.5 * size**0.5 / 100)
    plain = accounted(Cell("digits", "vae", "sgd", 0.0, 0, "smoke"))
    assert not any(name.startswith("epsilon") for name in plain)


def test_presets_exist_for_every_model_and_scale():
    for model in FAMILIES:
        for scale in presets.SCALES:
            assert families.preset(model, scale).training.steps > 0
            assert EVALUATIONS[scale].per_class > 0


@pytest.mark.parametrize("epsilon", [1, 10, 100])
def test_a_guarantee_is_kept_and_hardly_exceeded(epsilon):
    private = [name for name, family in FAMILIES.items() if family.private]
    for cell in study.guaranteed("mnist", private, [epsilon], [0], "compact"):
        reached = accounted(cell)["epsilon_1e-3"]
        assert 0.97 * epsilon < reached <= epsilon


def test_what_is_read_beside_the_noised_gradients_has_no_finite_epsilon():
    cell = Cell("mnist", "gan-authors", "dp", 0.4, 0, "compact")
    metrics, ours = accounted(cell), accounted(dataclasses.replace(cell, model="gan"))
    assert not any(name.startswith("epsilon") for name in metrics)
    assert metrics == {name: ours[name] for name in ("noised_parameters", "noise_to_signal")}
    with pytest.raises(ValueError, match=r"gan-authors has no finite epsilon.*labels and .*losses"):
        study.guaranteed("mnist", ["gan", "gan-authors"], [10], [0], "compact")


def test_only_the_main_models_on_digits_have_the_second_neighbor_variant():
    assert CELL.roles == ROLES
    for other in (("octmnist", "vae"), ("mnist", "gan-authors")):
        assert Cell(*other, "sgd", 0.0, 0, "compact").roles == ("full", "victim", "ablated")


def test_what_is_available_is_of_the_axes_and_nothing_is_computed(home, monkeypatch):
    monkeypatch.setattr(trainings, "run_role", None)
    axes = {"models": ["vae"], "levels": [0.1, 0.2], "seeds": [0], "scale": "smoke"}
    assert results.available("digits", **axes) is None
    monkeypatch.undo()
    monkeypatch.setenv("NFL_HOME", str(home))
    of_the_axes, extra = study.grid("digits", ["vae"], [0.1, 0.7], [0], "smoke")
    for cell in (of_the_axes, extra):
        compute.run_cell(cell)
    results.collect([of_the_axes, extra])
    found = results.available("digits", **axes)
    assert found.cells == [of_the_axes]
    assert list(results.cube(found.frame).index) == [("digits", "vae", "0.1", 0)]


def test_leaving_one_record_out_of_the_middle_moves_no_other_draw(home, monkeypatch):
    seen = {}

    def watch(cell, dataset, records, *, places, **others):
        seen[len(records.images)] = records.index, places
        raise KeyboardInterrupt

    dataset = datasets.load("digits")
    sets = draws.neighbours(dataset, 10, generator=stream(0, "few-shot"))
    monkeypatch.setattr(trainings, "train_role", watch)
    for role in ("full", "omitted"):
        with pytest.raises(KeyboardInterrupt):
            trainings.run_role(CELL, dataset, sets, role, device=torch.device("cpu"))
    (full, slots), (omitted, places) = seen[100], seen[99]
    assert torch.equal(slots, torch.arange(100)) and torch.equal(full[places], omitted)
    assert sets.query.index.item() not in omitted


def test_a_trained_model_comes_back_from_its_weights(home):
    digits = datasets.load("digits")
    records = draws.few_shot(digits, 10, generator=stream(0, "few-shot"))
    run = trainings.train_role(CELL, digits, records, places=torch.arange(100))
    model = trainings.trained_model(CELL, digits, run)
    images = model.sample(torch.from_numpy(run["labels"]), generator=stream(0, "samples"))
    assert np.array_equal((images[:, 0] * 255).round().byte().numpy(), run["images"])


# A sigma has one spelling


@pytest.mark.parametrize("sigma", [0.1 + 0.2, "0.30", "3e-1", 0.3, 0.30000004])
def test_a_sigma_has_one_spelling(sigma):
    [cell] = study.grid("mnist", ["vae"], [sigma], [0], "compact")
    assert cell == Cell("mnist", "vae", "dp", 0.1 + 0.2, 0, "compact")
    assert (cell.sigma, cell.name) == (0.3, "vae-0.3-s0-compact")


# Measures


def test_every_measure_has_its_function():
    assert {f"take_{name}" for name in MEASURES} == {n for n in dir(measures) if n[:5] == "take_"}


def told(**metrics):
    """A measure that gives these numbers, and the subjects it was given."""

    def take(subject):
        take.subjects.append(subject)
        return measures.Measured(metrics, {"kept": np.zeros(1)})

    take.subjects = []
    return take


def test_a_new_measure_is_computed_alone_and_a_changed_one_again(home, monkeypatch):
    first = compute.run_cell(CELL)
    new = told(wonder=1.0)
    monkeypatch.setitem(MEASURES, "wonder", Measure())
    monkeypatch.setattr(measures, "take_wonder", new, raising=False)
    for name in MEASURES:
        if name != "wonder":
            monkeypatch.setattr(measures, f"take_{name}", None)  # none of these is taken again
    monkeypatch.setattr(trainings, "train_role", None)
    second = compute.run_cell(CELL)
    assert second["metrics"] == first["metrics"] | {"wonder": 1.0}
    assert second["measures"] == first["measures"] | {"wonder": 1}
    changed = {"accountant": 2, "consistency": 2, "loss_attack": 2, "membership": 2}
    assert first["measures"] == changed  # the original ones are not told
    assert compute.run_cell(CELL) == second and len(new.subjects) == 1
    assert "points_victim" in store.arrays(CELL, datasets.identity("digits").checksum)
    monkeypatch.setitem(MEASURES, "wonder", Measure(version=2))
    monkeypatch.setattr(measures, "take_wonder", told(wonder=2.0))
    assert compute.run_cell(CELL)["metrics"]["wonder"] == 2.0
    monkeypatch.setitem(MEASURES, "fidelity", Measure(version=2))
    monkeypatch.setattr(measures, "take_fidelity", told(fd_lite0=7.0))
    third = compute.run_cell(CELL)["metrics"]
    assert third["fd_lite0"] == 7.0 and "psnr" not in third  # which this version does not give
    assert third["accuracy"] == first["metrics"]["accuracy"]


def test_a_collected_cell_without_images_says_what_it_lacks(home, monkeypatch, capsys):
    results.obtain([CELL])
    committed = collected.root("smoke")
    before = (committed / "digits.csv").read_bytes()
    shutil.rmtree(home / "runs" / "digits")
    monkeypatch.setattr(collected, "root", lambda *_: committed)
    monkeypatch.setattr(store, "runs_root", lambda: home / "elsewhere")  # as of committed results
    monkeypatch.setitem(MEASURES, "wonder", Measure())
    monkeypatch.setattr(compute, "run_cell", None)
    slice_ = ["--models", "vae", "--sigmas", "0.5", "--seeds", "0", "--scale", "smoke"]
    assert main(["study", "--dataset", "digits", *slice_, "--status"]) == 0
    assert "collected; lacks wonder: its images are not kept" in capsys.readouterr().out
    assert main(["study", "--dataset", "digits", *slice_]) == 0
    assert (collected.root("smoke") / "digits.csv").read_bytes() == before


def test_a_measure_of_what_is_kept_is_added_to_a_collected_cell(home, monkeypatch):
    before = results.obtain([CELL]).frame
    shutil.rmtree(home / "runs" / "digits")
    of_points = told(wonder=1.0)
    monkeypatch.setitem(MEASURES, "wonder", Measure(inputs="arrays"))
    monkeypatch.setattr(measures, "take_wonder", of_points, raising=False)
    monkeypatch.setattr(compute, "run_cell", None)
    found = results.obtain([CELL]).frame
    assert {"points_victim", "points_query"} <= of_points.subjects[0].arrays.keys()
    assert found[found["metric"] == "wonder"]["value"].tolist() == [1.0]
    assert found[found["metric"] != "wonder"].reset_index(drop=True).equals(before)
    assert results.obtain([CELL]).frame.equals(found) and len(of_points.subjects) == 1


# Committed files are left alone


@pytest.mark.parametrize("name", ["digits.csv", "digits.json"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("<<<<<<< HEAD\n", "line 1: '<<<<<<< HEAD' is left of a merge conflict"),
        ("nonsense", "is damaged: "),
        ("", "is damaged: "),
    ],
)
def test_a_committed_file_that_cannot_be_read_is_named_and_left(
    home, monkeypatch, name, damage, said
):
    results.obtain([CELL])
    committed = home / "committed"
    shutil.copytree(collected.root("smoke"), committed)
    monkeypatch.setattr(collected, "root", lambda *_: committed)
    path = committed / name
    path.write_text(damage + (path.read_text() if damage[:1] == "<" else ""))
    kept = {p: p.read_bytes() for p in committed.rglob("*") if p.is_file()}
    for ask in (results.obtain, results.collect):
        with pytest.raises(files.Damaged, match=rf"{name}\W.*{said}.* git checkout HEAD -- "):
            ask([CELL])
    assert {p: p.read_bytes() for p in committed.rglob("*") if p.is_file()} == kept


def test_collecting_keeps_rows_of_other_presets(home, monkeypatch):
    results.obtain([CELL])
    monkeypatch.setattr(cell_module, "MEASURED", 6)
    other = dataclasses.replace(CELL, seed=1)
    results.obtain([other])
    kept = collected.read(collected.root("smoke"), "digits")
    assert kept.records().keys() == {other}
    assert {row[4] for row in kept.rows} == {0, 1}


def test_committed_results_are_the_checkouts_wherever_the_store_is(home, root):
    assert collected.root("compact") == root / "data" / "results"
    assert collected.root("smoke") == home / "runs" / "results"
