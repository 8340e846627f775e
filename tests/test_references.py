"""Reference generators, and the scale they give to the measures."""

from dataclasses import replace

import pytest
import torch

from helpers import study
from helpers.data import datasets, draws
from helpers.models import references
from helpers.models.families import REFERENCES
from helpers.randomness import generator as stream
from helpers.study import Cell, compute
from helpers.study.cell import NO_ARM


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


@pytest.fixture(scope="module")
def sets(digits):
    return draws.neighbours(digits, 10, generator=stream(0, "few-shot"))


LABELS = torch.arange(10).repeat_interleave(12)


def draw(name, digits, records, seed=0):
    generator = stream(seed, "few-shot")
    return references.images(name, digits, records, LABELS, n_per_class=10, generator=generator)


def rows(images):
    return {tuple(image.flatten().tolist()) for image in images}


def test_real_images_are_never_private_ones_nor_the_holdout(digits, sets):
    real = draw("real", digits, sets.full)
    assert len(real) == len(rows(real)) == len(LABELS)
    assert not rows(real) & rows(sets.full.images)
    assert not rows(real) & rows(draws.holdout(digits, 20).images)


def test_real_images_are_public_ones_only_for_want_of_others(digits, sets):
    pool = rows(draws.public(digits, 40).images)
    assert not rows(draw("real", digits, sets.full)) & pool
    many = torch.arange(10).repeat_interleave(100)
    generator = stream(0, "few-shot")
    images = references.images("real", digits, sets.full, many, n_per_class=10, generator=generator)
    assert rows(images) & pool and len(rows(images)) >= 990
    with pytest.raises(ValueError, match=r"class 0 .* that are not private; 500 are needed"):
        references.images(
            "real",
            digits,
            sets.full,
            many.repeat(5).sort().values,
            n_per_class=10,
            generator=stream(0, "few-shot"),
        )


def test_data_without_a_public_pool_give_real_images_or_say_that_none_is_left(digits, sets):
    without = replace(digits, public_per_class=0)
    full = draws.few_shot(without, 10, generator=stream(0, "few-shot"))
    assert not rows(draw("real", without, full)) & rows(full.images)
    kept = full.index.numpy()
    train = {key: digits.arrays[key][kept] for key in ("train_images", "train_labels")}
    alone = replace(without, arrays={**digits.arrays, **train})
    with pytest.raises(ValueError, match=r"digits has 0 images of class 0 .* 12 are needed"):
        draw("real", alone, full)


def test_real_images_do_not_depend_on_the_records(digits, sets):
    assert torch.equal(draw("real", digits, sets.victim), draw("real", digits, sets.ablated))


def test_copies_are_the_records_of_the_asked_class(digits, sets):
    copies = draw("copies", digits, sets.full)
    assert rows(copies) == rows(sets.full.images)
    assert rows(copies[:12]) == rows(sets.full.images[:10])


def test_a_victims_copies_of_the_query_class_are_the_query(digits, sets):
    assert rows(draw("copies", digits, sets.victim)[:12]) == rows(sets.query.images)
    assert rows(draw("copies", digits, sets.ablated)[:12]) <= rows(sets.ablated.images)


def test_means_do_not_vary_within_a_class(digits, sets):
    means = draw("means", digits, sets.full)
    assert len(rows(means)) == 10 and means.min() >= 0 and means.max() <= 1


def test_a_reference_cell_has_no_arm_and_a_model_has_one():
    cells = study.grid("digits", REFERENCES, ["sgd", 0.1], [0, 1], "smoke")
    assert len(cells) == 6 and {cell.arm for cell in cells} == {NO_ARM}
    with pytest.raises(ValueError, match="copies is not trained: its arm is 'none'"):
        Cell("digits", "copies", "sgd", 0.0, 0, "smoke")
    with pytest.raises(ValueError, match="arm 'none' is unknown"):
        Cell("digits", "vae", NO_ARM, 0.0, 0, "smoke")


def test_copies_score_worst_and_real_images_best_on_every_privacy_measure(tmp_path, monkeypatch):
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    names = (
        "epsilon_hat",
        "ecdf_ks_directed",
        "copy_rate",
        "max_ssim",
        "mia_auc",
        "mia_tpr",
        "epsilon_lower",
    )
    copies, _, real = (
        compute.run_cell(cell)["metrics"]
        for cell in study.grid("digits", REFERENCES, ["sgd"], [0], "quick")
    )
    for name in names:
        assert copies[name] > real[name], name
    assert copies["copy_rate"] == copies["mia_auc"] == 1
    assert real["epsilon_hat"] == 0 and real["mia_auc"] < 0.6
