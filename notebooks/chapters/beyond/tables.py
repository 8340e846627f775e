"""The numbers of a page: means over seeds, differences seed by seed, Holm over settings."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import ttest_1samp

from helpers.data.records import DATASETS
from helpers.metrics.statistics import Interval, mean_interval
from helpers.models.families import FAMILIES
from helpers.report.style import number, text

from . import experiment
from .experiment import REFERENCE, results
from .plan import BATCH, BLOOD, MODELS, SEEDS, SETTINGS, Plan

ROWS = {
    "real": "real images alone",
    "geometric": "real, turned and flipped",
    "synthetic": "synthetic alone",
    "real+synthetic": "real and synthetic",
    "combined": "both, turned and flipped",
}
PAPER = {  # TRI's Table 4, Corn: accuracy of its VAE, StyleGAN2 and latent diffusion
    "real": (0.917,) * 3,
    "geometric": (0.901,) * 3,
    "synthetic": (0.536, 0.746, 0.756),
    "real+synthetic": (0.912, 0.909, 0.925),
    "combined": (0.894, 0.880, 0.961),
}
DESCRIBED = {  # of generators: how it is written, and its decimals
    "precision": ("precision", 2),
    "recall": ("recall", 2),
    "fd_vgg16": ("Fréchet distance", 1),
    "max_ssim": ("max-SSIM", 3),
    "copy_rate": ("copy rate", 3),
    "membership_auc": ("membership AUC", 3),
    "loss_auc": ("loss AUC", 3),
    "images_per_core_second": ("images / core-second", 0),
    "training_core_seconds": ("training, core-seconds", 0),
    "parameters": ("parameters", 0),
}


def frame(plan: Plan, models: Sequence[str] = MODELS) -> pd.DataFrame:
    """What is collected of these generators and of no generator, tidy.

    Raises `ValueError` for a name that plans lack.
    """
    if unknown := [model for model in models if model not in MODELS]:
        raise ValueError(f"models {unknown} are not of this page; allowed: {list(MODELS)}")
    found = pd.read_csv(results(plan, "csv"), keep_default_na=False)
    return found[found["model"].isin([*models, "", REFERENCE])]


def collected(found: pd.DataFrame) -> list[str]:
    """The generators in a frame, in the plans' order."""
    there = set(found["model"])
    return [model for model in MODELS if model in there]


def values(
    found: pd.DataFrame,
    setting: str,
    model: str,
    multiple: int,
    metric: str = "accuracy",
    protocol: str = "steps",
) -> pd.Series:
    """A metric by seed; empty if it is not collected."""
    at = (found["setting"] == setting) & (found["model"] == model) & (found["metric"] == metric)
    at &= (found["multiple"] == multiple) & (found["protocol"] == protocol)
    return found[at].set_index("seed")["value"].sort_index()


def interval(values: pd.Series) -> Interval | None:
    """A mean over seeds with its 90 % interval; `None` of nothing."""
    return mean_interval(values.tolist()) if len(values) else None


def _written(values: pd.Series, digits: int, **how: bool) -> str:
    found = interval(values)
    if found and math.isclose(found.low, found.high):  # the same in every seed
        return number(found.mean, digits, **how)
    return text(found, digits, **how) if found else "–"


def settings(found: pd.DataFrame) -> list[tuple[str, str, int]]:
    """The collected (setting, model, multiple) in the order of pages."""
    there = found[(found["metric"] == "accuracy") & (found["protocol"] == "steps")]
    keys = set(there[["setting", "model", "multiple"]].itertuples(index=False, name=None))
    models = ("", *MODELS)
    return sorted(keys, key=lambda k: (models.index(k[1]), list(ROWS).index(k[0]), k[2]))


def gains(found: pd.DataFrame, than: str = "real", metric: str = "accuracy") -> pd.DataFrame:
    """A row per setting: `gain` over a baseline seed by seed, `p` two-sided and `holm`.

    One seed has no p, and differences that are all equal have the limit's, 0, or 1 where they are
    0. Holm's steps (1979) are over all rows that have one.
    """
    base, rows = values(found, than, "", 0, metric), []
    for setting, model, multiple in settings(found):
        if setting == than:
            continue
        here = values(found, setting, model, multiple, metric)
        difference = (here - base[base.index.isin(here.index)]).dropna()
        rows.append((setting, model, multiple, interval(difference), _p_value(difference)))
    table = pd.DataFrame(rows, columns=["setting", "model", "multiple", "gain", "p"])
    return table.assign(holm=holm(table["p"].tolist()))


def _p_value(difference: pd.Series) -> float:
    """Of the t test over seeds that the mean is 0."""
    if len(difference) < 2:
        return math.nan
    if difference.nunique() == 1:
        return float(not difference.any())
    return float(ttest_1samp(difference, 0).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: of n, the k-th least times n - k + 1, never less than the one
    before; NaN stays and is not counted."""
    known = [i for i, p in enumerate(p_values) if not math.isnan(p)]
    adjusted, highest = [math.nan] * len(p_values), 0.0
    for rank, i in enumerate(sorted(known, key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(known) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def utility(found: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of every setting, its gain over real images alone in points, Holm's p, what the
    corner pixels of the same training set reach, and TRI's accuracy at 1x."""
    by = gains(found).set_index(["setting", "model", "multiple"])
    rows = []
    for setting, model, multiple in settings(found):
        key = (setting, model, multiple)
        gain, p = (by.loc[key, "gain"], by.loc[key, "holm"]) if key in by.index else (None, None)
        points = gain and Interval(*(100 * v for v in gain[:3]), gain.n)
        column = MODELS.index(model) if model else 0
        rows.append(
            {
                "model": FAMILIES[model].title if model else "",
                "training set": ROWS[setting] + (f", {multiple}x" if multiple else ""),
                "accuracy": _written(values(found, *key), 3),
                "gain, points": text(points, 1, signed=True) if points else "",
                "Holm's p": "" if p is None or math.isnan(p) else f"{p:.2f}",
                "corner pixels": _written(values(found, *key, "corners"), 3),
                "TRI": number(PAPER[setting][column], 3) if multiple <= 1 else "",
            }
        )
    return pd.DataFrame(rows).set_index(["model", "training set"])


def robustness(found: pd.DataFrame) -> pd.DataFrame:
    """What attacks leave of classifiers at 1x."""
    columns = {
        "accuracy": "accuracy",
        "deepfool_paper": "after DeepFool (TRI)",
        "deepfool_wrong_before": "of these wrong before",
        "deepfool_conditional": "of the right, after DeepFool",
        "deepfool_median": "median distance",
        "apgd_conditional": "of the right, after AutoPGD",
    }
    rows = []
    for setting, model, multiple in settings(found):
        if multiple <= 1:
            key = setting, model, multiple
            row = {"model": FAMILIES[model].title if model else "", "training set": ROWS[setting]}
            rows.append(row | {t: _written(values(found, *key, m), 3) for m, t in columns.items()})
    return pd.DataFrame(rows).set_index(["model", "training set"])


def generators(found: pd.DataFrame) -> pd.DataFrame:
    """Fidelity, diversity, speed and privacy of the generators, a column each, and of unseen real
    images what can be said of them."""
    there = set(found[found["setting"] == "generator"]["metric"])
    shown = {metric: how for metric, how in DESCRIBED.items() if metric in there}
    columns = {}
    for model in (*collected(found), REFERENCE):
        title = FAMILIES[model].title if model in FAMILIES else "unseen real images"
        columns[title] = [
            _written(values(found, "generator", model, 0, metric, ""), digits)
            for metric, (_, digits) in shown.items()
        ]
    return pd.DataFrame(columns, index=[name for name, _ in shown.values()])


def protocols(found: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Accuracy at `steps` steps beside TRI's 30 epochs, of the seed that has both."""
    rows = []
    for setting, model, multiple in settings(found):
        key, seed = (setting, model, multiple), SEEDS[0]
        long = values(found, *key, protocol="epochs")
        if seed in long.index:
            rows.append(
                {
                    "model": FAMILIES[model].title if model else "",
                    "training set": ROWS[setting],
                    f"{steps:,} steps": number(values(found, *key)[seed], 3),
                    "30 epochs": number(long[seed], 3),
                    "steps of these": number(values(found, *key, "steps", "epochs")[seed], 0),
                }
            )
    names = ["model", "training set"]
    return pd.DataFrame(rows).set_index(names) if rows else pd.DataFrame(columns=names)


def mean(found: pd.DataFrame, *key: str | int) -> float:
    """The mean over seeds of what `values` gives; NaN of nothing."""
    there = values(found, *key)
    return float(np.mean(there)) if len(there) else math.nan


# By the number of real images


def basis_by_number(models: Sequence[str]) -> pd.DataFrame:
    """What is collected of blood cells: sizes, epochs of a generator, and seeds at 1x."""
    rows = {}
    for plan in experiment.collected(BLOOD):
        images = plan.per_class * len(DATASETS[plan.dataset].classes)
        epochs = plan.generator_steps * BATCH / images
        row = {"training images": f"{images:,}", "steps": f"{plan.generator_steps:,}"}
        row["epochs of batches of 32"] = f"{epochs:,.0f}"
        found = frame(plan, models)
        for model in models:
            seeds = len(values(found, SETTINGS[0], model, 1))
            row[f"seeds, {FAMILIES[model].title}"] = seeds
        rows[f"n = {plan.per_class}"] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def by_number(models: Sequence[str], metric: str = "accuracy") -> pd.DataFrame:
    """A metric of classifiers at 1x, a column for each number of real blood cells of a class, with
    the gain over real images alone in points and Holm's p over all settings at that number."""
    columns, names = {}, ["model", "training set"]
    for plan in experiment.collected(BLOOD):
        found = frame(plan, models)
        by = gains(found, metric=metric).set_index(["setting", "model", "multiple"])
        cells = {}
        for setting, model, multiple in settings(found):
            if multiple <= 1:
                key = setting, model, multiple
                row = FAMILIES[model].title if model else "", ROWS[setting]
                written = _written(values(found, *key, metric), 3)
                if key in by.index:
                    gain, p = by.loc[key, "gain"], by.loc[key, "holm"]
                    written += f" ({100 * gain.mean:+.1f}{'*' if p < 0.05 else ''})"
                cells[row] = written
        columns[f"n = {plan.per_class}"] = pd.Series(cells)
    return pd.DataFrame(columns).rename_axis(names)


def generators_by_number(models: Sequence[str]) -> pd.DataFrame:
    """`generators` at each number of real blood cells of a class, below each other."""
    parts = {
        f"n = {plan.per_class}": generators(frame(plan, models))
        for plan in experiment.collected(BLOOD)
    }
    return pd.concat(parts, names=["real images", "measure"])
