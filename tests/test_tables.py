"""Results as tables: what they say of seeds, of missing values, of leaks and of copying."""

import numpy as np
import pandas as pd
import pytest

from chapters import yardsticks
from helpers import study
from helpers.data import files
from helpers.report import tables
from helpers.study.results import Results

ROW = dict(dataset="digits", scale="smoke")


def frame(values):
    """A tidy frame from {(model, level): {metric: one value per seed}}."""
    rows = []
    for (model, level), metrics in values.items():
        arm, sigma = (level, 0.0) if isinstance(level, str) else ("dp", level)
        for metric, per_seed in metrics.items():
            for seed, value in enumerate(per_seed):
                cell = ROW | dict(model=model, arm=arm, sigma=sigma, seed=seed)
                rows.append(cell | dict(metric=metric, value=value))
    return pd.DataFrame(rows)


def test_a_summary_tells_unbounded_from_absent_and_counts_seeds():
    table = tables.summary(
        frame(
            {
                ("vae", "sgd"): {"fid": [1.0, 2.0]},
                ("vae", 0.1): {"fid": [3.0, 3.0], "epsilon_1e-3": [9.0, 9.0]},
                ("real", "none"): {"accuracy": [0.9]},
            }
        ),
        ["epsilon_1e-3", "fid", "accuracy"],
    )
    assert table.loc[("vae", "sgd"), "epsilon_1e-3"] == "∞"
    assert table.loc[("vae", "0.1"), "epsilon_1e-3"] == "9"
    assert table.loc[("real", "none")].tolist() == ["–", "–", "0.900", 1]
    assert table["seeds"].to_dict()[("vae", "sgd")] == 2
    assert list(table.loc["vae"].index) == ["sgd", "0.1"]


def results(folder, points, ratios, levels=("sgd",)):
    """Cells of the VAE with given points of the ablated run and log density ratios, per seed."""
    cells = study.grid("digits", ["vae"], list(levels), range(len(ratios)), "smoke")
    for cell, sample in zip(cells, points, strict=True):
        arrays = {"points_ablated": sample, "points_omitted": sample}
        files.write_arrays(folder / f"{cell.name}.npz", arrays | {"points_query": np.zeros((1, 2))})
    values = {"log_density_ratio": ratios, "log_density_ratio_one_of_ten": ratios}
    return Results(cells, frame({("vae", "sgd"): values}), {}, folder)


def test_leaks_are_the_seeds_beyond_what_runs_without_the_query_show(tmp_path):
    rng = np.random.default_rng(0)
    points = [rng.normal(size=(400, 2)) for _ in range(3)]
    for variant in ("", "one_of_ten"):
        table = tables.leaks(results(tmp_path, points, [0.0, 50.0, -50.0]), variant)
        (row,) = table.to_dict("records")
        assert row["seeds beyond it"] == "2 of 3"
        assert 0 < float(row["largest without a leak"]) < 5


@pytest.mark.parametrize("ratios", [[1.0], [1.0, 1.0]])
def test_fewer_than_three_seeds_have_no_null_to_be_held_against(tmp_path, ratios):
    table = tables.leaks(results(tmp_path, [np.zeros((10, 2)) for _ in ratios], ratios))
    assert table.iloc[0].tolist() == ["1.00", "–", "–"]


@pytest.mark.parametrize(
    ("metric", "copies", "verdict"),
    [
        ("fid", [5.0, 6.0, 5.0], "better"),
        ("fid", [20.0, 21.0, 20.0], "worse"),
        ("fid", [5.0, 20.0, 10.0], "no different"),
        ("accuracy", [20.0, 21.0, 20.0], "better"),
        ("fid", [10.0, 11.0, 12.0], "no different"),
        ("copy_rate", [20.0], "–"),
    ],
)
def test_copies_are_compared_with_real_images_seed_by_seed(metric, copies, verdict):
    values = {"real": [10.0, 11.0, 12.0][: len(copies)], "copies": copies}
    tidy = frame({(name, "none"): {metric: v} for name, v in values.items()})
    table = yardsticks.ranking(tidy, ["real", "copies"], [metric])
    assert table.loc[metric, "copies against real"] == verdict


def test_a_ranking_lists_the_best_first_and_marks_ties():
    values = {("real", "none"): 0.9, ("copies", "none"): 0.8, ("vae", "sgd"): 0.8001}
    tidy = frame({key: {"accuracy": [value], "fid": [value]} for key, value in values.items()})
    table = yardsticks.ranking(tidy, ["copies", "real", "vae"], ["fid", "accuracy"])
    assert table.loc["accuracy", "order, best first"] == "real, copies = vae"
    assert table.loc["fid", "order, best first"] == "copies = vae, real"
    assert list(table.index) == ["fid", "accuracy"]  # as asked for
    assert yardsticks.ranking(tidy, ["copies", "real", "gan"], ["fid", "accuracy"]).empty


def test_a_metric_without_a_better_direction_ranks_nothing():
    with pytest.raises(ValueError, match="'noise_to_signal' has no better direction"):
        yardsticks.ranking(frame({}), ["real", "copies"], ["noise_to_signal"])


def test_a_metric_without_a_record_is_not_shown():
    with pytest.raises(ValueError, match="metric 'acuracy' has no record; there are accuracy"):
        tables.summary(frame({("vae", "sgd"): {"fid": [1.0]}}), ["acuracy"])
