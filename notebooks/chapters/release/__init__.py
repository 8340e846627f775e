"""Experiments of the chapter on guarantees: one release beside its rivals.

`standin` chose the options on public letters and `tuning` those of rivals, `drawn` tried there to
draw images in place of selecting them, `plan` says what is measured, `experiment` measures and
keeps it, `tables` and `figures` show it, `audit` attacks the release.
"""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from helpers.models import one_shot
from helpers.randomness import generator as stream
from helpers.training import release as training

from . import audit, drawn, experiment, labelled, plan, standin, tables, tuning


def collect() -> Path:
    """Measure what the plan lacks, hours of one core in all, and collect it; the CSV's path."""
    standin.collect()
    drawn.collect()
    tuning.collect()
    experiment.run(plan.units())
    return experiment.collect(plan.units())


def glued() -> dict[str, float]:
    """The numbers that prose quotes, by name: `guarantees_release_mnist_3` and the like."""
    numbers = {}
    for dataset, public in plan.SIMULATED.items():
        numbers[f"guarantees_private_{dataset}"] = tables.ceiling(dataset).mean
        for epsilon in (*plan.EPSILONS, 0.0, math.inf):
            mean = tables.of(dataset, "release", public, epsilon).mean
            numbers[f"guarantees_release_{dataset}_{epsilon:g}"] = mean
        for epsilon in plan.EPSILONS:
            mean = tables.of(dataset, "prior", public, epsilon).mean
            numbers[f"guarantees_prior_{dataset}_{epsilon:g}"] = mean
    best = {
        (dataset, epsilon): max(
            tables.of(dataset, model, "", epsilon).mean for model in plan.STEPWISE
        )
        for dataset, epsilon in itertools.product(plan.SIMULATED, plan.EPSILONS)
    }
    numbers["guarantees_stepwise_mnist_10"] = best.pop(("mnist", 10.0))
    numbers["guarantees_stepwise_rest"] = max(best.values())
    alike = [(d, side) for d, sides in plan.FOLDERS.items() for side in sides if side != "letters"]
    for epsilon in plan.EPSILONS:
        shares = [100 * tables.kept(*each, epsilon) for each in alike]
        numbers[f"guarantees_folder_least_{epsilon:g}"] = min(shares)
        numbers[f"guarantees_folder_most_{epsilon:g}"] = max(shares)
    for encoder, mean in tables.by_encoder("organamnist", 1.0).mean().items():
        numbers[f"guarantees_encoder_{encoder}"] = mean
    for kind in labelled.KINDS:
        mean = tables.of("mnist", "labelled", kind, 0.0).mean
        numbers[f"guarantees_labelled_{kind.split('-')[0]}"] = mean
    numbers["guarantees_private_octmnist"] = tables.ceiling("octmnist").mean
    numbers["guarantees_release_octmnist_10"] = tables.of(
        "octmnist", "release", "phantoms", 10.0
    ).mean
    return numbers | drawn.glued()


def attacked(epsilons: Sequence[float], trials: int) -> pd.DataFrame:
    """What attacks on releases prove, at the noise that is claimed and at 0.8 times it."""
    units = torch.randn(30, one_shot.DIMENSION, generator=stream(0, "audit"), dtype=torch.float64)
    units = units / units.norm(dim=1, keepdim=True) * (1 - 1e-9)
    labels, rows = torch.arange(30) % 3, []
    for epsilon in epsilons:
        sigma = training.noise_multiplier_for(epsilon, delta=experiment.DELTA)
        for share in (1.0, 0.8):
            noise = audit.weaker(audit.seeded(0), share)
            how = {"delta": experiment.DELTA, "trials": trials, "noise": noise}
            found = audit.attack(units, labels, sigma, **how)
            rows.append(
                {
                    "ε claimed": f"{found.claimed:.2f}",
                    "noise": "as claimed" if share == 1 else f"secretly {share} times it",
                    "ε proven": f"{found.proven:.2f}",
                }
            )
    return pd.DataFrame(rows)
