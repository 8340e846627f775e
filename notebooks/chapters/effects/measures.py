"""What the corrections to the measures change, in numbers: rows D9 to D19 and D21."""

import itertools
import math

import numpy as np
import torch
from torch import Tensor

from chapters.nfl import DATA, MODELS
from helpers.data.sources import from_bytes
from helpers.metrics import plane, privacy
from helpers.models.families import REFERENCES
from helpers.randomness import generator as stream
from helpers.report.style import level

from .cells import Study, by_data, by_model, minus, of_data

REPEATS = 200  # of simulations
TRUTH = math.log(9)  # nats: ratio of two Gaussians' densities, deviations 1 and 3, at their centre


# Privacy


def d9(study: Study) -> dict:
    """Both forms of the density ratio where the truth is known, and their ratio over cells."""
    rng = np.random.default_rng(0)
    forms = [plane.epsilon_hat, plane.epsilon_hat_paper]
    pairs = [(rng.normal(size=(1000, 2)), 3 * rng.normal(size=(1000, 2))) for _ in range(REPEATS)]
    means = [np.mean([form(*pair, np.zeros(2), k=20) for pair in pairs]) for form in forms]
    both = study.of("epsilon_hat", "epsilon_hat_paper")
    sums = both.groupby("dataset").sum()
    ratios = sums["epsilon_hat"] / sums["epsilon_hat_paper"]
    return {
        "simulated": {"theirs": float(means[1]), "ours": float(means[0]), "truth": TRUTH},
        "cells": {d: float(ratios[d]) for d in DATA if d in ratios},
    }


def d10(study: Study) -> dict:
    """Root mean square log density ratio of runs that share start and noise, and of any two.

    Both sides hold nine or ten images of the query's class (D11): there is little to leak.
    """
    shared, null = [], []
    for result in study.found.values():
        settings: dict[tuple, list] = {}
        for cell in (c for c in result.cells if c.model in MODELS and c.evaluation.one_of_ten):
            settings.setdefault((cell.model, cell.arm, cell.sigma), []).append(cell)
        for cells in (group for group in settings.values() if len(group) > 1):
            k, arrays = cells[0].evaluation.neighbors, [result.arrays(cell) for cell in cells]
            queries = [a["points_query"] for a in arrays]
            null += _apart(_points(arrays, "omitted"), queries, k)
            trios = zip(_points(arrays, "full"), _points(arrays, "omitted"), queries, strict=True)
            shared += [plane.log_density_ratio(*trio, k) for trio in trios]
    sides = {"apart": null, "shared": shared} if null else {}
    return {"spread": {name: [_size(values), len(values)] for name, values in sides.items()}}


def _apart(sets: list[np.ndarray], queries: list[np.ndarray], k: int) -> list[float]:
    """Log density ratios between runs of different seeds, each at the first one's query."""
    pairs = itertools.permutations(range(len(sets)), 2)
    return [plane.log_density_ratio(sets[i], sets[j], queries[i], k) for i, j in pairs]


def _size(values: list[float]) -> float:
    """Root mean square."""
    return math.sqrt(np.mean(np.square(values)))


def _points(arrays: list[dict], role: str) -> list[np.ndarray]:
    return [a[f"points_{role}"] for a in arrays]


def d11(study: Study) -> dict:
    """The log density ratio of the presence of a class minus that of one record of ten."""
    values = minus(study, "log_density_ratio", "log_density_ratio_one_of_ten")
    return {"difference": by_model(values)}


def d12(study: Study) -> dict:
    """How far the authors' map moves the log density ratio of two runs' images at the query.

    On what is kept: 8 real images a class to fit, and of each run 8 images a class.
    """
    shifts = []
    for result in study.found.values():
        real = result.reference()
        public, query_class = _images(real["images"]), int(real["query_class"])
        pairs: dict[tuple, dict] = {}
        for cell in (c for c in result.cells if c.model in MODELS):
            if (at := level(cell.arm, cell.sigma)) in ("sgd", "0.1"):
                pairs.setdefault((cell.model, cell.seed), {})[at] = result.arrays(cell)
        for (_, seed), sides in pairs.items():
            if len(sides) == 2:
                query = _images(sides["sgd"]["gallery"][query_class, 1])[0]
                sets = [_images(s["samples"]) for s in sides.values()]
                shifts.append(map_shift(public, query, *sets, generator=stream(seed, "copies")))
    return {"shift": [_size(shifts), len(shifts)] if shifts else []}


def _images(stored: np.ndarray) -> Tensor:
    return from_bytes(stored.reshape(-1, *stored.shape[-2:]))


def map_shift(
    public: Tensor, query: Tensor, first: Tensor, second: Tensor, *, generator: torch.Generator
) -> float:
    """Log density ratio of two sets [N, 1, 28, 28] at `query` [1, 28, 28], on the map fitted with
    the query and 20 noisy copies (deviation 0.1) minus on the map of public images alone; k = 5."""
    noise = 0.1 * torch.randn(20, *query.shape, generator=generator)
    copies = (query + noise).clamp(0, 1)
    ratios = []
    for fitted_on in (public, torch.cat([public, query[None], copies])):
        places = plane.isomap(fitted_on).transform
        points = [places(images) for images in (first, second, query[None])]
        ratios.append(plane.log_density_ratio(*points, k=5))
    return ratios[1] - ratios[0]


def d13(study: Study) -> dict:
    """The authors' Kolmogorov-Smirnov distance minus ours."""
    return {"models": by_data(minus(study, "ecdf_ks_paper", "ecdf_ks"))}


def d14(study: Study) -> dict:
    """A fifth exact copies among images as far as the hold-out, and the order of the cells."""
    rng = np.random.default_rng(0)
    holdout, others = rng.normal(8, 1, 1000), rng.normal(8, 1, 800)
    sets = [np.concatenate([others, more]) for more in (np.zeros(200), rng.normal(8, 1, 200))]
    forms = {"area": privacy.ecdf_area_paper, "wasserstein": privacy.ecdf_w1}
    found = {
        name: [float(form(images, holdout)) for images in sets] for name, form in forms.items()
    }
    both, ranks = study.of("ecdf_area_paper", "ecdf_w1"), {}
    for data in DATA:
        own = of_data(both, data).rank()
        if len(own) > 2:
            ranks[data] = [float(own.corr().iloc[0, 1]), len(own)]
    return found | {"order": ranks}


# Fidelity


def d15(study: Study) -> dict:
    """The authors' FID minus ours, of models and of exact copies."""
    return {
        "models": by_data(minus(study, "fid_paper", "fid")),
        "copies": by_data(minus(study, "fid_paper", "fid", ("copies",))),
    }


def d16(study: Study) -> dict:
    """Range over the levels of each model beside the span from real images to class means.

    On MNIST: first the authors' form, then ours; a mean over models of values that are means over
    seeds. Empty where levels or references are missing.
    """
    found = {}
    for metric in ("lpips", "psnr", "ssim"):
        forms = [_range(study, name) for name in (f"{metric}_paper", metric)]
        found[metric] = forms if all(forms) else []
    return found


def _range(study: Study, metric: str) -> list[float]:
    values = study.of(metric, models=(*MODELS, *REFERENCES)).query("dataset == 'mnist'")[metric]
    means = values.groupby(["model", "level"]).mean()
    ranges = [np.ptp(means[m]) for m in MODELS if m in means.index and len(means[m]) > 1]
    if not ranges or not {("real", "none"), ("means", "none")} <= set(means.index):
        return []
    return [float(np.mean(ranges)), abs(float(means["real", "none"] - means["means", "none"]))]


def d17(study: Study) -> dict:
    """The Inception Score in ten splits minus that in one, of the same images."""
    return {
        "models": by_data(minus(study, "is_lite0_paper", "is_lite0")),
        "real": by_data(minus(study, "is_lite0_paper", "is_lite0", ("real",))),
    }


# Utility and statistics


def d18(study: Study) -> dict:
    """Accuracy of a classifier of images rescaled to the test set, minus that of images as is."""
    return {"models": by_model(minus(study, "accuracy_paper", "accuracy"))}


def d19(study: Study) -> dict:
    """Deviation of the accuracy over seeds, and over classifiers of one cell."""
    both, found = study.of("accuracy", "accuracy_deviation"), {}
    for data in DATA:
        settings = of_data(both, data).groupby(["model", "level"])
        over = settings["accuracy"].var().dropna()
        if len(over):
            within = settings["accuracy_deviation"].apply(lambda v: (v**2).mean())[over.index]
            found[data] = [
                *(math.sqrt(variances.mean()) for variances in (over, within)),
                len(over),
            ]
    return {"deviations": found}


def d21(study: Study) -> dict:
    """Cells collected, and values among them that are not finite numbers."""
    values = study.frame["value"].to_numpy(dtype=float)
    return {"failed": [int((~np.isfinite(values)).sum()), len(values)]}


EFFECTS = (d9, d10, d11, d12, d13, d14, d15, d16, d17, d18, d19, d21)
