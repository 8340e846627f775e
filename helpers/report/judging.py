"""Any synthetic images beside the private ones they were made from: the numbers.

Three questions. *Do they look right*: features of EfficientNet-Lite0, which a requirement installs,
against real images. *Are they useful*: a classifier trained on them, beside one trained on the
private images. *What do they give away*: copies, and an attack that tells private images from
unseen ones. Each number has a yardstick, which is what real images score. What the numbers allow to
be said is in `verdicts`.

The generator is not asked: nothing here can prove that nothing is given away.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics.pairwise import euclidean_distances
from torch import Tensor
from tqdm import tqdm

from ..data.conversion import split_off
from ..data.sources import to_bytes
from ..metrics import attacks, copies, features, fidelity, two_samples, utility
from ..metrics.evaluation import EVALUATIONS
from ..metrics.statistics import Interval
from ..metrics.two_samples import Distance
from ..randomness import generator as stream

ALPHA = 0.0025  # of each of the four tests that may accuse: all together are wrong in 1 of 100
DELTA = 1e-5  # at which the attack's epsilon is proved
MOST = 500  # images of each set that the feature network looks at: minutes, not hours
DIFFERENT = 0.01  # p-value below which two sets are said to differ
FPR = 0.1  # share of unseen images that the attack may take for private ones
SHOWN = 6  # nearest pairs
SMALLEST = 4  # images of a set, below which nothing is measured
_CLASSIFIER = EVALUATIONS["compact"].classifier
_TRAININGS, _RESAMPLES = 3, 2000
_NEIGHBOURS = 3  # k of precision, recall and coverage


class Side(NamedTuple):
    """Images float32 [N, C, S, S] in [0, 1] and, where all sets have them, their classes [N]."""

    images: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class Sets:
    """What there is to judge with."""

    private: Side
    synthetic: Side
    holdout: Side | None  # real images that the generator has not seen
    public: Tensor | None  # images that the synthetic ones may be
    classes: tuple[str, ...]  # () without classes


class Looks(NamedTuple):
    """How the synthetic images, and real ones in their place, stand to the real reference."""

    count: int  # images of each of the three sets
    distance: Distance
    among: fidelity.Neighbourhoods
    real_distance: Distance
    real_among: fidelity.Neighbourhoods


class Use(NamedTuple):
    """What the synthetic images teach, and the private ones at as many steps."""

    synthetic: Interval  # balanced accuracies, with their 95 % intervals over test images
    private: Interval
    share: Interval  # of what the private images teach beyond chance
    chance: float
    tested: int
    fewest: int  # test images of the rarest class


class Copies(NamedTuple):
    """Synthetic images that lie nearer to a private one than any other real image does."""

    near: int
    count: int
    others: int  # real images that are the yardstick
    low: float  # Clopper-Pearson interval of the share, 95 %
    high: float
    p_value: float
    noticed: int | None  # the fewest that would have been told


class Attack(NamedTuple):
    """Telling private images from unseen ones by how near synthetic images lie."""

    auc: float
    tpr: float
    tpr_low: float
    tpr_high: float
    epsilon: float  # that is proved, for one image replaced
    ceiling: float  # the most that so many pairs can prove
    pairs: int


class Pair(NamedTuple):
    """A synthetic image and the private one it lies nearest to: rows, and uint8 pictures."""

    synthetic: int
    private: int
    score: float
    mirrored: bool
    pictures: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Judged:
    """All that was measured; `None` for what could not be."""

    looks: Looks | None
    alike: float | None  # p-value of the hold-out being like the private images
    use: Use | None
    exact: np.ndarray  # bool [N], synthetic images that equal a private one to the bit
    copies: dict[str, Copies]  # by what is compared: "pixels", "features"
    yardstick: str  # of copies: the "hold-out", or "private" images where that is not like them
    attacks: dict[str, Attack]
    pairs: list[Pair]
    least: float  # the lowest copy score of real images, by pixels
    by_class: list[int] | None  # copies, exact or by pixels, of each class
    of_class: list[int] | None  # synthetic images of each class
    counts: dict[str, int]  # images of each set, without repeated ones
    looked_at: dict[str, int]  # of them by the feature network
    repeated: dict[str, int]  # images left out: private ones twice, hold-out ones that are private
    public: dict[str, int]  # images of the other sets that are public ones to the bit


def judge(sets: Sets, *, seed: int = 0, say: Callable[[str], None] = lambda text: None) -> Judged:
    """Measure all that the sets allow; `say` is told what comes next.

    Private images that are there twice count once, and hold-out images that are private ones are
    left out. Raises `ValueError` for a set that is too small.
    """
    sets, rows, repeated = _apart(sets)
    sides = {name: side for name, side in _named(sets).items() if side is not None}
    for name, side in sides.items():
        if len(side.images) < SMALLEST:
            raise ValueError(f"{len(side.images)} {name} images; at least {SMALLEST} are needed")
    say("looking at images with the feature network")
    drawn = {name: _drawn(side, stream(seed, f"report/{name}")) for name, side in sides.items()}
    vectors = {name: _features(side.images) for name, side in drawn.items()}
    looks, alike = _looks(drawn, vectors, stream(seed, "report/looks"))
    yardstick = "private" if sets.holdout is None or (alike or 1) < DIFFERENT else "hold-out"
    say("comparing pixels")
    images = {name: side.images for name, side in sides.items()}
    pixels = _view(images, copies.mirrored_distances, yardstick)
    exact = copies.exact(sets.synthetic.images, sets.private.images)
    views = {
        "pixels": (pixels, sides),
        "features": (_view(vectors, euclidean_distances, yardstick), drawn),
    }
    say("training classifiers")
    use = _use(sets, seed) if sets.classes else None
    say("attacking")
    flagged = exact | (pixels.scores < pixels.other_scores.min())
    return Judged(
        looks=looks,
        alike=alike,
        use=use,
        exact=exact,
        copies={name: _copies(view) for name, (view, _) in views.items()},
        yardstick=yardstick,
        attacks={
            name: _attack(view, parts, stream(seed, "report/pairs"))
            for name, (view, parts) in views.items()
            if sets.holdout is not None
        },
        pairs=_pairs(sets, pixels, rows),
        least=float(pixels.other_scores.min()),
        by_class=_by_class(flagged, sets),
        of_class=_by_class(np.ones_like(flagged), sets),
        counts={name: len(side.images) for name, side in sides.items()},
        looked_at={name: len(side.images) for name, side in drawn.items()},
        repeated=repeated,
        public={
            name: int(copies.exact(side.images, sets.public).sum())
            for name, side in sides.items()
            if sets.public is not None
        },
    )


def _named(sets: Sets) -> dict[str, Side | None]:
    return {"private": sets.private, "synthetic": sets.synthetic, "hold-out": sets.holdout}


def _apart(sets: Sets) -> tuple[Sets, Tensor, dict[str, int]]:
    """The sets without repeated private images and without private ones in the hold-out; the rows
    of the private images that are left; how many of each were left out."""
    rows, holdout = copies.distinct(sets.private.images), sets.holdout
    repeated = {"private": len(sets.private.images) - len(rows)}
    if holdout is not None:
        seen = copies.exact(holdout.images, sets.private.images)
        repeated["hold-out"] = int(seen.sum())
        holdout = _take(holdout, torch.from_numpy(np.flatnonzero(~seen)))
    return replace(sets, private=_take(sets.private, rows), holdout=holdout), rows, repeated


def _take(side: Side, rows: Tensor) -> Side:
    return Side(side.images[rows], None if side.labels is None else side.labels[rows])


def _drawn(side: Side, generator: torch.Generator) -> Side:
    """`MOST` images at most, of each class as many as of another where there are enough."""
    groups = _groups(side, generator)
    return _take(side, torch.cat([rows[: max(MOST // len(groups), 1)] for rows in groups]))


def _groups(side: Side, generator: torch.Generator, classes: int = 0) -> list[Tensor]:
    """The rows of each class, or of all, in random order; of `classes` that may be empty."""
    order = torch.randperm(len(side.images), generator=generator)
    if side.labels is None:
        return [order]
    labels = side.labels[order]
    return [order[labels == c] for c in (range(classes) if classes else labels.unique().tolist())]


def _features(images: Tensor) -> np.ndarray:
    """Lite0's features float64 [N, 1280]; not kept on disk, being computed from private images."""
    parts = images.split(features.BATCH)
    return torch.cat([features.lite0(p) for p in tqdm(parts, disable=None)]).double().numpy()


# Do they look right?


def _looks(
    drawn: dict[str, Side], vectors: dict[str, np.ndarray], generator: torch.Generator
) -> tuple[Looks | None, float | None]:
    """Fidelity to the hold-out, beside that of the private images; and whether these two are alike.

    Without a hold-out one random half of the private images is the reference, the other the
    yardstick. All three sets hold as many images of each class.
    """
    classes = 0
    if drawn["private"].labels is not None:
        classes = 1 + max(int(side.labels.max()) for side in drawn.values())
    groups = {name: _groups(side, generator, classes) for name, side in drawn.items()}
    if "hold-out" in groups:
        reference, yardstick = groups["hold-out"], groups["private"]
    else:
        reference = [rows[: len(rows) // 2] for rows in groups["private"]]
        yardstick = [rows[len(rows) // 2 :] for rows in groups["private"]]
    chosen = list(zip(reference, yardstick, groups["synthetic"], strict=True))
    sets = ("hold-out" if "hold-out" in groups else "private", "private", "synthetic")
    count = [min(map(len, rows)) for rows in chosen]
    if sum(count) <= _NEIGHBOURS:
        return None, None
    real, other, synthetic = (
        vectors[name][torch.cat([rows[place][:k] for rows, k in zip(chosen, count, strict=True)])]
        for place, name in enumerate(sets)
    )
    real_distance = two_samples.kernel_distance(real, other, generator=generator)
    looks = Looks(
        sum(count),
        two_samples.kernel_distance(real, synthetic, generator=generator),
        fidelity.neighbourhoods(real, synthetic, _NEIGHBOURS),
        real_distance,
        fidelity.neighbourhoods(real, other, _NEIGHBOURS),
    )
    return looks, real_distance.p_value if "hold-out" in groups else None


# Are they useful?


def _use(sets: Sets, seed: int) -> Use | None:
    """What classifiers learn; tested on the hold-out, or else on a fifth of the private images.

    `None` if a class has no image in one of the sets.
    """
    private, test = sets.private, sets.holdout
    if test is None:
        keys = [image.numpy().tobytes() for image in private.images]
        part = torch.from_numpy(split_off(keys, private.labels.numpy()))
        private, test = (_take(private, rows.nonzero()[:, 0]) for rows in (~part, part))
    classes = len(sets.classes)
    counts = [
        torch.bincount(side.labels, minlength=classes) for side in (private, test, sets.synthetic)
    ]
    if min(int(count.min()) for count in counts) == 0:
        return None
    right = [_right(side, test, classes, seed) for side in (sets.synthetic, private)]
    by_class = [np.flatnonzero(test.labels.numpy() == c) for c in range(classes)]
    numbers = np.random.default_rng(seed)
    values = [np.mean([row[members].mean() for members in by_class]) for row in right]
    again = np.empty((_RESAMPLES, 2))
    for k in range(_RESAMPLES):
        rows = [numbers.choice(members, len(members)) for members in by_class]
        again[k] = [np.mean([row[members].mean() for members in rows]) for row in right]
    chance = 1 / classes
    beyond = np.maximum(again[:, 1] - chance, 1e-3)
    share = (values[0] - chance) / max(values[1] - chance, 1e-3)
    return Use(
        _interval(values[0], again[:, 0]),
        _interval(values[1], again[:, 1]),
        _interval(share, (again[:, 0] - chance) / beyond),
        chance,
        len(test.labels),
        int(counts[1].min()),
    )


def _right(taught: Side, test: Side, classes: int, seed: int) -> np.ndarray:
    """How often each test image [N] is told right, over classifiers of several seeds."""
    found = []
    for k in range(_TRAININGS):
        drawn = stream(seed, f"report/classifier/{k}")
        network = utility.train_classifier(*taught, classes, preset=_CLASSIFIER, generator=drawn)
        found.append((utility.predict(network, test.images) == test.labels).double())
    return torch.stack(found).mean(0).numpy()


def _interval(value: float, again: np.ndarray) -> Interval:
    return Interval(float(value), *map(float, np.quantile(again, (0.025, 0.975))), len(again))


# What do they give away?


class _View(NamedTuple):
    """Distances in one space."""

    to_private: np.ndarray  # of synthetic images, [N, P]
    scores: np.ndarray  # copy scores of them, [N]
    other_scores: np.ndarray  # of the hold-out, or of each private image to the rest
    to_synthetic: np.ndarray | None  # of hold-out images, [H, N]


def _view(sets: dict, distances: Callable, yardstick: str) -> _View:
    private, synthetic = sets["private"], sets["synthetic"]
    to_private, to_synthetic = distances(synthetic, private), None
    if "hold-out" in sets:
        to_synthetic = distances(sets["hold-out"], synthetic)
    others = distances(sets[yardstick], private)
    others = copies.without_itself(others) if yardstick == "private" else others
    return _View(
        to_private, copies.copy_scores(to_private), copies.copy_scores(others), to_synthetic
    )


def _copies(view: _View) -> Copies:
    near, count, others = (
        int((view.scores < view.other_scores.min()).sum()),
        len(view.scores),
        len(view.other_scores),
    )
    return Copies(
        near,
        count,
        others,
        *attacks.clopper_pearson(near, count),
        copies.rank_p_value(near, count, others),
        copies.fewest_noticed(count, others, ALPHA),
    )


def _attack(view: _View, sides: dict[str, Side], generator: torch.Generator) -> Attack:
    """By the distance to the nearest synthetic image; pairs are of one class."""
    members, others = -view.to_private.min(0), -view.to_synthetic.min(1)
    private, holdout = sides["private"], sides["hold-out"]
    classes = 0
    if private.labels is not None:
        classes = 1 + max(int(side.labels.max()) for side in (private, holdout))
    groups = [_groups(side, generator, classes) for side in (private, holdout)]
    matched = [(a[: len(b)], b[: len(a)]) for a, b in zip(*groups, strict=True)]
    pair = [torch.cat(rows).numpy() for rows in zip(*matched, strict=True)]
    pairs, how = len(pair[0]), {"delta": DELTA, "confidence": 1 - ALPHA}
    proved = attacks.epsilon_lower(members[pair[0]], others[pair[1]], **how) if pairs else 0.0
    ceiling = attacks.epsilon_lower_ceiling(pairs, **how) if pairs else 0.0
    found = attacks.membership_inference(members, others, fpr=FPR)
    return Attack(*found, proved, ceiling, pairs)


def _pairs(sets: Sets, view: _View, rows: Tensor) -> list[Pair]:
    """The synthetic images of the lowest copy scores, each beside its private one."""
    found = []
    for row in np.argsort(view.scores, kind="stable")[:SHOWN].tolist():
        nearest = int(view.to_private[row].argmin())
        pair = sets.synthetic.images[[row]], sets.private.images[[nearest]]
        gaps = [float((turned - pair[1]).square().sum()) for turned in copies.mirrors(pair[0])]
        pictures = tuple(to_bytes(image)[0] for image in pair)
        mirrored = int(np.argmin(gaps)) > 0
        found.append(Pair(row, int(rows[nearest]), float(view.scores[row]), mirrored, pictures))
    return found


def _by_class(flagged: np.ndarray, sets: Sets) -> list[int] | None:
    if not sets.classes:
        return None
    labels = sets.synthetic.labels.numpy()
    return [int(flagged[labels == c].sum()) for c in range(len(sets.classes))]
