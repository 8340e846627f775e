"""One criterion over three dimensions: its anchors, its orders, what it does not depend on."""

import itertools
import math
from dataclasses import replace

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from chapters import criterion
from chapters.criterion import answers as criterion_answers
from chapters.criterion import demands, stability
from chapters.criterion import figures as criterion_figures
from chapters.criterion import tables as criterion_tables
from chapters.criterion.tables import label
from helpers.metrics.records import METRICS, direction
from helpers.report import scores

REFERENCES = {  # fid, accuracy and mia_auc of each
    "real": (10.0, 0.9, 0.45),
    "means": (210.0, 0.7, 0.6),
    "copies": (40.0, 0.8, 1.0),
}
CELLS = {  # scores: fidelity, utility and privacy
    ("vae", "sgd"): (0.9, 0.9, 0.1),
    ("gan", "sgd"): (0.5, 0.6, 0.8),
    ("gan", 0.1): (0.4, 0.5, 0.9),
    ("ddpm", "sgd"): (0.8, 0.7, 0.4),
    ("ddpm", 0.1): (0.7, 0.6, 0.3),  # dominated by the one above
}


def metrics_of(wanted):
    """Metrics with these scores between the anchors above, a ceiling of 0.8 and five classes."""
    fidelity, utility, privacy = wanted
    return 210 - 200 * fidelity, 0.2 + 0.6 * utility, 1 - 0.55 * privacy


def tidy(cells, seeds=(0,), references=REFERENCES, **extra):
    """A tidy frame; each further seed moves a cell's metrics a little, all cells alike."""
    rows = []
    for seed in seeds:
        for (model, level), values in cells.items():
            dp = not isinstance(level, str)
            about = dict(dataset="x", model=model, seed=seed, scale="compact")
            about |= dict(arm="dp" if dp else level, sigma=level if dp else 0.0)
            named = dict(zip(criterion.HEADLINE, metrics_of(values), strict=True))
            named["fid"] += 2.0 * seed
            named |= {"accuracy_real": 0.8, "epsilon_lower": 0.0} | extra
            if dp:
                named["epsilon_1e-3"] = 1.0 / level
            rows += [about | dict(metric=m, value=v) for m, v in named.items()]
        for model, values in references.items():
            about = dict(dataset="x", model=model, arm="none", sigma=0.0, seed=seed)
            named = dict(zip(criterion.HEADLINE, values, strict=True))
            rows += [about | dict(scale="compact", metric=m, value=v) for m, v in named.items()]
    return pd.DataFrame(rows)


def judged(cells=CELLS, **changes):
    return scores.block("x", tidy(cells, **changes), classes=5)


def with_leaks(frame, empirical):
    """The frame with an empirical epsilon of each model and level, in every seed."""
    rows = frame[frame["metric"] == "fid"].drop(columns=["metric", "value"])
    found = [empirical.get((r.model, r.sigma or r.arm)) for r in rows.itertuples()]
    rows = rows.assign(metric="epsilon_hat", value=found).dropna(subset="value")
    return pd.concat([frame, rows], ignore_index=True)


def by_cell(some, values):
    return dict(zip(some.cells, values, strict=True))


# Anchors and scores


def test_scores_are_0_and_1_exactly_at_the_anchors_and_linear_between():
    some = judged(
        {("vae", "sgd"): (0, 0, 0), ("gan", "sgd"): (1, 1, 1), ("ddpm", "sgd"): (0.5,) * 3}
    )
    parts = criterion.profile(some)[:, :, 0]
    assert np.allclose(parts[:, 0], 0, atol=1e-12) and np.allclose(parts[:, 1], 1, atol=1e-12)
    assert np.allclose(parts[:, 2], 0.5)


def test_beyond_an_anchor_a_score_is_cut_off():
    some = judged({("vae", "sgd"): (-0.5, -0.1, -1), ("gan", "sgd"): (1.02, 1.5, 1.2)})
    assert criterion.profile(some)[:, :, 0].tolist() == [[0, 1]] * 3


@pytest.mark.parametrize(("metric", "direction"), [("fid", -1), ("accuracy", 1), ("mia_auc", -1)])
def test_a_better_metric_has_a_higher_score(metric, direction):
    some = judged({("vae", level): (score,) * 3 for level, score in ((0.1, 0.2), (0.2, 0.4))})
    values, found = scores.values(some, metric), criterion.score(some, metric)
    assert direction * (values[1, 0] - values[0, 0]) > 0
    assert found[1, 0] > found[0, 0]


def test_every_yardstick_of_the_committed_results_holds_at_its_own_anchors():
    anchored = [name for name, metric in METRICS.items() if metric.zero is not None]
    assert len(anchored) > 7
    for some in criterion.judge(["mnist"], "compact").values():
        for name in anchored:
            known = METRICS[name]
            zero, one = (scores.anchor(some, name, end) for end in (known.zero, known.one))
            assert (direction(name) * (one - zero) > 0).all(), name


def test_an_anchor_is_taken_of_the_same_seed_else_of_the_mean():
    frame = tidy(CELLS, seeds=(0, 1))
    real = (frame["model"] == "real") & (frame["metric"] == "fid")
    frame.loc[real, "value"] = [10.0, 14.0]
    assert scores.anchor(scores.block("x", frame, 5), "fid", "real").tolist() == [10, 14]
    fewer = frame[~(real & (frame["seed"] == 1))]
    assert scores.anchor(scores.block("x", fewer, 5), "fid", "real").tolist() == [10, 10]
    assert criterion_tables.thin(scores.block("x", fewer, 5)) == []
    none = scores.block("x", frame[(frame["model"] != "real") | (frame["seed"] == 0)], 5)
    assert criterion_tables.thin(none) == ["real: 1 of 2 seeds"]
    table = criterion_tables.basis(["x"], {"x": none})
    assert table.iloc[0, -1] == "real: 1 of 2 seeds"


def test_a_missing_or_useless_anchor_is_named_and_the_data_set_not_scored():
    without = judged(references={k: v for k, v in REFERENCES.items() if k != "means"})
    assert criterion_tables.missing(without) == ["means (fid)"]
    swapped = judged(references=REFERENCES | {"means": (5.0, 0.7, 0.6)})
    assert criterion_tables.missing(swapped) == ["real not better than means (fid)"]
    for some in (without, swapped):
        found = {"x": some}
        assert criterion_tables.best(found).empty and demands.advice(found).empty
        assert criterion_answers.answers(["x"], found)["best_x_cells"] == criterion_answers.LACKING
        assert criterion.front(criterion.losses(some).mean(axis=2).T).any()


def test_the_formal_score_is_what_the_best_attack_leaves():
    assert scores.formal_score(np.array([0.0]), 0.0) == [1]
    assert scores.formal_score(np.array([np.inf, np.nan, 2000.0]), 1e-3).tolist() == [0, 0, 0]
    # Randomised response is the worst case of pure epsilon: TPR - FPR = (e^eps - 1) / (e^eps + 1).
    truthful = math.e / (1 + math.e)
    assert scores.formal_score(np.array([1.0]), 0.0)[0] == pytest.approx(2 * (1 - truthful))


# The criterion


def test_a_zero_cannot_be_bought_back_by_the_geometric_mean_alone():
    parts = np.array([[1.0, 0.3], [1.0, 0.3], [0.0, 0.3]])
    assert criterion.combine(parts).tolist() == pytest.approx([0, 0.3])
    assert criterion.combine(parts, power=1.0).tolist() == pytest.approx([2 / 3, 0.3])
    assert criterion.combine(parts, power=-np.inf).tolist() == [0, 0.3]
    assert criterion.combine(parts, (0.5, 0.5, 0.0))[0] == 1  # unless it has no weight


def test_power_means_are_ordered():
    parts = np.random.default_rng(0).uniform(0.05, 1, (3, 50))
    low, middle, high = (criterion.combine(parts, power=p) for p in (-np.inf, 0, 1))
    assert (low <= middle + 1e-12).all() and (middle <= high + 1e-12).all()


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.5, 0.6, -0.1), (0.5, 0.5, 0.5)])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match="sum 1"):
        criterion.combine(np.ones((3, 2)), weights)


def test_where_the_upper_anchor_lies_does_not_move_the_order():
    before = criterion.combine(criterion.profile(judged()))[:, 0]
    better = REFERENCES | {"real": (2.0, 0.9, 0.2)}
    after = criterion.combine(criterion.profile(judged(references=better)))[:, 0]
    assert not np.allclose(before, after)
    assert np.allclose(after / before, after[0] / before[0])


@pytest.mark.parametrize("joining", [(0.3, 0.3, 0.05), (0.95, 0.2, 0.02), (0.0, 0.0, 0.0)])
def test_another_competitor_changes_no_score_of_the_others(joining):
    before = judged()
    after = judged(CELLS | {("vae", 0.4): joining})
    old, new = (
        by_cell(some, criterion.combine(criterion.profile(some))[:, 0]) for some in (before, after)
    )
    assert {cell: new[cell] for cell in old} == pytest.approx(old)
    # It is no property of scores between the best and the worst competitor.
    old, new = (by_cell(some, criterion_tables.min_max(some)) for some in (before, after))
    inside = joining == (0.3, 0.3, 0.05)  # between the others in all, it moves no anchor
    assert inside or {cell: new[cell] for cell in old} != pytest.approx(old)


def test_leaving_a_cell_out_turns_no_pair_of_the_criterion():
    rng = np.random.default_rng(1)
    cells = {("vae", 0.1 * i): tuple(rng.uniform(0.1, 0.9, 3)) for i in range(1, 8)}
    some, scheme = judged(cells), criterion_tables.SCHEMES[criterion_tables.OURS]
    assert criterion_tables.reversed_pairs(some, scheme) == 0
    assert criterion_tables.reversed_pairs(some, criterion_tables.min_max) > 0


# Fronts and ranks


def test_the_front_is_the_brute_force_one():
    rng = np.random.default_rng(0)
    for dimensions in (2, 3):
        points = rng.integers(0, 6, (40, dimensions)).astype(float)  # with ties

        def beaten(p, points=points):
            return any((q <= p).all() and (q < p).any() for q in points)

        assert criterion.front(points).tolist() == [not beaten(p) for p in points]


def test_a_dominated_cell_changes_no_membership_of_the_front():
    points = np.random.default_rng(0).random((20, 3))
    worse = points[3] + 0.01
    joined = criterion.front(np.vstack([points, worse]))
    assert joined[:-1].tolist() == criterion.front(points).tolist() and not joined[-1]


def test_the_front_turns_metrics_the_right_way():
    some = judged()
    front = by_cell(some, criterion.front(criterion.losses(some).mean(axis=2).T))
    assert [cell for cell, on in front.items() if not on] == [("ddpm", "0.1")]


def test_kemeny_is_the_brute_force_order():
    rng = np.random.default_rng(0)
    for _ in range(5):
        votes, weights = rng.random((7, 5)), rng.random(7)

        def disagreement(places, votes=votes, weights=weights):
            pairs = itertools.permutations(range(5), 2)
            ahead = [(i, j) for i, j in pairs if places[i] < places[j]]
            return sum(weights @ (votes[:, j] < votes[:, i]) for i, j in ahead)

        places = criterion.kemeny(votes, weights)
        least = min(map(disagreement, itertools.permutations(range(5))))
        assert disagreement(places) == pytest.approx(least)
        assert sorted(places) == list(range(5))


def test_unanimous_ballots_are_everybodys_order():
    votes = np.tile([3.0, 1.0, 2.0], (4, 1))
    assert criterion.kemeny(votes, np.ones(4)).tolist() == [2, 0, 1]
    assert criterion.borda(votes, np.ones(4)).tolist() == [3, 1, 2]


def test_dimensions_weigh_the_same_however_many_metrics_they_have():
    some = criterion.judge(["mnist"], "compact")["mnist"]
    votes, weights = criterion.ballots(some)
    sizes = [len(names) * len(some.seeds) for names in criterion.VOTERS.values()]
    assert len(votes) == len(weights) == sum(sizes)
    parts = np.split(weights, np.cumsum(sizes)[:-1])
    assert [part.sum() for part in parts] == pytest.approx([1 / 3] * 3)


# Weights and seeds


def test_the_winner_at_each_weighting_is_the_direct_one():
    parts = np.random.default_rng(0).random((3, 6, 2))
    grid = np.vstack([np.eye(3), criterion.simplex(9)])
    direct = [int(criterion.combine(parts, w).mean(axis=1).argmax()) for w in grid]
    assert criterion.winners(parts, grid).tolist() == direct
    assert direct[:3] == parts.mean(axis=2).argmax(axis=1).tolist()


def test_weightings_are_spread_evenly():
    grid = criterion.simplex(20)
    assert len(grid) == 210 and (grid > 0).all()
    assert np.allclose(grid.sum(axis=1), 1) and np.allclose(grid.mean(axis=0), 1 / 3)


def test_seeds_are_resampled_in_all_ways_and_for_all_cells_at_once():
    assert len(criterion.resamples(3)) == 27
    values = np.array([[1.0, 0.0], [0.0, 0.6]])
    assert criterion.chance_best(values).tolist() == pytest.approx([0.75, 0.25])
    shifted = values + np.array([[5.0, -5.0]])  # a seed that is easy for all
    assert criterion.chance_best(shifted).tolist() == pytest.approx([0.75, 0.25])
    assert criterion.chance_best(np.ones((4, 3))).tolist() == [0.25] * 4
    with pytest.raises(ValueError, match="7 seeds"):
        criterion.resamples(7)


def test_how_often_a_cell_is_on_the_front():
    lost = np.array([[[1.0, 0.0], [0.0, 0.5]]])  # one dimension: the front is the best
    assert criterion.front_share(lost).tolist() == pytest.approx([0.25, 0.75])


def test_only_cells_with_the_same_seeds_are_compared():
    frame = tidy(CELLS, seeds=(0, 1, 2))
    late = (frame["model"] == "gan") & (frame["seed"] > 0)
    some = scores.block("x", frame[~late], 5)
    assert some.seeds == [0, 1, 2] and len(some.cells) == 3
    assert some.excluded == [("gan", "sgd"), ("gan", "0.1")]
    one = (frame["seed"] == 0) | ((frame["model"] == "vae") & (frame["seed"] == 1))
    assert scores.block("x", frame[one], 5).seeds == [0]
    with pytest.raises(ValueError, match="no trained cell"):
        scores.block("x", frame[frame["model"] == "real"], 5)


def test_one_seed_leaves_everything_uncertain():
    found = {"x": judged()}
    assert criterion_tables.best(found)["best, on the front"].unique().tolist() == ["one seed"]
    assert criterion_tables.basis(["x", "y"], found)["seeds"].tolist() == [
        "1: nothing is certain",
        "fewer than 3 cells yet",
    ]
    assert (criterion_tables.certainty(found["x"], np.eye(3)) == 0).all()
    assert criterion_answers.answers(["x"], found)["best_x_chance"] == "unknown: one seed"


def test_the_fewest_cells_are_enough_for_every_table():
    some = judged({key: CELLS[key] for key in list(CELLS)[: criterion.FEWEST]})
    found = {"x": some}
    for table in (criterion_tables.best, criterion_tables.agreement, criterion_tables.dependence):
        assert not table(found).empty
    assert len(demands.advice(found)) == len(demands.DEMANDS)
    numbers = criterion_answers.answers(["x", "y"], found)
    assert numbers["best_x_cells"] == "GAN sgd"
    assert numbers["best_y_cells"] == criterion_answers.LACKING


# Reading off


@pytest.mark.parametrize("dimension", [0, 1, 2])
@pytest.mark.parametrize("level", [0.2, 0.45, 0.75, 0.85])
def test_what_is_read_off_meets_its_demand_and_is_the_best_that_does(dimension, level):
    some, demand = judged(), demands.Demand("", dimension, "score", level)
    choice = demands.read_off(some, demand)
    assert choice is not None
    rows = list(CELLS.values())
    meeting = [row for row in rows if row[dimension] >= level]
    others = [d for d in range(3) if d != dimension]
    assert choice.count == len(meeting)
    noisy = [row for (_, at), row in CELLS.items() if row in meeting and at == 0.1]
    most = [max(noisy, key=lambda row: row[2])] if noisy else []
    assert [rows[i] for i in choice.private] == most
    best = max(meeting, key=lambda row: math.prod(row[d] for d in others))
    assert [rows[i] for i in choice.best] == [best]


def test_nothing_qualifies_is_none():
    assert demands.read_off(judged(), demands.Demand("", 0, "score", 0.95)) is None
    table = demands.advice({"x": judged(epsilon_lower=0.5)})
    row = table.loc[("x", "no leak proved")]
    assert row.tolist() == ["0", "none", "none", "–"]


def test_the_accountant_is_asked_of_trained_noise_only():
    some = judged()  # epsilon 10 at sigma 0.1, none without noise
    meets = demands.met(some, demands.Demand("", 2, "accountant", 10.0))
    assert [cell for cell, yes in by_cell(some, meets).items() if yes] == [
        ("gan", "0.1"),
        ("ddpm", "0.1"),
    ]
    assert not demands.met(some, demands.Demand("", 2, "accountant", 9.9)).any()


def test_the_null_cannot_be_decided_with_one_seed():
    null = demands.Demand("null", 2, "null")
    assert demands.met(judged(), null) is None and demands.read_off(judged(), null) is None
    frame = tidy({("vae", "sgd"): (0.5, 0.5, 1.0), ("gan", "sgd"): (0.5, 0.5, 0.5)}, (0, 1, 2))
    assert demands.met(scores.block("x", frame, 5), null).tolist() == [True, False]


UNNOISED = ("sgd", "clipped")


def test_no_arm_without_noise_is_ever_the_most_private():
    """Its accountant's epsilon is infinite, whatever one attack found."""
    cells = {("gan", arm): (0.8, 0.8, 0.99) for arm in UNNOISED}
    cells |= {("vae", 0.1): (0.6, 0.6, 0.5), ("gan", 0.1): (0.51, 0.51, 0.91)}
    for seeds in ((0,), (0, 1, 2)):
        table = demands.advice({"x": judged(cells, seeds=seeds)})["most private"]
        assert table["x", "utility ≥ 50%"] == table["x", "privacy ≥ 90%"] == "GAN 0.1"
        assert table["x", "utility ≥ 75%"] == "none with noise"
        assert not any(arm in text for text in table for arm in UNNOISED)


def test_ties_in_privacy_are_broken_by_the_query_then_by_the_accountant_and_else_told():
    """Beyond the upper anchor all score 1."""
    perfect = {("vae", 0.1), ("gan", 0.1), ("gan", 0.4), ("ddpm", 0.4)}
    frame = tidy({cell: (0.6, 0.6, 1.1) for cell in sorted(perfect, key=str)}, seeds=(0, 1, 2))

    def told(empirical):
        some = scores.block("x", with_leaks(frame, empirical), 5)
        return demands.advice({"x": some})["most private"]["x", "utility ≥ 50%"]

    found = dict.fromkeys(perfect, 0.5)
    assert told(found) == "GAN 0.4 or DDPM 0.4"  # less epsilon at more noise
    assert told(found | {("vae", 0.1): 0.2}) == "VAE 0.1"
    assert told(found | {("gan", 0.4): 0.7}) == "DDPM 0.4"
    assert told(found | {("vae", 0.1): 0.4999}) == "GAN 0.4 or DDPM 0.4"  # to the digits shown


def test_what_the_seeds_leave_open_is_told_as_open():
    frame = tidy({("gan", 0.1): (0.6,) * 3, ("gan", 0.2): (0.6,) * 3, ("vae", 0.1): (0.3,) * 3})
    frame = pd.concat([frame.assign(seed=seed) for seed in (0, 1, 2)], ignore_index=True)
    accurate = (frame["model"] == "gan") & (frame["metric"] == "accuracy")
    frame.loc[accurate & (frame["sigma"] == 0.2) & (frame["seed"] == 1), "value"] += 0.3
    frame.loc[accurate & (frame["sigma"] == 0.1) & (frame["seed"] == 2), "value"] += 0.2
    found = {"x": scores.block("x", frame, 5)}
    numbers = criterion_answers.answers(["x"], found)
    assert numbers["best_x_cells"] == "GAN 0.2 or 0.1"
    assert demands.advice(found)["best in the others"]["x", "fidelity ≥ 50%"] == "GAN 0.2 or 0.1"
    frame.loc[accurate & (frame["sigma"] == 0.2), "value"] += 0.3
    found = {"x": scores.block("x", frame, 5)}
    assert criterion_answers.answers(["x"], found)["best_x_cells"] == "GAN 0.2"


# Without a scale


def test_a_data_set_whose_ceiling_the_test_set_hardly_tells_from_chance_is_withdrawn():
    """A ceiling of 0.8 above a chance of 0.2: ten standard errors at 45 test images."""
    few, enough = (replace(judged(seeds=(0, 1, 2)), tested=tested) for tested in (44, 45))
    assert criterion_tables.withdrawn(few) and not criterion_tables.withdrawn(enough)
    assert not criterion_tables.withdrawn(judged())  # where the number is not known
    found = {"few": few, "enough": enough}
    assert list(criterion_tables.scored(found)) == ["enough"]
    for table in (criterion_tables.best, criterion_tables.agreement, criterion_tables.dependence):
        assert "few" not in str(table(found)) and "enough" in str(table(found))
    numbers = criterion_answers.answers(["few", "enough"], found)
    assert numbers["best_few_cells"] == criterion_answers.WITHDRAWN
    assert numbers["withdrawn"] == (
        "few is withdrawn: its ceiling lies 0.60 to 0.60 above chance, where the standard error "
        "of an accuracy on its 44 test images is 0.060"
    )
    assert criterion_answers.withdrawal({"enough": enough}) == "No data set is withdrawn"
    assert criterion_tables.anchors(found)["criterion"].to_list() == ["withdrawn", "scored"]


def test_one_seed_without_a_scale_is_enough_to_withdraw():
    frame = tidy(CELLS, seeds=(0, 1, 2))
    ceiling = (frame["metric"] == "accuracy_real") & (frame["seed"] == 1)
    frame.loc[ceiling, "value"] = 0.21
    assert criterion_tables.withdrawn(replace(scores.block("x", frame, 5), tested=1000))


def test_of_a_withdrawn_data_set_is_told_what_needs_no_utility():
    some = replace(judged(seeds=(0, 1, 2)), tested=44)
    table = demands.advice({"x": some}).loc["x"]
    assert not any(name.startswith("utility") for name in table.index)
    assert set(table["best in the others"]) <= {"–", "none"}
    assert table["most private"]["privacy ≥ 75%"] == "GAN 0.1"
    assert criterion_figures.fronts("x", some).get_suptitle() == "x, 3 seeds, withdrawn"


# What is committed


@pytest.fixture(scope="module")
def found():
    return criterion.judge(["mnist", "octmnist", "organamnist"], "compact")


def test_octmnist_alone_is_withdrawn(found):
    assert {name for name, some in found.items() if criterion_tables.withdrawn(some)} == {
        "octmnist"
    }
    assert found["octmnist"].tested == 894


def test_nobody_without_noise_is_committed_as_most_private(found):
    table = demands.advice(found)["most private"]
    assert len(table) > 30 and not any(arm in text for text in table for arm in UNNOISED)


@pytest.fixture(scope="module")
def page(root):
    return nbformat.read(root / "notebooks" / "no_free_lunch.ipynb", as_version=4)


def glued(page):
    kind = "application/papermill.record/text/plain"
    outputs = [o for cell in page.cells for o in cell.get("outputs", [])]
    marked = [o for o in outputs if "scrapbook" in o.get("metadata", {})]
    return {o.metadata.scrapbook.name: o.data[kind] for o in marked}


def told(text):
    """The cells of "'GAN 0.3, DDPM 0.3 or 0.4'", each as a text."""
    cells = []
    for part in text.strip("'").replace(" or ", ", ").split(", "):
        cells.append(part if " " in part else f"{cells[-1].split()[0]} {part}")
    return cells


def test_the_pages_numbers_are_those_of_the_committed_results(page, found):
    numbers = criterion_answers.answers(list(found), found)
    assert glued(page) == {name: repr(value) for name, value in numbers.items()}


def test_the_pages_best_cell_follows_from_the_table_of_results(page, root):
    """The headline again, by pandas from the CSV alone."""
    frame = pd.read_csv(root / "data" / "results" / "mnist.csv").query("scale == 'compact'")
    wide = frame.pivot(index=["model", "arm", "sigma", "seed"], columns="metric", values="value")
    anchor = {name: wide.loc[(name, "none", 0.0)] for name in ("real", "means", "copies")}
    some = criterion.judge(["mnist"], "compact")["mnist"]
    means = {}
    for model, level in some.cells:
        key = (model, "dp", float(level)) if level[0].isdigit() else (model, level, 0.0)
        own = wide.loc[key].loc[some.seeds]
        score = 1.0
        for metric, zero, one in (
            ("fid", anchor["means"]["fid"], anchor["real"]["fid"]),
            ("accuracy", 0.1, own["accuracy_real"]),
            ("mia_auc", anchor["copies"]["mia_auc"], anchor["real"]["mia_auc"]),
        ):
            score = score * ((own[metric] - zero) / (one - zero)).clip(0, 1)
        means[model, level] = float((score ** (1 / 3)).mean())
    numbers = glued(page)
    first = max(means, key=means.get)
    named = [cell for cell in means if label(cell) in told(numbers["best_mnist_cells"])]
    assert first in named and len(named) <= 3
    assert all(means[first] - means[cell] < 0.02 for cell in named)
    assert f"{means[first]:.2f}" in numbers["best_mnist_score"]
    whole = criterion.combine(criterion.profile(some)).mean(axis=1)
    assert kendalltau(list(means.values()), whole).statistic == pytest.approx(1)


def test_figures_name_their_data_sets():
    found = {"x": judged(seeds=(0, 1)), "y": judged()}
    titles = [criterion_figures.fronts(name, some).get_suptitle() for name, some in found.items()]
    assert titles == ["x, 2 seeds", "y, 1 seed"]
    triangles = criterion_figures.weights(found)
    assert [axis.get_title() for axis in triangles.axes] == ["x", "y"]
    lost = {"x": judged(references={})}
    assert len(criterion_figures.fronts("x", lost["x"]).axes) == 4
    assert criterion_figures.weights(lost).axes[0].get_title() == ""


def test_the_figure_of_places_has_every_cell_in_its_order():
    some = scores.block("x", tidy(CELLS, seeds=(0, 1)), 5)
    whole = criterion.combine(criterion.profile(some)).mean(axis=1)
    axis = stability.order({"x": some}).axes[0]
    best = " ".join(some.cells[whole.argmax()])
    labels = [label.get_text().lower() for label in axis.get_yticklabels()]
    assert len(labels) == len(CELLS) and labels[0] == best
