"""Figures of the chapter on the generators."""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from helpers.report.figures import cells_of
from helpers.report.style import panels, title
from helpers.study.results import Results
from helpers.training import accounting


def training(results: Results, model: str, *, seed: int = 0) -> Figure:
    """How the full run went, per level: loss, gradient norms, and the signal left under the noise.

    The norm is the median over records before clipping; the dotted line is the clipping norm C.
    The signal-to-noise ratio is the norm of the clipped sum over the expected norm of the noise.
    """
    cells = cells_of(results, model, seed)
    figure, axes = panels(1, 3, size=(9.2, 3.2))
    shown = {"loss": "mean loss", "norm": "median gradient norm", "snr": "signal-to-noise"}
    for cell, colour in zip(cells, sns.color_palette("viridis", len(cells)), strict=True):
        history = results.arrays(cell)
        for axis, name in zip(axes[0], shown, strict=True):
            values = history[f"history/{name}"]
            if np.isfinite(values).any():
                axis.plot(history["history/step"], values, color=colour, label=title(cell))
    for axis, (name, heading) in zip(axes[0], shown.items(), strict=True):
        axis.set(title=heading, xlabel="step", yscale="linear" if name == "loss" else "log")
    axes[0, 1].axhline(cells[0].preset.training.max_grad_norm, color="0.3", linestyle=":")
    axes[0, 0].legend(frameon=False)
    return figure


def accountant(sigmas: Sequence[float], steps: Sequence[int], *, delta: float) -> Figure:
    """The accountant's epsilon at full batch against sigma, a line per number of steps."""
    figure, ((axis,),) = panels(size=(6.4, 4.0))
    for run, colour in zip(steps, sns.color_palette("viridis", len(steps)), strict=True):
        values = [accounting.epsilon(sigma, steps=run, delta=delta) for sigma in sigmas]
        axis.plot(sigmas, values, color=colour, label=f"{run:,} steps")
    axis.axhspan(0, 10, color="tab:green", alpha=0.12)
    axis.text(sigmas[0], 10, " commonly called private: ε ≤ 10", va="top", fontsize=8)
    axis.set(xscale="log", yscale="log", xlabel="noise multiplier σ", ylabel="ε at full batch")
    axis.legend(frameon=False)
    return figure
