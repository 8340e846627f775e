"""Folders of class folders: any image file becomes the same kind of bytes, or is named."""

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data import datasets, folders, listed, places, records
from helpers.data.folders import read_folder, read_image

RANDOM = np.random.default_rng(0)
CLASSES = ("a leaf (healthy)", "rust_")


def save(path: Path, pixels, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def grey(size=28):
    return RANDOM.integers(0, 256, (size, size), dtype=np.uint8)


@pytest.fixture
def leaves(tmp_path):
    """Two classes of ten grey 28x28 images under $NFL_DATA/leaves."""
    for name in CLASSES:
        for number in range(10):
            save(tmp_path / "leaves" / name / f"leaf {number}.png", grey())
    return tmp_path / "leaves"


@pytest.fixture
def given(tmp_path, monkeypatch):
    monkeypatch.setenv("NFL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NFL_DATA", str(tmp_path))
    return tmp_path


# Layouts


def test_classes_are_the_folders_and_a_fifth_is_the_test_split(leaves):
    content = read_folder(leaves)
    assert content.classes == CLASSES
    assert np.bincount(content.arrays["train_labels"]).tolist() == [8, 8]
    assert np.bincount(content.arrays["test_labels"]).tolist() == [2, 2]
    assert "no test split: a fifth of each class is one, by a hash of the file n" in content.note


def test_every_image_is_in_one_split_and_keeps_its_class(leaves):
    content = read_folder(leaves)
    for label, name in enumerate(CLASSES):
        stored = {np.asarray(Image.open(path)).tobytes() for path in (leaves / name).iterdir()}
        parts = [
            {image.tobytes() for image in content.arrays[f"{split}_images"][rows]}
            for split in ("train", "test")
            for rows in [content.arrays[f"{split}_labels"] == label]
        ]
        assert parts[0] | parts[1] == stored and not parts[0] & parts[1]


def test_the_split_follows_the_names_and_not_the_pixels(leaves):
    def names_in_the_test_split():
        images = read_folder(leaves).arrays["test_images"]
        names = {np.asarray(Image.open(p)).tobytes(): p.name for p in leaves.rglob("*.png")}
        return [names[image.tobytes()] for image in images]

    before = names_in_the_test_split()
    for path in leaves.rglob("*.png"):
        save(path, grey())
    assert names_in_the_test_split() == before


def test_folders_train_and_test_are_the_splits(tmp_path):
    for split, count in {"Train": 3, "test": 2, "val": 1}.items():
        for name in "ab":
            for number in range(count):
                save(tmp_path / split / name / f"{number}.png", grey())
    content = read_folder(tmp_path)
    assert np.bincount(content.arrays["train_labels"]).tolist() == [3, 3]
    assert np.bincount(content.arrays["test_labels"]).tolist() == [2, 2]
    assert content.classes == ("a", "b") and content.note == ""


def test_clutter_is_left_out_and_other_files_are_said(leaves):
    before = read_folder(leaves)
    for name in (".hidden.png", "Thumbs.db", "._leaf 1.png", ".DS_Store"):
        (leaves / CLASSES[0] / name).write_text("no image")
    (leaves / ".ipynb_checkpoints").mkdir()
    (leaves / "__MACOSX").mkdir()
    (leaves / "README.txt").write_text("about")
    after = read_folder(leaves)
    assert datasets._checksum(after.arrays) == datasets._checksum(before.arrays)
    assert after.note == before.note
    (leaves / CLASSES[0] / "masks").mkdir()
    (leaves / CLASSES[1] / "labels.csv").write_text("")
    note = read_folder(leaves).note
    said = "a leaf (healthy)/masks (a folder), rust_/labels.csv (no image)."
    assert note.endswith(f"Left out: {said}")
    for number in range(6):
        (leaves / CLASSES[1] / f"notes {number}").write_text("BMI, age")
    assert read_folder(leaves).note.endswith("rust_/notes 2 (no image) and 3 more.")


@pytest.mark.parametrize("suffix", ["png", "PNG", "JPG", "jpeg", "Tif", "tiff"])
def test_suffixes_may_be_of_any_case(tmp_path, suffix):
    for name in "ab":
        for number in range(2):
            save(tmp_path / name / f"{number}.{suffix}", grey())
    assert len(read_folder(tmp_path).arrays["train_labels"]) == 2


KINDS = {"PNG": "", "JPEG": " 1.2", "TIFF": ".scan", "GIF": ".txt", "BMP": ".dat", "WEBP": ".jpg"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_one_by_its_content_for_every_reader(tmp_path, kind):
    """Without a suffix, with one that says nothing, or with a wrong one."""
    for name in "ab":
        for number in range(3):
            save(tmp_path / name / f"ä {number}{KINDS[kind]}", grey(), format=kind)
    (tmp_path / "a" / "README").write_text("about")
    (tmp_path / "a" / ".hidden").write_bytes((tmp_path / "b" / f"ä 0{KINDS[kind]}").read_bytes())
    content = read_folder(tmp_path)
    assert len(content.arrays["train_labels"]) + len(content.arrays["test_labels"]) == 6
    found = folders.read_any(tmp_path)
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.note == "Left out: a/README (no image)." and found.note in content.note
    assert len(folders.read_unlabelled(tmp_path)) == 6 and folders.usual_side(tmp_path) == 28
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(folders.read_classes(tmp_path)[0], found.pixels)
    assert len(listed.IN_FOLDERS.list(tmp_path, ("a", "b")).paths) == 6


# Pixels


def test_an_image_of_the_right_size_is_not_changed(tmp_path):
    pixels = grey(32)
    assert np.array_equal(read_image(save(tmp_path / "a.png", pixels), 32), pixels)


def test_the_middle_square_is_resized(tmp_path):
    wide = np.zeros((40, 100), np.uint8)
    wide[:, 30:70] = np.linspace(50, 200, 40).astype(np.uint8)
    expected = Image.fromarray(wide[:, 30:70].copy()).resize((28, 28), Image.Resampling.LANCZOS)
    for pixels in (wide, wide.T.copy()):
        found = np.asarray(read_image(save(tmp_path / "a.png", pixels), 28))
        found = found if pixels is wide else found.T
        assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1
        assert found.min() > 40  # nothing of what is cut away


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff"])
def test_images_are_turned_as_their_exif_says(tmp_path, orientation, suffix):
    upright = np.zeros((28, 28), np.uint8)
    upright[:8] = 255
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    stored = Image.fromarray(np.rot90(upright, turns).copy())
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", stored, exif=exif)
    found = np.asarray(read_image(path, 28)).astype(int)
    assert found[:6].min() > 200 and found[10:].max() < 50


def test_transparent_images_are_laid_on_white(tmp_path):
    pixels = np.zeros((28, 28, 4), np.uint8)
    pixels[..., 0], pixels[:14, :, 3], pixels[14:21, :, 3] = 200, 255, 128
    found = np.asarray(read_image(save(tmp_path / "a.png", pixels), 28))
    assert (found[:14] == (200, 0, 0)).all() and (found[21:] == 255).all()
    assert np.abs(found[14:21].astype(int) - (227, 127, 127)).max() <= 1


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("LA", "tiff"), ("P", "tiff"), ("1", "tiff"), ("CMYK", "tiff"), ("CMYK", "jpg"), ("P", "gif")],
)
def test_other_modes_are_converted(tmp_path, mode, suffix):
    black_and_white = Image.fromarray(np.kron(np.eye(2), np.full((14, 14), 255)).astype(np.uint8))
    image = black_and_white.convert("RGB").convert(mode)
    path = save(tmp_path / f"a.{suffix}", image, **({"quality": 100} if suffix == "jpg" else {}))
    found = np.asarray(read_image(path, 28).convert("L")).astype(int)
    assert np.abs(found - np.asarray(black_and_white)).max() <= (2 if suffix == "jpg" else 0)


def test_a_transparent_palette_colour_is_white(tmp_path):
    image = Image.fromarray(np.zeros((28, 28), np.uint8)).convert("P")
    path = save(tmp_path / "a.png", image, transparency=0)
    assert (np.asarray(read_image(path, 28)) == 255).all()


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_become_eight(tmp_path, suffix):
    eight = grey()
    path = save(tmp_path / f"a.{suffix}", eight.astype(np.uint16) * 257)
    assert np.array_equal(read_image(path, 28), eight)


def test_sixteen_bits_of_colour_become_eight(tmp_path):
    eight = RANDOM.integers(0, 256, (28, 28, 3), dtype=np.uint8)
    rows = (eight.astype(">u2") * 257).reshape(28, -1)
    content = b"".join(b"\0" + row.tobytes() for row in rows)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", 28, 28, 16, 2, 0, 0, 0),
        b"IDAT": zlib.compress(content),
        b"IEND": b"",
    }
    file = b"\x89PNG\r\n\x1a\n"  # Pillow writes none of 16 bits a colour
    for name, part in parts.items():
        whole = name + part
        file += struct.pack(">I", len(part)) + whole + struct.pack(">I", zlib.crc32(whole))
    (tmp_path / "a.png").write_bytes(file)
    assert np.array_equal(read_image(tmp_path / "a.png", 28), eight)


def folder_of(tmp_path, *images):
    for name in "ab":
        for number, image in enumerate(images):
            save(tmp_path / name / f"{number}.png", image)
    return tmp_path


def test_a_set_is_grey_if_no_image_has_colour(tmp_path):
    same = np.repeat(grey()[..., None], 3, axis=-1)
    assert read_folder(folder_of(tmp_path, same, grey())).shape == (1, 28, 28)


def test_one_image_in_colour_makes_the_set_colour(tmp_path):
    colour = RANDOM.integers(0, 256, (28, 28, 3), dtype=np.uint8)
    folder = folder_of(tmp_path, grey(), colour, grey())
    content = read_folder(folder)
    assert content.shape == (3, 28, 28)
    images = np.concatenate([content.arrays[f"{s}_images"] for s in ("train", "test")])
    alike = (images == images[..., :1]).all(axis=(1, 2, 3))
    assert alike.sum() == 4 and any(np.array_equal(image, colour) for image in images)
    assert read_folder(folder, channels=1).shape == (1, 28, 28)


def test_a_grey_set_may_be_read_as_colour(tmp_path):
    assert read_folder(folder_of(tmp_path, grey(), grey()), channels=3).shape == (3, 28, 28)


# What is refused


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[: len(content) // 2], "truncated"),
        (lambda content: b"", "no image of a known kind"),
        (lambda content: b"not an image", "no image of a known kind"),
        (lambda content: b"<!DOCTYPE html><html>", "it is a web page"),
    ],
    ids=["cut off", "empty", "text", "web page"],
)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_file_that_cannot_be_read_is_named(leaves, suffix, damage, said):
    path = save(leaves / CLASSES[1] / f"bad one.{suffix}", grey(200))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"rust_/bad one\.{suffix} cannot be read .*: .*{said}"):
        read_folder(leaves)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"\0" * 128 + b"DICM", "it is DICOM, which is not read; write it as PNG"),
        (b"\0\0\0\x18ftypheic", "it is HEIF, which"),
        (b"\0\0\0\x20ftypavif", "it is AVIF, which"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "it is JPEG 2000, which"),
    ],
)
@pytest.mark.parametrize("name", ["scan.png", "scan.dcm", "IM 0001"])
def test_images_of_other_kinds_are_refused_and_not_left_out(leaves, start, said, name):
    (leaves / CLASSES[1] / name).write_bytes(start + bytes(500))
    for reader in (read_folder, folders.read_any, folders.read_unlabelled, folders.read_classes):
        with pytest.raises(ValueError, match=rf"rust_/{name} cannot be read as an image: {said}"):
            reader(leaves)


@pytest.mark.parametrize("name", ["moving.gif", "moving.png", "moving"])
def test_moving_images_are_refused(leaves, name):
    frames = [Image.new("L", (30, 30), shade) for shade in (0, 99, 200)]
    path = leaves / CLASSES[1] / name
    save(path, frames[0], format="GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=rf"rust_/{name} cannot be .*: it has 3 frames, not a sin"):
        folders.read_any(leaves)


def test_pages_and_floats_are_refused(tmp_path):
    pages = [Image.fromarray(grey()) for _ in range(3)]
    path = save(tmp_path / "a.tiff", pages[0], save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"a\.tiff cannot be read as an image: it has 3 pages"):
        read_image(path, 28)
    path = save(tmp_path / "raw.nef", grey(), format="TIFF", tiffinfo={254: 1})
    with pytest.raises(ValueError, match=r"raw\.nef .*: it begins with a preview"):
        read_image(path, 28)
    path = save(tmp_path / "b.tiff", grey().astype(np.float32))
    with pytest.raises(ValueError, match=r"b\.tiff .*: its pixels are floating-point numbers"):
        read_image(path, 28)
    path = save(tmp_path / "c.tiff", np.full((28, 28), 70_000, np.int32))
    with pytest.raises(ValueError, match=r"c\.tiff .* range over \[70000, 70000\], not 16 bits"):
        read_image(path, 28)


def test_an_image_of_absurd_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = save(tmp_path / "a.png", grey())
    with pytest.raises(ValueError, match=r"a\.png cannot be read as an image: .* exceeds limit"):
        read_image(path, 28)


def test_a_large_image_warns_of_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # of which 784 are suspicious
    path = save(tmp_path / "a.png", grey())
    with warnings.catch_warnings(record=True) as said:
        read_image(path, 28)
    assert not said


@pytest.mark.parametrize("size", [27, 30, 132, 28.5, "28"])
def test_a_size_that_no_network_takes_is_refused(leaves, size):
    with pytest.raises(ValueError, match=r"size is .*; it must be a multiple of 4 from 28 to 128"):
        read_folder(leaves, size=size)


def test_folders_that_hold_no_classes_say_what_they_hold(tmp_path, leaves):
    with pytest.raises(ValueError, match="needs two class folders or more; there are: leaves"):
        read_folder(tmp_path)
    with pytest.raises(
        ValueError, match=r"leaves lacks blight; there are: a leaf \(healthy\), rus"
    ):
        read_folder(leaves, ["blight", "rust_"])
    (leaves / "empty").mkdir()
    with pytest.raises(ValueError, match=r"leaves/empty holds no image; read are PNG, JPEG"):
        read_folder(leaves)


def test_a_class_that_is_not_in_both_splits_is_named(tmp_path):
    for place in ("train/a", "train/b", "test/a"):
        for number in range(3):
            save(tmp_path / place / f"{number}.png", grey())
    with pytest.raises(ValueError, match="test lacks b; there are: a"):
        read_folder(tmp_path)


def test_a_single_image_cannot_be_in_both_splits(tmp_path):
    folder_of(tmp_path, grey(), grey())
    (tmp_path / "b" / "1.png").unlink()
    said = r"is not a usable folder of images: train_labels has no image of class 1 \(b\)"
    with pytest.raises(ValueError, match=said):
        read_folder(tmp_path)


# By name


def test_a_folder_is_found_by_its_name(leaves, given):
    data = datasets.load("leaves")
    assert data.classes == CLASSES and data.shape == (1, 28, 28) and data.source == "NFL_DATA"
    assert datasets.ready("leaves") and datasets.about("leaves").shape == (1, 28, 28)
    assert datasets.identity("leaves") == (data.checksum, "NFL_DATA")


def test_the_name_says_at_how_many_pixels(leaves, given):
    assert datasets.load("leaves_64").shape == (1, 64, 64)
    leaves.rename(leaves.with_name("trees_32"))
    assert datasets.load("trees_32").shape == (1, 32, 32)
    with pytest.raises(ValueError, match="unknown data set 'leaves_30'"):
        datasets.load("leaves_30")


def test_an_archive_comes_before_a_folder_and_the_given_before_the_cache(leaves, given):
    raw = places.root() / "raw" / "leaves"
    raw.parent.mkdir(parents=True)
    leaves.rename(raw)
    assert datasets.load("leaves").source == "data/raw"
    pixels, labels = np.zeros((4, 32, 32), np.uint8), np.array([0, 1, 0, 1])
    np.savez(
        given / "leaves.npz",
        train_images=pixels,
        train_labels=labels,
        test_images=pixels,
        test_labels=labels,
    )
    datasets._load.cache_clear()
    assert datasets.load("leaves").shape == (1, 32, 32)


def test_the_identity_follows_any_file_of_the_folder(leaves, given):
    before = datasets.identity("leaves")
    save(leaves / CLASSES[0] / "leaf 3.png", grey())
    datasets._load.cache_clear()
    datasets._remembered.cache_clear()
    assert datasets.identity("leaves").checksum != before.checksum


def test_a_record_names_folder_classes_and_size(leaves, given, monkeypatch):
    leaves.parent.joinpath("Plants").mkdir()
    leaves.rename(given / "Plants" / "colour")
    record = records.About(
        "Corn",
        ("rust", "healthy"),
        shape=(3, 32, 32),
        folder="Plants/colour",
        class_folders=("rust_", "a leaf (healthy)"),
    )
    monkeypatch.setitem(datasets.DATASETS, "corn", record)
    data = datasets.load("corn")
    assert data.classes == ("rust", "healthy") and data.shape == (3, 32, 32)
    assert data.train_images.shape == (16, 3, 32, 32)


PLANTS = Path(os.environ.get("NFL_DATA") or "/nowhere") / "PlantVillage" / "raw" / "color"


@pytest.mark.skipif(not PLANTS.is_dir(), reason="no PlantVillage below NFL_DATA")
def test_real_photographs_are_read():
    content = read_folder(PLANTS, size=32)
    counts = sum(np.bincount(content.arrays[f"{split}_labels"]) for split in ("train", "test"))
    assert content.shape == (3, 32, 32) and counts.tolist() == [513, 1192, 985, 1162]
    assert 60 < content.arrays["train_images"].mean() < 180
    assert folders.read_image(next(PLANTS.rglob("*.JPG")), 64).mode == "RGB"
