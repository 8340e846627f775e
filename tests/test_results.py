"""Intervals, tables and the parameters of notebooks."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers import notebook
from helpers.metrics.records import METRICS
from helpers.metrics.statistics import mean_interval
from helpers.report import tables


def test_the_interval_is_students():
    values = [0.51, 0.55, 0.62, 0.48]
    low, high = stats.t.interval(0.9, 3, np.mean(values), stats.sem(values))
    interval = mean_interval(values)
    assert (interval.low, interval.high) == pytest.approx((low, high))


def test_the_interval_covers_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(size=(2000, 3))
    covered = [i.low <= 0 <= i.high for i in map(mean_interval, draws)]
    assert abs(np.mean(covered) - 0.9) < 0.02


def test_one_seed_has_no_interval_and_nan_is_refused():
    assert math.isnan(mean_interval([1.0]).low)
    with pytest.raises(ValueError, match="none NaN"):
        mean_interval([1.0, math.nan])


def _frame():
    rows = [
        ("digits", "vae", arm, sigma, seed, "smoke", metric, value + seed)
        for arm, sigma, value in [("dp", 0.4, 3.0), ("sgd", 0.0, 1.0), ("dp", 0.1, 2.0)]
        for seed in (0, 1)
        for metric in ("fid", "epsilon_1e-3")
        if not (metric == "epsilon_1e-3" and arm == "sgd")
    ]
    columns = ["dataset", "model", "arm", "sigma", "seed", "scale", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_a_summary_orders_levels_by_noise_and_says_how_many_seeds():
    table = tables.summary(_frame(), ["fid", "epsilon_1e-3"])
    assert list(table.index.get_level_values("level")) == ["sgd", "0.1", "0.4"]
    assert list(table.columns) == [METRICS[name].title for name in ("fid", "epsilon_1e-3")]
    assert table.loc[("VAE", "sgd")].tolist()[1] == "∞"
    assert table.loc[("VAE", "sgd")].tolist()[0].startswith("1.5 ± ")


def test_a_missing_seed_shows_in_the_count():
    frame = _frame()
    table = tables.summary(frame[(frame["seed"] == 0) | (frame["arm"] == "sgd")], ["fid"])
    assert list(table["seeds"]) == [2, 1, 1]


def test_a_misspelt_parameter_is_an_error_with_a_hint():
    namespace = {"seeds": [0], "sigma": [0.1], "np": np, "_": 1, "In": [], "print": print}
    with pytest.raises(
        ValueError, match="unknown notebook parameter 'sigma'; did you mean 'sigmas'"
    ):
        notebook.read_parameters(namespace, ["seeds", "sigmas"])
    notebook.read_parameters({"seeds": [0], "np": np}, ["seeds", "sigmas"])


def test_a_list_that_arrives_as_text_is_read():
    namespace = {"sigmas": '["sgd", 0.1]', "seeds": "[0]", "scale": "smoke"}
    notebook.read_parameters(namespace, ["seeds", "sigmas", "scale"])
    assert namespace == {"sigmas": ["sgd", 0.1], "seeds": [0], "scale": "smoke"}
    with pytest.raises(ValueError, match="it must be a list of levels, as in"):
        notebook.read_parameters({"sigmas": "[sgd, 0.1]"}, ["sigmas"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("models", "vae", """is 'vae'; it must be a list of texts, as in ["vae", "gan"]"""),
        ("models", [1], "is [1]; it must be a list of texts"),
        ("seeds", 0, "is 0; it must be a list of whole numbers, as in [0, 1]"),
        ("seeds", '["0"]', "is ['0']; it must be a list of whole numbers"),
        ("seeds", [True], "is [True]; it must be a list of whole numbers"),
        ("sigma", "much", "is 'much'; it must be a number, as in 0.2"),
        ("workers", "two", "is 'two'; it must be a whole number, as in 2"),
        ("dataset", ["mnist"], "is ['mnist']; it must be a text, as in mnist"),
    ],
)
def test_a_parameter_of_another_kind_is_refused_at_the_door(name, value, said):
    with pytest.raises(ValueError) as caught:
        notebook.read_parameters({name: value}, [name])
    assert str(caught.value).startswith(f"notebook parameter {name} {said}")
