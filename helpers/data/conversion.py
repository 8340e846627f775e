"""From arrays as people have them to bytes, class numbers and two splits, or one clear error.

Images become uint8 [N, S, S] (grey) or [N, S, S, 3] (colour), labels int64 [N] from 0 to K - 1,
under MedMNIST's names: `train_images`, `train_labels`, `test_images`, `test_labels`. Whatever is
not told apart by its values, such as pixels that range over [0, 4095], is refused and not guessed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SPLITS = ("train", "test")
KEYS = tuple(f"{split}_{part}" for split in SPLITS for part in ("images", "labels"))
SIZES = range(28, 129, 4)  # pixels per side: what the networks halve twice

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Content:
    """What a reader found: both splits, the names of the classes, and what is to be said of it."""

    arrays: Arrays  # KEYS, and extra arrays of the file
    classes: tuple[str, ...]
    note: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        images = self.arrays["train_images"]
        return (3 if images.ndim == 4 else 1, *images.shape[1:3])


def convert(
    arrays: Arrays,
    classes: Sequence[str] | None = None,
    shape: tuple[int, int, int] | None = None,
    keys: Sequence[bytes] | None = None,
) -> Content:
    """Checked bytes and class numbers of the two splits; other arrays are passed on.

    Pixels may be uint8, other integers or floats within [0, 255], floats within [0, 1] (as whole)
    or bool; grey ones [N, S, S] or [N, S, S, 1], colour ones [N, S, S, 3], with S in `SIZES`.
    Labels may be [N] or [N, 1]: integers, whole floats, bool or, where `classes` are not given,
    text. Classes of one's own are numbered in the order of their labels and named after them. If
    there is no test split, a fifth of each class becomes one (`split_off`, by `keys` or else by the
    pixels). `classes` and `shape` are those that are expected, if any are.

    Raises `ValueError`: what was given, what is allowed.
    """
    splits = [split for split in SPLITS if f"{split}_images" in arrays]
    images, notes = _bytes({f"{split}_images": arrays[f"{split}_images"] for split in splits})
    labels = {
        f"{split}_labels": _one_per_image(
            f"{split}_labels", arrays[f"{split}_labels"], len(images[f"{split}_images"])
        )
        for split in splits
    }
    if "test" not in splits:
        test = split_off(
            keys or [image.tobytes() for image in images["train_images"]], *labels.values()
        )
        for part in (images, labels):
            ((name, both),) = part.items()
            part |= {name: both[~test], name.replace("train", "test"): both[test]}
        by = "file names" if keys else "pixels"
        notes.append(f"It has no test split: a fifth of each class is one, by a hash of the {by}.")
    numbers, names, note = _class_numbers(labels, classes)
    content = Content({**arrays, **images, **numbers}, names, " ".join([*notes, *note]))
    if shape and content.shape != tuple(shape):
        given, wanted = ("x".join(map(str, sides)) for sides in (content.shape, shape))
        raise ValueError(
            f"its images are {given}, and {wanted} under this name; give it a name of its own"
        )
    return content


def split_off(keys: Sequence[bytes], labels: np.ndarray, part: int = 5) -> np.ndarray:
    """Which images [N] (bool) are the test split of a data set that has none.

    Of each class one in `part`, rounded down, at least one: those whose `keys` have the smallest
    SHA-256. The choice depends on no order, and an image more moves one other at most.
    """
    order = np.argsort([hashlib.sha256(key).hexdigest() for key in keys], kind="stable")
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        test[members[: max(1, len(members) // part)]] = True
    return test


def _bytes(images: Arrays) -> tuple[Arrays, list[str]]:
    """The images as uint8, grey ones without their channel, and what was done to them."""
    for name, array in images.items():
        _check_pixels(name, array)
    first, *others = (array.shape[1:] for array in images.values())
    if any(shape != first for shape in others):
        shapes = " and ".join(str(list(array.shape)) for array in images.values())
        raise ValueError(f"{' and '.join(images)} are {shapes}; they must have the same shape")
    images = {
        name: array[..., 0] if array.shape[3:] == (1,) else array for name, array in images.items()
    }
    if all(array.dtype == np.uint8 for array in images.values()):
        return images, []
    low = float(np.min([array.min() for array in images.values()]))
    high = float(np.max([array.max() for array in images.values()]))
    unit = high <= 1 and all(array.dtype.kind in "fb" for array in images.values())
    if not (low >= 0 and high <= 255):  # NaN is refused too
        raise ValueError(
            f"pixels of {' and '.join(images)} range over [{low:.4g}, {high:.4g}]; allowed: "
            "integers or floats within [0, 255], or floats within [0, 1]. Scale them first"
        )
    scale = 255 if unit else 1
    scaled = {
        name: np.round(array.astype(np.float32) * scale).astype(np.uint8)
        for name, array in images.items()
    }
    kinds = " and ".join(sorted({str(array.dtype) for array in images.values()}))
    return scaled, [f"Its pixels are {kinds} in [0, {1 if unit else 255}], rounded to 256 levels."]


def _check_pixels(name: str, array: np.ndarray) -> None:
    given = f"{name} is {array.dtype} {list(array.shape)}"
    if array.dtype.kind not in "buif":
        raise ValueError(f"{given}; pixels must be numbers")
    if array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] not in (1, 3):
        raise ValueError(f"{given}; the channels go last: {name}.transpose(0, 2, 3, 1)")
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3)):
        raise ValueError(f"{given}; it must be [N, S, S] or [N, S, S, 1] (grey) or [N, S, S, 3]")
    height, width = array.shape[1:3]
    if height != width or height not in SIZES:
        raise ValueError(
            f"{given}; images must be square, their side a multiple of 4 from {SIZES[0]} to "
            f"{SIZES[-1]}. Resize them first (images in a folder of class folders are resized)"
        )
    if len(array) == 0:
        raise ValueError(f"{name} is empty")


def _one_per_image(name: str, labels: np.ndarray, count: int) -> np.ndarray:
    """Labels [count] of a kind that can be told apart: int64 or text."""
    given = f"{name} is {labels.dtype} {list(labels.shape)}"
    if labels.ndim == 2 and labels.shape[1] > 1 and len(labels) == count:
        raise ValueError(
            f"{given}: several labels for each image (multi-label), which is not supported. Keep "
            "one class for each image, [N] or [N, 1]; rows with a single 1 are labels.argmax(1)"
        )
    if labels.shape not in ((count,), (count, 1)):
        raise ValueError(f"{given}; it must be integers [{count}, 1], one per image")
    labels = labels.reshape(-1)
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8")
    if labels.dtype.kind == "f":
        whole = np.isfinite(labels) & (labels == np.round(labels))
        if not whole.all():
            odd = labels[~whole][0]
            raise ValueError(f"{given} and has {odd:g}; class numbers must be whole")
    if labels.dtype.kind not in "Ubuif":
        raise ValueError(f"{given}; labels must be class numbers or, as text, names of classes")
    return labels if labels.dtype.kind == "U" else labels.astype(np.int64)


def _class_numbers(
    labels: Arrays, classes: Sequence[str] | None
) -> tuple[Arrays, tuple[str, ...], list[str]]:
    """Labels from 0 on, the names of the classes, and whether they were numbered anew."""
    text = [array.dtype.kind == "U" for array in labels.values()]
    if any(text) and (classes is not None or not all(text)):
        kinds = " and ".join(f"{name} is {array.dtype}" for name, array in labels.items())
        raise ValueError(
            f"{kinds}; both must be class numbers{'' if classes else ', or both text'}"
        )
    if classes is None:
        found, names, notes = _numbered(labels)
    else:
        found, names, notes = labels, tuple(classes), []
        _check_range(labels, f"0 to {len(names) - 1}", len(names) - 1)
    if len(names) < 2:
        raise ValueError(f"all images are of one class ({', '.join(names)}); two are needed")
    for name, array in found.items():
        counts = np.bincount(array, minlength=len(names))
        absent = [f"{label} ({names[label]})" for label in np.flatnonzero(counts == 0)]
        if absent:
            raise ValueError(
                f"{name} has no image of class {', '.join(absent)}; each class needs images in "
                "both splits"
            )
    return found, names, notes


def _numbered(labels: Arrays) -> tuple[Arrays, tuple[str, ...], list[str]]:
    values, numbers = np.unique(np.concatenate(list(labels.values())), return_inverse=True)
    ends = np.cumsum([len(array) for array in labels.values()])[:-1]
    found = dict(zip(labels, np.split(numbers.astype(np.int64), ends), strict=True))
    names = tuple(map(str, values))
    if values.dtype.kind != "U":
        _check_range(labels, "0 or more")
        if names != tuple(map(str, range(len(names)))):
            shown = ", ".join(names[:5]) + (f", ... {names[-1]}" if len(names) > 5 else "")
            return found, names, [f"Its labels {shown} are classes 0 to {len(names) - 1}."]
    return found, names, []


def _check_range(labels: Arrays, allowed: str, last: int | None = None) -> None:
    for name, array in labels.items():
        low, high = int(array.min()), int(array.max())
        if low < 0 or (last is not None and high > last):
            raise ValueError(f"{name} has values from {low} to {high}; allowed: {allowed}")
