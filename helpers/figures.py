"""Results as figures. Each function takes results and returns a matplotlib figure.

One colour and one marker per model, the same in every figure; bands are 90 % t intervals over
seeds.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import accounting, tables
from .results import Results
from .study import Cell

MODEL_NAMES = {"vae": "VAE", "gan": "GAN", "ddpm": "DDPM"}
COLOURS = dict(zip(MODEL_NAMES, sns.color_palette("colorblind", 3), strict=True))
MARKERS = {"vae": "o", "gan": "s", "ddpm": "^"}
REFERENCE_NAMES = {
    "real": "other real images",
    "copies": "training copies",
    "means": "class means",
}
LABELS = {
    "fid": "FID (Inception), lower is better",
    "fd_lite0": "Fréchet distance (Lite0), lower is better",
    "epsilon_hat": "empirical ε̂ at the query, lower is better",
    "accuracy": "TSTR accuracy, higher is better",
    "ecdf_ks": "KS distance of the ECDFs",
    "ecdf_w1": "W₁ / median hold-out distance",
}


def style() -> None:
    """The look of figures, and tables with their texts whole: set once at the top of a notebook."""
    pd.set_option("display.max_colwidth", None)
    sns.set_theme(context="notebook", style="whitegrid", font_scale=0.9)
    plt.rcParams.update({"figure.dpi": 100, "savefig.dpi": 120, "axes.titlesize": 11})


def _panels(rows: int = 1, columns: int = 1, *, size: tuple[float, float]) -> tuple[Figure, Any]:
    """A figure with its axes [rows, columns]; pyplot forgets it, so a notebook shows it once."""
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    plt.close(figure)
    return figure, axes


def mosaic(images: np.ndarray, gap: int = 2) -> np.ndarray:
    """Images uint8 [rows, columns, H, W] tiled into one [.., ..], white between them."""
    rows, columns, height, width = images.shape
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), 255, np.uint8)
    for r in range(rows):
        for c in range(columns):
            y, x = r * (height + gap), c * (width + gap)
            sheet[y : y + height, x : x + width] = images[r, c]
    return sheet


def samples(results: Results, model: str, *, seed: int = 0, shown: int = 6) -> Figure:
    """Synthetic images of one model, a panel per level, a row per class (NFL Fig. 7)."""
    cells = [c for c in _ordered(results) if c.model == model and c.seed == seed]
    real = results.reference()
    panels = [("real", real["images"])]
    panels += [(_title(cell), results.arrays(cell)["samples"]) for cell in cells]
    return _mosaics(panels, real["classes"], shown)


def _mosaics(panels: list[tuple[str, np.ndarray]], classes: np.ndarray, shown: int) -> Figure:
    """Panels of images uint8 [classes, n, 28, 28], a row per class."""
    height = 0.26 * len(classes) + 0.5
    figure, axes = _panels(1, len(panels), size=(0.27 * shown * len(panels) + 0.6, height))
    for axis, (title, images) in zip(axes[0], panels, strict=True):
        _show(axis, title, mosaic(images[:, :shown]))
    size = 28 + 2
    axes[0, 0].set_yticks([size * r + 14 for r in range(len(classes))], classes.tolist())
    axes[0, 0].tick_params(length=0)
    return figure


def _show(axis: Axes, title: str, sheet: np.ndarray) -> None:
    axis.imshow(sheet, cmap="gray", vmin=0, vmax=255)
    axis.set(title=title, xticks=[], yticks=[])
    axis.grid(visible=False)
    sns.despine(ax=axis, left=True, bottom=True)


def references(results: Results, *, seed: int = 0, shown: int = 6) -> Figure:
    """What the reference generators give, a panel each, a row per class."""
    cells = [c for c in results.cells if c.is_reference and c.seed == seed]
    cells.sort(key=lambda cell: list(REFERENCE_NAMES).index(cell.model))
    panels = [(REFERENCE_NAMES[c.model], results.arrays(c)["samples"]) for c in cells]
    return _mosaics(panels, results.reference()["classes"], shown)


def gallery(results: Results, model: str, *, seed: int = 0) -> Figure:
    """Per class the synthetic image nearest to a private one, above that one; a panel per level.

    They are the images a reader should worry about first: see `privacy.copy_rate`.
    """
    cells = [c for c in _ordered(results) if c.model == model and c.seed == seed]
    rows = -(-len(cells) // 2)
    figure, axes = _panels(rows, 2, size=(8.6, 1.15 * rows))
    for axis, cell in zip(axes.flat, cells, strict=False):
        pairs = results.arrays(cell)["gallery"]
        _show(axis, _title(cell), mosaic(pairs.swapaxes(0, 1)))
        axis.set_yticks([14, 44], ["synthetic", "private"])
        axis.tick_params(length=0)
    for axis in axes.flat[len(cells) :]:
        axis.set_visible(False)
    return figure


def plane(results: Results) -> Figure:
    """The public images on the Isomap plane, the query class marked (NFL Fig. 5, 13, 14)."""
    reference = results.reference()
    points, labels = reference["points"], reference["labels"]
    figure, ((axis,),) = _panels(size=(6.4, 4.8))
    palette = sns.color_palette("tab20", len(reference["classes"]))
    for c, name in enumerate(reference["classes"]):
        chosen, query = points[labels == c], c == reference["query_class"]
        axis.scatter(
            *chosen.T,
            s=26 if query else 12,
            marker="*" if query else "o",
            color=palette[c],
            edgecolor="black" if query else "none",
            linewidth=0.4,
            label=f"{name} (query class)" if query else str(name),
        )
    axis.set(xlabel="first Isomap coordinate", ylabel="second Isomap coordinate")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def curves(
    results: Results, metrics: Sequence[str], *, columns: int = 3, ceiling: bool = True
) -> Figure:
    """Each metric against sigma, one line per model with its 90 % band (NFL Fig. 10, 16, 18).

    Below each noise multiplier stands the accountant's epsilon at delta 1e-3. Dash-dotted is what
    other real images score (the model "real"), where the results hold it. Among the accuracies, the
    dashed line is the real-data ceiling and the dotted one is chance.
    """
    rows = -(-len(metrics) // columns)
    figure, axes = _panels(rows, columns, size=(3.4 * columns, 3.2 * rows))
    for axis, metric in zip(axes.flat, metrics, strict=False):
        _curve(axis, results.frame, metric)
        if metric == "accuracy" and ceiling:
            _accuracy_levels(axis, results)
    for axis in axes.flat[len(metrics) :]:
        axis.set_visible(False)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if len(handles) > 1:
        axes.flat[0].legend(handles, labels)
    return figure


def _curve(axis: Axes, frame: pd.DataFrame, metric: str) -> None:
    table = tables.intervals(frame, metric)
    floor = table[table["model"] == "real"]["mean"]
    if not floor.empty:
        axis.axhline(floor.item(), color="0.3", linestyle="-.", linewidth=1)
        if floor.item() > 0:  # at 0 the curves end there too
            axis.text(0, floor.item(), "other real images", va="bottom", fontsize=8)
    frame = frame[frame["model"].isin(MODEL_NAMES)]
    names = tables.levels(frame)
    for model, group in table[table["model"].isin(MODEL_NAMES)].groupby("model"):
        at = [names.index(name) for name in group["level"]]
        axis.plot(
            at, group["mean"], f"{MARKERS[model]}-", color=COLOURS[model], label=MODEL_NAMES[model]
        )
        axis.fill_between(at, group["low"], group["high"], color=COLOURS[model], alpha=0.2)
    axis.set(title=LABELS.get(metric, metric), xlabel="σ, and ε at δ = 10⁻³")
    axis.set_xticks(range(len(names)), [_tick(frame, name) for name in names])


def _tick(frame: pd.DataFrame, name: str) -> str:
    table = tables.intervals(frame, "epsilon_1e-3")
    at = table[table["level"] == name]["mean"]
    if at.empty:
        return f"{name}\n∞"
    low, high = f"{at.min():,.0f}", f"{at.max():,.0f}"
    return f"{name}\n{low}" if low == high else f"{name}\n{low}–{high}"


def _accuracy_levels(axis: Axes, results: Results) -> None:
    frame = results.frame
    real = frame[frame["metric"] == "accuracy_real"]["value"].mean()
    chance = 1 / len(results.reference()["classes"])
    axis.axhline(real, color="0.3", linestyle="--", linewidth=1)
    axis.axhline(chance, color="0.3", linestyle=":", linewidth=1)
    right = axis.get_xlim()[1]
    axis.text(right, real, "real images ", ha="right", va="bottom", fontsize=8)
    axis.text(right, chance, "chance ", ha="right", va="bottom", fontsize=8)
    axis.set_ylim(0, 1)


def ecdf(results: Results, model: str, *, seed: int = 0) -> Figure:
    """Distances to the nearest training image: synthetic per level, hold-out in black (Fig. 11)."""
    cells = [c for c in _ordered(results) if c.model == model and c.seed == seed]
    figure, ((axis,),) = _panels(size=(6.4, 4.0))
    for cell, colour in zip(cells, sns.color_palette("viridis", len(cells)), strict=True):
        axis.ecdf(results.arrays(cell)["distances_synthetic"], color=colour, label=_title(cell))
    holdout = results.arrays(cells[0])["distances_holdout"]
    axis.ecdf(holdout, color="black", linewidth=2, label="hold-out images")
    axis.set(xlabel="Euclidean distance to the nearest training image", ylabel="share of images")
    axis.legend(frameon=False)
    return figure


def training(results: Results, model: str, *, seed: int = 0) -> Figure:
    """How the full run went, per level: loss, gradient norms, and the signal left under the noise.

    The norm is the median over records before clipping; the dotted line is the clipping norm C.
    The signal-to-noise ratio is the norm of the clipped sum over the expected norm of the noise.
    """
    cells = [c for c in _ordered(results) if c.model == model and c.seed == seed]
    figure, axes = _panels(1, 3, size=(12, 3.4))
    panels = {"loss": "mean loss", "norm": "median gradient norm", "snr": "signal-to-noise"}
    for cell, colour in zip(cells, sns.color_palette("viridis", len(cells)), strict=True):
        history = results.arrays(cell)
        for axis, name in zip(axes[0], panels, strict=True):
            values = history[f"history/{name}"]
            if np.isfinite(values).any():
                axis.plot(history["history/step"], values, color=colour, label=_title(cell))
    for axis, (name, title) in zip(axes[0], panels.items(), strict=True):
        axis.set(title=title, xlabel="step", yscale="linear" if name == "loss" else "log")
    axes[0, 1].axhline(cells[0].preset.training.max_grad_norm, color="0.3", linestyle=":")
    axes[0, 0].legend(frameon=False)
    return figure


def accountant(sigmas: Sequence[float], steps: Sequence[int], *, delta: float) -> Figure:
    """The accountant's epsilon at full batch against sigma, a line per number of steps."""
    figure, ((axis,),) = _panels(size=(6.4, 4.0))
    for run, colour in zip(steps, sns.color_palette("viridis", len(steps)), strict=True):
        values = [accounting.epsilon(sigma, steps=run, delta=delta) for sigma in sigmas]
        axis.plot(sigmas, values, color=colour, label=f"{run:,} steps")
    axis.axhspan(0, 10, color="tab:green", alpha=0.12)
    axis.text(sigmas[0], 10, " commonly called private: ε ≤ 10", va="top", fontsize=8)
    axis.set(xscale="log", yscale="log", xlabel="noise multiplier σ", ylabel="ε at full batch")
    axis.legend(frameon=False)
    return figure


def trade_off(results: Results, fidelity: str = "fd_lite0") -> Figure:
    """Utility against fidelity and against empirical epsilon, one point per cell.

    Colour is the model, shape the level. Better is up and to the left in both panels.
    """
    wide = (
        tables.with_level(results.frame)
        .pivot_table(
            index=["model", "level", "seed"], columns="metric", values="value", observed=True
        )
        .reset_index()
    )
    wide["model"] = wide["model"].map(MODEL_NAMES)
    colours = {MODEL_NAMES[model]: colour for model, colour in COLOURS.items()}
    figure, ((left, right),) = _panels(1, 2, size=(9, 3.8))
    for axis, x in ((left, fidelity), (right, "epsilon_hat")):
        sns.scatterplot(
            wide,
            x=x,
            y="accuracy",
            hue="model",
            style="level",
            palette=colours,
            s=90,
            ax=axis,
            legend=axis is right,
        )
        axis.set(xlabel=LABELS[x], ylabel=LABELS["accuracy"])
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def _ordered(results: Results) -> list[Cell]:
    names = tables.levels(results.frame)
    return sorted(results.cells, key=lambda c: names.index(tables.level(c.arm, c.sigma)))


def _title(cell: Cell) -> str:
    return f"σ = {cell.sigma:g}" if cell.arm == "dp" else cell.arm
