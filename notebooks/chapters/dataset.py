"""What the chapters on the data sets share: their figures, and the numbers of their prose.

Figures take results and are as in `helpers.report.figures`.
"""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from chapters import matched
from helpers.models.families import REFERENCES
from helpers.report.figures import cells_of
from helpers.report.style import (
    COLOURS,
    TITLES,
    level,
    levels,
    panels,
    title,
    trained,
    with_level,
    written,
)
from helpers.report.tables import leaked, value
from helpers.study.results import Results

TOLD = ("fid", "accuracy", "epsilon_hat", "conditional_consistency")  # at both ends of the noise


def answers(results: Results) -> dict[str, float]:
    """Means of each model without and with the most noise.

    `<metric>_<model>_plain` and `..._noisy`, of real images `<metric>_floor`, what they stand
    beside, `proved_real`, the most that the attack "proves" of them, `leak_p_<model>_<end>`, the p
    value of a leak, `leaks_<model>`, at how many levels of noise it is at most 0.05, and how much
    noise a sigma is (`matched.answers`). Empty for a slice of the grid that lacks one of the two
    levels.
    """
    frame = results.frame
    rows, measured = trained(frame), set(frame["metric"])
    names = levels(rows)
    ends = {"plain": "sgd", "noisy": names[-1]}
    if names[0] != "sgd" or names[-1] in ("sgd", "clipped"):
        return {}
    found = {
        f"{metric}_{model}_{end}": value(frame, metric, model, name)
        for metric in TOLD
        for model in rows["model"].unique()
        for end, name in ends.items()
        if metric in measured
    }
    found |= {
        f"{metric}_floor": value(frame, metric, "real", "none")
        for metric in ("fid", "accuracy")
        if metric in measured
    }
    if "epsilon_lower" in measured:
        of_real = frame[(frame["model"] == "real") & (frame["metric"] == "epsilon_lower")]
        found["proved_real"] = float(of_real["value"].max())
    found |= _leaks(results, ends)
    model, classes = rows["model"].iloc[0], len(results.reference()["classes"])
    found |= matched.answers(rows["model"].unique(), classes, results.cells[0].scale)
    return found | {
        "accuracy_real": value(frame, "accuracy_real", model, "sgd"),
        "epsilon_noisy": value(frame, "epsilon_1e-3", model, names[-1]),
        "chance": 1 / classes,
        "sigma": float(names[-1]),
        "seeds": float(rows["seed"].nunique()),
    }


def _leaks(results: Results, ends: dict[str, str]) -> dict[str, float]:
    """What `answers` tells of leaks."""
    found = leaked(results)
    models = dict.fromkeys(model for model, _ in found if model not in REFERENCES)
    noisy = [name for name in dict.fromkeys(name for _, name in found) if not name.isalpha()]
    told = {
        f"leak_p_{model}_{end}": found[model, name].p
        for model in models
        for end, name in ends.items()
        if (model, name) in found
    }
    return told | {
        f"leaks_{model}": float(
            sum((model, at) in found and found[model, at].p <= 0.05 for at in noisy)
        )
        for model in models
    }


# Figures


def plane(results: Results) -> Figure:
    """The public images on the Isomap plane, the query class marked (NFL Fig. 5, 13, 14)."""
    reference = results.reference()
    points, labels = reference["points"], reference["labels"]
    figure, ((axis,),) = panels(size=(6.4, 5.4))
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
    longest = max(len(str(name)) for name in reference["classes"])
    columns = 2 if longest > 15 else 4
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return figure


def ecdf(results: Results, models: Sequence[str], *, seed: int = 0) -> Figure:
    """Distances to the nearest training image, a panel per model (NFL Fig. 11, 15, 17).

    Synthetic images have one curve per level, hold-out images the black one.
    """
    figure, axes = panels(1, len(models), size=(0.4 + 2.9 * len(models), 3.8))
    colours = _level_colours(results)
    for axis, model in zip(axes[0], models, strict=True):
        cells = cells_of(results, model, seed)
        for cell in cells:
            distances = results.arrays(cell)["distances_synthetic"]
            axis.ecdf(distances, color=colours[title(cell)], label=title(cell))
        holdout = results.arrays(cells[0])["distances_holdout"]
        axis.ecdf(holdout, color="black", linewidth=2, label="hold-out images")
        axis.set(
            title=f"{TITLES[model]}, seed {seed}", xlabel="distance to nearest\ntraining image"
        )
    axes[0, 0].set_ylabel("share of images")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def typical(results: Results) -> list[str]:
    """Levels that stand for the others: the least noise, and 0.2 or else the most there is."""
    names = levels(trained(results.frame))
    return list(dict.fromkeys([names[0], "0.2" if "0.2" in names else names[-1]]))


def histograms(results: Results, models: Sequence[str], *, bins: int = 30) -> Figure:
    """Where ablated and victim runs put their images on the plane, the query a cross (Fig. 8).

    At the `typical` levels, of each model its `middle_seed`. Counts per square, on one scale in a
    row; the part of the plane that public images occupy.
    """
    frame = results.reference()["points"]
    edges = [np.linspace(low, high, bins + 1) for low, high in zip(*_extent(frame), strict=True)]
    shown = [(name, role) for name in typical(results) for role in ("ablated", "victim")]
    figure, axes = panels(len(models), len(shown), size=(2.4 * len(shown), 2.4 * len(models) + 0.4))
    for row, model in zip(axes, models, strict=True):
        seed = middle_seed(results, model)
        arrays = {level(c.arm, c.sigma): results.arrays(c) for c in cells_of(results, model, seed)}
        counts = [np.histogram2d(*arrays[n][f"points_{r}"].T, edges)[0] for n, r in shown]
        top = np.percentile(np.stack(counts), 99.5)
        for axis, (name, role), count in zip(row, shown, counts, strict=True):
            axis.pcolormesh(*edges, count.T, cmap="rocket_r", vmin=0, vmax=top)
            axis.plot(*arrays[name]["points_query"][0], "+", color="tab:cyan", ms=13, mew=2.5)
            axis.set(xticks=[], yticks=[])
            axis.set_title(f"{TITLES[model]}, {written(name)}\n{role}, seed {seed}", fontsize=10)
    return figure


def middle_seed(results: Results, model: str) -> int:
    """The seed whose leak at the least noise is the median of the seeds', the lower of two."""
    rows = results.frame[results.frame["metric"] == "log_density_ratio"]
    rows = with_level(rows[rows["model"] == model])
    first = rows[rows["level"] == typical(results)[0]].sort_values(["value", "seed"])
    return int(first["seed"].iloc[(len(first) - 1) // 2])


def _level_colours(results: Results) -> dict[str, tuple[float, ...]]:
    """A colour per level with noise, from little (dark) to much; grey without."""
    names = levels(trained(results.frame))
    noisy = [written(name) for name in names if not name.isalpha()]
    palette = dict(zip(noisy, sns.color_palette("viridis", len(noisy)), strict=True))
    return {"sgd": (0.45, 0.45, 0.45), "clipped": (0.7, 0.7, 0.7)} | palette


def _extent(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the part of the plane that holds all but the outermost points [N, 2]."""
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    return low - 0.1 * (high - low), high + 0.1 * (high - low)


def coverage(results: Results, model: str, *, seed: int = 0) -> Figure | None:
    """Public images on the plane in grey, the model's images above them (NFL Fig. 9).

    At the `typical` levels and, between them, clipped without noise. `None` where the points of
    the full run are not kept: only cells with the second neighbour variant (D11) have them.
    """
    names = {*typical(results), "clipped"}
    cells = [
        cell
        for cell in cells_of(results, model, seed)
        if cell.level in names and "points_full" in results.arrays(cell)
    ]
    if not cells:
        return None
    figure, axes = panels(1, len(cells), size=(3.2 * len(cells), 3.2))
    public = results.reference()["points"]
    for axis, cell in zip(axes[0], cells, strict=True):
        axis.scatter(*public.T, s=6, color="0.75", label="public images")
        points = results.arrays(cell)["points_full"]
        axis.scatter(*points.T, s=6, color=COLOURS[model], label=f"{TITLES[model]} images")
        axis.set(title=f"{title(cell)}, seed {seed}", xticks=[], yticks=[])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2, markerscale=2, frameon=False
    )
    return figure
