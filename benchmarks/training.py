"""What one compact training of each model costs, and what it would with Opacus' hooks.

A whole training on 100 images in the arm `dp`, the dearest, on one thread, in processor time. The
rival differs in one thing: the clipped sum comes from Opacus' `GradSampleModule`; draws, noise,
optimiser, averaging and the GAN's other half are those of this project. It is trained for a few
steps, by turns with ours, and its whole training extrapolated by the median ratio.

    python benchmarks/training.py [--rounds 7]
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import report
import torch
from dp_step import sum_by_hooks
from opacus import GradSampleModule
from torch import nn

from helpers.data import datasets, draws
from helpers.metrics.evaluation import PRIVATE_PER_CLASS
from helpers.models import families, networks
from helpers.randomness import generator as stream
from helpers.training import dp, fit
from helpers.training.checkpoint import Checkpoint

LIMITS = {"vae": 60, "gan": 60, "ddpm": 150}  # core-seconds
STEPS = 10  # of a training that is compared with the rival's
SIGMA = 0.1


def train(
    name: str,
    steps: int | None = None,
    *,
    scale: str = "compact",
    arm: str = "dp",
    checkpoint: Checkpoint | None = None,
    rival: bool = False,
) -> tuple[dict, float]:
    """The history of a training on 100 digits, and its core-seconds; `None`: all its steps."""
    dataset = datasets.load("digits")
    records = draws.few_shot(dataset, PRIVATE_PER_CLASS, generator=stream(0, "few-shot"))
    classes = len(dataset.classes)
    model = networks.build(name, scale, classes=classes, generator=stream(0, "weights"))
    options = families.preset(name, scale).training
    options = replace(options, steps=steps or options.steps)
    sums = by_hooks(model.noised) if rival else dp.clipped_sum
    began = time.process_time()
    with patch.object(dp, "clipped_sum", sums):
        fitted = fit.fit(
            model,
            records,
            arm=arm,
            sigma=SIGMA if arm == "dp" else 0.0,
            training=options,
            slots=len(records.images),
            places=torch.arange(len(records.images)),
            seed=0,
            checkpoint=checkpoint,
        )
    return fitted.history, time.process_time() - began


def by_hooks(module: nn.Module) -> Callable:
    """`dp.clipped_sum` by Opacus; its hooks rest while the GAN's generator is trained."""
    wrapped = GradSampleModule(module, loss_reduction="sum")
    wrapped.disable_hooks()

    def clipped_sum(module, losses, max_grad_norm, *, draws=1):
        wrapped.enable_hooks()
        values = losses()
        parameters = list(module.parameters())
        total, norms = sum_by_hooks(parameters, values, max_grad_norm, draws)
        wrapped.disable_hooks()
        return total, values.detach().unflatten(0, (-1, draws)).mean(1), norms

    return clipped_sum


def check(name: str) -> None:
    """Raise `ValueError` unless the rival's training starts as ours does."""
    for column in ("loss", "norm", "clipped", "snr"):
        ours, theirs = (train(name, 2, rival=rival)[0][column] for rival in (False, True))
        if any(abs(a - b) > 1e-3 * abs(a) for a, b in zip(ours, theirs, strict=True)):
            raise ValueError(f"{name}: the rival's {column} is {theirs}, ours {ours}")


def measure(name: str, rounds: int) -> dict:
    """Core-seconds of a whole training and the ratio of the rival's steps to ours."""
    check(name)
    ratios = [train(name, STEPS, rival=True)[1] / train(name, STEPS)[1] for _ in range(rounds)]
    seconds, ratio = train(name)[1], statistics.median(ratios)
    return {
        "model": name,
        "steps": families.preset(name, "compact").training.steps,
        "core_seconds": round(seconds, 1),
        "Opacus hooks / ours": round(ratio, 3),
        "Opacus hooks, extrapolated core_seconds": round(seconds * ratio, 1),
    }


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="of paired short trainings")
    rounds = parser.parse_args().rounds
    warnings.filterwarnings("ignore", message="Full backward hook is firing")
    torch.set_num_threads(1)
    measured = []
    for name in LIMITS:
        measured.append(measure(name, rounds))
        print(json.dumps(measured[-1]), flush=True)
    report.write(
        "training",
        [
            report.bar(
                f"one compact training, {row['model']}, core-seconds, one thread",
                row["core_seconds"],
                f"<= {LIMITS[row['model']]}",
            )
            for row in measured
        ],
        packages=("torch", "opacus"),
        measured=measured,
        rounds=rounds,
        notes=[
            f"100 digits, arm dp, sigma {SIGMA}; the rival's training is extrapolated from "
            f"{rounds} pairs of trainings of {STEPS} steps.",
        ],
    )


if __name__ == "__main__":
    main()
