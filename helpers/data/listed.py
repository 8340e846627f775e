"""Image files that are listed, each with its class and its group, cut 80/10/10 (TRI, section 3).

A layout says how files are listed: in class folders, whose photographs may show one leaf
(PlantVillage), or in CheXpert's table, whose radiographs may show one patient. The cut keeps the
classes' shares and every group on one side. `split.csv` in the folder (columns `Path`, relative to
the folder, and `Split`: train, val or test) is taken in its place. Which data set has which layout
is told by `records`.
"""

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from .conversion import Content, convert

PARTS = ("train", "val", "test")
_LEAST = 10  # images of a class of which a tenth is one
_POSITIVE = {"1.0": True, "-1.0": True, "0.0": False, "": False}  # U-Ones: uncertain is positive


@dataclass(frozen=True)
class Listing:
    """The files of a data set."""

    paths: list[Path]
    labels: np.ndarray  # int64 [N]
    groups: list[str]  # what one subject has in common; an image of its own where that is unknown
    note: str


@dataclass(frozen=True)
class Layout:
    """How the files of a folder are listed, given the class folders or else the classes."""

    list: Callable[[Path, Sequence[str]], Listing]
    holds: tuple[str, ...] = ()  # what the folder must hold to be it; else the class folders


def read_listed(
    folder: Path,
    layout: Layout,
    names: Sequence[str],
    classes: Sequence[str],
    shape: tuple[int, int, int],
) -> Content:
    """All listed images as uint8, cut into `PARTS`; `val_images` and `val_labels` are extra arrays.

    Images become squares as in `folders.read_image`, grey or colour as `shape` (channels, height,
    width) says. Raises `ValueError` naming the file, class or group that is wrong.
    """
    from . import folders  # takes Pillow, which a machine for trainings alone may lack

    found = layout.list(folder, names)
    table = folder / "split.csv"
    part = _given(table, found) if table.exists() else cut(found.labels, found.groups, classes)
    channels, size, _ = shape
    mode = "RGB" if channels == 3 else "L"
    pixels = np.stack([np.asarray(folders.read_image(p, size).convert(mode)) for p in found.paths])
    arrays = {}
    for number, name in enumerate(PARTS):
        arrays[f"{name}_images"] = pixels[part == number]
        arrays[f"{name}_labels"] = found.labels[part == number]
    sizes = "/".join(f"{count:,}" for count in np.bincount(part, minlength=len(PARTS)))
    how = "Split as its split.csv says" if table.exists() else "Cut 80/10/10 by class"
    try:
        content = convert(arrays, classes, shape)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    return Content(content.arrays, content.classes, f"{how}, {sizes} images. {found.note}")


# The cut


def cut(labels: np.ndarray, groups: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """The part of each image [N], an index into `PARTS`: of each class a tenth is test, one is val.

    Groups are taken in the order of their SHA-256, and passed over where one would bring more than
    a tenth of a class; so a part may lack up to a group. A class of which none fits gets its first
    group. The choice depends on no order of the files. Raises `ValueError` for a class of fewer
    than ten images, or of too few groups for three parts.
    """
    counts = np.bincount(labels, minlength=len(classes))
    for name, count in zip(classes, counts, strict=True):
        if count < _LEAST:
            raise ValueError(
                f"class {name!r} has {count} images; to be cut 80/10/10 a class needs {_LEAST} or "
                "more. Add images, or say in split.csv which are train, val and test"
            )
    names, group = np.unique(groups, return_inverse=True)
    order = np.argsort([hashlib.sha256(name.encode()).hexdigest() for name in names])
    sizes = np.zeros((len(names), len(classes)), dtype=int)
    np.add.at(sizes, (group, labels), 1)
    target = (counts + 5) // 10
    side = np.zeros(len(names), dtype=int)
    for part in (2, 1):
        _fill(side, part, order, sizes, target)
    part = side[group]
    for number, name in enumerate(classes):
        if lacking := [PARTS[p] for p in range(3) if not (part[labels == number] == p).any()]:
            raise ValueError(
                f"class {name!r} has {counts[number]} images of {(sizes[:, number] > 0).sum()} "
                f"groups, too few to have some in {', '.join(lacking)}"
            )
    return part


def _fill(
    side: np.ndarray, part: int, order: np.ndarray, sizes: np.ndarray, target: np.ndarray
) -> None:
    """Bring groups of `sizes` [G, classes] to a part, up to the target of every class."""
    held = np.zeros_like(target)
    for g in order:
        if side[g] == 0 and (held + sizes[g] <= target).all():
            side[g] = part
            held += sizes[g]
    for label in np.flatnonzero(held == 0):
        free = [g for g in order if side[g] == 0 and sizes[g, label]]
        side[free[:1]] = part


def _given(table: Path, found: Listing) -> np.ndarray:
    """The parts that a table names; each listed file once, no group on two sides."""
    told = {}
    for line, row in _rows(table, ("Path", "Split")):
        if row["Split"] not in PARTS:
            raise ValueError(
                f"{table}, line {line}: Split is {row['Split']!r}; allowed: {', '.join(PARTS)}"
            )
        told[table.parent.joinpath(*PurePosixPath(row["Path"]).parts)] = PARTS.index(row["Split"])
    if absent := [path for path in found.paths if path not in told]:
        name = absent[0].relative_to(table.parent).as_posix()
        raise ValueError(f"{table} lacks {len(absent)} of the images, {name} for one")
    part = np.array([told[path] for path in found.paths])
    sides: dict[str, int] = {}
    for group, side in zip(found.groups, part.tolist(), strict=True):
        if sides.setdefault(group, side) != side:
            both = " and ".join(PARTS[p] for p in sorted({sides[group], side}))
            raise ValueError(
                f"{table}: {group} is in both {both}; all its images must be on one side"
            )
    return part


# Layouts


def _in_folders(folder: Path, names: Sequence[str]) -> Listing:
    """Class folders of images of which it is not known which belong together."""
    from . import folders

    paths, labels = folders.listed(folder, names, [])
    groups = [path.relative_to(folder).as_posix() for path in paths]
    note = "Which images are of one subject is not known, so one may be on both sides."
    return Listing(paths, np.array(labels), groups, note)


def _leaves(folder: Path, names: Sequence[str]) -> Listing:
    """PlantVillage's class folders, grouped by its `leaf-map.json`, two levels up, if it is there.

    It has for the name of a photograph, without the part up to `___` and in small letters, the
    leaves "<class folder>:::<number>", one per class that has a photograph of that name.
    """
    plain = _in_folders(folder, names)
    table = folder.parents[1] / "leaf-map.json"
    if not table.exists():
        note = f"Without {table.name} a leaf of several photographs may be on both sides."
        return Listing(plain.paths, plain.labels, plain.groups, note)
    try:
        leaves = json.loads(table.read_text())
    except ValueError as error:
        raise ValueError(f"{table} is no JSON file: {error}. Fetch it anew") from error
    groups, known = list(plain.groups), 0
    for place, path in enumerate(plain.paths):
        own = f"{path.parent.name}:::"
        there = leaves.get(path.stem.rpartition("___")[2].lower(), [])
        leaf = next((leaf for leaf in there if leaf.startswith(own) and leaf != f"{own}nan"), "")
        groups[place] = leaf or groups[place]
        known += bool(leaf)
    note = f"Of {known:,} images the leaf is known; no such leaf is on two sides."
    return Listing(plain.paths, plain.labels, groups, note)


def _radiographs(folder: Path, findings: Sequence[str]) -> Listing:
    """CheXpert's `train.csv` by TRI's rule: antero-posterior, exactly one of the 14 observations,
    uncertain ones counted as positive (U-Ones); grouped by patient."""
    table, rows, frontal = folder / "train.csv", 0, 0
    paths, labels, groups = [], [], []
    for line, row in _rows(table, ("Path", "AP/PA", *findings)):
        rows += 1
        odd = {name: row[name] for name in findings if row[name] not in _POSITIVE}
        for name, value in odd.items():
            raise ValueError(
                f"{table}, line {line}: {name} is {value!r}; allowed: 1.0, 0.0, -1.0 or blank"
            )
        if row["AP/PA"] != "AP":  # PA, LL, RL, or blank for lateral ones
            continue
        frontal += 1
        positive = [number for number, name in enumerate(findings) if _POSITIVE[row[name]]]
        if len(positive) != 1:
            continue
        path = folder.joinpath(*PurePosixPath(row["Path"]).parts[1:])
        patient = re.search(r"patient\d+", row["Path"])
        if patient is None or not path.is_file():
            why = "names no patient" if patient is None else f"is not there ({path})"
            raise ValueError(f"{table}, line {line}: Path {row['Path']!r} {why}")
        paths.append(path)
        labels += positive
        groups.append(patient[0])
    note = (
        f"Of {rows:,} rows {frontal:,} are antero-posterior, and {len(paths):,} of these have "
        f"exactly one observation, uncertain ones counted as positive. They are of "
        f"{len(set(groups)):,} patients, none on two sides."
    )
    return Listing(paths, np.array(labels, dtype=np.int64), groups, note)


def _rows(table: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with the number of their line; `ValueError` for missing columns."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in needed if name not in (reader.fieldnames or ())]:
            raise ValueError(f"{table} lacks the columns {', '.join(missing)}")
        for row in reader:
            if any(row[name] is None for name in needed):
                raise ValueError(f"{table}, line {reader.line_num} is cut off")
            yield reader.line_num, row


IN_FOLDERS = Layout(_in_folders)
LEAVES = Layout(_leaves)
CHEXPERT = Layout(_radiographs, holds=("train.csv",))
