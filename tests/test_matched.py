"""Matched noise is the authors' noise, and what is collected of it is of just these levels."""

import itertools
import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from chapters import claims, matched, nfl
from chapters.claims import evidence
from helpers import study
from helpers.models import families, networks
from helpers.randomness import generator
from helpers.report.style import COLOURS, MARKERS
from helpers.study import collected

AUTHORS = {10: (50, 20_000), 4: (40, 10_000), 11: (55, 20_000)}  # records a step, steps: D6


def left_of(model, scale, sigma, batch, *, classes=10, steps=None):
    """What a run leaves of the signal: the steps' mu in root mean square, over the noise's norm."""
    network = networks.build(model, scale, classes=classes, generator=generator(0, "x")).noised
    norm = math.sqrt(sum(p.numel() for p in network.parameters()))
    steps = steps or families.preset(model, scale).training.steps
    return math.sqrt(steps) * batch / (sigma * norm)


@pytest.mark.parametrize("model", nfl.MODELS)
def test_as_much_is_left_of_the_signal_as_the_authors_leave(model):
    ours = [left_of(model, "compact", sigma, 100) for sigma in matched.levels(model)]
    theirs = [left_of(model, "paper", sigma, 50) for sigma in (0.1, 0.2, 0.3, 0.4)]
    assert ours == pytest.approx(theirs, rel=0.005)


@pytest.mark.parametrize("model", nfl.MODELS)
def test_every_collected_level_is_the_papers_a_matched_one_or_of_an_epsilon(model):
    cells = collected.read(collected.root("compact"), "mnist").records()
    known = {str(level) for level in nfl.LEVELS}
    known |= {c.level for c in study.guaranteed("mnist", [model], [100, 10], [0], "compact")}
    known |= {f"{sigma:g}" for sigma in matched.levels(model)}
    assert {c.level for c in cells if c.model == model} <= known


@pytest.mark.parametrize("classes", AUTHORS)
@pytest.mark.parametrize("model", nfl.MODELS)
def test_so_it_is_on_the_other_data_sets_whose_epochs_have_other_batches(model, classes):
    batch, steps = AUTHORS[classes]
    run = matched.authors(model, classes)
    assert (run.records, run.steps) == (batch, steps)
    sigmas = matched.levels(model, classes=classes)
    ours = [left_of(model, "compact", s, 10 * classes, classes=classes) for s in sigmas]
    of_theirs = {"classes": classes, "steps": steps}
    theirs = [left_of(model, "paper", s, batch, **of_theirs) for s in matched.SIGMAS]
    assert ours == pytest.approx(theirs, rel=0.005)
    assert [1 / run.of_the_run(s) for s in matched.SIGMAS] == pytest.approx(theirs)


@pytest.mark.parametrize("dataset", nfl.DATA)
def test_the_unit_is_that_of_the_collected_cells(dataset, committed):
    found = committed[dataset]
    classes = len(found.reference()["classes"])
    rows = found.frame[found.frame["metric"] == "noise_to_signal"]
    noised = rows[(rows["arm"] == "dp") & rows["model"].isin(nfl.MODELS)]
    assert len(noised) >= 36
    for row in noised.itertuples():
        run = matched.ours(row.model, classes)
        assert run.of_a_step(row.sigma) == pytest.approx(row.value, rel=1e-5)  # six digits are kept


def test_the_authors_noise_to_signal_is_what_their_networks_have():
    """By hand: 0.1 * sqrt(4.32 M, 1.56 M, 6.59 M) / 50."""
    of_a_step = {model: matched.authors(model).of_a_step(0.1) for model in nfl.MODELS}
    assert of_a_step == pytest.approx({"vae": 4.16, "gan": 2.5, "ddpm": 5.13}, rel=0.01)


def test_sigma_there_and_sigma_here_are_the_same_noise():
    numbers = matched.answers(nfl.MODELS, 10, "compact")
    for model in nfl.MODELS:
        own, theirs = matched.ours(model), matched.authors(model)
        there, here = (numbers[f"noise_{model}_{where}"] for where in ("there", "here"))
        assert theirs.of_the_run(there) == pytest.approx(own.of_the_run(0.4))
        assert own.of_the_run(here) == pytest.approx(theirs.of_the_run(0.4))
        assert here == pytest.approx(matched.levels(model)[-1], rel=0.005)
        times = theirs.of_a_step(1) / own.of_a_step(1)
        assert numbers["noise_step_least"] <= times <= numbers["noise_step_most"]


# Figures


@pytest.fixture(scope="module")
def tried():
    return matched.collected("mnist", nfl.MODELS, nfl.SEEDS, 10, "compact")


def lines(axis, model, face):
    """The points of a model with markers filled so, as [N, 2]."""
    found = [
        line.get_xydata()
        for line in axis.lines
        if line.get_marker() == MARKERS[model]
        and to_rgb(line.get_color()) == COLOURS[model]
        and to_rgb(line.get_markerfacecolor()) == to_rgb(face)
    ]
    return np.concatenate(found) if found else np.empty((0, 2))


@pytest.mark.parametrize("model", nfl.MODELS)
def test_open_marks_stand_above_the_papers_strokes_and_filled_ones_where_our_sigmas_are(
    model, committed, tried
):
    figure = matched.curves(committed["mnist"], ["fid"], tried, columns=1)
    FigureCanvasAgg(figure).draw()
    axis, theirs = figure.axes[0], matched.authors(model)
    of_theirs = [theirs.of_the_run(sigma) for sigma in (0.1, 0.2, 0.3, 0.4)]
    [strokes] = [
        line.get_xdata()
        for line in axis.lines
        if line.get_marker() == "|" and to_rgb(line.get_color()) == COLOURS[model]
    ]
    assert strokes == pytest.approx(of_theirs)
    assert axis.get_xlim()[0] < min(strokes) and max(strokes) < axis.get_xlim()[1]
    open_ = lines(axis, model, "white")
    levels = tried[tried["model"] == model]["sigma"].nunique()
    assert len(open_) == levels > 0
    assert open_[:, 0] == pytest.approx(of_theirs[:levels], rel=0.005)
    filled = lines(axis, model, COLOURS[model])[1:]  # but for that without noise
    ours = [matched.ours(model).of_the_run(sigma) for sigma in (0.1, 0.2, 0.3, 0.4)]
    assert filled[:, 0] == pytest.approx(ours)
    frame = committed["mnist"].frame
    rows = frame[(frame["model"] == model) & (frame["metric"] == "fid") & (frame["arm"] == "dp")]
    assert filled[:, 1] == pytest.approx(rows.groupby("sigma")["value"].mean().to_list())


def test_how_many_seeds_the_papers_noise_has_is_said(committed, tried):
    counts = tried.groupby(["model", "sigma"])["seed"].nunique()
    text = f"{counts.max()} seed"
    assert text in matched.told(tried)
    most = tried[(tried["sigma"] == 1.87) & (tried["metric"] == "accuracy")]
    assert f"{most['value'].mean():.2f} (DDPM)." in matched.told(tried)
    assert "classifier" not in matched.told(tried[tried["sigma"] < 1.5])  # without the most
    figure = matched.curves(committed["mnist"], ["fid"], tried)
    said = [label.get_text() for label in figure.legends[0].get_texts()]
    assert any("at the paper's noise" in label and text in label for label in said)


def test_a_metric_that_was_not_taken_there_has_no_open_marks(committed, tried):
    taken = tried[tried["metric"] != "ecdf_ks"]
    figure = matched.curves(committed["mnist"], ["fid", "ecdf_ks"], taken)
    with_marks = [any(len(lines(a, m, "white")) for m in nfl.MODELS) for a in figure.axes[:2]]
    assert with_marks == [True, False]
    alone = matched.curves(committed["mnist"], ["ecdf_ks"], taken)
    said = [label.get_text() for label in alone.legends[0].get_texts()]
    assert not any("at the paper's noise" in label for label in said)


def test_where_the_papers_noise_was_not_tried_nothing_is_open_and_that_is_said(committed):
    found = committed["octmnist"]
    assert matched.collected("octmnist", nfl.MODELS, [99], 4, "compact") is None
    assert "not tried" in matched.told(None)
    figure = matched.curves(found, ["fid", "accuracy"])
    for axis in figure.axes:
        assert not any(len(lines(axis, model, "white")) for model in nfl.MODELS)
    said = [label.get_text() for label in figure.legends[0].get_texts()]
    assert not any("noise" in label for label in said) and any("0.4" in label for label in said)


@pytest.mark.parametrize(("metrics", "columns"), [(["fid", "accuracy"], 2), (["fid"] * 3, 3)])
def test_labels_of_the_noise_do_not_touch(metrics, columns, committed, tried):
    figure = matched.curves(committed["mnist"], metrics, tried, columns=columns)
    rule = matched.rule(nfl.MODELS, 10, "compact")
    for some in (figure, rule):
        FigureCanvasAgg(some).draw()
        for axis in some.axes:
            labels = [label for label in axis.get_xticklabels() if label.get_text()]
            boxes = sorted((label.get_window_extent() for label in labels), key=lambda b: b.x0)
            assert len(boxes) >= 4
            assert all(b.x0 - a.x1 > 2 for a, b in itertools.pairwise(boxes))


def test_the_orders_that_the_prose_tells_at_the_papers_noise():
    """The introduction and the discussion say them beside numbers of which each could turn."""
    frame = claims.study()
    parts = frame[frame["seed"].isin(nfl.SEEDS)], frame
    first, all_seeds = (evidence.gather(part, lens=evidence.matched_noise) for part in parts)

    def order(dataset, metric):
        values = {m: first.at(dataset, m, "0.4", metric).values for m in nfl.MODELS}
        assert {len(of_seeds) for of_seeds in values.values()} == {len(nfl.SEEDS)}
        return sorted(nfl.MODELS, key=lambda m: sum(values[m].values()))

    for dataset in nfl.DATA:
        assert order(dataset, "fid")[0] == "ddpm"
    assert order("mnist", "accuracy") == ["vae", "ddpm", "gan"]
    assert order("organamnist", "accuracy") == ["vae", "gan", "ddpm"]
    gan, ddpm = (all_seeds.at("mnist", m, "0.4", "accuracy") for m in ("gan", "ddpm"))
    lead = (gan - ddpm).interval(0.9)
    assert lead.low < 0 < lead.high, "seeds do not tell the GAN's digits from the DDPM's"
