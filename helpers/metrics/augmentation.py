"""TRI's five ways to make a training set of real and synthetic images (TRI, section 4.2)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as geometry

from ..data.checks import check_images, check_labels, check_same_size

SETTINGS = ("real", "geometric", "synthetic", "real+synthetic", "combined")
DEGREES = 15.0  # TRI does not state its range of rotations


class TrainingSet(NamedTuple):
    """Images [N, 1, H, W] in [0, 1] with labels [N]."""

    images: Tensor
    labels: Tensor


def geometric(
    images: Tensor, *, generator: torch.Generator, flips: bool = True, degrees: float = DEGREES
) -> Tensor:
    """Each image turned by up to +-`degrees` and, with `flips`, mirrored each way half the time.

    TRI flips horizontally and vertically. A mirrored digit or a body whose left is right is another
    class: without `flips` the labels stay true. Images [N, 1, H, W] in [0, 1] keep size and range;
    corners uncovered by turning are black.
    """
    images = check_images(images)
    angles = degrees * (2 * torch.rand(len(images), generator=generator) - 1)
    mirrored = torch.rand(len(images), 2, generator=generator) < (0.5 if flips else 0.0)
    turned = []
    for image, angle, (horizontal, vertical) in zip(
        images, angles.tolist(), mirrored.tolist(), strict=True
    ):
        image = geometry.rotate(image, angle, interpolation=InterpolationMode.BILINEAR)
        image = geometry.hflip(image) if horizontal else image
        turned.append(geometry.vflip(image) if vertical else image)
    return torch.stack(turned).clamp(0, 1)


def training_set(
    setting: str,
    real: TrainingSet,
    synthetic: TrainingSet,
    *,
    multiple: int = 1,
    generator: torch.Generator,
    flips: bool = True,
) -> TrainingSet:
    """The training set of one of TRI's `SETTINGS`; `multiple`: synthetic images per real one.

    (1) `real`; (2) `geometric`: real with a geometric copy of each; (3) `synthetic` alone; (4)
    `real+synthetic`; (5) `combined`: as (4), with a geometric copy of each. The synthetic images
    follow the real set's class counts, `multiple` times, drawn at random. Train each for the same
    number of steps. Raises `ValueError` for an unknown setting or too few synthetic images.
    """
    if setting not in SETTINGS:
        raise ValueError(f"setting {setting!r} is unknown; allowed: {', '.join(SETTINGS)}")
    if isinstance(multiple, bool) or not isinstance(multiple, int) or multiple < 1:
        raise ValueError(f"multiple is {multiple!r}; it must be a whole number of at least 1")
    real = _checked(real, "real")
    parts = []
    if setting != "synthetic":
        parts.append(real)
    if setting in ("synthetic", "real+synthetic", "combined"):
        synthetic = _checked(synthetic, "synthetic")
        check_same_size(real.images, synthetic.images, "real and synthetic images")
        parts.append(_matching(synthetic, real.labels, multiple, generator))
    if setting in ("geometric", "combined"):
        parts += [
            TrainingSet(geometric(part.images, generator=generator, flips=flips), part.labels)
            for part in parts
        ]
    return TrainingSet(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _checked(group: TrainingSet, name: str) -> TrainingSet:
    images, labels = group[0], group[1]
    images = check_images(images, f"{name} images")
    return TrainingSet(images, check_labels(labels, len(images), f"{name} labels"))


def _matching(
    synthetic: TrainingSet, real_labels: Tensor, multiple: int, generator: torch.Generator
) -> TrainingSet:
    """Synthetic images drawn without replacement, `multiple` times the real count per class."""
    rows = []
    for label, count in zip(
        *(t.tolist() for t in real_labels.unique(return_counts=True)), strict=True
    ):
        there = torch.nonzero(synthetic.labels == label).flatten()
        if len(there) < multiple * count:
            raise ValueError(
                f"{len(there)} synthetic images of class {label}; {multiple * count} are needed "
                f"({multiple} for each of {count} real ones)"
            )
        rows.append(there[torch.randperm(len(there), generator=generator)[: multiple * count]])
    chosen = torch.cat(rows)
    return TrainingSet(synthetic.images[chosen], synthetic.labels[chosen])
