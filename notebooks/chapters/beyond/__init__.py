"""The second paper's generators on data it would have used: many images, and how many it takes.

`plan` says what is measured: on TRI's own Corn set, whole, and on BloodMNIST with 10, 100 and 300
images of each class. `classifier` is TRI's with two attacks and a baseline of four pixels,
`experiment` measures and keeps, `tables` and `figures` show what is collected.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from helpers.data import datasets
from helpers.models.families import FAMILIES

from . import experiment, plan, tables
from .plan import Plan


def collect() -> Path:
    """Measure what the plans lack, seven hours of one core in all, and collect it.

    Raises `assets.Unavailable` at once if the images of one cannot be had.
    """
    for each in plan.PLANS:
        datasets.identity(each.dataset)
    for each in plan.PLANS:
        experiment.run(each, each.units())
        path = experiment.collect(each)
    return path.parent


def basis(found: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """What is collected of Corn: steps of the generators, and the seeds of each multiple."""
    rows = {}
    for model in models:
        training = plan.CORN.preset(model).training
        row = {"steps": f"{training.steps:,}", "batch": training.batch}
        for multiple in sorted(plan.CORN.multiples):
            there = tables.values(found, plan.SETTINGS[0], model, multiple)
            row[f"seeds at {multiple}x"] = len(there)
        rows[FAMILIES[model].title] = row
    return pd.DataFrame(rows).T


def glued(prefix: str, found: pd.DataFrame, of: Plan) -> dict[str, float]:
    """The numbers that prose quotes, by name: `corn_accuracy_real` and the like, means over seeds.

    `half_width`: of a 95 % interval of the difference of two accuracies near that of the real
    images, in points, from the size of the test set alone and as if on different images.
    """
    numbers = {
        f"{metric}_{setting}": tables.mean(found, setting, "", 0, metric)
        for setting in plan.BASELINES
        for metric in ("accuracy", "corners", "deepfool_paper", "deepfool_wrong_before")
    }
    for model in plan.MODELS:
        for setting in plan.SETTINGS:
            name = f"{setting.replace('+', '_')}_{model}"
            numbers[f"accuracy_{name}"] = tables.mean(found, setting, model, 1)
        numbers[f"corners_synthetic_{model}"] = tables.mean(found, "synthetic", model, 1, "corners")
    for row in tables.gains(found).itertuples():
        if row.multiple <= 1 and row.gain:
            name = "_".join(filter(None, ("gain", row.setting.replace("+", "_"), row.model)))
            numbers[name] = 100 * row.gain.mean
    for model in (*plan.MODELS, experiment.REFERENCE):
        for metric in (*tables.DESCRIBED, "autoencoder_l1"):
            value = tables.mean(found, "generator", model, 0, metric, "")
            numbers[f"{metric}_{model}"] = value
    for setting, model, multiple in tables.settings(found):
        name = "_".join(filter(None, ("epochs", setting.replace("+", "_"), model)))
        numbers[name] = tables.mean(found, setting, model, multiple, "accuracy", "epochs")
    first = tables.values(found, "real", "", 0)
    numbers["accuracy_real_0"] = float(first.get(plan.SEEDS[0], math.nan))
    speed = "images_per_core_second_"
    numbers["slower"] = numbers[f"{speed}cvae"] / numbers[f"{speed}latent_diffusion"]
    numbers["l1"] = numbers["autoencoder_l1_latent_diffusion"]
    real = numbers["accuracy_real"]
    numbers["half_width"] = 196 * math.sqrt(2 * real * (1 - real) / of.tested)
    numbers |= {"steps": of.steps, "generator_steps": of.generator_steps, "tested": of.tested}
    return {f"{prefix}_{name}": value for name, value in numbers.items() if value == value}
