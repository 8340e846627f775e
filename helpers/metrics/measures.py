"""All measures of one cell, each a function of what there is to be measured.

The full run is judged for fidelity and utility, the others for privacy. A measure gives metrics,
with the names of the results table, and arrays: what figures need, and what is told by class. A
name with `_paper` is the authors' form of a measure, kept beside the corrected one. Which measures
there are, and in which version, is told by `evaluation.MEASURES`: `take` finds a measure's function
by its name.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data import draws
from ..data.datasets import Dataset
from ..data.draws import Neighbours, Sample
from ..data.sources import to_bytes
from ..models.presets import Training
from ..randomness import generator as stream
from ..training import accounting
from . import attacks, features, fidelity, lpips, plane, privacy, utility, worth
from .evaluation import ABSENT, DELTAS, MULTIPLES, ONE_OF_TEN, PRIVATE_PER_CLASS, Evaluation
from .worth import TrainingSet

SHOWN_PER_CLASS = 8  # synthetic images per class kept for figures
_SPLITS = 10  # of the authors' Inception Score


class Synthetic(NamedTuple):
    """The synthetic images of a cell's runs, one set per role, labels shared.

    `None` for a role that the cell does not have, or that no measure taken needs.
    """

    full: Tensor | None  # [N, C, S, S] in [0, 1]
    victim: Tensor | None
    ablated: Tensor | None
    omitted: Tensor | None  # of the run without one of ten images (defect D11)
    labels: Tensor  # int64 [N]


class Losses(NamedTuple):
    """What the full run's model says of images: `attacks.loss_scores`."""

    members: np.ndarray  # [n], of the private images
    others: np.ndarray  # [N], of `Subject.others`


class Private(NamedTuple):
    """How privately the full run's model was trained, for the accountant."""

    arm: str
    sigma: float
    training: Training
    noised_parameters: int
    classes: int
    unaccounted: str = ""  # what of records is read beside the noised gradients, in words


class Measured(NamedTuple):
    """What a measure gives."""

    metrics: dict[str, float]
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True)
class Subject:
    """What is measured: the sets a cell was trained on, and what came of it."""

    dataset: Dataset | None  # this and the next two are `None` for measures of `arrays` alone
    sets: Neighbours | None
    synthetic: Synthetic | None
    evaluation: Evaluation
    seed: int
    losses: Callable[[], Losses] | None = None  # of a trained model; computed when asked for
    private: Private | None = None  # of a trained model
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)  # kept from earlier measures

    @functools.cached_property
    def holdout(self) -> Sample:
        """As many real images per class as there are synthetic ones, never trained on."""
        return draws.holdout(self.dataset, self.evaluation.per_class)

    @functools.cached_property
    def others(self) -> Sample:
        """Real images that were not trained on but might have been: the public pool, which a coin
        tells from the private images. Of data without one, the hold-out, which is of another split:
        what tells the splits apart then passes for an attack's success."""
        reserve = self.dataset.public_per_class
        return draws.public(self.dataset, reserve) if reserve else self.holdout

    @functools.cached_property
    def paper_training_set(self) -> Tensor:
        """The authors' real set: `per_class` training images per class, the private ones among
        them, filled up from the public pool. Their FID and ECDF compare with it (D13, D15)."""
        more = min(self.evaluation.per_class - PRIVATE_PER_CLASS, self.dataset.public_per_class)
        pool = [draws.public(self.dataset, more).images] if more > 0 else []
        return torch.cat([self.sets.full.images, *pool])

    def stream(self, purpose: str) -> torch.Generator:
        """The random numbers of one purpose."""
        return stream(self.seed, f"evaluation/{purpose}")


def take(names: Iterable[str], subject: Subject) -> Measured:
    """The measures of these names. Raises `ValueError` for a metric that is no number (D21)."""
    metrics: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    for name in names:
        found = globals()[f"take_{name}"](subject)
        metrics |= found.metrics
        arrays |= found.arrays
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise ValueError(f"metrics {', '.join(bad)} are not finite numbers; the cell has failed")
    return Measured(metrics, arrays)


# Fidelity: against the hold-out, at equal N


def take_fidelity(s: Subject) -> Measured:
    """What EfficientNet-Lite0 and the pixels say; precision to coverage are on Lite0's features."""
    fake, labels, real = s.synthetic.full, s.synthetic.labels, s.holdout.images
    lite0_real, lite0 = (features.cached(images, features.lite0) for images in (real, fake))
    logits = features.lite0_head(lite0)
    sides = lite0_real, s.holdout.labels, lite0, labels
    by_class = fidelity.per_class(fidelity.frechet_distance, *sides)
    metrics = {
        "fd_lite0": fidelity.frechet_distance(lite0_real, lite0),
        "kid_lite0": fidelity.kid(lite0_real, lite0),
        "is_lite0": fidelity.inception_score(logits),
        "is_lite0_paper": fidelity.inception_score(logits, splits=min(_SPLITS, len(logits) // 2)),
        "psnr": fidelity.psnr(fake, labels, real, s.holdout.labels),
        "ssim": fidelity.ssim(fake, labels, real, s.holdout.labels),
        **fidelity.neighbourhoods(lite0_real, lite0)._asdict(),
    }
    return Measured(metrics, {"class_fd_lite0": np.array(list(by_class.values()))})


def take_inception(s: Subject) -> Measured:
    """What takes large images or networks whose weights are fetched (Inception, LPIPS' AlexNet)."""
    if not s.evaluation.inception:
        return Measured({}, {})
    fake, labels, real = s.synthetic.full, s.synthetic.labels, s.holdout.images
    pair = [features.cached(images, features.inception) for images in (real, fake)]
    metrics = {
        "fid": fidelity.frechet_distance(*pair),
        "fid_paper": fidelity.frechet_distance(_inception_in_parts(s.paper_training_set), pair[1]),
        "fid_inf": fidelity.fid_inf(*pair, generator=s.stream("fid-inf")),
        "kid": fidelity.kid(*pair),
        "lpips": lpips.lpips(fake, labels, real, s.holdout.labels),
        "lpips_paper": lpips.lpips_paper(fake, real, generator=s.stream("pairs")),
        "psnr_paper": fidelity.psnr_paper(fake, real, generator=s.stream("pairs")),
        "ssim_paper": fidelity.ssim_paper(fake, real, generator=s.stream("pairs")),
    }
    return Measured(metrics, {})


def _inception_in_parts(images: Tensor, rows: int = 100) -> Tensor:
    """Cached features, part by part: sets that share most images share most of the work."""
    return torch.cat([features.cached(part, features.inception) for part in images.split(rows)])


def take_samples(s: Subject) -> Measured:
    """The first few images of each class, uint8 [classes, SHOWN_PER_CLASS or fewer, ...]."""
    images, labels, n_classes = s.synthetic.full, s.synthetic.labels, len(s.dataset.classes)
    count = min(SHOWN_PER_CLASS, len(labels) // n_classes)
    shown = [to_bytes(images[labels == c][:count]) for c in range(n_classes)]
    return Measured({}, {"samples": np.stack(shown)})


# Privacy


def take_distances(s: Subject) -> Measured:
    """Distances of synthetic and hold-out images to the private ones (and the authors' set)."""
    private = s.sets.full.images
    sides = {"synthetic": s.synthetic.full, "holdout": s.holdout.images}
    distances = {name: privacy.nearest_distances(images, private) for name, images in sides.items()}
    pair = distances["synthetic"], distances["holdout"]
    paper = [privacy.nearest_distances(images, s.paper_training_set) for images in sides.values()]
    metrics = {
        "ecdf_ks": privacy.ecdf_ks(*pair),
        "ecdf_ks_directed": privacy.ecdf_ks_directed(*pair),
        "ecdf_w1": privacy.ecdf_w1(*pair),
        "ecdf_ks_paper": privacy.ecdf_ks(*paper),
        "ecdf_area_paper": privacy.ecdf_area_paper(*paper),
        "copy_rate": privacy.copy_rate(*pair),
        "max_ssim": privacy.max_ssim(s.synthetic.full, private, generator=s.stream("max-ssim")),
    }
    arrays = {f"distances_{name}": d.astype(np.float32) for name, d in distances.items()}
    return Measured(metrics, arrays | {"gallery": _gallery(distances["synthetic"], s)})


def _gallery(distances: np.ndarray, s: Subject) -> np.ndarray:
    """Per class the synthetic image nearest to a private one, and that: uint8 [C, 2, ...]."""
    labels, private = s.synthetic.labels, s.sets.full.images
    nearest = [
        int(rows[distances[rows].argmin()])
        for c in labels.unique()
        for rows in [torch.nonzero(labels == c)[:, 0].numpy()]
    ]
    chosen = s.synthetic.full[nearest]
    _, index = privacy.nearest(chosen, private)
    return np.stack([to_bytes(chosen), to_bytes(private[index])], axis=1)


def take_membership(s: Subject) -> Measured:
    """Telling private images from others by their distance to the synthetic ones."""
    candidates = s.sets.full.images, s.others.images
    pair = [attacks.distance_scores(images, s.synthetic.full) for images in candidates]
    return _attack("mia", "epsilon_lower", *pair, s)


def take_loss_attack(s: Subject) -> Measured:
    """The same by the trained model's own loss; a reference has none."""
    if s.losses is None:
        return Measured({}, {})
    return _attack("mia_loss", "epsilon_lower_loss", *s.losses(), s)


def _attack(
    prefix: str, bound: str, members: np.ndarray, others: np.ndarray, s: Subject
) -> Measured:
    """The attack's success against all others; the bound from a partner of its class for each."""
    found = attacks.membership_inference(members, others)._asdict()
    metrics = {f"{prefix}_{name}": value for name, value in found.items()}
    by_class = [scores.reshape(len(s.dataset.classes), -1) for scores in (members, others)]
    pairs = min(scores.shape[1] for scores in by_class)
    members, partners = (scores[:, :pairs].ravel() for scores in by_class)
    metrics[bound] = attacks.epsilon_lower(members, partners, delta=DELTAS[0])
    return Measured(metrics, {})


def take_density_ratios(s: Subject) -> Measured:
    """The query's density ratio, presence against absence of a class and, D11, one image of ten.

    Nothing where there is no plane.
    """
    if not has_plane(s.dataset, s.evaluation):
        return Measured({}, {})
    reducer = public_isomap(s.dataset, s.evaluation)
    points = {"query": reducer.transform(s.sets.query.images)}
    points |= {role: reducer.transform(getattr(s.synthetic, role)) for role in ABSENT}
    metrics = _density_ratio(points["victim"], points["ablated"], points["query"], s)
    if s.synthetic.omitted is not None:
        points |= {role: reducer.transform(getattr(s.synthetic, role)) for role in ONE_OF_TEN}
        one = _density_ratio(points["full"], points["omitted"], points["query"], s)
        metrics |= {f"{name}_one_of_ten": value for name, value in one.items()}
    return Measured(metrics, {f"points_{n}": p.astype(np.float32) for n, p in points.items()})


def has_plane(dataset: Dataset, evaluation: Evaluation) -> bool:
    """Whether the public pool has more images than Isomap has neighbours."""
    return dataset.public_per_class * len(dataset.classes) > evaluation.isomap_neighbors


@functools.lru_cache(maxsize=4)
def public_isomap(dataset: Dataset, evaluation: Evaluation) -> plane.Reducer:
    """Isomap to two dimensions, fitted on the data set's public pool (defect D12)."""
    pool = draws.public(dataset, dataset.public_per_class)
    return plane.isomap(pool.images, n_neighbors=evaluation.isomap_neighbors)


def _density_ratio(saw, saw_not, query, s: Subject) -> dict[str, float]:
    arguments = saw, saw_not, query, s.evaluation.neighbors
    interval = plane.log_density_ratio_interval(*arguments, generator=s.stream("density-ratio"))
    return {
        "epsilon_hat": plane.epsilon_hat(*arguments),
        "epsilon_hat_paper": plane.epsilon_hat_paper(saw, saw_not, query),
        "log_density_ratio": interval.mean,
        "log_density_ratio_low": interval.low,
        "log_density_ratio_high": interval.high,
    }


def take_accountant(s: Subject) -> Measured:
    """The accountant's epsilon, the noised parameters and the noise-to-signal ratio of a training.

    Epsilon is infinite, and left out, in the arms `sgd` and `clipped`, and of a model that reads
    private records beside the noised gradients (defects D3 and D4).
    """
    return Measured({} if s.private is None else accounted(s.private), {})


def accounted(private: Private) -> dict[str, float]:
    """What `take_accountant` gives of a training."""
    run, size = private.training, private.noised_parameters
    batch = run.sample_rate * private.classes * PRIVATE_PER_CLASS
    ratio = accounting.noise_to_signal(private.sigma, parameters=size, expected_batch=batch)
    metrics = {"noised_parameters": float(size), "noise_to_signal": ratio}
    if private.arm == "dp" and not private.unaccounted:
        metrics |= {
            f"epsilon_{delta:.0e}".replace("e-0", "e-"): accounting.epsilon(
                private.sigma, steps=run.steps, sample_rate=run.sample_rate, delta=delta
            )
            for delta in DELTAS
        }
    return metrics


# Utility


def take_worth(s: Subject) -> Measured:
    """What classifiers learn from the synthetic images, alone and with the private ones."""
    private, published = _taught(s)
    metrics, by_class = worth.train_on_synthetic(s.dataset, published, s.evaluation, s.seed)
    metrics |= worth.settings(s.dataset, private, published, s.evaluation, s.seed)
    metrics |= worth.ceiling(s.dataset, private, s.evaluation, s.seed)
    return Measured(metrics, {"class_accuracy": by_class.numpy()})


def take_multiples(s: Subject) -> Measured:
    """What they learn from twice and thrice as many synthetic images as private ones, if there are
    so many."""
    private, published = _taught(s)
    there = tuple(k for k in MULTIPLES[1:] if k * len(private.labels) <= len(published.labels))
    more = replace(s.evaluation, multiples=there)
    return Measured(worth.settings(s.dataset, private, published, more, s.seed), {})


def _taught(s: Subject) -> tuple[TrainingSet, TrainingSet]:
    """The private and the synthetic images that classifiers are trained on."""
    images, labels = s.synthetic.full, s.synthetic.labels
    return TrainingSet(s.sets.full.images, s.sets.full.labels), TrainingSet(images, labels)


def take_consistency(s: Subject) -> Measured:
    """How often an image shows the class that was asked for."""
    judge = worth.judge(s.dataset, s.evaluation.judge)
    asked = s.synthetic.full, s.synthetic.labels
    by_class = utility.class_accuracies(judge, *asked)
    metrics = {"conditional_consistency": utility.conditional_consistency(judge, *asked)}
    return Measured(metrics, {"class_conditional_consistency": by_class.numpy()})
