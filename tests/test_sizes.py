"""Size against family: known slopes and differences on made-up cells."""

import math
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from helpers import presets, results, sizes, study

METRICS = ["noised_parameters", "fid"]


@pytest.fixture
def frame():
    """Three families whose FID is a height of their own plus 5 per quadrupling, two seeds."""
    rows = []
    for height, family in zip((100.0, 70.0, 40.0), presets.MODELS, strict=True):
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
    assert list(table.loc["DDPM", "fid"]) == ["40.0", "45.0", "50.0", "55.0"]
    assert (table["seeds"] == 2).all()


def test_the_slope_is_the_change_per_quadrupling(frame):
    assert sizes.slopes(frame, "fid").to_dict() == pytest.approx(dict.fromkeys(presets.MODELS, 5))


def test_a_seed_that_some_size_lacks_is_left_out(frame):
    lacking = frame[(frame["model"] != "gan-4x") | (frame["seed"] == 0)]
    table = sizes.table(lacking, METRICS)
    assert (table["seeds"] == 1).all()
    assert list(table.loc["GAN", "fid"]) == ["69.0", "74.0", "79.0", "84.0"]


def test_a_single_size_has_no_slope(frame):
    assert sizes.slopes(frame[frame["model"] == "vae"], "fid").empty


def test_family_and_size_are_told_apart(frame):
    table = sizes.split(frame, ["fid"])
    counts = sizes.authors_sizes()
    by_size = 5 * math.log(counts["vae"] / counts["gan"], 4)
    row = table.loc[("fid", "VAE − GAN")]
    assert row["at equal size"] == "+30.0"
    assert row["by the authors' sizes"] == f"{by_size:+.1f}"
    assert len(table) == 3


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
    monkeypatch.setattr(study, "run_cell", None)  # nothing may be computed
    models = sizes.names(list(presets.MODELS), ["1/4", "1", "4"])
    frame = results.obtain(study.grid("mnist", models, [0.2], [0], "compact")).frame
    for metric, sign in {"fid": -1, "accuracy": 1, "conditional_consistency": 1}.items():
        for family, slope in sizes.slopes(frame, metric).items():
            assert glued[f"size_{metric}_{family}"] == pytest.approx(sign * slope)
    fid = sizes.means(frame, ["fid"])["fid"]
    assert glued["size_family"] == pytest.approx(fid["gan", "1"] - fid["ddpm", "1"])
    # As the prose says:
    assert all(fid[family].is_monotonic_decreasing for family in presets.MODELS)
    shown = sizes.means(frame, ["conditional_consistency"])["conditional_consistency"]
    assert shown["ddpm"].is_monotonic_increasing
    assert shown["vae"].idxmax() == shown["gan"].idxmax() == "1"
