"""The grid, the cells and the table they are collected into, at the scale `smoke` on digits."""

import shutil

import numpy as np
import pytest
import torch

from helpers import study
from helpers.data import datasets, draws
from helpers.metrics import measures
from helpers.metrics.evaluation import EVALUATIONS
from helpers.models import families, presets
from helpers.models.families import FAMILIES
from helpers.randomness import generator as stream
from helpers.study import Cell, compute, execute, results
from helpers.study.cell import ROLES, parse_sigma


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
        (("mnits", ["vae"], ["sgd"], [0], "smoke"), "data set 'mnits' is unknown; allowed: digits"),
        (("digits", ["vea"], ["sgd"], [0], "smoke"), "model 'vea' is unknown; allowed: vae"),
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
    monkeypatch.setattr(measures, "VERSION", measures.VERSION + 1)
    assert CELL.training_key("a") == before[0] and CELL.measurement_key("a") != before[1]


def test_a_cell_is_computed_once_and_then_read(home, monkeypatch):
    first = compute.run_cell(CELL)

    def refuse(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(compute, "train_role", refuse)
    assert compute.run_cell(CELL) == first
    assert {"fd_lite0", "epsilon_hat", "accuracy", "accuracy_real", "epsilon_1e-3"} <= set(
        first["metrics"]
    )


def test_a_kill_between_roles_costs_only_the_missing_ones(home, monkeypatch):
    trained = []
    real = compute.train_role

    def interrupted(cell, records, **others):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(len(records.images))
        return real(cell, records, **others)

    monkeypatch.setattr(compute, "train_role", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compute.run_cell(CELL)
    monkeypatch.setattr(
        compute,
        "train_role",
        lambda cell, records, **others: trained.append(0) or real(cell, records, **others),
    )
    resumed = compute.run_cell(CELL)
    assert trained == [100, 91, 0, 0]  # full, victim; then only the other two were missing
    shutil.rmtree(compute.runs_root())
    monkeypatch.setattr(compute, "train_role", real)
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
    monkeypatch.setattr(measures, "VERSION", measures.VERSION + 1)
    assert results._collected(results.results_root("smoke"), "digits") == {}


def test_results_of_other_images_are_not_mixed(home):
    results.obtain([CELL])
    path = results.results_root("smoke") / "digits.json"
    path.write_text(path.read_text().replace(datasets.load("digits").checksum, "0" * 64))
    with pytest.raises(ValueError, match="other images of digits"):
        results.collect([CELL])


def test_a_metric_that_is_no_number_fails_the_cell():
    with pytest.raises(ValueError, match="fid are not finite"):
        measures.check_metrics({"fid": float("nan"), "accuracy": 0.5})


def test_roles_share_their_weights_and_draws(home):
    """A run on the same records under another role's name is the same run (defect D10)."""
    data = datasets.load("digits")
    records = draws.few_shot(data, 10, generator=torch.Generator().manual_seed(0))
    one, two = (compute.train_role(CELL, records, classes=10) for _ in range(2))
    assert np.array_equal(one["images"], two["images"])


def test_a_private_cell_reports_its_accountant(home):
    metrics = compute.accounted(CELL, classes=10)
    assert 0 < metrics["epsilon_1e-3"] < metrics["epsilon_1e-5"]
    size = metrics["noised_parameters"]
    assert metrics["noise_to_signal"] == pytest.approx(0.5 * size**0.5 / 100)
    plain = compute.accounted(Cell("digits", "vae", "sgd", 0.0, 0, "smoke"), classes=10)
    assert not any(name.startswith("epsilon") for name in plain)


def test_presets_exist_for_every_model_and_scale():
    for model in FAMILIES:
        for scale in presets.SCALES:
            assert families.preset(model, scale).training.steps > 0
            assert EVALUATIONS[scale].per_class > 0


@pytest.mark.parametrize("epsilon", [1, 10, 100])
def test_a_guarantee_is_kept_and_hardly_exceeded(epsilon):
    for cell in study.guaranteed("mnist", FAMILIES, [epsilon], [0], "compact"):
        reached = compute.accounted(cell, classes=10)["epsilon_1e-3"]
        assert 0.97 * epsilon < reached <= epsilon


def test_only_the_main_models_on_digits_have_the_second_neighbor_variant():
    assert CELL.roles == ROLES
    for other in (("octmnist", "vae"), ("mnist", "gan-authors")):
        assert Cell(*other, "sgd", 0.0, 0, "compact").roles == ("full", "victim", "ablated")


def test_what_is_available_is_of_the_grid_and_nothing_is_computed(home, monkeypatch):
    monkeypatch.setattr(compute, "run_role", None)
    assert results.available("digits", "smoke") is None
    monkeypatch.undo()
    of_the_grid, extra = study.grid("digits", ["vae"], [0.1, 0.7], [0], "smoke")
    for cell in (of_the_grid, extra):
        compute.run_cell(cell)
    results.collect([of_the_grid, extra])
    assert results.available("digits", "smoke").cells == [of_the_grid]


def test_leaving_one_record_out_of_the_middle_moves_no_other_draw(home, monkeypatch):
    seen = {}

    def watch(cell, records, *, places, **others):
        seen[len(records.images)] = records.index, places
        raise KeyboardInterrupt

    dataset = datasets.load("digits")
    sets = draws.neighbours(dataset, 10, generator=stream(0, "few-shot"))
    monkeypatch.setattr(compute, "train_role", watch)
    for role in ("full", "omitted"):
        with pytest.raises(KeyboardInterrupt):
            compute.run_role(CELL, dataset, sets, role, device=None)
    (full, none), (omitted, places) = seen[100], seen[99]
    assert none is None and torch.equal(full[places], omitted)
    assert sets.query.index.item() not in omitted


def test_a_trained_model_comes_back_from_its_weights(home):
    run = compute.train_role(
        CELL,
        draws.few_shot(datasets.load("digits"), 10, generator=stream(0, "few-shot")),
        classes=10,
    )
    model = compute.trained_model(CELL, run, classes=10)
    images = model.sample(torch.from_numpy(run["labels"]), generator=stream(0, "samples"))
    assert np.array_equal((images[:, 0] * 255).round().byte().numpy(), run["images"])
