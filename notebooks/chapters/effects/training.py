"""What the corrections to accounting and training change: rows D1 to D8 and D20."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from chapters import nfl
from chapters.nfl import DATA_TITLES as DATASETS
from chapters.nfl import MODEL_TITLES as MODELS
from helpers.data.draws import Sample
from helpers.models import families, networks
from helpers.models.gan import LossGapSchedule
from helpers.randomness import generator as stream
from helpers.report import tables
from helpers.training import accounting, fit

from .. import sizes
from .cells import Study, between, difference, over_models

SIGMAS = tuple(s for s in nfl.LEVELS if isinstance(s, float))
LEVELS = [f"{level:g}" if isinstance(level, float) else level for level in nfl.LEVELS]
VARIANT_METRICS = {
    "fid": ("FID", 1),
    "accuracy": ("accuracy", 3),
    "epsilon_hat": ("empirical ε", 1),
}
AUTHORS = {"steps": 20_000, "sample_rate": 0.5}  # two batches of 100 images
_CLASSES = {"mnist": 10, "octmnist": 4, "organamnist": 11}


# Accounting


def d1(study: Study) -> dict[str, str]:
    """The authors' delta: epsilon at 0.5 against 0.001, in their setting."""
    texts = [f"{_epsilon(s, 0.5)} against {_epsilon(s, 1e-3)} at σ = {s:g}" for s in (0.1, 0.4)]
    return {"epsilon": "; ".join(texts)}


def _epsilon(sigma: float, delta: float = 1e-3, **setting: float) -> str:
    return f"{accounting.epsilon(sigma, delta=delta, **(AUTHORS | setting)):,.0f}"


def d6(study: Study) -> dict[str, str]:
    """Epsilon at the sampling rate as called (64 of 100) and as used, and who divides by what."""
    pairs = [
        f"{DATASETS[d]} {divisor(10 * (n - 1) + 1)} and {divisor(10 * (n - 1))}"
        for d, n in _CLASSES.items()
    ]
    rates = [_epsilon(0.1, sample_rate=q) for q in (0.5, 0.64)]
    return {
        "epsilon": f"{rates[0]} at 1/2 against {rates[1]} at 0.64",
        "divisor": ", ".join(pairs),
        "one": f"{divisor(100)} and {divisor(99)}",
    }


def divisor(n: int, batch: int = 64) -> int:
    """The expected batch that Opacus divides by: n over the number of batches, rounded down."""
    return n // math.ceil(n / batch)


def d7(study: Study) -> dict[str, str]:
    """Noise over the largest signal at sigma 0.1, the authors' networks and ours; sizes apart."""
    theirs = {}
    for name, title in MODELS.items():
        model = networks.build(name, "paper", classes=10, generator=stream(0, "count"))
        size = networks.count_parameters(model.noised)
        ratio = accounting.noise_to_signal(0.1, parameters=size, expected_batch=divisor(100))
        theirs[title] = f"{ratio:.1f}"
    ours = study.of("noise_to_signal").query("level == '0.1' and dataset == 'mnist'")
    mean = ours["noise_to_signal"].groupby("model").mean()
    own = ", ".join(f"{MODELS[m]} {mean[m]:.2f}" for m in MODELS if m in mean)
    return {
        "authors": ", ".join(f"{title} {text}" for title, text in theirs.items()),
        "ours": own or "not measured: no cells at σ = 0.1 on MNIST",
        "width": _width(study),
    }


def _width(study: Study) -> str:
    """FID at sigma 0.2 of the sizes of each network that are collected, on MNIST."""
    rows = study.frame.query("dataset == 'mnist' and arm == 'dp' and sigma == 0.2")
    texts = []
    for family, found in sizes.means(rows, ["fid"]).groupby("family", observed=True):
        if len(found) > 1:
            values = [f"{fid:.0f} ({factor})" for (_, factor), fid in found["fid"].items()]
            texts.append(f"{MODELS[family]} {', '.join(values)}")
    return "; ".join(texts) or "not measured: no other size is collected"


def d8(study: Study) -> dict[str, str]:
    """The accountant's epsilon at the four sigmas, in the authors' setting and in ours."""
    ours = study.of("epsilon_1e-3").query("dataset == 'mnist'")["epsilon_1e-3"]
    values = ours.groupby(["model", "level"]).mean()
    spans = [values[values.index.get_level_values("level") == f"{s:g}"] for s in SIGMAS]
    spans = [span for span in spans if len(span)]
    text = ", ".join(
        " to ".join(dict.fromkeys(f"{end:,.0f}" for end in (span.min(), span.max())))
        + f" at {span.index[0][1]}"
        for span in spans
    )
    return {
        "authors": ", ".join(_epsilon(s) for s in SIGMAS),
        "ours": text or "not measured: no cells with noise on MNIST",
    }


# Training


def d2(study: Study) -> dict[str, str]:
    """What clipping alone does: `clipped` minus `sgd`, both without noise, seed by seed."""
    texts = {}
    for metric, digits in {"fid": 1, "accuracy": 3, "epsilon_hat": 1}.items():
        pairs = [between(study, metric, (m, "clipped"), (m, "sgd")) for m in MODELS]
        texts[metric] = over_models(pd.concat(pairs), digits)
    return texts


def d3(study: Study, pairs: int = 10) -> dict[str, str]:
    """Whether the generator shows the query's class at sigma 1000, and the variant's effect."""
    counts = [sum(label_moved(seed, there, "batch") for seed in range(pairs)) for there in (1, 0)]
    return {
        "leak": f"{counts[0]} of {pairs} victim runs, {counts[1]} of {pairs} ablated runs",
        "variant": _variant(study),
    }


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
    after = fit.fit(model, records, **run).model.generator[0].weight.detach()
    return bool((after[:, preset.latent + 9] != before).any())


def _variant(study: Study) -> str:
    """The GAN with both of the authors' options minus ours, level by level (it runs on MNIST)."""
    texts = []
    for metric, (title, digits) in VARIANT_METRICS.items():
        found = {at: between(study, metric, ("gan-authors", at), ("gan", at)) for at in LEVELS}
        parts = [
            f"{difference(values, digits)} at {at}" for at, values in found.items() if len(values)
        ]
        texts += [f"{title} {', '.join(parts)}"] if parts else []
    return "; ".join(texts) or "not measured: the variant's cells are not collected"


def d4(study: Study) -> dict[str, str]:
    """How often the authors' schedule would move the generator, given our discriminators' losses.

    The losses are those on private records, of every fifth step; the schedule takes a mean with
    those on synthetic images, which are not kept.
    """
    shares = {}
    for result in study.found.values():
        for cell in (c for c in result.cells if c.model == "gan"):
            losses = np.repeat(result.arrays(cell)["history/loss"], 5)
            schedule = LossGapSchedule(1)
            share = 100 * np.mean([schedule.turn(float(loss)) for loss in losses])
            shares.setdefault(tables.level(cell.arm, cell.sigma), []).append(share)
    texts = [f"{np.mean(shares[at]):.0f} % at {at}" for at in LEVELS if at in shares]
    return {"share": ", ".join(texts) or "not measured: no cells of the GAN"}


def d20(study: Study) -> dict[str, str]:
    """The share of the image left at the authors' last step, and our few steps against all."""
    left = math.prod(math.sqrt(1 - beta) for beta in np.linspace(1e-4, 0.02, 400))
    bars = tables.benchmark("sampling")["value"]
    ratio = bars[[name.endswith("cell(s)") for name in bars.index]].iloc[0]
    return {"start": f"{left:.2f}", "sampler": f"{ratio:.2f}"}
