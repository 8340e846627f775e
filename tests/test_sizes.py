"""Size against family: known slopes and differences on made-up cells."""

import math
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from chapters import sizes
from helpers import study
from helpers.metrics.records import record
from helpers.study import compute, results
from helpers.study.cell import MODELS, SEEDS

METRICS = ["noised_parameters", "fid"]
FID = record("fid").title


@pytest.fixture
def frame():
    """Three families whose FID is a height of their own plus 5 per quadrupling, two seeds."""
    rows = []
    for height, family in zip((100.0, 70.0, 40.0), MODELS, strict=True):
        for place, factor in enumerate(sizes.FACTORS):
            [model] = sizes.names([family], [factor])
            for seed in (0, 1):
                fid = height + 5 * place + (1 if seed else -1)
                values = {"noised_parameters": 10_000.0 * 4**place, "fid": fid}
                rows += [(model, "dp", 0.2, seed, name, v) for name, v in values.items()]
    columns = ["model", "arm", "sigma", "seed", "metric", "value"]
    return pd.DataFrame(rows, columns=columns).sample(frac=1, random_state=0)


def test_an_unknown_size_is_refused_with_what_is_allowed():
    with pytest.raises(ValueError, match=r"'2' is unknown; allowed: 1/4, 1, 4, 16"):
        sizes.names(["vae"], ["2"])


def test_the_table_is_ordered_by_family_and_size(frame):
    table = sizes.table(frame, METRICS)
    assert list(table.index[:4]) == [("VAE", factor) for factor in sizes.FACTORS]
    assert list(table.loc["DDPM", FID]) == ["40.0", "45.0", "50.0", "55.0"]
    assert (table["seeds"] == 2).all()


def test_a_step_is_the_change_per_quadrupling(frame):
    steps = sizes.steps(frame, "fid")
    assert list(steps.columns) == ["1/4 to 1", "1 to 4", "4 to 16"]
    assert steps.to_numpy() == pytest.approx(5)
    without = sizes.steps(frame[~frame["model"].str.endswith("-4x")], "fid")
    assert list(without.columns) == ["1/4 to 1", "1 to 16"]
    assert without.to_numpy() == pytest.approx(5)


def test_a_seed_that_some_size_lacks_is_left_out(frame):
    lacking = frame[(frame["model"] != "gan-4x") | (frame["seed"] == 0)]
    table = sizes.table(lacking, METRICS)
    assert (table["seeds"] == 1).all()
    assert list(table.loc["GAN", FID]) == ["69.0", "74.0", "79.0", "84.0"]


def test_a_single_size_has_no_step(frame):
    alone = frame[frame["model"].isin(MODELS)]
    assert sizes.steps(alone, "fid").empty
    assert list(sizes.split(alone, ["fid"]).columns) == ["at equal size"]


def test_family_and_size_are_told_apart(frame):
    table = sizes.split(frame, ["fid"])
    counts = sizes.authors_sizes()
    between = math.log(counts["vae"] / counts["gan"], 4)
    row = table.loc[(FID, "VAE − GAN")]
    assert row["at equal size"] == "+30.0"
    assert row["authors' sizes, all steps"] == f"{5 * between:+.1f}"
    assert row["authors' sizes, last step"] == f"{5 * between:+.1f}"
    assert len(table) == 3
    largest = frame["model"].str.endswith("-16x") & (frame["metric"] == "fid")
    bent = frame.assign(value=frame["value"] + 6 * largest)
    row = sizes.split(bent, ["fid"]).loc[(FID, "VAE − GAN")]
    assert row["authors' sizes, all steps"] == f"{7 * between:+.1f}"
    assert row["authors' sizes, last step"] == f"{11 * between:+.1f}"


def test_the_figure_has_a_line_per_family_over_the_sizes(frame):
    drawn = sizes.figure(frame, ["fid"])
    FigureCanvasAgg(drawn).draw()
    lines = drawn.axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [
        [h, h + 5, h + 10, h + 15] for h in (100, 70, 40)
    ]


def test_the_chapters_numbers_are_those_of_the_committed_results(monkeypatch):
    chapter = Path(__file__).resolve().parent.parent / "notebooks" / "size.ipynb"
    outputs = [o for cell in nbformat.read(chapter, 4).cells for o in cell.get("outputs", [])]
    glued = {
        o.metadata["scrapbook"]["name"]: float(next(iter(o.data.values())))
        for o in outputs
        if "scrapbook" in o.get("metadata", {})
    }
    monkeypatch.setattr(compute, "run_cell", None)  # nothing may be computed
    models = sizes.names(list(MODELS), list(sizes.FACTORS))
    frame = results.obtain(study.grid("mnist", models, [0.2], [0], "compact")).frame
    assert glued == {f"size_{name}": value for name, value in sizes.answers(frame).items()}
    assert len(glued) == 11
    # As the prose says:
    found = sizes.means(frame, ["fid", "accuracy"])
    for family, fid in found["fid"].groupby("family", observed=True):
        assert fid[family][["1/4", "1", "4"]].is_monotonic_decreasing
    spread = _spread_between_seeds("fid")
    rises = {family: glued[f"size_fid_rise_{family}"] for family in MODELS}
    assert [f for f in MODELS if rises[f] > spread[f]] == ["gan"]
    assert found["accuracy"]["gan"].idxmin() == found["accuracy"]["ddpm"].idxmin() == "1/4"
    fid = found["fid"].xs("1", level="factor")
    assert abs(fid["vae"] - fid["gan"]) < spread["vae"]
    table = sizes.split(frame, ["fid"]).loc[FID].drop(columns="at equal size").astype(float)
    signs = table.drop("VAE − DDPM").gt(0).to_dict("list")
    assert signs == {
        "authors' sizes, all steps": [False, True],
        "authors' sizes, last step": [True, False],
    }


def _spread_between_seeds(metric):
    """The range over the study's seeds, by family, at the level and the size of the chapter."""
    grid = study.grid("mnist", MODELS, [0.2], SEEDS, "compact")
    frame = results.obtain(grid).frame
    per_family = frame[frame["metric"] == metric].groupby("model")["value"]
    return per_family.max() - per_family.min()
