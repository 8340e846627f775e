"""The two forms of a measure against each other, cell by cell."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chapters.nfl import MODEL_TITLES as MODELS
from helpers.report.style import COLOURS, MARKERS, panels

from .cells import Study

PAIRS = {
    "FID (D15)": ("fid", "fid_paper"),
    "Leak at one image (D9)": ("epsilon_hat", "epsilon_hat_paper"),
    "KS distance (D13)": ("ecdf_ks", "ecdf_ks_paper"),
    "Accuracy (D18)": ("accuracy", "accuracy_paper"),
}


def both_forms(study: Study, dataset: str = "mnist") -> Figure:
    """Four measures in the authors' form against ours, one mark per cell of a data set."""
    figure, axes = panels(2, 2, size=(7, 6.4))
    for axis, (title, pair) in zip(axes.flat, PAIRS.items(), strict=True):
        _forms(axis, study, dataset, pair)
        axis.set(title=title, xlabel="our form", ylabel="authors' form")
    axes[0, 0].legend(title=None)
    return figure


def _forms(axis: Axes, study: Study, dataset: str, pair: tuple[str, str]) -> None:
    cells = study.of(*pair)
    cells = cells[cells.index.get_level_values("dataset") == dataset]
    for model, title in MODELS.items():
        own = cells[cells.index.get_level_values("model") == model]
        style = {"color": COLOURS[model], "marker": MARKERS[model], "label": title}
        axis.scatter(*(own[name] for name in pair), alpha=0.8, **style)
    if len(cells):
        axis.axline((cells.min().min(),) * 2, slope=1, color="0.6", linewidth=1, zorder=0)
