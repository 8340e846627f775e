"""The experiment is resumable and tidy, and the claims follow their rules, whatever the numbers."""

import math

import numpy as np
import pandas as pd
import pytest

from chapters.claims import estimators
from chapters.density import experiment, grid, measures, ratios, tables, truth
from chapters.density.grid import SMOKE, Unit
from helpers.data import files

ARGUMENTS = {"names": [truth.BLOBS, "digits"], "seeds": [0], "reducers": ["pca"]}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    """One store for this module: what one test computes the others find."""
    monkeypatch.setenv("NFL_HOME", str(home))


def obtain(**changes):
    return experiment.obtain(**(ARGUMENTS | changes), design="smoke")


def test_a_slice_is_computed_once_and_then_read(monkeypatch):
    first = obtain()
    monkeypatch.setattr(measures, "measure", lambda *_: pytest.fail("computed again"))
    again = obtain()
    pd.testing.assert_frame_equal(first, again)
    assert list(first) == list(grid.COLUMNS)
    assert not first.drop(columns="value").duplicated().any()
    assert np.isfinite(first["value"]).all()


def test_a_slice_may_be_of_one_size():
    assert set(obtain(per_class=[3])["per_class"]) == {3} < set(obtain()["per_class"])
    with pytest.raises(ValueError, match=r"per_class is \[7\]; allowed: 3, 8"):
        obtain(per_class=[7])


def test_collecting_again_gives_the_same_bytes():
    obtain()
    root = experiment.results_root("smoke")
    before = [(root / f"{experiment.NAME}.{kind}").read_bytes() for kind in ("csv", "json")]
    experiment.collect(grid.units(**ARGUMENTS, design=SMOKE), SMOKE, root)
    after = [(root / f"{experiment.NAME}.{kind}").read_bytes() for kind in ("csv", "json")]
    assert before == after


def test_a_lost_unit_alone_is_computed_again(monkeypatch):
    obtain()
    unit = Unit("digits", 0, 3, "pca")
    experiment._path(unit, SMOKE).unlink()
    computed, measure = [], measures.measure
    monkeypatch.setattr(
        measures, "measure", lambda u, design: computed.append(u) or measure(u, design)
    )
    experiment.run(grid.units(**ARGUMENTS, design=SMOKE), SMOKE)
    assert computed == [unit]


def test_a_damaged_unit_is_computed_again_with_a_warning():
    unit = Unit("digits", 0, 3, "pca")
    rows = experiment.compute(unit, SMOKE)
    experiment._path(unit, SMOKE).write_text("{half")
    with pytest.warns(UserWarning, match="damaged"):
        assert experiment.compute(unit, SMOKE) == rows


def test_a_further_seed_joins_those_collected():
    one = obtain(names=[truth.BLOBS])
    both = obtain(names=[truth.BLOBS], seeds=[0, 1])
    assert set(both["seed"]) == {0, 1}
    merged = one.merge(both, how="left", indicator=True)
    assert (merged["_merge"] == "both").all()
    assert "digits" in set(obtain()["dataset"])


def test_another_version_of_the_experiment_is_computed_anew(monkeypatch):
    unit = Unit(truth.BLOBS, 0, 3, "pca")
    before = experiment._key(unit, SMOKE, "")
    monkeypatch.setattr(experiment, "VERSION", experiment.VERSION + 1)
    assert experiment._key(unit, SMOKE, "") != before


def test_a_pair_shares_no_clean_point_and_holds_the_asked_leak():
    clean, planted = np.arange(100.0)[:, None], -1 - np.arange(30.0)[:, None]
    first, second = measures.draw_pair(clean, planted, 40, 0.25, seed=0, number=3)
    assert len(first) == len(second) == 40
    assert (first < 0).sum() == 10
    assert len(np.unique(np.concatenate([first, second]))) == 80
    none, same = measures.draw_pair(clean, planted, 40, 0.0, seed=0, number=3)
    assert np.array_equal(same, second)
    assert set(first[first >= 0]) < set(none[:, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ["mnits"]}, "unknown data set 'mnits'"),
        ({"reducers": ["lda"]}, "'lda' is unknown"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [-1]}, "seed is -1"),
    ],
)
def test_a_wrong_slice_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        obtain(**changes)


def test_collecting_other_images_of_the_same_name_is_refused():
    obtain()
    root = experiment.results_root("smoke")
    about = files.read_json(root / f"{experiment.NAME}.json")
    original = dict(about["data"])
    about["data"]["digits"] = "other"
    for unit in about["units"]:
        if unit["dataset"] == "digits":
            own = Unit(*(unit[name] for name in ("dataset", "seed", "per_class", "reducer")))
            unit["key"] = experiment._key(own, SMOKE, "other")
    files.write_json(root / f"{experiment.NAME}.json", about)
    with pytest.raises(ValueError, match="other images of digits"):
        experiment.collect([Unit("digits", 0, 3, "pca")], SMOKE, root)
    files.write_json(root / f"{experiment.NAME}.json", about | {"data": original})


# The rules


def score_frame(values):
    """Scores of data set -> reducer -> one value per seed."""
    rows = [
        (name, seed, 10, reducer, "", 10.0, "", 0.0, 0, "density_spearman", value)
        for name, reducers in values.items()
        for reducer, per_seed in reducers.items()
        for seed, value in enumerate(per_seed)
    ]
    return pd.DataFrame(rows, columns=list(grid.COLUMNS))


REAL = ("mnist", "octmnist", "organamnist")
CLEAR, LOWER = [0.80, 0.81, 0.82], [0.50, 0.52, 0.51]


def test_c14_holds_where_isomap_is_above_every_rival_everywhere():
    frame = score_frame({name: {"isomap": CLEAR, "pca": LOWER, "umap": LOWER} for name in REAL})
    assert list(estimators.reducers(frame, 10)["Isomap is"]) == ["best"] * 3
    assert estimators.isomap_is_best(frame, 10) == "holds"


def test_c14_is_contradicted_by_one_data_set_where_a_rival_is_above():
    values = {name: {"isomap": CLEAR, "pca": LOWER} for name in REAL}
    values["octmnist"] = {"isomap": LOWER, "pca": CLEAR}
    assert estimators.isomap_is_best(score_frame(values), 10) == "contradicted"


def test_c14_is_undecided_where_the_interval_holds_nothing_or_there_is_one_seed():
    close = {"isomap": [0.5, 0.6, 0.7], "pca": [0.55, 0.62, 0.61]}
    frame = score_frame({name: close for name in REAL})
    assert estimators.isomap_is_best(frame, 10) == "open"
    single = score_frame({name: {"isomap": [0.8], "pca": [0.5]} for name in REAL})
    assert estimators.isomap_is_best(single, 10) == "open"


def test_c14_ignores_what_is_no_map():
    frame = score_frame(
        {name: {"isomap": CLEAR, "pca": LOWER, "tsne-joint": [0.9, 0.91, 0.92]} for name in REAL}
    )
    assert estimators.isomap_is_best(frame, 10) == "holds"


def estimates(spreads, response=1.0, noise=0.1):
    """A frame behind Isomap: per estimator, means that differ by `spreads[name]` over settings."""
    rows = []
    for dataset in (*REAL, truth.BLOBS):
        leaks = list(truth.WIDTHS) if dataset == truth.BLOBS else ["copies"]
        for name, estimator in ratios.ESTIMATORS.items():
            for leak in leaks:
                for seed in range(3):
                    for fraction in tables.FRACTIONS:
                        for place, setting in enumerate(estimator.values):
                            share = place / max(1, len(estimator.values) - 1)
                            shift = spreads.get(name, 0.0) * (share + 0.01 * seed)
                            where = (name, float(setting), leak, fraction, 1000)
                            head = (dataset, seed, 100, "isomap", *where)
                            mean = response * (fraction > 0) + shift
                            rows += [(*head, "mean", mean), (*head, "sd", noise)]
                            rows += [(*head, "abs_q95", 2 * noise)] * (fraction == 0)
    return pd.DataFrame(rows, columns=list(grid.COLUMNS))


WIDE = {"kde": 1.0, "logistic": 1.0, "neural": 1.0}


@pytest.mark.parametrize(
    ("spreads", "response", "outcome"),
    [
        (WIDE | {"knn": 0.05}, 1.0, "holds"),
        (WIDE | {"knn": 1.0}, 1.0, "contradicted"),
        (WIDE | {"knn": 0.05, "kde": 0.05}, 1.0, "contradicted"),
        (WIDE | {"knn": 0.05, "kde": 0.05}, 0.0, "holds"),  # invariant, but it finds nothing
    ],
)
def test_c15_follows_its_rule(spreads, response, outcome):
    assert estimators.only_knn(estimates(spreads, response)) == outcome


def test_error_holds_bias_and_variance():
    frame = estimates({}, response=0.0, noise=0.3)
    exact = [
        truth.blob_log_ratio(f, leak) for leak in truth.WIDTHS for f in tables.FRACTIONS if f > 0
    ]
    bias, rmse = tables.error(frame, "isomap", "knn")
    assert bias == pytest.approx(-np.mean(exact))
    assert rmse == pytest.approx(math.sqrt(np.mean(np.square(exact)) + 0.3**2))


def test_separation_counts_null_deviations():
    frame = estimates({}, response=0.5, noise=0.1)
    assert tables.separation(frame, "mnist", "isomap", "knn", 0.05) == pytest.approx(5)
    assert tables.detection_limit(frame, "mnist") == min(f for f in tables.FRACTIONS if f > 0)
    assert tables.detection_limit(estimates({}, response=0.1), "mnist") == math.inf
