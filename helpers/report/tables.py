"""Results as tables: means over seeds with their 90 % interval and the number of seeds."""

import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..metrics import plane
from ..metrics.statistics import mean_interval
from ..models.families import REFERENCES, VARIANTS
from ..study.cell import MODELS
from ..study.results import Results

DIGITS = {  # decimals shown; what is not named here is shown with 3
    "fid": 1,
    "fid_inf": 1,
    "fd_lite0": 1,
    "psnr": 2,
    "psnr_paper": 2,
    "fid_paper": 1,
    "is_lite0": 2,
    "is_lite0_paper": 2,
    "epsilon_hat": 2,
    "epsilon_hat_paper": 2,
    "log_density_ratio": 2,
    "epsilon_lower": 2,
    "epsilon_lower_loss": 2,
    "epsilon_1e-3": 0,
    "epsilon_1e-5": 0,
    "noised_parameters": 0,
    "noise_to_signal": 2,
}


_NULL_SEEDS = 3  # fewer make no null to hold a leak against


def level(arm: str, sigma: float) -> str:
    """How an arm is written on an axis: "sgd", "clipped" or the noise multiplier."""
    return f"{sigma:g}" if arm == "dp" else arm


def levels(frame: pd.DataFrame) -> list[str]:
    """The levels present in a tidy frame, from no clipping to most noise."""
    order = {"none": 0, "sgd": 1, "clipped": 2, "dp": 3}
    pairs = set(zip(frame["arm"], frame["sigma"], strict=True))
    return [level(arm, s) for arm, s in sorted(pairs, key=lambda pair: (order[pair[0]], pair[1]))]


def with_level(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `level`, an ordered category."""
    names = [level(arm, s) for arm, s in zip(frame["arm"], frame["sigma"], strict=True)]
    return frame.assign(level=pd.Categorical(names, categories=levels(frame), ordered=True))


def intervals(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Columns model, level, mean, low, high, n of one metric: the 90 % t interval over seeds."""
    rows = with_level(frame)
    rows = rows[rows["metric"] == metric]
    groups = rows.groupby(["model", "level"], observed=True, sort=True)["value"]
    table = [(*key, *mean_interval(list(values))) for key, values in groups]
    return pd.DataFrame(table, columns=["model", "level", "mean", "low", "high", "n"])


def extent(results: Results) -> pd.DataFrame:
    """What a page rests on: per model the seeds, levels, trainings and hours of one core."""
    about, rows = results.provenance["cells"], {}
    for model, group in itertools.groupby(results.cells, key=lambda cell: cell.model):
        cells = list(group)
        rows[model] = {
            "seeds": len({cell.seed for cell in cells}),
            "levels": len({(cell.arm, cell.sigma) for cell in cells}),
            "trainings": sum(0 if cell.is_reference else len(cell.roles) for cell in cells),
            "core-hours": round(sum(about[cell.name]["core_seconds"] for cell in cells) / 3600, 1),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return table.sort_index(key=_by_model)


def summary(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """One row per model and level, one column per metric: "mean ± half-width" as text.

    A metric without a value there shows as "∞" if it is the accountant's epsilon of a model trained
    without noise, else as "–". The last column is the number of seeds.
    """
    columns = {}
    for metric in metrics:
        table = intervals(frame, metric).set_index(["model", "level"])
        columns[metric] = table.apply(lambda row, m=metric: _text(row, DIGITS.get(m, 3)), axis=1)
    seeds = with_level(frame).groupby(["model", "level"], observed=True)["seed"].nunique()
    order = pd.MultiIndex.from_frame(
        with_level(frame)[["model", "level"]]
        .drop_duplicates()
        .sort_values(["model", "level"], key=_by_model)
    )
    result = pd.DataFrame(columns).reindex(order)
    trained = order.get_level_values("level") != "none"
    for metric in (m for m in metrics if m.startswith("epsilon_1e")):
        result.loc[trained, metric] = result.loc[trained, metric].fillna("∞")
    return result.fillna("–").assign(seeds=seeds.reindex(order))


def _by_model(column: pd.Series | pd.Index) -> pd.Series | pd.Index:
    """Models in the order of the presets; other columns as they are."""
    if column.name != "model":
        return column
    names = [*MODELS, *VARIANTS, *REFERENCES]
    return column.map({name: place for place, name in enumerate(names)})


# The metrics that rank generators, by the sign that makes less of them better.
BETTER = {
    +1: [
        "fid",
        "fid_inf",
        "fid_paper",
        "kid",
        "fd_lite0",
        "kid_lite0",
        "lpips",
        "lpips_paper",
        "epsilon_hat",
        "epsilon_hat_paper",
        "ecdf_ks",
        "ecdf_ks_directed",
        "ecdf_w1",
        "ecdf_ks_paper",
        "ecdf_area_paper",
        "copy_rate",
        "max_ssim",
        "mia_auc",
        "mia_tpr",
        "epsilon_lower",
    ],
    -1: [
        "is_lite0",
        "is_lite0_paper",
        "psnr",
        "psnr_paper",
        "ssim",
        "ssim_paper",
        "precision",
        "recall",
        "density",
        "coverage",
        "conditional_consistency",
        "accuracy",
        "balanced_accuracy",
        "adversarial_accuracy",
        "adversarial_accuracy_paper",
        "relative_distance",
    ],
}


def ranking(frame: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """How each metric of `BETTER` orders `models`, and what it says of copies.

    One row per metric that all models have. `order`: by the mean over seeds, as it is shown, best
    first. `copies against real`: worse or better if the 90 % interval of the difference, paired
    over seeds, keeps off 0; else no different. Models may have one level each.
    """
    rows = {}
    for metric, sign in ((m, s) for s, group in BETTER.items() for m in group):
        values = frame[frame["metric"] == metric].pivot(
            index="seed", columns="model", values="value"
        )
        if not set(models) <= set(values):
            continue
        loss = sign * values[list(models)]  # less is better
        means = loss.mean().round(DIGITS.get(metric, 3))
        order = means.sort_values(kind="stable").index
        signs = [" = " if means[a] == means[b] else ", " for a, b in itertools.pairwise(order)]
        text = "".join(itertools.chain(*zip(order, [*signs, ""], strict=True)))
        rows[metric] = (text, _compared(loss["copies"] - loss["real"]))
    columns = ["order, best first", "copies against real"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _compared(difference: pd.Series) -> str:
    """What a paired difference in loss says: its 90 % interval above 0, below it, or neither."""
    found = mean_interval(list(difference))
    if found.n == 1:
        return "–"
    if found.low > 0:
        return "worse"
    return "better" if found.high < 0 else "no different"


def leaks(results: Results, variant: str = "") -> pd.DataFrame:
    """The log density ratio at the query beside what it is between runs that never saw it (D10).

    One row per model and level: the mean ratio over seeds, the largest size of the null (pairs of
    ablated runs of different seeds), and how many seeds lie beyond it. `variant` "one_of_ten" is
    the second neighbour variant (D11). Needs three seeds of a level, else it shows "–": two have
    a single pair of runs, which may happen to lie close together.
    """
    means = intervals(results.frame, _ratio(variant)).set_index(["model", "level"])
    found, rows = _leaks(results, variant), []
    for key, mean in means.iterrows():
        leak = found.get(key)
        null = (f"{leak.largest:.2f}", f"{leak.beyond} of {leak.n}") if leak else ("–", "–")
        rows.append((_text(mean, 2), *null))
    columns = ["log density ratio", "largest without a leak", "seeds beyond it"]
    table = pd.DataFrame(rows, index=means.index, columns=columns)
    return table.sort_index(level="model", key=_by_model, sort_remaining=False, kind="stable")


class _Leak(NamedTuple):
    """Of a model and level: the largest size of the null, how many of n seeds lie beyond it."""

    largest: float
    beyond: int
    n: int


def _leaks(results: Results, variant: str = "") -> dict[tuple[str, str], _Leak]:
    """Of every model and level that has a null."""
    without = "omitted" if variant else "ablated"
    ratios, found = results.frame[results.frame["metric"] == _ratio(variant)], {}
    for key, group in with_level(ratios).groupby(["model", "level"], observed=True):
        cells = [c for c in results.cells if (c.model, level(c.arm, c.sigma)) == key]
        if len(cells) < _NULL_SEEDS:
            continue
        arrays = [results.arrays(cell) for cell in cells]
        null = plane.null_log_density_ratios(
            [a[f"points_{without}"] for a in arrays],
            [a["points_query"] for a in arrays],
            cells[0].evaluation.neighbors,
        )
        largest = float(np.abs(null).max())
        found[key] = _Leak(largest, int((group["value"].abs() > largest).sum()), len(cells))
    return found


def _ratio(variant: str) -> str:
    return f"log_density_ratio_{variant}" if variant else "log_density_ratio"


def _text(row: pd.Series, digits: int) -> str:
    if row["n"] == 1 or math.isclose(row["high"], row["low"]):
        return f"{row['mean']:,.{digits}f}"
    return f"{row['mean']:,.{digits}f} ± {row['high'] - row['mean']:,.{digits}f}"


def value(frame: pd.DataFrame, metric: str, model: str, level_name: str) -> float:
    """The mean over seeds of one metric at one model and level, for numbers in prose."""
    table = intervals(frame, metric).set_index(["model", "level"])
    return float(table.loc[(model, level_name), "mean"])


def answers(results: Results) -> dict[str, float]:
    """The numbers of a chapter's prose: means of each model without and with the most noise.

    `<metric>_<model>_plain` and `..._noisy`, of real images `<metric>_floor`, what they stand
    beside, and from three seeds on `leaks_<model>_<end>`: in how many a leak shows. Empty for a
    slice of the grid that lacks one of the two levels.
    """
    frame = results.frame
    trained = frame[frame["model"].isin(MODELS)]
    names = levels(trained)
    ends = {"plain": "sgd", "noisy": names[-1]}
    if names[0] != "sgd" or names[-1] in ("sgd", "clipped"):
        return {}
    found = {
        f"{metric}_{model}_{end}": value(frame, metric, model, name)
        for metric in ("fid", "accuracy", "epsilon_hat", "conditional_consistency")
        for model in trained["model"].unique()
        for end, name in ends.items()
        if metric in set(frame["metric"])
    }
    found |= {
        f"{metric}_floor": value(frame, metric, "real", "none")
        for metric in ("fid", "accuracy")
        if metric in set(frame["metric"])
    }
    found |= {
        f"leaks_{model}_{end}": float(leak.beyond)
        for (model, at), leak in _leaks(results).items()
        for end, name in ends.items()
        if at == name
    }
    model = trained["model"].iloc[0]
    return found | {
        "accuracy_real": value(frame, "accuracy_real", model, "sgd"),
        "epsilon_noisy": value(frame, "epsilon_1e-3", model, names[-1]),
        "chance": 1 / len(results.reference()["classes"]),
        "sigma": float(names[-1]),
        "seeds": float(trained["seed"].nunique()),
    }


def benchmark(name: str) -> pd.DataFrame:
    """The bars of a stored benchmark: what was measured, the value, the bar and whether it holds.

    Reads `benchmarks/results/<name>.json`; raises `FileNotFoundError` if `make bench` never ran.
    """
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"benchmarks/results/{name}.json is missing; run `make bench`")
    stored = json.loads(path.read_text())
    table = pd.DataFrame(stored["bars"])[["name", "value", "bar", "holds"]]
    host = stored["host"]
    return table.set_index("name").rename_axis(f"{host['processor']}, {stored['date']}")
