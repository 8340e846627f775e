"""Corn and blood cells: the classifier and its baseline, an attack, statistics, what is kept."""

import json
import math
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch

from chapters.beyond import classifier, experiment, plan, tables
from helpers.data import datasets
from helpers.metrics.worth import TrainingSet


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def striped(n: int, *, seed: int = 0) -> TrainingSet:
    """Two classes of images: dark and light, with noise; the corners tell nothing."""
    labels = torch.arange(n) % 2
    images = 0.3 + 0.4 * labels[:, None, None, None] + torch.zeros(n, 3, 32, 32)
    images = images + 0.1 * torch.randn(images.shape, generator=stream(seed))
    images[:, :, ::31, ::31] = torch.rand(n, 3, 2, 2, generator=stream(seed + 1))
    return TrainingSet(images.clamp(0, 1), labels)


@pytest.fixture(scope="module")
def taught():
    budget = {"steps": 40, "batch": 16, "every": 10}
    return classifier.train(striped(64), striped(32, seed=5), 2, generator=stream(), **budget)


def test_the_classifier_has_trilemma_s_layers():
    network = classifier.network((3, 32, 32), 4, stream())
    widths = [m.out_channels for m in network if isinstance(m, torch.nn.Conv2d)]
    assert widths == [8, 16, 32, 64]
    assert len([m for m in network if isinstance(m, torch.nn.Linear)]) == 2
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 4)


def test_the_weights_of_the_least_validation_loss_are_kept():
    """Validation labels turned round: every step makes it worse, so the first look is kept."""
    data = striped(64)
    turned = data._replace(labels=1 - data.labels)
    how = {"batch": 16, "every": 5}
    long = classifier.train(data, turned, 2, steps=40, generator=stream(), **how)
    short = classifier.train(data, turned, 2, steps=5, generator=stream(), **how)
    other = classifier.train(data, data, 2, steps=40, generator=stream(), **how)
    for name, kept in short.state_dict().items():
        assert torch.equal(long.state_dict()[name], kept)
    assert any(
        not torch.equal(p, q) for p, q in zip(other.parameters(), short.parameters(), strict=True)
    )


def test_corner_pixels_alone_are_seen_by_the_baseline():
    told, test = striped(200), striped(200, seed=9)
    assert classifier.corner_accuracy(told, test, 0) < 0.65
    images = test.images.clone()
    images[:, :, 0, 0] = test.labels[:, None].float()
    marked = TrainingSet(images, test.labels)
    assert classifier.corner_accuracy(marked, marked, 0) == 1
    assert classifier.corners(images).shape == (200, 12)


def test_autopgd_stays_within_epsilon_and_repeats(taught):
    test = striped(24, seed=7)
    random = np.random.get_state()[1].copy()
    moved = [
        classifier.autopgd(taught, test.images, test.labels, loss="cross_entropy") for _ in range(2)
    ]
    assert torch.equal(*moved)
    assert np.array_equal(np.random.get_state()[1], random)
    change = (moved[0] - test.images).abs().max().item()
    assert 0 < change <= classifier.EPSILON + 1e-6


# Statistics


def test_holm_s_steps():
    """A worked example: of four, the least times 4, the next times 3, and so on, never falling."""
    nan = float("nan")
    found = tables.holm([0.01, nan, 0.04, 0.03, 0.005])
    assert found[0] == pytest.approx(0.03) and math.isnan(found[1])
    assert found[2:] == pytest.approx([0.06, 0.06, 0.02])
    assert tables.holm([0.9, 0.8]) == [1.0, 1.0]


def frame(values: dict[tuple[str, str, int], list[float]]) -> pd.DataFrame:
    rows = [
        (*key, seed, "steps", "accuracy", value)
        for key, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    return pd.DataFrame(rows, columns=experiment.COLUMNS)


def test_equal_differences_have_the_p_of_the_limit():
    assert tables._p_value(pd.Series([-0.1, -0.1, -0.1])) == 0
    assert tables._p_value(pd.Series([0.0, 0.0])) == 1
    assert tables._p_value(pd.Series([-0.1, -0.1, -0.1 + 1e-3])) < 0.01
    assert math.isnan(tables._p_value(pd.Series([0.1])))


def test_gains_are_formed_seed_by_seed_and_only_of_seeds_that_both_have():
    found = frame(
        {
            ("real", "", 0): [0.9, 0.8, 0.7],
            ("synthetic", "cvae", 1): [0.8, 0.7, 0.59],
            ("combined", "cvae", 1): [0.95],
        }
    )
    table = tables.gains(found).set_index("setting")
    assert table.loc["synthetic", "gain"].mean == pytest.approx(-0.31 / 3)
    assert table.loc["synthetic", "gain"].high < 0
    assert table.loc["synthetic", "holm"] == table.loc["synthetic", "p"] < 0.01
    assert table.loc["combined", "gain"].n == 1 and math.isnan(table.loc["combined", "p"])


@pytest.mark.parametrize("each", plan.PLANS, ids=lambda each: each.name)
def test_a_plan_names_every_unit_once_and_first_as_many_images_as_real_ones(each):
    units = each.units()
    assert len(units) == len(set(units))
    whole = [u for u in units if u.protocol == "steps"]
    assert len(whole) == len(plan.SEEDS) * (2 + 3 * 3 * len(each.multiples))
    assert all(u.multiple <= 1 for u in units[: len(plan.SEEDS) * 11])


def test_lengths_are_trilemma_s_on_corn_and_the_same_at_every_number_of_blood_cells():
    images, corn = 3082, plan.CORN
    for model in plan.MODELS:
        training = corn.preset(model).training
        assert training.steps * training.batch / images == pytest.approx(100, abs=1)
    encoding = corn.preset("latent_diffusion").autoencoding
    assert encoding.steps * encoding.batch / images == pytest.approx(50, abs=1)
    assert corn.steps == 30 * -(-images // plan.BATCH)
    assert len({(p.generator_steps, p.steps, p.epoch, p.dataset) for p in plan.BLOOD}) == 1


# A small plan, end to end


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A plan of two digits of each class, with `smoke` generators of two steps."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    monkeypatch.setattr(experiment, "SCALE", "smoke")
    monkeypatch.setattr(plan, "SCALE", "smoke")
    return plan.Plan("small", "striped", 2, 2, 3, (1,), (), 0, 24)


@pytest.fixture
def cells(monkeypatch):
    """A colour data set of two classes under the name `striped`: what `datasets.load` gives."""
    arrays = {}
    for split, n, seed in (("train", 40, 0), ("val", 12, 1), ("test", 24, 2)):
        images, labels = striped(n, seed=seed)
        pixels = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
        arrays |= {f"{split}_images": pixels, f"{split}_labels": labels.numpy()}
    known = {"title": "striped", "classes": ("dark", "light"), "shape": (3, 32, 32)}
    unused = dict.fromkeys(("source", "licence", "note"), "")
    data = datasets.Dataset(
        **known, **unused, name="striped", query_class=0, checksum="0", public_per_class=4,
        arrays=arrays,
    )  # fmt: skip
    monkeypatch.setattr(datasets, "load", lambda name: data)
    monkeypatch.setattr(datasets, "identity", lambda name: datasets.Identity("0", ""))
    monkeypatch.setitem(datasets.DATASETS, "striped", datasets.About(**known))
    monkeypatch.setattr(experiment.features, "vgg16_conv5", lambda x: x.flatten(1)[:, ::64].numpy())
    monkeypatch.setattr(experiment.features, "cached", lambda x, network: network(x))


def test_a_plan_is_measured_resumed_and_collected(small, cells, monkeypatch, tmp_path):
    units = [u for u in small.units() if u.seed == 0 and u.model in ("", "cvae")]
    monkeypatch.setattr(plan.Plan, "units", lambda self: units)
    monkeypatch.setattr(experiment.places, "committed", lambda: tmp_path)
    experiment.run(small, units[:3])
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.*")}
    experiment.run(small, units)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    found = pd.read_csv(experiment.collect(small), keep_default_na=False)
    assert set(found["setting"]) == {u.setting for u in units} | {"generator"}
    described = found[(found["setting"] == "generator") & (found["model"] == "cvae")]
    assert {"precision", "recall", "copy_rate", "max_ssim", "loss_auc", "membership_auc"} <= set(
        described["metric"]
    )
    shown = experiment.files.read_arrays(tmp_path / "results" / "small.npz")
    for name in ("cvae", "nearest/cvae", "nearest/real"):  # of two classes two images each
        assert shown[name].shape == (2, 2, 32, 32, 3)


def test_training_images_of_a_plan_are_drawn_by_seed_and_members_match_others(small, cells):
    first, again, other = (experiment.real(small, seed).index for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    members, others = experiment._matched(small, 0)
    assert set(members.index.tolist()) == set(first.tolist())
    assert torch.equal(members.labels, others.labels)
    assert len(experiment.validation(small).labels) == 2  # TRI's 80/10/10 of two, rounded up


# What is committed


PLANS = experiment.collected(plan.PLANS)
committed = pytest.mark.parametrize("each", PLANS, ids=lambda each: each.name)


def test_what_is_committed_is_of_corn_at_least():
    assert plan.CORN in PLANS


@committed
def test_committed_numbers_are_of_the_present_presets(each):
    about = json.loads(experiment.results(each, "json").read_text())
    presets = {m: asdict(each.preset(m)) for m in plan.MODELS}
    assert about["presets"] == json.loads(json.dumps(presets))
    budget = {"steps": each.steps, "batch": plan.BATCH, "every": each.epoch}
    assert about["classifier"] == budget


@committed
def test_committed_rows_are_whole(each):
    found = tables.frame(each)
    assert set(found["seed"]) <= set(plan.SEEDS) and not found["value"].isna().any()
    for unit in found[found["metric"] == "accuracy"].itertuples():
        right = unit.value * each.tested  # test images, of which there are as many as the plan says
        assert right == pytest.approx(round(right), abs=0.01)
        at = unit.setting, unit.model, unit.multiple
        corners = tables.values(found, *at, "corners", unit.protocol)
        assert unit.seed in corners.index  # the baseline stands beside every utility
