"""All measures of one cell, from its synthetic sets.

The full run is judged for fidelity and utility, the others for privacy. Metrics come back as one
flat mapping with the names of the results table; arrays hold what figures need, and what is told by
class. A name with `_paper` is the authors' form of a measure, kept beside the corrected one.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data import datasets
from ..data.datasets import Dataset, Neighbours, Sample
from ..data.sources import to_bytes
from ..randomness import generator as stream
from . import attacks, features, fidelity, lpips, plane, privacy, utility, worth
from .evaluation import DELTAS, PRIVATE_PER_CLASS, Evaluation
from .worth import TrainingSet

SHOWN_PER_CLASS = 8  # synthetic images per class kept for figures
VERSION = 5  # raise when a measure changes its meaning: measured cells are then measured again


class Synthetic(NamedTuple):
    """The synthetic images of a cell's runs, one set per role, labels shared."""

    full: Tensor  # [N, 1, 28, 28] in [0, 1]
    victim: Tensor
    ablated: Tensor
    omitted: Tensor | None  # of the run without one of ten images (defect D11)
    labels: Tensor  # int64 [N]


class Losses(NamedTuple):
    """What the full run's model says of images: `attacks.loss_scores`."""

    members: np.ndarray  # [n], of the private images
    others: np.ndarray  # [N], of the hold-out


class Measured(NamedTuple):
    """What `measure` returns."""

    metrics: dict[str, float]
    arrays: dict[str, np.ndarray]


def measure(
    dataset: Dataset,
    sets: Neighbours,
    synthetic: Synthetic,
    losses: Losses | None = None,
    *,
    evaluation: Evaluation,
    seed: int,
) -> Measured:
    """Fidelity, privacy and utility of one cell, beside real sets of the same size."""
    holdout = datasets.holdout(dataset, evaluation.per_class)
    training = paper_training_set(dataset, sets, evaluation.per_class)
    parts = [
        _fidelity(holdout, training, synthetic, evaluation, seed),
        _distances(holdout, training, sets, synthetic, seed),
        _membership(holdout, sets, synthetic, losses),
        _density_ratios(dataset, sets, synthetic, evaluation, seed),
        _utility(dataset, sets, synthetic, evaluation, seed),
    ]
    metrics, arrays = ({k: v for part in parts for k, v in part[i].items()} for i in range(2))
    arrays["samples"] = _shown(synthetic.full, synthetic.labels, len(dataset.classes))
    return Measured(metrics, arrays)


def paper_training_set(dataset: Dataset, sets: Neighbours, per_class: int) -> Tensor:
    """The authors' real set: `per_class` training images per class, the private ones among them.

    Their FID and ECDF compare with it (defects D13, D15). Filled up from the public pool.
    """
    more = min(per_class - PRIVATE_PER_CLASS, dataset.public_per_class)
    pool = [datasets.public(dataset, more).images] if more > 0 else []
    return torch.cat([sets.full.images, *pool])


# Fidelity


def _fidelity(holdout: Sample, training: Tensor, synthetic: Synthetic, evaluation, seed: int):
    """Against the hold-out, at equal N. Precision to coverage are on Lite0's features.

    Features are cached, of synthetic images too: a later measure need not compute them again.
    """
    fake, labels, real = synthetic.full, synthetic.labels, holdout.images
    lite0_real, lite0 = (features.cached(images, features.lite0) for images in (real, fake))
    logits = features.lite0_head(lite0)
    metrics = {
        "fd_lite0": fidelity.frechet_distance(lite0_real, lite0),
        "kid_lite0": fidelity.kid(lite0_real, lite0),
        "is_lite0": fidelity.inception_score(logits),
        "is_lite0_paper": fidelity.inception_score(logits, splits=10),
        "psnr": fidelity.psnr(fake, labels, real, holdout.labels),
        "ssim": fidelity.ssim(fake, labels, real, holdout.labels),
        **fidelity.neighbourhoods(lite0_real, lite0)._asdict(),
    }
    if evaluation.inception:
        metrics |= _slow_fidelity(holdout, training, synthetic, seed)
    sides = lite0_real, holdout.labels, lite0, labels
    by_class = fidelity.per_class(fidelity.frechet_distance, *sides)
    return metrics, {"class_fd_lite0": np.array(list(by_class.values()))}


def _slow_fidelity(holdout, training: Tensor, synthetic: Synthetic, seed: int) -> dict[str, float]:
    """What takes large images or networks whose weights are fetched (Inception, LPIPS' AlexNet)."""
    fake, labels, real = synthetic.full, synthetic.labels, holdout.images

    def pairs() -> torch.Generator:
        return stream(seed, "evaluation/pairs")

    pair = [features.cached(images, features.inception) for images in (real, fake)]
    return {
        "fid": fidelity.frechet_distance(*pair),
        "fid_paper": fidelity.frechet_distance(_inception_in_parts(training), pair[1]),
        "fid_inf": fidelity.fid_inf(*pair, generator=stream(seed, "evaluation/fid-inf")),
        "kid": fidelity.kid(*pair),
        "lpips": lpips.lpips(fake, labels, real, holdout.labels),
        "lpips_paper": lpips.lpips_paper(fake, real, generator=pairs()),
        "psnr_paper": fidelity.psnr_paper(fake, real, generator=pairs()),
        "ssim_paper": fidelity.ssim_paper(fake, real, generator=pairs()),
    }


def _inception_in_parts(images: Tensor, rows: int = 100) -> Tensor:
    """Cached features, part by part: sets that share most images share most of the work."""
    return torch.cat([features.cached(part, features.inception) for part in images.split(rows)])


# Privacy


def _distances(holdout: Sample, training: Tensor, sets: Neighbours, synthetic: Synthetic, seed):
    """Distances of synthetic and hold-out images to the private ones (and the authors' set)."""
    private = sets.full.images
    sides = {"synthetic": synthetic.full, "holdout": holdout.images}
    distances = {name: privacy.nearest_distances(images, private) for name, images in sides.items()}
    pair = distances["synthetic"], distances["holdout"]
    paper = [privacy.nearest_distances(images, training) for images in sides.values()]
    metrics = {
        "ecdf_ks": privacy.ecdf_ks(*pair),
        "ecdf_ks_directed": privacy.ecdf_ks_directed(*pair),
        "ecdf_w1": privacy.ecdf_w1(*pair),
        "ecdf_ks_paper": privacy.ecdf_ks(*paper),
        "ecdf_area_paper": privacy.ecdf_area_paper(*paper),
        "copy_rate": privacy.copy_rate(*pair),
        "max_ssim": privacy.max_ssim(
            synthetic.full, private, generator=stream(seed, "evaluation/max-ssim")
        ),
    }
    arrays = {f"distances_{name}": d.astype(np.float32) for name, d in distances.items()}
    return metrics, arrays | {"gallery": _gallery(distances["synthetic"], synthetic, private)}


def _gallery(distances: np.ndarray, synthetic: Synthetic, private: Tensor) -> np.ndarray:
    """Per class the synthetic image nearest to a private one, and that: uint8 [C, 2, 28, 28]."""
    nearest = [
        int(rows[distances[rows].argmin()])
        for c in synthetic.labels.unique()
        for rows in [torch.nonzero(synthetic.labels == c)[:, 0].numpy()]
    ]
    chosen = synthetic.full[nearest]
    _, index = privacy.nearest(chosen, private)
    return np.stack([to_bytes(chosen), to_bytes(private[index])], axis=1)


def _membership(holdout: Sample, sets: Neighbours, synthetic: Synthetic, losses: Losses | None):
    """Telling private from hold-out images by their distance to the synthetic ones, by the loss."""
    candidates = sets.full.images, holdout.images
    scores = {"mia": [attacks.distance_scores(images, synthetic.full) for images in candidates]}
    if losses is not None:
        scores["mia_loss"] = list(losses)
    metrics = {}
    for name, pair in scores.items():
        found = attacks.membership_inference(*pair)
        metrics |= {f"{name}_{field}": value for field, value in found._asdict().items()}
        metrics[name.replace("mia", "epsilon_lower")] = attacks.epsilon_lower(
            *pair, delta=DELTAS[0]
        )
    return metrics, {}


def _density_ratios(dataset: Dataset, sets: Neighbours, synthetic: Synthetic, evaluation, seed):
    """The query's density ratio, presence against absence of a class and, D11, one image of ten."""
    reducer = public_isomap(dataset, evaluation)
    points = {"query": reducer.transform(sets.query.images)}
    points |= {role: reducer.transform(getattr(synthetic, role)) for role in ("victim", "ablated")}
    metrics = _density_ratio(points["victim"], points["ablated"], points["query"], evaluation, seed)
    if synthetic.omitted is not None:
        points |= {
            role: reducer.transform(getattr(synthetic, role)) for role in ("full", "omitted")
        }
        one = _density_ratio(points["full"], points["omitted"], points["query"], evaluation, seed)
        metrics |= {f"{name}_one_of_ten": value for name, value in one.items()}
    return metrics, {f"points_{name}": p.astype(np.float32) for name, p in points.items()}


@functools.lru_cache(maxsize=4)
def public_isomap(dataset: Dataset, evaluation: Evaluation) -> plane.Reducer:
    """Isomap to two dimensions, fitted on the data set's public pool (defect D12)."""
    pool = datasets.public(dataset, dataset.public_per_class)
    return plane.isomap(pool.images, n_neighbors=evaluation.isomap_neighbors)


def _density_ratio(saw, saw_not, query, evaluation: Evaluation, seed: int) -> dict[str, float]:
    arguments = saw, saw_not, query, evaluation.neighbors
    interval = plane.log_density_ratio_interval(
        *arguments, generator=stream(seed, "evaluation/density-ratio")
    )
    return {
        "epsilon_hat": plane.epsilon_hat(*arguments),
        "epsilon_hat_paper": plane.epsilon_hat_paper(saw, saw_not, query),
        "log_density_ratio": interval.mean,
        "log_density_ratio_low": interval.low,
        "log_density_ratio_high": interval.high,
    }


# Utility


def _utility(dataset: Dataset, sets: Neighbours, synthetic: Synthetic, evaluation, seed: int):
    """What classifiers learn from the synthetic images, and whether they show the asked class."""
    private = TrainingSet(sets.full.images, sets.full.labels)
    published = TrainingSet(synthetic.full, synthetic.labels)
    metrics, by_class = worth.train_on_synthetic(dataset, published, evaluation, seed)
    metrics |= worth.settings(dataset, private, published, evaluation, seed)
    metrics |= worth.ceiling(dataset, private, evaluation, seed)
    judge = worth.judge(dataset, evaluation.judge)
    consistency = utility.class_accuracies(judge, *published)
    metrics["conditional_consistency"] = utility.conditional_consistency(judge, *published)
    return metrics, {
        "class_accuracy": by_class.numpy(),
        "class_conditional_consistency": consistency.numpy(),
    }


def _shown(images: Tensor, labels: Tensor, n_classes: int) -> np.ndarray:
    """The first few images of each class, uint8 [classes, SHOWN_PER_CLASS or fewer, 28, 28]."""
    per_class = min(SHOWN_PER_CLASS, len(labels) // n_classes)
    return np.stack([to_bytes(images[labels == c][:per_class]) for c in range(n_classes)])


def check_metrics(metrics: dict[str, float]) -> dict[str, float]:
    """The metrics, if each is a number; raises `ValueError` naming those that are not (D21)."""
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise ValueError(f"metrics {', '.join(bad)} are not finite numbers; the cell has failed")
    return metrics
