"""Results as tables: what they say of seeds, of missing values, of leaks and of copying."""

import numpy as np
import pandas as pd
import pytest

from helpers import references, store, study, tables
from helpers.results import Results

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
        store.write_arrays(folder / f"{cell.name}.npz", arrays | {"points_query": np.zeros((1, 2))})
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


def test_a_single_seed_has_no_null_to_be_held_against(tmp_path):
    table = tables.leaks(results(tmp_path, [np.zeros((10, 2))], [1.0]))
    assert table.iloc[0].tolist() == ["1.00", "–", "–"]


@pytest.mark.parametrize(
    ("metric", "real", "copies", "verdict"),
    [
        ("fid", 10.0, 5.0, "blind"),
        ("fid", 10.0, 10.01, "blind"),  # equal as far as it is shown
        ("fid", 10.0, 20.0, "sees it"),
        ("accuracy", 0.9, 0.8, "sees it"),
        ("copy_rate", 0.0, 1.0, "sees it"),
        ("psnr", 9.0, 9.0, "blind"),
    ],
)
def test_a_measure_is_blind_if_copies_score_no_worse(metric, real, copies, verdict):
    values = {"real": [real], "copies": [copies], "means": [0.5]}
    tidy = frame({(name, "none"): {metric: v} for name, v in values.items()})
    table = tables.ranking(tidy, references.NAMES)
    assert table.loc[metric, "copying"] == verdict


def test_a_ranking_lists_the_best_first_and_marks_ties():
    values = {"real": [0.9], "copies": [0.8], "means": [0.8]}
    tidy = frame({(name, "none"): {"accuracy": v} for name, v in values.items()})
    (row,) = tables.ranking(tidy, references.NAMES).to_dict("records")
    assert row["order, best first"] == "real, copies = means" and row["better"] == "higher"
