"""The release's rivals: what reads private images, what was chosen on the stand-in, controls."""

import csv
from dataclasses import asdict
from statistics import mean

import pytest
import torch

from chapters.release import experiment, labelled, plan, public, stepwise, tables, tuning
from helpers.data import datasets, files, places
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
