"""Results as tables: what they say of seeds, of missing values, of leaks and of copying."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from chapters import yardsticks
from helpers import study
from helpers.data import files
from helpers.metrics.records import METRICS
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
    epsilon = METRICS["epsilon_1e-3"].title
    assert table.loc[("VAE", "sgd"), epsilon] == "∞"
    assert table.loc[("VAE", "0.1"), epsilon] == "9"
    assert table.loc[("other real images", "none")].tolist() == ["–", "–", "0.900", 1]
    assert table["seeds"].to_dict()[("VAE", "sgd")] == 2
    assert list(table.loc["VAE"].index) == ["sgd", "0.1"]


def results(folder, victims, seed=0):
    """Runs of the VAE, a seed each: these victims' points, ablated runs' and public images'."""
    rng, cells = (
        np.random.default_rng(seed),
        study.grid("digits", ["vae"], ["sgd"], range(9), "quick"),
    )
    cells = cells[: len(victims)]
    for cell, victim in zip(cells, victims, strict=True):
        points = {"query": np.zeros((1, 2)), "victim": victim, "full": victim}
        points |= {role: rng.normal(size=(400, 2)) for role in ("ablated", "omitted")}
        arrays = {f"points_{name}": some for name, some in points.items()}
        files.write_arrays(folder / f"{cell.name}.npz", arrays)
    public = {"points": rng.normal(size=(200, 2)), "labels": np.repeat([0, 1], 100)}
    files.write_arrays(folder / "reference.npz", public | {"query_class": np.int64(1)})
    ratios = [1.0] * len(victims)
    values = {"log_density_ratio": ratios, "log_density_ratio_one_of_ten": ratios}
    return Results(cells, frame({("vae", "sgd"): values}), {}, folder)


def scattered(seed, planted=0):
    """A run's points, some of them at the query."""
    rng = np.random.default_rng(100 + seed)
    points = rng.normal(size=(400, 2))
    points[:planted] = rng.normal(scale=0.02, size=(planted, 2))
    return points


@pytest.mark.parametrize("variant", ["", "one_of_ten"])
def test_a_planted_leak_is_found_and_none_where_nothing_is_planted(tmp_path, variant):
    for planted, folder in ((0, tmp_path / "clean"), (25, tmp_path / "leaking")):
        found = results(folder, [scattered(seed, planted) for seed in range(3)])
        (leak,) = tables.leaked(found, variant).values()
        assert leak.p == pytest.approx(chi2.sf(-2 * np.log(leak.seeds).sum(), 6))  # Fisher's
        row = tables.leaks(found, variant).loc[("VAE", "sgd")]
        assert row["p of all"] == f"{leak.p:.4f}"
        assert (leak.p < 0.001, set(leak.seeds) == {1 / 101}) == (planted > 0, planted > 0)


def test_a_single_seed_has_a_p_value_of_its_own(tmp_path):
    (leak,) = tables.leaked(results(tmp_path, [scattered(0)])).values()
    assert leak.seeds == pytest.approx((leak.p,))


def test_leaks_are_not_told_where_no_points_are_kept(tmp_path):
    found = results(tmp_path, [scattered(0)])
    path = tmp_path / f"{found.cells[0].name}.npz"
    files.write_arrays(path, {"samples": np.zeros(1)})
    assert tables.leaked(found) == {}
    assert tables.leaks(found).iloc[0].tolist() == ["1.00", "–", "–"]


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
    assert table["copies against real"].tolist() == [verdict]


def test_a_ranking_lists_the_best_first_and_marks_ties():
    values = {("real", "none"): 0.9, ("copies", "none"): 0.8, ("vae", "sgd"): 0.8001}
    tidy = frame({key: {"accuracy": [value], "fid": [value]} for key, value in values.items()})
    table = yardsticks.ranking(tidy, ["copies", "real", "vae"], ["fid", "accuracy"])
    assert list(table.index) == [METRICS["fid"].title, METRICS["accuracy"].title]  # as asked for
    assert table["order, best first"].tolist() == [
        "training copies = VAE, other real images",
        "other real images, training copies = VAE",
    ]
    assert yardsticks.ranking(tidy, ["copies", "real", "gan"], ["fid", "accuracy"]).empty


def test_what_a_ranking_praises_is_counted_by_the_names_it_writes():
    values = {("real", "none"): 0.9, ("copies", "none"): 0.8, ("vae", "sgd"): 0.7}
    tidy = frame(
        {k: {"accuracy": [v], "fid": [1 + v], "kid": [round(v)]} for k, v in values.items()}
    )
    table = yardsticks.ranking(tidy, ["copies", "real", "vae"], ["fid", "kid", "accuracy"])
    counts = yardsticks.praise(table, ["accuracy", "kid", "fid", "recall"], ["vae"])
    assert counts == {"praised": 3, "unseen": 3, "copies_ahead": 1}  # a tie is not ahead


def test_a_metric_without_a_better_direction_ranks_nothing():
    with pytest.raises(ValueError, match="'noise_to_signal' has no better direction"):
        yardsticks.ranking(frame({}), ["real", "copies"], ["noise_to_signal"])


def test_a_metric_without_a_record_is_not_shown():
    with pytest.raises(ValueError, match="metric 'acuracy' has no record; there are accuracy"):
        tables.summary(frame({("vae", "sgd"): {"fid": [1.0]}}), ["acuracy"])
