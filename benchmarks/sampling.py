"""What images of the diffusion model cost, and whether few steps are as good as many.

The compact DDPM samples by DDIM in as many network calls as its preset says. Judged by `fd_lite0`
at 1,000 images against the test split, it is compared with ancestral sampling of the same weights
over all 400 steps, from the same first noise. The weights are those of the study: a cell that the
store has not is trained here and kept there. The sampler varies more between trainings and draws
than a single ratio would show, hence several of both.

The rival in cost is the authors' sampler: their U-Net, 400 ancestral steps, guidance. It is
measured on a few images and steps and extrapolated, both being proportional.

    python benchmarks/sampling.py [--dataset mnist] [--seeds 0 1 2] [--draws 2]

One thread, processor time. About five minutes for each of the 6 cells; results are stored after
each cell.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import report
import torch
from torch import Tensor

from helpers import study
from helpers.data import datasets, draws
from helpers.data.datasets import Dataset
from helpers.metrics import features, fidelity
from helpers.metrics.evaluation import PRIVATE_PER_CLASS
from helpers.models import ddpm, families, networks
from helpers.randomness import generator as stream
from helpers.study import Cell, trainings

LEVELS = ("sgd", 0.1)
STEPS = (5, 10, 20, 50)
IMAGES = 1000
RIVAL_IMAGES, RIVAL_STEPS = 10, 4  # the rival is measured on so many of 1,000 and 400


def trained(cell: Cell, dataset: Dataset) -> ddpm.DDPM:
    """The model of the cell's full run, from the store or trained and kept."""
    draw = stream(cell.seed, "few-shot")
    sets = draws.neighbours(dataset, PRIVATE_PER_CLASS, generator=draw)
    full = trainings.run_role(cell, dataset, sets, "full", torch.device("cpu"))
    return trainings.trained_model(cell, dataset, full)


def timed(sample: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Images and the core-seconds they took."""
    began = time.process_time()
    images = sample()
    return images, time.process_time() - began


class Judge:
    """`fd_lite0` of images, at equal numbers, against the test split."""

    def __init__(self, dataset: Dataset):
        self.classes = len(dataset.classes)
        holdout = draws.holdout(dataset, IMAGES // self.classes)
        self.real = features.cached(holdout.images, features.lite0)
        self.labels = torch.arange(self.classes).repeat_interleave(IMAGES // self.classes)

    def row(self, sample: Callable[[], Tensor]) -> dict[str, float]:
        """How good and how dear the images are."""
        images, seconds = timed(sample)
        distance = fidelity.frechet_distance(self.real, features.lite0(images))
        return {"fd_lite0": round(distance, 3), "core_seconds": round(seconds, 2)}


def compare(cell: Cell, model: ddpm.DDPM, judge: Judge, draws: int) -> list[dict]:
    """DDIM and ancestral sampling of one cell, by draws of their noise."""
    rows = []
    for draw in range(draws):
        seed = f"benchmark/{draw}"
        few = judge.row(lambda s=seed: model.sample(judge.labels, generator=stream(0, s)))
        full = judge.row(
            lambda s=seed: model.sample_ancestral(judge.labels, generator=stream(0, s))
        )
        ratio = round(few["fd_lite0"] / full["fd_lite0"], 4)
        rows.append({"cell": cell.name, "draw": draw, "ddim": few, "ancestral": full})
        rows[-1]["ddim / ancestral"] = ratio
        print(json.dumps(rows[-1]), flush=True)
    return rows


def by_steps(cell: Cell, model: ddpm.DDPM, judge: Judge) -> list[dict]:
    """One cell's quality and speed by the number of DDIM's network calls."""
    rows = []
    for steps in STEPS:
        row = judge.row(
            lambda k=steps: model.sample(judge.labels, generator=stream(0, "benchmark/0"), steps=k)
        )
        speed = round(len(judge.labels) / row["core_seconds"], 1)
        rows.append({"cell": cell.name, "steps": steps, **row, "images_per_second": speed})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def authors_sampler(classes: int) -> dict[str, float | str]:
    """Core-seconds of 1,000 images from the authors' U-Net by 400 ancestral steps."""
    preset = families.preset("ddpm", "paper")
    model = networks.build("ddpm", "paper", classes=classes, generator=stream(0, "rival")).eval()
    labels, draw = torch.arange(RIVAL_IMAGES) % classes, stream(0, "rival/noise")
    noise = torch.randn(RIVAL_IMAGES, 1, 28, 28, generator=draw)

    @torch.no_grad()
    def sample(steps: int) -> Tensor:
        return ddpm.ancestral(model.denoise, noise, labels, steps=steps, generator=draw)

    sample(1)
    seconds = timed(lambda: sample(RIVAL_STEPS))[1]
    share = RIVAL_IMAGES / IMAGES * RIVAL_STEPS / preset.timesteps
    return {
        "rival": "the authors' sampler: U-Net of 6.6 M parameters, 400 ancestral steps, guidance",
        "measured": f"{RIVAL_IMAGES} images, {RIVAL_STEPS} steps: {seconds:.1f} core-seconds",
        "extrapolated_core_seconds": round(seconds / share),
    }


def judge_bars(rows: list[dict]) -> list[dict]:
    """The bars: cost, and quality over all cells and draws and in the worst cell."""
    seconds = statistics.median(row["ddim"]["core_seconds"] for row in rows)
    ratios = [row["ddim / ancestral"] for row in rows]
    by_cell: dict[str, list[float]] = {}
    for row in rows:
        by_cell.setdefault(row["cell"], []).append(row["ddim / ancestral"])
    means = {cell: statistics.mean(values) for cell, values in by_cell.items()}
    worst = max(means, key=means.get)
    spread = {"lowest": min(ratios), "highest": max(ratios), "pairs": len(ratios)}
    quality = "fd_lite0 of DDIM / of ancestral sampling, same weights"
    return [
        report.bar(f"{IMAGES:,} compact DDPM images, core-seconds, one thread", seconds, "<= 20"),
        report.bar(
            f"{quality}, mean of {len(means)} cell(s)", statistics.mean(ratios), "<= 1.05", **spread
        ),
        report.bar(f"{quality}, worst cell ({worst})", means[worst], "<= 1.05"),
    ]


def keep(dataset: str, pairs: list[dict], table: list[dict], rival: dict) -> None:
    """Store what has been measured so far; the bars say of how many cells and pairs."""
    ours = statistics.median(row["ddim"]["core_seconds"] for row in pairs)
    ratio = round(rival["extrapolated_core_seconds"] / ours)
    report.write(
        "sampling",
        judge_bars(pairs),
        dataset=dataset,
        measured=pairs,
        by_steps=table,
        rivals=[rival | {"rival / ours": ratio}],
        notes=[
            f"fd_lite0 is taken at {IMAGES:,} images against as many of the test split.",
            "The rival is extrapolated in proportion to images and steps; a network call's cost "
            "depends on neither.",
        ],
    )


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dataset", default="mnist", choices=datasets.NAMES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the cells")
    parser.add_argument("--draws", type=int, default=2, help="sampling seeds per cell; default 2")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = datasets.load(options.dataset)
    judge = Judge(dataset)
    rival = authors_sampler(judge.classes)
    print(json.dumps(rival), flush=True)
    pairs, table = [], []
    for seed in options.seeds:
        for cell in study.grid(options.dataset, ["ddpm"], LEVELS, [seed], "compact"):
            model = trained(cell, dataset)
            pairs += compare(cell, model, judge, options.draws)
            if seed == options.seeds[0]:
                table += by_steps(cell, model, judge)
            keep(options.dataset, pairs, table, rival)


if __name__ == "__main__":
    main()
