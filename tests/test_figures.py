"""Figures are drawn from collected results alone, and a notebook shows each once."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from chapters import dataset, generators, quickstart
from chapters import exhibits as exhibits_chapter
from helpers import study
from helpers.report import figures, pictures, style
from helpers.study import results
from helpers.study.cell import LEVELS, MODELS


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Two collected smoke cells."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NFL_HOME", str(tmp_path_factory.mktemp("home")))
        yield results.obtain(study.grid("digits", ["vae"], ["sgd", 0.5], [0], "smoke"))


def test_a_mosaic_keeps_every_pixel():
    images = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    sheet = pictures.mosaic(images, gap=1)
    assert sheet.shape == (9, 14)
    assert (sheet[5:9, 10:14] == images[1, 2]).all() and (sheet[4] == 255).all()


def test_a_mosaic_of_colour_images_keeps_every_colour():
    images = np.arange(2 * 3 * 5 * 4 * 3, dtype=np.uint8).reshape(2, 3, 5, 4, 3)
    sheet = pictures.mosaic(images, gap=1)
    assert sheet.shape == (11, 14, 3)
    assert (sheet[6:11, 10:14] == images[1, 2]).all() and (sheet[5] == 255).all()


@pytest.mark.parametrize("shape", [(28, 28), (32, 32, 3), (64, 64)])
def test_exhibits_of_any_shape_are_drawn_in_their_colours_and_named_at_their_middle(shape):
    images = np.zeros((2, *shape), np.uint8)
    images[..., 0] = 255  # red, or a white column
    names = [f"{part}{what}" for part in ("private", "unseen") for what in ("", "_reconstructed")]
    names += [f"{part}{what}" for part in ("synthetic", "unseen") for what in ("", "_attention")]
    maps = np.zeros((2, *shape[:2]), np.uint8)
    exhibits = {name: maps if "attention" in name else images for name in names}
    figure = exhibits_chapter.reconstructions({"sgd": exhibits})
    size = shape[0]
    assert figure.axes[0].get_yticks().tolist() == [size / 2, size + 2 + size / 2]
    for drawn in (figure, exhibits_chapter.attention(exhibits, ["a", "b"])):
        canvas = FigureCanvasAgg(drawn)
        canvas.draw()
        red, green, _, _ = np.moveaxis(np.asarray(canvas.buffer_rgba()).astype(int), 2, 0)
        assert ((red - green).max() > 200) == (len(shape) == 3)


@pytest.mark.parametrize(
    "draw",
    [
        lambda found: pictures.samples(found, "vae"),
        dataset.plane,
        lambda found: figures.curves(found, ["fd_lite0", "epsilon_hat", "accuracy"]),
        lambda found: dataset.ecdf(found, ["vae"]),
        lambda found: dataset.histograms(found, ["vae"]),
        lambda found: dataset.coverage(found, "vae"),
        lambda found: pictures.gallery(found, "vae"),
        quickstart.trade_off,
        lambda found: generators.training(found, "vae"),
        lambda found: generators.accountant([0.1, 1, 10], [100], delta=1e-3),
    ],
)
def test_a_figure_has_ink_and_is_not_left_to_pyplot(found, draw):
    canvas = FigureCanvasAgg(draw(found))
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    assert pixels.std() > 5
    assert plt.get_fignums() == []


def test_without_the_second_variant_there_is_no_coverage_to_show(committed):
    assert dataset.coverage(committed["octmnist"], "vae") is None


def test_curves_show_the_ceiling_and_chance_of_the_data_set(found):
    axis = figures.curves(found, ["accuracy"]).axes[0]
    heights = {round(line.get_ydata()[0], 3) for line in axis.lines if len(line.get_xdata()) == 2}
    frame = found.frame
    real = frame[frame["metric"] == "accuracy_real"]["value"].mean()
    assert {round(real, 3), 0.1} <= heights


@pytest.mark.parametrize("columns", [2, 3])
def test_labels_below_an_axis_do_not_touch(columns, monkeypatch):
    """All six levels of the committed study, in the two widths that the chapters use."""
    monkeypatch.delenv("NFL_HOME", raising=False)
    cells = study.grid("mnist", MODELS, LEVELS, [0], "compact")
    with plt.rc_context():
        style.style()
        figure = figures.curves(results.obtain(cells), ["fid"] * columns, columns=columns)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        for axis in figure.axes:
            boxes = [label.get_window_extent() for label in axis.get_xticklabels()]
            gaps = [right.x0 - left.x1 for left, right in itertools.pairwise(boxes)]
            assert min(gaps) > 2  # pixels; a space is 3 wide
