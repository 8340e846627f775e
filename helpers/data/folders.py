"""Folders of class folders with image files, read into checked NumPy arrays.

`<folder>/<class>/*.png`, or `<folder>/train/<class>/` and `<folder>/test/<class>/`. An image is
what is named as one or starts as one does, whatever its name: it is read, or refused with its path.
What else is there is left out and said; hidden files are not.

Whatever their size, images become square: the largest square in the middle is cut out, then resized
to `size` by Lanczos (Pillow's, which widens its window when it shrinks); an image of that size
stays as it is. Before that, each image is turned as its EXIF says, laid on white where it is
transparent, brought from palette, CMYK and the like to RGB, and from 16 bits to 8 (0 to 65,535 is 0
to 255).
"""

import re
import struct
import unicodedata
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from . import files
from .conversion import SIZES, SPLITS, Content, convert

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp", ".webp")
_FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")  # that are read, as Pillow calls them
_STARTS = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|II[*+]\0|MM\0[*+]|GIF8[79]a|BM.{4}\0{4}|RIFF.{4}WEBP"
    rb"|(?P<DICOM>.{128}DICM)|(?P<HEIF>.{4}ftyp(?:hei|hev|mif))|(?P<AVIF>.{4}ftypavi)"
    rb"|(?P<JPEG_2000>\0\0\0\x0cjP  )",  # what has a name is an image that is not read
    re.DOTALL,
)
_SUBFILE = 254  # TIFF's tag whose first bit says that an image is a small copy of another
USUAL = 64  # pixels a side at most, unless more are asked for
_READ = "read are PNG, JPEG, TIFF, GIF, BMP and WebP"
_NAMED = 5  # of what is left out
_CLUTTER = ("thumbs.db", "desktop.ini", "__macosx")  # what systems leave behind
# What Pillow raises for a file that is cut off, damaged or none of its own.
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error)


class Images(NamedTuple):
    """The images of one folder, as `read_any` finds them."""

    pixels: np.ndarray  # uint8 [N, S, S] or [N, S, S, 3]
    labels: np.ndarray | None  # int64 [N], or none without class folders
    classes: tuple[str, ...]  # () without class folders
    names: tuple[str, ...]  # the files' paths in the folder
    note: str  # what was left out


def read_folder(
    folder: Path,
    classes: Sequence[str] | None = None,
    *,
    size: int = 28,
    channels: int | None = None,
) -> Content:
    """All images of the class folders as uint8 [N, size, size] or [N, size, size, 3].

    `classes` names the class folders in the order of their numbers and leaves out others; without
    it all of them, by name. `channels` is 1 or 3; without it images are colour if the channels of
    any image differ, else grey. Colour becomes grey by Rec. 601 luma. Without folders `train` and
    `test`, a fifth of each class becomes the test split, by a hash of the file names. The note says
    what is left out.

    Raises `ValueError` naming the file that cannot be read as an image, or what is wrong with the
    folder.
    """
    if size not in SIZES:
        allowed = f"a multiple of 4 from {SIZES[0]} to {SIZES[-1]}"
        raise ValueError(f"size is {size!r}; it must be {allowed}")
    splits = _splits(folder)
    names = tuple(classes or (_name(path) for path in _inside(splits[0])))
    arrays, keys, ignored, colour = {}, [], [], channels == 3
    for split, place in zip(SPLITS, splits, strict=False):
        paths, labels = listed(place, names, ignored)
        images = [read_image(path, size) for path in paths]
        colour = colour or (channels is None and any(map(_is_colour, images)))
        arrays |= {f"{split}_images": images, f"{split}_labels": np.array(labels)}
        keys = keys or [_name(path).encode() for path in paths]
    for split in SPLITS[: len(splits)]:
        converted = (image.convert("RGB" if colour else "L") for image in arrays[f"{split}_images"])
        arrays[f"{split}_images"] = np.stack([np.asarray(image) for image in converted])
    try:
        content = convert(arrays, names, keys=keys)
    except ValueError as error:
        raise ValueError(f"{folder} is not a usable folder of images: {error}") from error
    note = " ".join(filter(None, (content.note, _left_out(ignored))))
    return Content(content.arrays, names, note)


def _left_out(ignored: Sequence[str]) -> str:
    more = f" and {len(ignored) - _NAMED} more" if len(ignored) > _NAMED else ""
    return f"Left out: {', '.join(ignored[:_NAMED])}{more}." if ignored else ""


def read_classes(
    folder: Path, *, size: int = 28, channels: int | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """All images of the class folders, unsplit, their class numbers [N], and the classes' names.

    Images as `read_folder` gives them. Raises `ValueError` if there are no class folders, one holds
    no image, or an image cannot be read.
    """
    names = tuple(_name(path) for path in _inside(folder)) if folder.is_dir() else ()
    if len(names) < 2:
        raise ValueError(
            f"{folder} holds no list of classes: give a folder with one folder of images for each "
            f"class, two or more; there are: {', '.join(names) or 'none'}"
        )
    found = read_any(folder, size=size, channels=channels)
    if found.note:
        warnings.warn(f"{folder}: {found.note}", stacklevel=2)
    return found.pixels, found.labels, found.classes


def read_unlabelled(folder: Path, *, size: int = 28, channels: int | None = None) -> np.ndarray:
    """All images in a folder and the folders in it, whatever these are called; as `read_folder`.

    Raises `ValueError` if there is none, or one cannot be read.
    """
    return _pixels(_anywhere(folder, []), size, channels)


def read_any(folder: Path, *, size: int = 28, channels: int | None = None) -> Images:
    """All images of a folder: by class if there are two class folders or more, else unlabelled.

    Images as `read_folder` gives them; whatever else is there is told in the note. Raises
    `ValueError` for folders `train` and `test` in place of classes, a class or a folder without an
    image, or one that cannot be read.
    """
    paths, labels, classes, ignored = _found(folder)
    names = tuple(_name_in(folder, path) for path in paths)
    pixels = _pixels(paths, size, channels)
    return Images(pixels, labels, classes, names, _left_out(ignored))


def usual_side(folder: Path) -> int:
    """The pixels a side at which to read a folder: the most frequent shorter side of its images, as
    one that is allowed, up to `USUAL`.

    Raises `ValueError` as `read_any` does.
    """
    sides = Counter(min(_dimensions(path)) for path in _found(folder)[0])
    side = min(max(sides.most_common(1)[0][0], SIZES[0]), USUAL)
    return side - side % SIZES.step


def _found(
    folder: Path,
) -> tuple[list[Path], np.ndarray | None, tuple[str, ...], list[str]]:
    """The image files, their class numbers and the classes' names; what is left out."""
    ignored: list[str] = []
    classes = tuple(_name(path) for path in _inside(folder))
    if _splits(folder) != [folder]:
        raise ValueError(
            f"{folder} holds the folders {', '.join(classes)}, which are no classes: give one of "
            f"them, such as {folder / classes[0]}"
        )
    if len(classes) < 2:
        return _anywhere(folder, ignored), None, (), ignored
    loose = sorted(_name(path) for path in folder.iterdir() if _is_image(path))
    ignored += [f"{name} (beside the class folders)" for name in loose]
    paths, labels = listed(folder, classes, ignored)
    return paths, np.array(labels), classes, ignored


def _anywhere(folder: Path, ignored: list[str]) -> list[Path]:
    paths = []
    for path in sorted(folder.rglob("*"), key=lambda path: path.as_posix()):
        inside = path.relative_to(folder)
        if path.is_dir() or any(map(_is_clutter, (path, *map(Path, inside.parts)))):
            continue
        if _is_image(path):
            paths.append(path)
        else:
            ignored.append(f"{_name_in(folder, path)} (no image)")
    if not paths:
        raise ValueError(f"{folder} holds no image; {_READ}. {_left_out(ignored)}".rstrip(". "))
    return paths


def _is_image(path: Path) -> bool:
    """Whether a file is to be read: by its name or, failing that, by how it starts."""
    if _is_clutter(path) or not path.is_file():
        return False
    return path.suffix.lower() in SUFFIXES or _start(path) is not None


def _start(path: Path) -> re.Match[bytes] | None:
    with path.open("rb") as file:
        return _STARTS.match(file.read(132))


def _name_in(folder: Path, path: Path) -> str:
    return unicodedata.normalize("NFC", path.relative_to(folder).as_posix())


def _pixels(paths: Sequence[Path], size: int, channels: int | None) -> np.ndarray:
    images = [read_image(path, size) for path in tqdm(paths, unit="image", disable=None)]
    colour = channels == 3 or (channels is None and any(map(_is_colour, images)))
    return np.stack([np.asarray(image.convert("RGB" if colour else "L")) for image in images])


def read_image(path: Path, size: int) -> Image.Image:
    """One image file as a grey ("L") or "RGB" image of `size` x `size`; see the module.

    Raises `ValueError` naming the file if it cannot be read as a single image.
    """
    with _opened(path) as opened:
        if opened.format != "MPO" and getattr(opened, "n_frames", 1) > 1:  # MPO: with a preview
            kind = "pages" if opened.format == "TIFF" else "frames"
            raise ValueError(f"it has {opened.n_frames} {kind}, not a single image")
        if opened.format == "TIFF" and opened.tag_v2.get(_SUBFILE, 0) & 1:
            raise ValueError("it begins with a preview, as a camera's raw files; write it as PNG")
        opened.load()
        image = _eight_bits(ImageOps.exif_transpose(opened))
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.LANCZOS)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image file, open; whatever goes wrong with it is a `ValueError` that names it."""
    Image.init()  # else Pillow knows no formats by name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, and of metadata nobody uses
            with Image.open(path, formats=_FORMATS) as opened:
                yield opened
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} cannot be read as an image: {_reason(path, error)}. Replace or remove it"
        ) from error


def _reason(path: Path, error: Exception) -> str:
    """What is wrong with an image file, in a few words."""
    if not isinstance(error, UnidentifiedImageError):
        return str(error)
    if files.is_web_page(path):
        return f"it is {files.WEB_PAGE}"
    start = _start(path)
    if start and start.lastgroup:
        return f"it is {start.lastgroup.replace('_', ' ')}, which is not read; write it as PNG"
    return f"no image of a known kind; {_READ}"


def _dimensions(path: Path) -> tuple[int, int]:
    with _opened(path) as opened:
        return opened.size


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image in mode "L" or "RGB"."""
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, of which no range is known")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65_535:
            raise ValueError(f"pixels range over [{values.min()}, {values.max()}], not 16 bits")
        return Image.fromarray(np.round(values / 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _is_colour(image: Image.Image) -> bool:
    if image.mode == "L":
        return False
    pixels = np.asarray(image)
    return bool((pixels != pixels[..., :1]).any())


def _splits(folder: Path) -> list[Path]:
    """The folder itself, or its folders `train` and, if it is there, `test`."""
    inside = {path.name.lower(): path for path in _inside(folder)}
    if "train" not in inside or not set(inside) <= {"train", "test", "val", "valid", "validation"}:
        return [folder]
    return [inside[split] for split in SPLITS if split in inside]


def _inside(folder: Path) -> list[Path]:
    """The folders in a folder, sorted by name; hidden ones are left out."""
    folders = (path for path in folder.iterdir() if path.is_dir() and not _is_clutter(path))
    return sorted(folders, key=_name)


def listed(
    folder: Path, classes: Sequence[str], ignored: list[str]
) -> tuple[list[Path], list[int]]:
    """The image files of the class folders, sorted by class and name, and their class numbers.

    Adds to `ignored` what else is there.
    """
    there = {_name(path): path for path in _inside(folder)}
    absent = [name for name in classes if name not in there]
    if absent or len(classes) < 2:
        wanted = f"lacks {', '.join(absent)}" if absent else "needs two class folders or more"
        raise ValueError(f"{folder} {wanted}; there are: {', '.join(there) or 'none'}")
    paths, labels = [], []
    for label, name in enumerate(classes):
        images = []
        for path in sorted(there[name].iterdir(), key=_name):
            if _is_image(path):
                images.append(path)
            elif not _is_clutter(path):
                kind = "a folder" if path.is_dir() else "no image"
                ignored.append(f"{name}/{_name(path)} ({kind})")
        if not images:
            inner = [_name(path) for path in _inside(there[name])]
            deeper = f", but the folders {', '.join(inner[:3])}: give one of a level below"
            raise ValueError(f"{there[name]} holds no image; {_READ}{deeper if inner else ''}")
        paths += images
        labels += [label] * len(images)
    return paths, labels


def _name(path: Path) -> str:
    """A file's name in one spelling: some systems write an accent as a sign of its own."""
    return unicodedata.normalize("NFC", path.name)


def _is_clutter(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _CLUTTER
