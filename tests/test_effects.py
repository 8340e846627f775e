"""The effects of the corrections: known answers on made-up cells, and the page that quotes them."""

import math
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch

from chapters import effects
from chapters.effects import measures, training
from chapters.effects.figures import PAIRS, both_forms
from chapters.effects.words import WORDS, text_of
from helpers.data import files

pytestmark = pytest.mark.usefixtures("one_thread")

ROWS = [f"D{i}" for i in range(1, 22)]
QUOTED = re.compile(r"effects\.ipynb::(\w+):s`")
NOTHING = {name: [] for name in WORDS}
EMPTY = pd.DataFrame(columns=["dataset", "model", "arm", "sigma", "seed", "metric", "value"])


def study(values):
    """From {(dataset, model, level): {metric: one value per seed}}."""
    rows = [
        (data, model, *arm(level), seed, metric, value)
        for (data, model, level), metrics in values.items()
        for metric, per_seed in metrics.items()
        for seed, value in enumerate(per_seed)
    ]
    return effects.gather(pd.DataFrame(rows, columns=EMPTY.columns))


def arm(level):
    return (level, 0.0) if isinstance(level, str) else ("dp", level)


def said(row, found):
    """The numbers of a row in words, by name."""
    return {name: text_of(f"{row} {name}", number) for name, number in found.items()}


def test_every_row_has_an_effect_a_place_and_words():
    assert list(effects.EFFECTS) == ROWS
    assert sorted(sum(effects.SECTIONS.values(), ())) == sorted(ROWS)
    assert {name.split()[0] for name in WORDS} == set(ROWS)


def test_without_results_rows_say_so_and_do_not_crash(monkeypatch):
    monkeypatch.setattr(training, "label_moved", lambda *_: False)  # it trains; tested below
    monkeypatch.setattr(measures, "REPEATS", 1)
    texts = effects.texts(effects.measured(effects.gather(EMPTY)))
    assert list(texts) == list(WORDS)
    for name in ("D2 fid", "D3 variant", "D4 share", "D7 ours", "D7 width", "D8 ours", "D9 cells"):
        assert texts[name].startswith("not measured: ")
    for row in ("D10", "D11", "D12", "D13", "D15", "D16", "D17", "D18", "D19"):
        own = [text for name, text in texts.items() if name.split()[0] == row]
        assert own and all(text.startswith("not measured: ") for text in own)


def test_a_mean_is_over_seeds_of_settings_that_all_seeds_have():
    made = study(
        {
            ("mnist", "vae", "sgd"): {"fid": [10.0, 10.0], "fid_paper": [12.0, 14.0]},
            ("mnist", "vae", 0.1): {"fid": [10.0], "fid_paper": [999.0]},  # seed 0 alone
            ("octmnist", "gan", "sgd"): {"fid": [5.0], "fid_paper": [4.0]},
        }
    )
    half = 6.3138 * math.sqrt(2) / math.sqrt(2)  # t at 95 %, one degree of freedom
    text = said("D15", measures.d15(made))["models"]
    assert text == f"MNIST +3.0 ± {half:.1f} (2 cells); OCTMNIST −1.0 (1 cell, one seed)"


def test_clipping_is_compared_within_a_seed():
    made = study(
        {
            ("mnist", "gan", "sgd"): {"fid": [100.0, 50.0, 7.0]},
            ("mnist", "gan", "clipped"): {"fid": [104.0, 54.0]},
            ("mnist", "vae", "clipped"): {"fid": [1.0]},  # without a partner
        }
    )
    assert said("D2", training.d2(made))["fid"] == "MNIST: GAN +4.0 ± 0.0 (2 cells)"


def test_the_variants_effect_is_read_where_it_is_collected():
    made = study(
        {
            ("mnist", "gan", "sgd"): {"fid": [10.0], "accuracy": [0.5]},
            ("mnist", "gan", 0.2): {"fid": [50.0, 52.0]},
            ("mnist", "gan-authors", "sgd"): {"fid": [30.0], "accuracy": [0.4]},
            ("mnist", "gan-authors", 0.2): {"fid": [49.0, 51.0]},
        }
    )
    assert (
        text_of("D3 variant", training.variant(made))
        == "FID +20.0 at sgd, −1.0 ± 0.0 at 0.2; accuracy −0.100 at sgd"
    )
    assert "mnist" in made.frame["dataset"].unique() and len(made.of("fid")) == 3


def test_widths_are_shown_by_size_where_there_are_two():
    sizes = {"vae-quarter": 90.0, "vae": 100.0, "vae-16x": 120.0, "gan": 7.0}
    made = {("mnist", name, 0.2): {"fid": [value]} for name, value in sizes.items()}
    assert (
        text_of("D7 width", training.fid_by_size(study(made))) == "VAE 90 (1/4), 100 (1), 120 (16)"
    )
    del made["mnist", "vae-quarter", 0.2], made["mnist", "vae-16x", 0.2]
    assert training.fid_by_size(study(made)) == {}


@pytest.mark.parametrize(("n", "expected"), [(100, 50), (99, 49), (40, 40), (64, 64), (129, 43)])
def test_the_divisor_is_n_over_the_number_of_batches(n, expected):
    assert training.divisor(n) == expected


def test_labels_of_the_batch_show_the_query_s_class_and_public_ones_do_not():
    moved = {
        labels: [training.label_moved(0, there, labels) for there in (True, False)]
        for labels in ("batch", "uniform")
    }
    assert moved == {"batch": [True, False], "uniform": [True, True]}


def test_the_simulated_density_ratio_lacks_the_factor_two():
    found = measures.d9(effects.gather(EMPTY))["simulated"]
    assert found["truth"] == pytest.approx(math.log(9))
    assert found["ours"] == pytest.approx(found["truth"], abs=0.1)
    assert found["theirs"] == pytest.approx(found["ours"] / 2, abs=0.01)


def test_copies_outside_the_overlap_hardly_change_the_authors_area():
    found = measures.d14(effects.gather(EMPTY))
    area, without = found["area"]
    assert without < area < 0.2 and found["wasserstein"][0] == pytest.approx(0.2, abs=0.02)


def test_a_map_fitted_with_the_query_moves_the_ratio_and_equal_sets_have_none():
    images = torch.rand(60, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    query, first, second = images[0], images[1:30], images[30:]
    generator = torch.Generator().manual_seed(1)
    assert measures.map_shift(images[1:], query, first, first, generator=generator) == 0
    assert measures.map_shift(images[1:], query, first, second, generator=generator) != 0


def test_a_range_is_told_beside_the_span_from_real_images_to_means():
    values = {("vae", "sgd"): 1.0, ("vae", 0.4): 2.0, ("real", "none"): 0.0, ("means", "none"): 4.0}
    made = study(
        {("mnist", *key): {"lpips": [v], "lpips_paper": [v / 2]} for key, v in values.items()}
    )
    assert measures.d16(made)["lpips"] == [[0.5, 2], [1, 4]]
    assert said("D16", measures.d16(made))["lpips"] == "0.500 of 2.000 against 1.000 of 4.000"
    assert measures.d16(made)["ssim"] == []


def test_deviations_over_seeds_and_within_cells_are_told_apart():
    made = study(
        {
            ("mnist", "vae", "sgd"): {
                "accuracy": [0.4, 0.5, 0.6],
                "accuracy_deviation": [0.05, 0.05, 0.05],
            }
        }
    )
    text = said("D19", measures.d19(made))["deviations"]
    assert text == (
        "MNIST 0.1000 over seeds against 0.0500 over classifiers, 2.0 times as much (settings: 1)"
    )


def test_values_that_are_not_finite_are_counted():
    made = study({("mnist", "vae", "sgd"): {"fid": [1.0, np.nan, np.inf]}})
    assert measures.d21(made)["failed"] == [2, 3]
    assert said("D21", measures.d21(made))["failed"] == "2 of 3 values"


def test_the_authors_diffusion_starts_off_its_training():
    assert training.d20(effects.gather(EMPTY))["start"] == pytest.approx(0.13, abs=0.005)


def test_the_figure_has_a_mark_per_cell():
    metrics = {name: [1.0, 2.0] for pair in PAIRS.values() for name in pair}
    figure = both_forms(study({("mnist", "vae", "sgd"): metrics}))
    assert [len(axis.collections[0].get_offsets()) for axis in figure.axes] == [2, 2, 2, 2]


# What is committed


@pytest.fixture(scope="module")
def glued(root):
    page = nbformat.read(root / "notebooks" / "effects.ipynb", as_version=4)
    kind = "application/papermill.record/text/plain"
    outputs = [o for cell in page.cells for o in cell.get("outputs", [])]
    marked = [o for o in outputs if "scrapbook" in o.get("metadata", {})]
    return {o.metadata.scrapbook.name: o.data[kind] for o in marked}


def test_the_page_names_every_row_and_quotes_only_what_is_glued(root, glued):
    text = (root / "book" / "changes.md").read_text()
    assert sorted(re.findall(r"^\| (D\d+) \|", text, re.M)) == sorted(ROWS)
    assert "Not yet measured" not in text
    quoted = set(QUOTED.findall(text))
    assert quoted <= set(glued)
    assert {name.split("_")[1].upper() for name in quoted} == set(ROWS) - {"D5"}


@pytest.fixture(scope="module")
def collected():
    """The committed study."""
    return effects.collected()


def test_the_committed_numbers_are_current_and_the_page_shows_them(collected, glued):
    kept = files.read_json(effects.path_of())
    assert kept["key"] == effects.key(collected), "run `python -m chapters.effects`"
    texts = effects.texts(effects.obtain(collected))
    assert glued == {effects.glue_name(name): repr(text) for name, text in texts.items()}


def test_measured_again_the_numbers_are_those_committed(collected):
    texts = effects.texts(effects.measured(collected))
    assert texts == effects.texts(files.read_json(effects.path_of())["numbers"])


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where the numbers of a made-up study are kept, and how often they are measured."""
    calls = []
    monkeypatch.setattr(effects, "path_of", lambda scale="compact": tmp_path / "effects.json")
    monkeypatch.setattr(effects, "measured", lambda study: calls.append(study) or NOTHING)
    return tmp_path / "effects.json", calls


def test_numbers_are_measured_when_what_decides_them_changes(home, monkeypatch, tmp_path):
    path, calls = home
    values = {("mnist", "vae", "sgd"): {"fid": [1.0, 2.0]}}
    assert effects.obtain(study(values)) == NOTHING
    before = path.read_bytes()
    effects.obtain(study(values))
    assert len(calls) == 1 and path.read_bytes() == before
    effects.obtain(study({("mnist", "vae", "sgd"): {"fid": [1.0, 2.5]}}))
    assert len(calls) == 2
    reformatted = tmp_path / "measures.py"
    source = Path(measures.__file__).read_text()
    reformatted.write_text(source.replace("    ", "\t").replace("\n\n\n", "\n"))
    old = effects.key(study(values))
    monkeypatch.setattr(measures, "__file__", str(reformatted))
    assert effects.key(study(values)) == old
    reformatted.write_text(source.replace("0.95", "0.9").replace("REPEATS = 200", "REPEATS = 9"))
    assert effects.key(study(values)) != old


def test_a_damaged_file_is_left_as_it_is_and_named(home):
    path, calls = home
    path.write_text("<<<<<<< ours")
    with pytest.raises(ValueError, match=r"effects\.json, line 1: .*git checkout HEAD"):
        effects.obtain(study({}))
    assert path.read_text() == "<<<<<<< ours" and not calls
