"""Figures are drawn from collected results alone, and a notebook shows each once."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from helpers import figures, pictures, results, study


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


@pytest.mark.parametrize(
    "draw",
    [
        lambda found: pictures.samples(found, "vae"),
        figures.plane,
        lambda found: figures.curves(found, ["fd_lite0", "epsilon_hat", "accuracy"]),
        lambda found: figures.ecdf(found, ["vae"]),
        lambda found: figures.histograms(found, ["vae"]),
        lambda found: figures.coverage(found, "vae"),
        lambda found: pictures.gallery(found, "vae"),
        figures.trade_off,
        lambda found: figures.training(found, "vae"),
        lambda found: figures.accountant([0.1, 1, 10], [100], delta=1e-3),
    ],
)
def test_a_figure_has_ink_and_is_not_left_to_pyplot(found, draw):
    canvas = FigureCanvasAgg(draw(found))
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    assert pixels.std() > 5
    assert plt.get_fignums() == []


def test_curves_show_the_ceiling_and_chance_of_the_data_set(found):
    axis = figures.curves(found, ["accuracy"]).axes[0]
    heights = {round(line.get_ydata()[0], 3) for line in axis.lines if len(line.get_xdata()) == 2}
    frame = found.frame
    real = frame[frame["metric"] == "accuracy_real"]["value"].mean()
    assert {round(real, 3), 0.1} <= heights
