"""Both papers side by side: which kind of generator is called best, and when none is."""

import pandas as pd
import pytest

from chapters import both, nfl
from chapters.beyond import plan, tables
from chapters.trilemma import study
from helpers.metrics.statistics import mean_interval
from helpers.report import style

MORE, LESS = (next(c for c in both.CRITERIA if c.better == sign) for sign in (1, -1))


def source(**values: list[float]) -> both.Found:
    return lambda kind, criterion: pd.Series(values.get(kind, []), dtype=float)


def test_the_best_is_that_of_the_criterion_s_direction():
    of = source(VAE=[1.0, 1.01, 1.02], GAN=[2.0, 2.01, 2.02], diffusion=[3.0, 3.01, 3.02])
    assert both.best(of, MORE) == ("diffusion",)
    assert both.best(of, LESS) == ("VAE",)


def test_what_seeds_do_not_tell_apart_is_a_tie():
    of = source(VAE=[1.0, 1.01, 1.02], GAN=[3.1, 2.9, 3.2], diffusion=[3.0, 3.0, 3.0])
    assert both.best(of, MORE) == ("GAN", "diffusion")
    steady = source(VAE=[1.0, 2.0, 3.0], GAN=[1.5, 2.5, 3.5], diffusion=[0.0, 1.0, 2.0])
    assert both.best(steady, MORE) == ("GAN",)  # seed by seed, though seeds scatter


def test_one_seed_is_marked_and_not_counted_and_a_missing_kind_decides_nothing():
    single = source(VAE=[1.0], GAN=[2.0], diffusion=[9.0])
    assert both.best(single, MORE) == ("diffusion?",)
    assert both.counted({"one": single})["both_cells"] == 0
    assert both.best(source(VAE=[1.0, 1.0], GAN=[2.0, 2.0]), MORE) == ()


@pytest.fixture(scope="module")
def found():
    return both.sets(["mnist", "octmnist", "organamnist"])


def test_numbers_are_those_of_the_collected_results(found):
    frame = study.frames(["mnist"], "compact")["mnist"]
    rows = frame[(frame["model"] == "ddpm") & (frame["level"] == "sgd")]
    recall = rows[rows["metric"] == "recall"]["value"].mean()
    table = both.numbers(found)
    assert table.loc[("MNIST, 10 a class", "diffusion"), "recall ↑"] == f"{recall:.2f}"


def test_every_measure_is_collected_of_the_study(found):
    kinds = both.numbers(found).loc["MNIST, 10 a class"]
    assert not (kinds == both.NONE).any(axis=None)


def test_counts_are_those_of_the_picture(found):
    cells, counted = both.winners(found).to_numpy().ravel().tolist(), both.counted(found)
    assert counted["both_gan"] == cells.count("GAN")
    tied = sum(" = " in cell for cell in cells)
    assert counted["both_tied"] == tied
    single = sum(cell.endswith("?") for cell in cells)
    assert counted["both_cells"] == len(cells) - cells.count(both.NONE) - single


def test_with_copies_added_synthetic_images_help_where_the_page_says():
    """Beyond what turned and flipped copies of the real images do: on one set, with one kind."""
    helped = []
    for each in (plan.CORN, *plan.BLOOD):
        frame = tables.frame(each)
        copies = tables.values(frame, "geometric", "", 0)
        for model in plan.MODELS:
            gain = tables.interval((tables.values(frame, "combined", model, 1) - copies).dropna())
            helped += [(each.dataset, each.per_class, model)] if gain.low > 0 else []
    assert helped == [("bloodmnist", 10, "stylegan2")]
    for name, found in nfl.collected().items():
        frame = style.with_level(found.frame)
        frame = frame[(frame["level"] == "sgd") & frame["model"].isin(nfl.MODELS)]
        wide = frame.pivot_table(index=["model", "seed"], columns="metric", values="value")
        gains = wide["accuracy_combined_1x"] - wide["accuracy_geometric"]
        for model in nfl.MODELS:
            assert mean_interval(gains[model].tolist()).low < 0, (name, model)
