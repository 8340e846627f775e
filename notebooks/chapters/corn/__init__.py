"""The second paper's generators on its Corn set, with many images, whole and real.

`plan` says what is measured, `classifier` is TRI's with two attacks and a baseline of four pixels,
`experiment` measures and keeps, `tables` and `figures` show what is collected.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from helpers.models.families import FAMILIES

from . import experiment, plan, tables


def collect() -> Path:
    """Measure what the plan lacks, an hour or two of one core in all, and collect it."""
    experiment.run(plan.units())
    return experiment.collect(plan.units())


def basis(found: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """What is collected: steps of the generators, and the seeds of each multiple."""
    rows = {}
    for model in models:
        training = plan.preset(model).training
        epochs = training.steps * training.batch / plan.IMAGES
        row = {"steps": f"{training.steps:,}", "epochs": f"{epochs:.1f}", "TRI's epochs": "100"}
        for multiple in sorted(plan.MULTIPLES):
            there = tables.values(found, plan.SETTINGS[0], model, multiple)
            row[f"seeds at {multiple}x"] = len(there)
        rows[FAMILIES[model].title] = row
    return pd.DataFrame(rows).T


def glued(found: pd.DataFrame) -> dict[str, float]:
    """The numbers that prose quotes, by name: `corn_accuracy_real` and the like.

    `corn_half_width`: of a 95 % interval of the difference of two accuracies near that of the real
    images, in points, from the size of the test set alone and as if on different images.
    """
    numbers = {
        f"corn_{metric}_{setting}": tables.mean(found, setting, "", 0, metric)
        for setting in plan.BASELINES
        for metric in ("accuracy", "corners", "deepfool_paper", "deepfool_wrong_before")
    }
    for model in plan.MODELS:
        for setting in plan.SETTINGS:
            name = f"{setting.replace('+', '_')}_{model}"
            numbers[f"corn_accuracy_{name}"] = tables.mean(found, setting, model, 1)
        numbers[f"corn_corners_synthetic_{model}"] = tables.mean(
            found, "synthetic", model, 1, "corners"
        )
    for model in (*plan.MODELS, experiment.REFERENCE):
        for metric in tables.DESCRIBED:
            value = tables.mean(found, "generator", model, 0, metric, "")
            numbers[f"corn_{metric}_{model}"] = value
    real = numbers["corn_accuracy_real"]
    numbers["corn_half_width"] = 196 * math.sqrt(2 * real * (1 - real) / plan.TESTED)
    numbers |= {"corn_steps": plan.STEPS, "corn_tested": plan.TESTED}
    l1 = "autoencoder_l1"
    numbers["corn_l1"] = tables.mean(found, "generator", "latent_diffusion", 0, l1, "")
    return {name: value for name, value in numbers.items() if value == value}
