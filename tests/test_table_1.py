"""Table 1 beside the paper's: whose numbers stand where, and what the page says of them."""

import csv
import math
from statistics import mean

import pytest
from conftest import ROOT

from chapters import matched, nfl, table_1


@pytest.fixture(scope="module")
def frames():
    """Ours, by sigma and at the paper's noise."""
    return nfl.collected(["mnist"])["mnist"].frame, matched.collected(
        "mnist", nfl.MODELS, nfl.SEEDS, 10, "compact"
    )


@pytest.fixture(scope="module")
def compact(frames):
    return table_1.ours(*frames)


def collected(
    model: str, sigma: float, metric: str, arm: str = "dp", seeds: tuple[int, ...] = (0, 1, 2)
) -> float:
    """The mean over seeds, from the file alone."""
    with (ROOT / "data/results/mnist.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    values = [
        float(row["value"])
        for row in rows
        if (row["model"], row["metric"], row["arm"]) == (model, metric, arm)
        and row["scale"] == "compact"
        and math.isclose(float(row["sigma"]), sigma)
        and int(row["seed"]) in seeds
    ]
    assert len(values) == len(seeds)
    return mean(values)


@pytest.mark.parametrize(
    ("row", "sigma"), [(table_1.NOISE, matched.levels("gan")[1]), (table_1.SIGMA, 0.2)]
)
def test_a_row_has_the_level_of_the_paper_s_noise_or_of_its_sigma(compact, row, sigma):
    found = table_1.beside_paper(compact).xs("FID").xs("GAN")
    assert found["0.2"][row] == f"{collected('gan', sigma, 'fid_paper'):.1f}"
    assert found["0.2"][table_1.PAPER] == "81.6"


def test_without_noise_both_rows_are_the_same(compact):
    found = table_1.beside_paper(compact)["sgd"].unstack("whose")
    assert (found[table_1.NOISE] == found[table_1.SIGMA]).all()


def test_what_is_not_collected_is_a_dash_and_what_was_not_tried_has_no_row(frames):
    frame, tried = frames
    some = tried[(tried["model"] != "gan") | (tried["sigma"] < 0.7)]
    fewer = table_1.ours(frame, some)
    assert table_1.beside_paper(fewer).loc[("FID", "GAN", table_1.NOISE), "0.4"] == "–"
    lacking = table_1.orders(fewer).loc[("FID", table_1.NOISE)]
    assert lacking["order at 0.4"] == lacking["change, GAN"] == "–"
    whose = table_1.orders(table_1.ours(frame)).index.get_level_values("whose")
    assert set(whose) == {table_1.PAPER, table_1.SIGMA}


def test_the_authors_scale_has_a_row_where_something_of_it_is_there(frames, compact):
    [frame, _] = frames
    some = compact | {table_1.SCALE: frame[(frame["model"] == "vae") & (frame["arm"] == "sgd")]}
    found = table_1.beside_paper(some).xs(table_1.SCALE, level="whose")
    assert set(found.index.get_level_values("model")) == {"VAE"}
    assert found.loc[("FID", "VAE"), "sgd"] == f"{collected('vae', 0, 'fid_paper', 'sgd'):.1f}"
    assert set(found["0.1"]) == {table_1.MISSING}
    whose = "FID", [table_1.SCALE, table_1.SIGMA]
    assert table_1.SCALE not in table_1.orders(some).loc["FID"].index
    whole = table_1.orders(compact | {table_1.SCALE: frame}).loc[whose, :]
    assert len(whole) == 2 and len(whole.drop_duplicates()) == 1


def test_what_is_told_of_the_authors_scale_is_in_the_file(frames):
    with (ROOT / "data/results/mnist.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["scale"] == "paper"]
    large = table_1.at_scale("mnist", nfl.SEEDS)
    said = table_1.told(table_1.ours(*frames, large), large)
    levels = {("sgd" if row["arm"] == "sgd" else row["sigma"], row["model"]) for row in rows}
    told_of = {tuple(name.split("_")[:1:-1]) for name in said if name.startswith("fid_large")}
    assert told_of == levels and ("0.1", "vae") in levels
    for row in rows:
        whose = f"{row['model']}_{'sgd' if row['arm'] == 'sgd' else row['sigma']}"
        if row["metric"] == "fid_paper":
            assert said[f"fid_large_{whose}"] == pytest.approx(float(row["value"]))
        if row["metric"] == "copy_rate":
            assert said[f"copies_large_{whose}"] == pytest.approx(100 * float(row["value"]))
        if row["metric"] == "mia_loss_auc":
            assert said[f"auc_large_{whose}"] == pytest.approx(float(row["value"]))
        if row["metric"] == "coverage":
            assert said[f"coverage_large_{whose}"] == pytest.approx(float(row["value"]))
    here = collected("vae", 0, "copy_rate", "sgd")
    assert said["copies_here_vae_sgd"] == pytest.approx(100 * here)
    assert said["fid_noise_vae_0.1"] == pytest.approx(
        collected("vae", matched.levels("vae")[0], "fid_paper")
    )
    rises = {
        whose: said[f"fid_{whose}_vae_0.1"] - said[f"fid_{whose}_vae_sgd"]
        for whose in ("paper", "large", "here")
    }  # the page: it is there at the authors' scale, and mostly hidden at equal sigma
    assert rises["large"] > 0.8 * rises["paper"] and rises["here"] < rises["paper"] / 2
    same_seed = collected("ddpm", 0, "fid_paper", "sgd", seeds=(0,))
    assert said["seeds"] == 1 and said["fid_large_vae_sgd"] < min(
        same_seed, said["fid_here_ddpm_sgd"]
    )  # the pages, and C2's reason


def test_what_the_pages_say_of_the_gan_at_the_authors_scale_holds(frames):
    large = table_1.at_scale("mnist", nfl.SEEDS)
    said = table_1.told(table_1.ours(*frames, large), large)
    levels = "sgd", "0.1", "0.4"

    def gan(name: str) -> list[float]:
        return [said[f"{name}_gan_{level}"] for level in levels]

    vae_first = {
        whose: [
            said[f"fid_{whose}_vae_{level}"] < said[f"fid_{whose}_gan_{level}"] for level in levels
        ]
        for whose in ("paper", "large")
    }
    assert vae_first == {"paper": [True, False, False], "large": [True, False, True]}
    none, little, much = gan("fid_large")
    assert little < none < much and little == pytest.approx(gan("fid_paper")[1], rel=0.1)
    assert much == pytest.approx(gan("fid_noise")[2], rel=0.1) and much > 1.8 * gan("fid_paper")[2]
    none, little, much = gan("coverage_large")
    assert little > 10 * max(none, much)  # and C10's reason


def test_what_the_page_says_of_the_changes_holds(compact):
    found = table_1.orders(compact)
    columns = [f"change, {title}" for title in nfl.MODEL_TITLES.values()]
    fid, ssim = (
        found.loc[metric, columns].map(lambda text: float(text.replace(",", "")))
        for metric in ("FID", "SSIM")
    )
    ours, theirs = fid.loc[table_1.NOISE], fid.loc[table_1.PAPER]
    assert ours["change, VAE"] == pytest.approx(theirs["change, VAE"], rel=0.1)
    assert ours["change, GAN"] > 1.5 * theirs["change, GAN"]
    assert ours["change, DDPM"] < theirs["change, DDPM"] / 1.5
    orders = found.loc[("FID", table_1.NOISE), ["order at 0", "order at 0.4"]].astype(float)
    assert (orders < 1).all()
    assert ssim["change, DDPM"][table_1.PAPER] < -0.1
    assert (ssim["change, DDPM"][[table_1.NOISE, table_1.SIGMA]].abs() < 0.02).all()
    values = table_1.beside_paper(compact).loc["FID"]["sgd"].astype(float).unstack("model")
    assert values.loc[table_1.NOISE].idxmin() == values.loc[table_1.PAPER].idxmax() == "DDPM"
