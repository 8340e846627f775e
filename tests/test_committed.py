"""The committed results: whole, finite, described, and what the chapters show."""

import csv
import json
import math
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from chapters import beyond, both, front, leaks, matched, nfl, release, table_1
from chapters.beyond import plan
from chapters.beyond import tables as beyond_tables
from chapters.dataset import answers as answers_of
from chapters.nfl import DATA_TITLES, MODEL_TITLES
from chapters.release import experiment
from helpers import study
from helpers.models.families import VARIANTS, preset, unaccounted
from helpers.report import style, tables
from helpers.study import collected, compute, results, store
from helpers.study.cell import LEVELS, MODELS, SEEDS, Cell

ROOT = Path(__file__).resolve().parent.parent
DATASETS = sorted(
    path.stem
    for path in (ROOT / "data" / "results").glob("*.csv")
    if path.stem in ("mnist", "octmnist", "organamnist")
)
ARRAYS = {  # by measure
    "samples": {"samples"},
    "fidelity": {"class_fd_lite0"},
    "distances": {"gallery", "distances_synthetic", "distances_holdout"},
    "density_ratios": {"points_victim", "points_ablated", "points_query"},
    "worth": {"class_accuracy"},
}


@pytest.fixture(scope="module", params=DATASETS)
def rows(request):
    with (ROOT / "data" / "results" / f"{request.param}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", params=DATASETS)
def chapter(request):
    """A data set's name, its notebook, and its results in the slice the notebook shows."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{request.param}.ipynb", as_version=4)
    [source] = [c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    given = {}
    exec(source, given)  # plain assignments, as papermill reads them
    assert given["dataset"] == request.param
    grid = study.grid(
        given["dataset"],
        [*given["models"], "real"],
        given["sigmas"],
        given["seeds"],
        given["scale"],
    )
    return request.param, notebook, grid


def glued(notebook):
    """The numbers a notebook puts into prose, by name."""
    texts = {
        output.metadata["scrapbook"]["name"]: output.data[key]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "scrapbook" in output.get("metadata", {})
        for key in output.data
        if key.endswith("text/plain")
    }
    return {name: float(text) for name, text in texts.items() if text[0] not in "'\""}


def test_the_table_is_tidy_sorted_and_finite(rows):
    assert list(rows[0]) == list(collected.COLUMNS)
    first, last = ("dataset", "model", "arm"), ("scale", "metric")
    keys = [
        (*map(r.get, first), float(r["sigma"]), int(r["seed"]), *map(r.get, last)) for r in rows
    ]
    assert keys == sorted(set(keys))
    assert all(math.isfinite(float(row["value"])) for row in rows)


def about(dataset):
    """What the JSON says of each cell of a data set."""
    return json.loads((ROOT / "data" / "results" / f"{dataset}.json").read_text())["cells"]


def test_cells_of_a_kind_have_the_same_metrics(rows):
    """No metric is missing in a cell without notice (defect D21): what it holds is in the JSON."""
    told = about(rows[0]["dataset"])
    metrics: dict[tuple, dict[tuple, set]] = {}
    for row in rows:
        family = row["model"].split("-")[0] if row["model"] in VARIANTS else row["model"]
        accounted = row["arm"] == "dp" and not unaccounted(preset(row["model"], row["scale"]))
        place = row["dataset"], row["model"], row["arm"], float(row["sigma"]), int(row["seed"])
        held = tuple(store.held(told[Cell(*place, row["scale"]).name]))
        kind = (family in MODELS, row["model"] in VARIANTS, accounted, held)
        cell = (row["model"], row["arm"], row["sigma"], row["seed"])
        metrics.setdefault(kind, {}).setdefault(cell, set()).add(row["metric"])
    for cells in metrics.values():
        first, *others = cells.values()
        assert all(found == first for found in others)


def test_every_cell_is_described_and_has_its_arrays(rows):
    dataset = rows[0]["dataset"]
    told = about(dataset)
    cells = {
        Cell(r["dataset"], r["model"], r["arm"], float(r["sigma"]), int(r["seed"]), r["scale"])
        for r in rows
    }
    assert {cell.name for cell in cells} == set(told)
    for cell in cells:
        held = set(store.held(told[cell.name]))
        assert held & ARRAYS.keys()
        kept = set().union(*(arrays for measure, arrays in ARRAYS.items() if measure in held))
        with np.load(ROOT / "data" / "results" / dataset / f"{cell.name}.npz") as arrays:
            assert set(arrays.files) >= kept
            assert all(np.isfinite(arrays[name]).all() for name in kept)


def test_a_chapter_finds_its_whole_grid(chapter, monkeypatch):
    _, _, grid = chapter
    monkeypatch.setattr(compute, "run_cell", None)  # nothing may be computed
    found = results.obtain(grid)
    assert found.cells == sorted(grid)
    assert {cell.model for cell in grid} == {*MODELS, "real"}


def test_numbers_in_the_prose_are_those_of_the_table(chapter):
    name, notebook, grid = chapter
    expected = {f"{name}_{key}": value for key, value in answers_of(results.obtain(grid)).items()}
    assert len(expected) > 20
    classes = len(results.obtain(grid).reference()["classes"])
    tried = matched.collected(name, MODELS, (0, 1, 2), classes, "compact")
    for metric in ("accuracy", "fid"):
        most = matched.at_most(tried, metric)
        expected |= {f"{name}_matched_{metric}_{m}": value for m, value in most.items()}
    expected |= _of_table_1() if name == "mnist" else {}
    assert glued(notebook) == pytest.approx(expected, rel=1e-9)


def _of_table_1():
    frame, large = nfl.collected(["mnist"])["mnist"].frame, table_1.at_scale("mnist", SEEDS)
    tried = matched.collected("mnist", nfl.MODELS, SEEDS, 10, "compact")
    said = table_1.told(table_1.ours(frame, tried, large), large)
    # What README and the pages say is run.
    assert said.pop("cells") == "VAE at sgd, 0.1, 0.4; GAN at sgd, 0.1, 0.4"
    return {f"mnist_scale_{name}": value for name, value in said.items()}


def test_the_readme_has_the_numbers_of_the_chapter(chapter):
    name, _, grid = chapter
    answers = answers_of(results.obtain(grid))
    readme = (ROOT / "README.md").read_text()
    for model, written in MODEL_TITLES.items():
        cells = [f"{DATA_TITLES[name]} ({answers['seeds']:.0f})", written]
        for metric, digits in {"accuracy": 2, "fid": 0, "epsilon_hat": 1}.items():
            ends = (answers[f"{metric}_{model}_{end}"] for end in ("plain", "noisy"))
            cells.append(" → ".join(f"{value:.{digits}f}" for value in ends))
        assert f"| {' | '.join(cells)} |" in readme


def test_the_readmes_answer_is_that_of_the_chapters():
    found = {}
    for name in ("mnist", "guarantees", "claims"):
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        found |= glued(notebook)
    readme = " ".join((ROOT / "README.md").read_text().split())
    for said in (
        "images that train a classifier to {guarantees_release_mnist_10:.2f}, "
        "{guarantees_release_mnist_3:.2f} and {guarantees_release_mnist_1:.2f} on MNIST, and to "
        "{guarantees_release_organamnist_10:.2f}, {guarantees_release_organamnist_3:.2f} and "
        "{guarantees_release_organamnist_1:.2f} on OrganAMNIST, where the private images give "
        "{guarantees_private_organamnist:.2f}",
        "keeps {guarantees_folder_least_10:.0f} to {guarantees_folder_most_10:.0f} % of the "
        "private images' worth at an ε of 10 and {guarantees_folder_least_3:.0f} to "
        "{guarantees_folder_most_3:.0f} % at 3",
        "leaks a private image most in {ddpm_leaks_most:.0f} of {ddpm_leaks_of:.0f} comparisons at "
        "equal σ (at the paper's noise the GAN does, in {gan_leaks_most:.0f} of "
        "{gan_leaks_of:.0f})",
        "({mnist_accuracy_vae_plain:.2f}; the DDPM's {mnist_accuracy_ddpm_plain:.2f}; the hundred "
        "private images themselves {mnist_accuracy_real:.2f})",
        "the DDPM stands: {mnist_accuracy_ddpm_noisy:.2f} at σ = {mnist_sigma:.1f}, where the "
        "VAE's fall to {mnist_accuracy_vae_noisy:.2f}",
        "It bears the paper's σ, at 1/{mnist_noise_step_least:.0f} to "
        "1/{mnist_noise_step_most:.0f} of its noise-to-signal by the step on MNIST (by the run, "
        "our DDPM's σ = {mnist_sigma:.1f} is the paper's {mnist_noise_ddpm_there:.2f})",
        "keep the best FID ({mnist_matched_fid_ddpm:.0f}; the GAN's {mnist_matched_fid_gan:.0f}) "
        "and lead in accuracy no more: {mnist_matched_accuracy_ddpm:.2f}, the GAN's "
        "{mnist_matched_accuracy_gan:.2f}, the VAE's {mnist_matched_accuracy_vae:.2f} "
        "(three seeds).",
        "ε is still {mnist_epsilon_noisy:,.0f}",
        "an ε of 100 takes leaves images worth {guarantees_accuracy_ddpm_100:.2f}, and that of an "
        "ε of 10 leaves images worth {guarantees_accuracy_ddpm_10:.2f}",
        "Tuned for that ε, the best of the three, a GAN, leaves "
        "{guarantees_stepwise_mnist_10:.2f}; DP-SGD on 16 numbers a class of a public generator "
        "leaves {guarantees_prior_mnist_10:.2f}.",
        "Of {claims_total:.0f}, judged at the noise that matches theirs, {claims_reproduced:.0f} "
        "are reproduced and {claims_contradicted:.0f} are contradicted whatever the network; "
        "{claims_at_scale:.0f} are contradicted at our compact scale, where larger networks may "
        "differ; {claims_undecided:.0f} cannot be decided by the seeds there are; and "
        "{claims_untestable:.0f} cannot be tested here.",
    ):
        assert said.format(**found) in readme


def _of_plans(plans, prefix):
    frames = [(each, beyond_tables.frame(each, plan.MODELS)) for each in plans]
    found = [beyond.glued(prefix(each), frame, each) for each, frame in frames]
    return {name: value for numbers in found for name, value in numbers.items()}


PAGES = {
    "guarantees": release.glued,
    "corn": lambda: _of_plans([plan.CORN], lambda _: "corn"),
    "blood": lambda: _of_plans(plan.BLOOD, lambda each: f"blood_{each.per_class}"),
    "both_papers": lambda: both.counted(both.sets(["mnist", "octmnist", "organamnist"])),
}


@pytest.mark.parametrize("name", PAGES)
def test_the_numbers_of_the_prose_are_those_that_the_results_give(name):
    shown = glued(nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4))
    expected = PAGES[name]()
    assert expected
    assert {key: shown.get(key) for key in expected} == pytest.approx(expected, rel=1e-9)


def test_the_leaks_that_the_discussion_tells_of_are_there():
    noisy = [f"{sigma:g}" for sigma in LEVELS[2:]]
    for name in DATASETS:
        found = tables.leaked(results.obtain(study.grid(name, MODELS, LEVELS, SEEDS, "compact")))
        assert max(found[model, "sgd"].p for model in MODELS) < 0.01
        assert min(found["vae", level].p for level in noisy) > 0.05
        shown = [level for level in noisy if found["ddpm", level].p <= 0.05]
        assert shown == (noisy[:3] if name == "organamnist" else noisy)
        (of_gan,) = (level for level in noisy if found["gan", level].p <= 0.05)
        assert of_gan == ("0.4" if name == "organamnist" else "0.1")


def test_real_images_prove_no_epsilon(committed):
    """Nobody trained on them: each run's bound may pass 0 in 5 % of draws, all nine hardly ever."""
    for name in DATASETS:
        frame = committed[name].frame
        of_real = frame[(frame["model"] == "real") & (frame["metric"] == "epsilon_lower")]
        assert of_real["seed"].tolist() == list(SEEDS), name
        assert of_real["value"].max() == 0, name


def test_runs_that_never_saw_an_image_seem_to_leak_it_as_rarely_as_the_level_says(committed):
    for name, null in leaks.nulls(committed).items():
        joint = null.together()
        assert null.queries.shape == (108, 2) and null.others.shape == (108, 300), name
        assert leaks.share(null.queries) <= 0.07 and leaks.share(null.others) <= 0.07, name
        assert leaks.share(joint.others) <= 0.07, name
    assert leaks.nulls(committed).keys() == set(DATASETS)


def test_the_first_picture_shows_what_is_collected(tmp_path):
    """Its images are the cells', its numbers those of the chapters, and its file is up to date."""
    style.style()
    figure = front.strip()
    said = [text.get_text().strip() for text in figure.texts[1::2]]  # each after its title
    at_ten = experiment.frame().query(
        "dataset == 'mnist' and mechanism == 'release' and public == 'strokes' and epsilon == 10 "
        "and metric == 'accuracy' and private == 10 and synthetic == 100 and encoder == 0"
    )["value"]
    assert len(at_ten) == 10
    assert said[4] == f"accuracy {at_ten.mean():.2f}\nε = 10"
    assert [text.split("\n")[1] for text in said[:2]] == ["no guarantee"] * 2
    with np.load(ROOT / "data/results/mnist/ddpm-0.4-s0-compact.npz") as kept:
        sheet = figure.axes[2].images[0].get_array()
        assert (sheet[-28:, -28:] == kept["samples"][9, 0]).all()
    figure.savefig(tmp_path / "now.png", dpi=figure.dpi)
    there = ROOT / "book" / "_static" / "answer.png"
    drawn, kept = (
        np.asarray(Image.open(path).convert("L"), float) for path in (tmp_path / "now.png", there)
    )
    assert drawn.shape == kept.shape and np.abs(drawn - kept).mean() < 1


def test_committed_results_stay_small():
    files = [path for path in (ROOT / "data" / "results").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 38e6  # a seed of the open claims is 0.7 MB
