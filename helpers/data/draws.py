"""Which images are private, which are public and which are held out.

"No Free Lunch for Synthetic Images" (arXiv 2606.07640), section 4, trains on ten images per class.
Every data set is cut in the same three parts:

- the private images, drawn anew for every seed from the training split (`few_shot`, `neighbours`);
- a fixed public pool, cut from the training split and never drawn as private (`public`);
- a fixed hold-out, cut from the test split (`holdout`).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..randomness import generator as stream
from .datasets import Dataset


class Sample(NamedTuple):
    """Some images of one split, with labels and identities."""

    images: Tensor  # float32 [n, channels, size, size] in [0, 1]
    labels: Tensor  # int64 [n]
    index: Tensor  # int64 [n], position in the split: the record's identity


class Neighbours(NamedTuple):
    """The neighbouring training sets of section 4.3.1, and the record they differ in."""

    full: Sample  # n_per_class images of every class
    victim: Sample  # full, but of the query's class only the query, in the last place
    ablated: Sample  # victim without the query
    query: Sample  # the one record, n = 1
    omitted: Sample  # full without the query: one of its class's images is left out (defect D11)


def few_shot(dataset: Dataset, n_per_class: int, *, generator: torch.Generator) -> Sample:
    """The private images: `n_per_class` of every class from the training split, sorted by class.

    Drawn without replacement, never from the public pool. Raises `ValueError` if a class has too
    few images, naming it.
    """
    labels, reserve = dataset.train_labels, dataset.public_per_class
    public_index = _first_per_class(labels, len(dataset.classes), reserve, "public pool")
    private = torch.ones(len(labels), dtype=torch.bool)
    private[public_index] = False
    index = []
    for label, class_name in enumerate(dataset.classes):
        pool = torch.nonzero(private & (labels == label)).flatten()
        where = f"private images (up to {reserve} more are kept as public)"
        _check_enough(n_per_class, len(pool), class_name, label, f"{dataset.name} {where}")
        index.append(pool[torch.randperm(len(pool), generator=generator)[:n_per_class]])
    return _take(dataset.train_images, labels, torch.cat(index))


def public(dataset: Dataset, n_per_class: int) -> Sample:
    """The first `n_per_class` images of the fixed public pool, sorted by class.

    `few_shot` never draws them: they are data anyone may have, to fit reducers on (D12). At most
    `dataset.public_per_class` per class, else `ValueError`.
    """
    counts = dataset.counts("train")
    for label, class_name in enumerate(dataset.classes):
        there = min(dataset.public_per_class, counts[label])
        _check_enough(n_per_class, there, class_name, label, f"{dataset.name} public pool")
    index = _first_per_class(dataset.train_labels, len(dataset.classes), n_per_class, "public pool")
    return _take(dataset.train_images, dataset.train_labels, index)


def holdout(dataset: Dataset, n_per_class: int) -> Sample:
    """A fixed class-balanced subset of the test split, sorted by class; `index` is into that split.

    Smaller subsets are contained in larger ones. Raises `ValueError` if a class has too few images.
    """
    for label, (class_name, there) in enumerate(
        zip(dataset.classes, dataset.counts("test"), strict=True)
    ):
        _check_enough(n_per_class, there, class_name, label, f"{dataset.name} test split")
    index = _first_per_class(dataset.test_labels, len(dataset.classes), n_per_class, "hold-out")
    return _take(dataset.test_images, dataset.test_labels, index)


def neighbours(
    dataset: Dataset,
    n_per_class: int,
    *,
    query_class: int | None = None,
    generator: torch.Generator,
) -> Neighbours:
    """The training sets of section 4.3.1 that differ in one record, and that record, the query.

    `full` is what `few_shot` draws from the same generator. The query is the first image of
    `query_class` (default: the data set's) in it. Raises `ValueError` as `few_shot` does, and for a
    class out of range.
    """
    query_class = dataset.query_class if query_class is None else query_class
    if not isinstance(query_class, int) or not 0 <= query_class < len(dataset.classes):
        raise ValueError(
            f"query_class is {query_class!r}; {dataset.name} has classes 0 to "
            f"{len(dataset.classes) - 1}"
        )
    full = few_shot(dataset, n_per_class, generator=generator)
    others = full.labels != query_class
    first = torch.nonzero(~others).flatten()[:1]
    rest = torch.arange(len(full.labels)) != first
    ablated, query, omitted = (
        Sample(*(part[rows] for part in full)) for rows in (others, first, rest)
    )
    victim = Sample(*(torch.cat(pair) for pair in zip(ablated, query, strict=True)))
    return Neighbours(full, victim, ablated, query, omitted)


def _first_per_class(labels: Tensor, n_classes: int, n_per_class: int, purpose: str) -> Tensor:
    """Positions [n_classes * n_per_class] of a fixed choice, sorted by class; nested in n."""
    fixed = stream(0, purpose)
    index = []
    for label in range(n_classes):
        pool = torch.nonzero(labels == label).flatten()
        index.append(pool[torch.randperm(len(pool), generator=fixed)[:n_per_class]])
    return torch.cat(index)


def _check_enough(wanted: int, there: int, class_name: str, label: int, where: str) -> None:
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise ValueError(f"n_per_class is {wanted!r}; it must be an integer >= 1")
    if wanted > there:
        raise ValueError(
            f"n_per_class is {wanted}, but class {label} ({class_name}) has {there}: {where}"
        )


def _take(images: Tensor, labels: Tensor, index: Tensor) -> Sample:
    return Sample(images[index], labels[index], index)
