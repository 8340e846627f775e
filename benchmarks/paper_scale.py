"""What a step at the authors' widths costs, and what the GAN's would with its layers one by one.

On one thread, in processor time, with one process a model. A training of 20,000 steps is
extrapolated. The rival's generator doubles the plane before it convolves it, as the authors' does;
it takes turns with ours, which is the same function.

    python benchmarks/paper_scale.py [--rounds 5]
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from unittest.mock import patch

import report
import torch
from torch import nn
from training import train

from helpers.models import families, gan, networks
from helpers.study import host
from helpers.training import checkpoint

STEPS = {"vae": 10, "gan": 6, "ddpm": 1}  # that are timed at once


def step(name: str, arm: str) -> float:
    """Core-seconds of a step, without what a training does once."""
    once, more = (train(name, n, scale="paper", arm=arm)[1] for n in (1, 1 + STEPS[name]))
    return (more - once) / STEPS[name]


def noise(name: str) -> float:
    """Core-seconds of a step's noise."""
    model = networks.build(name, "paper", classes=10, generator=torch.Generator())
    began = time.process_time()
    torch.randn(networks.count_parameters(model.noised))
    return time.process_time() - began


def kept(name: str) -> int:
    """Bytes of the state that a training keeps."""
    with tempfile.TemporaryDirectory() as folder, patch.object(checkpoint, "EVERY_SECONDS", 0):
        place = checkpoint.Checkpoint(Path(folder, "state.npz"), name, device=torch.device("cpu"))
        train(name, 1, scale="paper", checkpoint=place)
        return place.path.stat().st_size


def measure(name: str, rounds: int) -> dict:
    """Of one model in the arms `sgd` and `dp`: core-seconds a step, core-hours, memory, state."""
    ours, theirs = {"sgd": [], "dp": []}, {"sgd": [], "dp": []}
    with host.one_thread():
        for _ in range(rounds):
            for arm in ours:
                ours[arm].append(step(name, arm))
                if name == "gan":
                    with patch.object(gan.Upsampling, "forward", nn.Sequential.forward):
                        theirs[arm].append(step(name, arm))
        noises = statistics.median(noise(name) for _ in range(5))
    steps = families.preset(name, "paper").training.steps
    row = {"model": name, "steps": steps, "noise core_seconds": round(noises, 3)}
    for arm, seconds in ours.items():
        row[f"{arm}, core_seconds a step"] = round(statistics.median(seconds), 3)
        row[f"{arm}, extrapolated core_hours"] = round(statistics.median(seconds) * steps / 3600, 1)
        if theirs[arm]:
            pairs = zip(theirs[arm], seconds, strict=True)
            row[f"{arm}, one by one / ours"] = round(statistics.median(a / b for a, b in pairs), 3)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return row | {"peak GB": round(most / 1e6, 1), "state MB": round(kept(name) / 1e6)}


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="of every timing; the median counts")
    rounds = parser.parse_args().rounds
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        measured = []
        for row in pool.imap(partial(measure, rounds=rounds), STEPS):
            measured.append(row)
            print(json.dumps(row), flush=True)
    ratios = {row["model"]: row for row in measured}["gan"]
    report.write(
        "paper_scale",
        [
            report.bar(
                f"GAN step, {arm}, layers one by one / ours",
                ratios[f"{arm}, one by one / ours"],
                ">= 1.2",
            )
            for arm in ("sgd", "dp")
        ],
        measured=measured,
        rounds=rounds,
        notes=["100 digits at 28 pixels, one thread; a batch is 64 of them on average."],
    )


if __name__ == "__main__":
    main()
