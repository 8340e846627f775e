"""What the corrections to accounting and training change, in numbers: rows D1 to D8 and D20."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from chapters import benchmarks, nfl, sizes
from chapters.matched import divisor
from chapters.nfl import MODELS
from helpers.data.draws import Sample
from helpers.data.records import DATASETS
from helpers.models import families, networks
from helpers.models.gan import LossGapSchedule
from helpers.randomness import generator as stream
from helpers.report import style
from helpers.training import accounting, fit

from .cells import Study, between, by_model, mean

SIGMAS = tuple(s for s in nfl.LEVELS if isinstance(s, float))
LEVELS = [f"{level:g}" if isinstance(level, float) else level for level in nfl.LEVELS]
PRIVATE = 10  # records per class
AUTHORS = {"steps": 20_000, "sample_rate": 0.5}  # two batches of 100 images


# Accounting


def d1(study: Study) -> dict:
    """The authors' delta: epsilon at 0.5 against 0.001, in their setting, at two sigmas."""
    return {"epsilon": [[s, _epsilon(s, 0.5), _epsilon(s, 1e-3)] for s in (0.1, 0.4)]}


def _epsilon(sigma: float, delta: float = 1e-3, **setting: float) -> float:
    return accounting.epsilon(sigma, delta=delta, **(AUTHORS | setting))


def d6(study: Study) -> dict:
    """Epsilon at the sampling rate as called (64 of 100) and as used, and who divides by what."""
    counts = {name: PRIVATE * (len(DATASETS[name].classes) - 1) for name in nfl.DATA}
    return {
        "epsilon": [_epsilon(0.1, sample_rate=rate) for rate in (0.5, 0.64)],
        "divisor": {name: [divisor(n + 1), divisor(n)] for name, n in counts.items()},
        "one": [divisor(100), divisor(99)],
    }


def d7(study: Study) -> dict:
    """Noise over the largest signal at sigma 0.1, the authors' networks and ours; sizes apart."""
    theirs = {
        name: accounting.noise_to_signal(0.1, parameters=size, expected_batch=divisor(100))
        for name, size in sizes.authors_sizes().items()
    }
    ours = study.of("noise_to_signal").query("level == '0.1' and dataset == 'mnist'")
    means = ours["noise_to_signal"].groupby("model").mean()
    return {
        "authors": theirs,
        "ours": {m: float(means[m]) for m in MODELS if m in means},
        "width": fid_by_size(study),
    }


def fid_by_size(study: Study) -> dict[str, dict[str, float]]:
    """FID at sigma 0.2 on MNIST, by family and factor of size, where two sizes are collected."""
    rows = study.frame.query("dataset == 'mnist' and arm == 'dp' and sigma == 0.2")
    by_family = sizes.means(rows, ["fid"]).groupby("family", observed=True)
    return {
        family: {factor: float(fid) for (_, factor), fid in found["fid"].items()}
        for family, found in by_family
        if len(found) > 1
    }


def d8(study: Study) -> dict:
    """The accountant's epsilon at the four sigmas, in the authors' setting and in ours."""
    ours = study.of("epsilon_1e-3").query("dataset == 'mnist'")["epsilon_1e-3"]
    values = ours.groupby(["model", "level"]).mean()
    spans = {f"{s:g}": values[values.index.get_level_values("level") == f"{s:g}"] for s in SIGMAS}
    return {
        "authors": [_epsilon(s) for s in SIGMAS],
        "ours": {at: [float(v.min()), float(v.max())] for at, v in spans.items() if len(v)},
    }


# Training


def d2(study: Study) -> dict:
    """What clipping alone does: `clipped` minus `sgd`, both without noise, seed by seed."""
    found = {}
    for metric in ("fid", "accuracy", "epsilon_hat"):
        pairs = [between(study, metric, (m, "clipped"), (m, "sgd")) for m in MODELS]
        found[metric] = by_model(pd.concat(pairs))
    return found


def d3(study: Study, pairs: int = 10) -> dict:
    """Whether the generator shows the query's class at sigma 1000, and the variant's effect."""
    counts = [sum(label_moved(seed, there, "batch") for seed in range(pairs)) for there in (1, 0)]
    return {"leak": [*counts, pairs], "variant": variant(study)}


def label_moved(seed: int, present: bool, labels: str) -> bool:
    """Whether training moved the generator's weights of the query's label, at sigma 1000.

    A smoke-size GAN on 20 made-up records, of which the query alone has class 9.
    """
    preset = families.preset("gan", "smoke")
    weights = stream(seed, "weights")
    option = replace(preset, labels=labels)
    model = networks.build("gan", "smoke", classes=10, generator=weights, preset=option)
    before = model.generator[0].weight.detach()[:, preset.latent + 9].clone()
    classes = torch.cat([torch.arange(19) % 9, torch.tensor([9])])
    images = torch.rand(20, 1, 28, 28, generator=stream(seed, "few-shot"))
    records = Sample(*(part[: 19 + present] for part in (images, classes, torch.arange(20))))
    run = {"arm": "dp", "sigma": 1000.0, "training": preset.training, "slots": 20, "seed": seed}
    run["places"] = torch.arange(19 + present)
    after = fit.fit(model, records, **run).model.generator[0].weight.detach()
    return bool((after[:, preset.latent + 9] != before).any())


def variant(study: Study) -> dict[str, dict[str, dict]]:
    """The GAN with both of the authors' options minus ours, by metric and level (on MNIST)."""
    found = {}
    for metric in ("fid", "accuracy", "epsilon_hat"):
        pairs = {at: between(study, metric, ("gan-authors", at), ("gan", at)) for at in LEVELS}
        found[metric] = {at: mean(values) for at, values in pairs.items() if len(values)}
    return {metric: means for metric, means in found.items() if means}


def d4(study: Study) -> dict:
    """How often the authors' schedule would move the generator, given our discriminators' losses.

    The losses are those on private records, of every fifth step; the schedule takes a mean with
    those on synthetic images, which are not kept.
    """
    shares: dict[str, list[float]] = {}
    for result in study.found.values():
        for cell in (c for c in result.cells if c.model == "gan"):
            losses = np.repeat(result.arrays(cell)["history/loss"], 5)
            schedule = LossGapSchedule(1)
            share = np.mean([schedule.turn(float(loss)) for loss in losses])
            shares.setdefault(style.level(cell.arm, cell.sigma), []).append(100 * share)
    return {"share": {at: float(np.mean(shares[at])) for at in LEVELS if at in shares}}


def d5(study: Study) -> dict:
    """A row that makes runs fail, and moves no number of those that do not."""
    return {"number": 0}


def d20(study: Study) -> dict:
    """The share of the image left at the authors' last step, and our few steps against all."""
    left = math.prod(math.sqrt(1 - beta) for beta in np.linspace(1e-4, 0.02, 400))
    bars = benchmarks.bars("sampling")["value"]
    ratio = bars[[name.endswith("cell(s)") for name in bars.index]].iloc[0]
    return {"start": left, "sampler": float(ratio)}


EFFECTS = (d1, d2, d3, d4, d5, d6, d7, d8, d20)
