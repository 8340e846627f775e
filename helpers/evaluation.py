"""All measures of one cell, from its three synthetic sets.

The full run is judged for fidelity and utility, the victim and ablated runs for privacy. Metrics
come back as one flat mapping with the names of the results table; arrays hold what figures need.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import attacks, datasets, density, features, fidelity, lpips, presets, privacy, utility
from .datasets import Dataset, Neighbours, Sample
from .randomness import generator as stream

SHOWN_PER_CLASS = 8  # synthetic images per class kept for figures
VERSION = 3  # raise when a measure changes its meaning: measured cells are then measured again


class Synthetic(NamedTuple):
    """The synthetic images of a cell's three runs, one set per role, labels shared."""

    full: Tensor  # [N, 1, 28, 28] in [0, 1]
    victim: Tensor
    ablated: Tensor
    labels: Tensor  # int64 [N]


class Measured(NamedTuple):
    """What `measure` returns."""

    metrics: dict[str, float]
    arrays: dict[str, np.ndarray]


def measure(
    dataset: Dataset,
    sets: Neighbours,
    synthetic: Synthetic,
    *,
    evaluation: presets.Evaluation,
    seed: int,
) -> Measured:
    """Fidelity, privacy and utility of one cell's synthetic sets."""
    holdout = datasets.holdout(dataset, evaluation.per_class)
    metrics = _fidelity(holdout, synthetic, evaluation, seed)
    distances = {
        "synthetic": privacy.nearest_distances(synthetic.full, sets.full.images),
        "holdout": privacy.nearest_distances(holdout.images, sets.full.images),
    }
    metrics |= _distances(distances, sets, synthetic, seed)
    metrics |= _membership(holdout, sets, synthetic)
    points = _points(dataset, sets, synthetic, evaluation)
    metrics |= _density_ratio(points, evaluation.neighbors)
    metrics |= _utility(dataset, sets, synthetic, evaluation.classifier, seed)
    arrays = {f"distances_{name}": d.astype(np.float32) for name, d in distances.items()}
    arrays |= {f"points_{name}": p.astype(np.float32) for name, p in points.items()}
    arrays["samples"] = _shown(synthetic.full, synthetic.labels, len(dataset.classes))
    return Measured(metrics, arrays)


def _fidelity(holdout: Sample, synthetic: Synthetic, evaluation, seed: int) -> dict[str, float]:
    """Against the hold-out, at equal N. Precision to coverage are on Lite0's features.

    Features are cached, of synthetic images too: a later measure need not compute them again.
    """
    fake, labels, real = synthetic.full, synthetic.labels, holdout.images
    lite0_real, lite0 = (features.cached(images, features.lite0) for images in (real, fake))
    metrics = {
        "fd_lite0": fidelity.frechet_distance(lite0_real, lite0),
        "kid_lite0": fidelity.kid(lite0_real, lite0),
        "is_lite0": fidelity.inception_score(features.lite0_head(lite0)),
        "psnr": fidelity.psnr(fake, labels, real, holdout.labels),
        "ssim": fidelity.ssim(fake, labels, real, holdout.labels),
        **fidelity.neighbourhoods(lite0_real, lite0)._asdict(),
    }
    return metrics | (_slow_fidelity(holdout, synthetic, seed) if evaluation.inception else {})


def _slow_fidelity(holdout: Sample, synthetic: Synthetic, seed: int) -> dict[str, float]:
    """What takes large images or networks whose weights are fetched (Inception, LPIPS' AlexNet)."""
    fake, labels, real = synthetic.full, synthetic.labels, holdout.images

    def pairs() -> torch.Generator:
        return stream(seed, "evaluation/pairs")

    pair = [features.cached(images, features.inception) for images in (real, fake)]
    return {
        "fid": fidelity.frechet_distance(*pair),
        "fid_inf": fidelity.fid_inf(*pair, generator=stream(seed, "evaluation/fid-inf")),
        "kid": fidelity.kid(*pair),
        "lpips": lpips.lpips(fake, labels, real, holdout.labels),
        "lpips_paper": lpips.lpips_paper(fake, real, generator=pairs()),
        "psnr_paper": fidelity.psnr_paper(fake, real, generator=pairs()),
        "ssim_paper": fidelity.ssim_paper(fake, real, generator=pairs()),
    }


def _distances(distances, sets: Neighbours, synthetic: Synthetic, seed: int) -> dict[str, float]:
    pair = distances["synthetic"], distances["holdout"]
    return {
        "ecdf_ks": privacy.ecdf_ks(*pair),
        "ecdf_ks_directed": privacy.ecdf_ks_directed(*pair),
        "ecdf_w1": privacy.ecdf_w1(*pair),
        "ecdf_area_paper": privacy.ecdf_area_paper(*pair),
        "copy_rate": privacy.copy_rate(*pair),
        "max_ssim": privacy.max_ssim(
            synthetic.full, sets.full.images, generator=stream(seed, "evaluation/max-ssim")
        ),
    }


def _membership(holdout: Sample, sets: Neighbours, synthetic: Synthetic) -> dict[str, float]:
    """Telling training from hold-out images by their distance to the synthetic ones."""
    members, others = (
        attacks.distance_scores(images, synthetic.full)
        for images in (sets.full.images, holdout.images)
    )
    found = attacks.membership_inference(members, others)
    lower = attacks.epsilon_lower(members, others, delta=presets.DELTAS[0])
    return {"mia_auc": found.auc, "mia_tpr": found.tpr, "epsilon_lower": lower}


def _points(dataset, sets: Neighbours, synthetic: Synthetic, evaluation) -> dict[str, np.ndarray]:
    """The victim's and ablated run's images and the query on the public Isomap plane, [N, 2]."""
    reducer = public_isomap(dataset, evaluation)
    return {
        "victim": reducer.transform(synthetic.victim),
        "ablated": reducer.transform(synthetic.ablated),
        "query": reducer.transform(sets.query.images),
    }


@functools.lru_cache(maxsize=4)
def public_isomap(dataset: Dataset, evaluation: presets.Evaluation) -> density.ImageIsomap:
    """Isomap to two dimensions, fitted on the data set's public pool (defect D12)."""
    pool = datasets.public(dataset, dataset.public_per_class)
    return density.isomap(pool.images, n_neighbors=evaluation.isomap_neighbors)


def _density_ratio(points: dict[str, np.ndarray], neighbors: int) -> dict[str, float]:
    arguments = points["victim"], points["ablated"], points["query"], neighbors
    return {
        "epsilon_hat": privacy.epsilon_hat(*arguments),
        "epsilon_hat_paper": privacy.epsilon_hat_paper(*arguments),
        "log_density_ratio": privacy.log_density_ratio(*arguments),
    }


def _utility(dataset, sets: Neighbours, synthetic: Synthetic, preset, seed) -> dict[str, float]:
    """TSTR accuracy, and the ceiling: the same classifier on the private images themselves."""

    def trained(images: Tensor, labels: Tensor):
        return utility.train_classifier(
            images,
            labels,
            len(dataset.classes),
            preset=preset,
            generator=stream(seed, "evaluation/classifier"),
        )

    test = dataset.test_images, dataset.test_labels
    classifier = trained(synthetic.full, synthetic.labels)
    ceiling = trained(sets.full.images, sets.full.labels)
    return {
        "accuracy": utility.accuracy(classifier, *test),
        "balanced_accuracy": utility.balanced_accuracy(classifier, *test),
        "accuracy_real": utility.accuracy(ceiling, *test),
    }


def _shown(images: Tensor, labels: Tensor, n_classes: int) -> np.ndarray:
    """The first few images of each class, uint8 [classes, SHOWN_PER_CLASS or fewer, 28, 28]."""
    per_class = min(SHOWN_PER_CLASS, len(labels) // n_classes)
    rows = [images[labels == c][:per_class, 0] for c in range(n_classes)]
    return np.stack([(row * 255).round().byte().numpy() for row in rows])


def check_metrics(metrics: dict[str, float]) -> dict[str, float]:
    """The metrics, if each is a number; raises `ValueError` naming those that are not (D21)."""
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise ValueError(f"metrics {', '.join(bad)} are not finite numbers; the cell has failed")
    return metrics
