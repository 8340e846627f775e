"""The release's rivals: what reads private images, what was chosen on the stand-in, controls."""

import csv
from dataclasses import asdict
from statistics import mean

import pytest
import torch

from chapters.release import experiment, labelled, plan, prior, public, stepwise, tables, tuning
from helpers.data import datasets, files, places
from helpers.data.draws import Sample
from helpers.models.vae import VAE
from helpers.randomness import generator as stream


@pytest.mark.parametrize("kind", labelled.KINDS)
def test_leaked_labels_are_those_of_digits_in_the_layout_of_mnist(kind):
    images, labels = labelled.images(kind, 20, 0)
    assert torch.equal(labels, torch.arange(10).repeat_interleave(20))
    assert images.shape == (200, 1, 28, 28)
    assert 0 <= images.min() < images.max() <= 1
    ones, eights = images[labels == 1].mean(0), images[labels == 8].mean(0)
    assert eights.sum() > ones.sum()  # of ink
    assert not torch.equal(images, labelled.images(kind, 20, 1)[0])


def test_what_was_chosen_is_what_was_best_on_the_stand_in():
    found = files.read_json(places.committed() / "results" / "release_rivals.json")["tried"]
    chosen = stepwise.CHOSEN
    assert found.keys() == chosen.keys()
    for mechanism, tried in found.items():
        best = max(tried, key=lambda one: sum(one["accuracy"]))
        assert asdict(chosen[mechanism]) == {k: v for k, v in best.items() if k != "accuracy"}
        assert chosen[mechanism] in tuning.GRIDS[mechanism]


def test_no_draw_holds_what_the_folder_and_the_judge_have():
    data = datasets.load("digits")
    free = public.unheld(data)
    for seed in public.SEEDS:
        held = public.draws.few_shot(data, 10, generator=stream(seed, "few-shot")).index
        assert not free[held].any()
    assert free.any()


def test_collected_units_are_those_of_today_s_settings():
    about = files.read_json(experiment.root() / "release.json")
    for unit in plan.units():
        if unit.name in about["units"]:
            key = experiment.key_of(unit, about["data"][unit.dataset])
            assert about["units"][unit.name]["key"] == key, unit.name


@pytest.mark.parametrize(
    ("dataset", "side"), [("bloodmnist", "training"), ("organamnist", "phantoms")]
)
def test_the_share_that_is_kept_is_of_the_same_private_draws(dataset, side):
    with (experiment.root() / "release.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == dataset]
    simple = {"private": "10", "synthetic": "100", "encoder": "0", "metric": "accuracy"}
    rows = [row for row in rows if simple.items() <= row.items()]
    at = {"mechanism": "release", "public": side, "epsilon": "1.0"}
    released = {row["seed"]: float(row["value"]) for row in rows if at.items() <= row.items()}
    own = {row["seed"]: float(row["value"]) for row in rows if row["mechanism"] == "private"}
    expected = mean(released.values()) / mean(own[seed] for seed in released)
    assert tables.kept(dataset, side, 1.0) == pytest.approx(expected)


@pytest.fixture
def drawer():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = VAE(1, (1, 28, 28), prior.NETWORK)
    return prior.Drawer(network.eval().requires_grad_(False), torch.full((16,), 0.5))


def test_a_prior_s_loss_is_the_gaussian_s_and_its_best_means_are_those_of_the_codes(drawer):
    images, labels = torch.rand(12, 1, 28, 28), torch.arange(12) % 3
    model = prior.Prior(3, drawer)
    codes, _ = drawer.encode(images)
    means = torch.stack([codes[labels == k].mean(0) for k in range(3)])
    with torch.no_grad():
        model.means.weight.copy_(means.T)
    losses = model.losses(images, labels, torch.zeros(12, 16))
    normal = torch.distributions.Normal(means[labels], 0.5)
    best = normal.log_prob(means[labels]).sum(1) - normal.log_prob(codes).sum(1)
    torch.testing.assert_close(losses, best)
    losses.sum().backward()
    torch.testing.assert_close(
        model.means.weight.grad, torch.zeros_like(means.T), atol=1e-4, rtol=0
    )


def test_of_a_public_generator_only_the_prior_is_trained_and_by_private_images_alone(
    monkeypatch, drawer
):
    monkeypatch.setattr(prior, "drawer", lambda simulator: drawer)
    before = {name: value.clone() for name, value in drawer.network.state_dict().items()}
    private = Sample(torch.rand(20, 1, 28, 28), torch.arange(20) % 2, torch.arange(20))
    at = private, 2, 10.0, 1e-3, 3, 0
    how = {"setting": stepwise.CHOSEN["prior"], "simulator": "strokes"}
    images, labels = stepwise.trained("prior", *at, **how)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.shape == (6, 1, 28, 28)
    assert 0 <= images.min() <= images.max() <= 1
    assert all(torch.equal(before[name], v) for name, v in drawer.network.state_dict().items())
    assert sum(p.numel() for p in prior.Prior(2, drawer).parameters() if p.requires_grad) == 32
