"""Reference generators: what is measured as if a model had made it, without any training.

They anchor every scale. `real` gives other real images (what a perfect generator would score: the
real-against-real floor), `copies` the training images themselves (perfect fidelity, no privacy),
`means` the blurred mean of each class (no detail, no diversity, and still pleasing to PSNR).
"""

import torch
from torch import Tensor

from ..data import draws
from ..data.datasets import Dataset
from ..data.draws import Sample


def images(
    name: str,
    dataset: Dataset,
    records: Sample,
    labels: Tensor,
    *,
    n_per_class: int,
    generator: torch.Generator,
) -> Tensor:
    """Images [N, C, S, S] in [0, 1] for `labels` [N], sorted, by the reference `name`.

    `records` are the training images, `n_per_class` how many of each class a full set has, and
    `generator` the one the full set is drawn with, in the same state: `real` keeps off those
    images, and does not depend on `records`. Raises `ValueError` if a class has too few others.
    """
    counts = torch.bincount(labels, minlength=len(dataset.classes)).tolist()
    if name == "real":
        private = draws.few_shot(dataset, n_per_class, generator=generator).index
        return torch.cat(
            [_others(dataset, c, count, private, generator) for c, count in enumerate(counts)]
        )
    make = {"copies": _copies, "means": _means}[name]
    return torch.cat([make(_of_class(records, c), count) for c, count in enumerate(counts)])


def _others(
    dataset: Dataset, label: int, count: int, private: Tensor, generator: torch.Generator
) -> Tensor:
    """Training images of a class that are not private; of the public pool only if there is need."""
    rows = torch.nonzero(dataset.train_labels == label).flatten()
    rows = rows[~torch.isin(rows, private)]
    if count > len(rows):
        raise ValueError(
            f"{dataset.name} has {len(rows)} images of class {label} ({dataset.classes[label]}) "
            f"that are not private; {count} are needed"
        )
    rows = rows[torch.randperm(len(rows), generator=generator)]
    if not dataset.public_per_class:
        return dataset.train_images[rows[:count]]
    pool = draws.public(dataset, dataset.public_per_class).index
    public_last = torch.isin(rows, pool).byte().argsort(stable=True)
    return dataset.train_images[rows[public_last][:count]]


def _of_class(records: Sample, label: int) -> Tensor:
    """The records of a class; all of them if there is none, for want of better."""
    chosen = records.labels == label
    return records.images[chosen] if chosen.any() else records.images


def _copies(group: Tensor, count: int) -> Tensor:
    return group[torch.arange(count) % len(group)]


def _means(group: Tensor, count: int) -> Tensor:
    from torchvision.transforms.functional import gaussian_blur  # of which trainings know nothing

    mean = gaussian_blur(group.mean(dim=0, keepdim=True), kernel_size=5, sigma=1.0)
    return mean.expand(count, -1, -1, -1).clamp(0, 1)
