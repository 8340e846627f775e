"""Archives as people have them are read, or refused with one clear error."""

import gzip
import struct

import numpy as np
import pytest
import torch

from helpers.data import conversion, datasets, sources

LABELS = {"train_labels": np.repeat([0, 1, 2], 15), "test_labels": np.repeat([0, 1, 2], 5)}
RANDOM = np.random.default_rng(0)
IMAGES = {
    "train_images": RANDOM.integers(0, 256, (45, 28, 28), dtype=np.uint8),
    "test_images": RANDOM.integers(0, 256, (15, 28, 28), dtype=np.uint8),
}
FILE = IMAGES | LABELS


def changed(kind, change):
    return FILE | {key: change(value) for key, value in FILE.items() if key.endswith(kind)}


@pytest.fixture
def read(tmp_path):
    """Write arrays as an archive and read it."""

    def read(arrays, **expected):
        np.savez(tmp_path / "own.npz", **arrays)
        return sources.read_npz(tmp_path / "own.npz", **expected)

    return read


# Labels


@pytest.mark.parametrize(
    ("change", "classes", "note"),
    [
        (lambda x: x + 1, ("1", "2", "3"), "Its labels 1, 2, 3 are classes 0 to 2."),
        (lambda x: x**2 + 3, ("3", "4", "7"), "Its labels 3, 4, 7 are classes 0 to 2."),
        (lambda x: x.astype(np.uint8)[:, None], ("0", "1", "2"), ""),
        (lambda x: x.astype(np.float64), ("0", "1", "2"), ""),
        (lambda x: np.array(["ant", "bee", "cat"])[x], ("ant", "bee", "cat"), ""),
        (lambda x: np.array([b"ant", b"bee", b"cat"])[x], ("ant", "bee", "cat"), ""),
    ],
    ids=["from 1", "gaps", "column", "floats", "text", "bytes"],
)
def test_labels_become_numbers_from_0_in_their_order(read, change, classes, note):
    content = read(changed("labels", change))
    assert content.classes == classes and content.note == note
    for key, labels in LABELS.items():
        assert np.array_equal(content.arrays[key], labels)
        assert content.arrays[key].dtype == np.int64


def test_text_is_sorted_and_not_in_order_of_appearance(read):
    content = read(changed("labels", lambda x: np.array(["dog", "cat", "ape"])[x]))
    assert content.classes == ("ape", "cat", "dog")
    assert content.arrays["train_labels"][0] == 2


def test_bool_labels_are_two_classes(read):
    content = read(changed("labels", lambda x: x > 0))
    assert content.classes == ("0", "1") and content.arrays["test_labels"].sum() == 10


# Pixels


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda x: x.astype(np.float32), "Its pixels are float32 in [0, 255], rounded to 256"),
        (lambda x: x / 255, "Its pixels are float64 in [0, 1], rounded to 256 levels."),
        (lambda x: (x / 255).astype(np.float16), "Its pixels are float16 in [0, 1]"),
        (lambda x: x.astype(np.int64), "Its pixels are int64 in [0, 255]"),
        (lambda x: x.astype(np.uint16), "Its pixels are uint16 in [0, 255]"),
        (lambda x: x[..., None], ""),
    ],
    ids=["float255", "float01", "half", "int64", "uint16", "channel"],
)
def test_pixels_of_any_kind_become_the_same_bytes(read, change, note):
    content = read(changed("images", change))
    assert content.note.startswith(note) and bool(content.note) == bool(note)
    for key, images in IMAGES.items():
        assert content.arrays[key].dtype == np.uint8
        assert np.array_equal(content.arrays[key], images)


def test_bool_pixels_are_black_and_white(read):
    content = read(changed("images", lambda x: x > 100))
    assert np.array_equal(content.arrays["test_images"], (IMAGES["test_images"] > 100) * 255)


def test_a_dark_split_is_scaled_as_the_other(read):
    """Floats to 255 whose test images happen to lie within [0, 1]."""
    dark = np.ones((15, 28, 28), np.float32)
    given = FILE | {"train_images": IMAGES["train_images"].astype(np.float32), "test_images": dark}
    assert (read(given).arrays["test_images"] == 1).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32, 64, 128])
def test_images_of_any_allowed_shape_survive_a_round_trip(read, size, channels):
    shape = (size, size, 3) if channels == 3 else (size, size)
    given = {
        key: RANDOM.integers(0, 256, (len(images), *shape), dtype=np.uint8)
        for key, images in IMAGES.items()
    }
    content = read(LABELS | given)
    assert content.shape == (channels, size, size)
    images = sources.from_bytes(content.arrays["test_images"])
    assert images.shape == (15, channels, size, size) and images.is_contiguous()
    assert images.dtype == torch.float32 and images.min() >= 0 and images.max() <= 1
    assert np.array_equal(sources.to_bytes(images), given["test_images"])


# Layouts


def test_keras_layout_is_read(read):
    names = {"train_images": "x_train", "train_labels": "y_train"}
    names |= {"test_images": "x_test", "test_labels": "y_test"}
    content = read({names[key]: value for key, value in FILE.items()})
    assert all(np.array_equal(content.arrays[key], value) for key, value in FILE.items())


def test_a_missing_test_split_is_split_off(read):
    given = {key: value for key, value in FILE.items() if key.startswith("train")}
    content = read(given)
    assert np.bincount(content.arrays["test_labels"]).tolist() == [3, 3, 3]
    assert np.bincount(content.arrays["train_labels"]).tolist() == [12, 12, 12]
    assert "no test split: a fifth of each class is one, by a hash of the pixels" in content.note
    order = RANDOM.permutation(45)
    again = read({key: value[order] for key, value in given.items()})

    def rows(content):
        return {image.tobytes() for image in content.arrays["test_images"]}

    assert rows(again) == rows(content)


def test_an_image_more_moves_at_most_one_other_to_the_test_split():
    labels = np.zeros(50, int)
    keys = [f"{number}.png".encode() for number in range(51)]
    before = conversion.split_off(keys[:50], labels)
    after = conversion.split_off(keys, np.zeros(51, int))
    assert before.sum() == after.sum() == 10
    assert (before != after[:50]).sum() <= 1


# What is refused


def images_of(shape):
    return LABELS | {key: np.zeros((len(value), *shape), np.uint8) for key, value in IMAGES.items()}


REFUSED = {
    r"train_labels is int64 \[45, 14\]: several labels for each image \(multi-label\), which is "
    r"not supported\. Keep one class for each image": changed(
        "labels", lambda x: np.eye(14, dtype=int)[x]
    ),
    r"train_labels is float64 \[45\] and has 0\.5; class numbers must be whole": changed(
        "labels", lambda x: x / 2
    ),
    "has nan; class numbers must be whole": changed("labels", lambda x: x * np.nan),
    "train_labels has values from -1 to 1; allowed: 0 or more": changed("labels", lambda x: x - 1),
    "train_labels holds Python objects, which are not read": changed(
        "labels", lambda x: x.astype(object)
    ),
    "labels must be class numbers or, as text, names": changed("labels", lambda x: x + 0j),
    "train_labels is int64 and test_labels is <U21; both must be class numbers, or both text": FILE
    | {"test_labels": LABELS["test_labels"].astype(str)},
    r"test_labels has no image of class 2 \(2\); each class needs images in both splits": FILE
    | {"test_labels": LABELS["test_labels"] % 2},
    r"train_labels has no image of class 1 \(bee\)": FILE
    | {
        "train_labels": np.array(["ant", "cat"])[LABELS["train_labels"] % 2],
        "test_labels": np.array(["ant", "bee", "cat"])[LABELS["test_labels"]],
    },
    r"all images are of one class \(0\); two are needed": changed("labels", lambda x: x * 0),
    r"train_labels is int64 \[44\]; it must be integers \[45, 1\], one per image": FILE
    | {"train_labels": LABELS["train_labels"][1:]},
    r"range over \[-1, 1\]; allowed: integers or floats within \[0, 255\], or fl": changed(
        "images", lambda x: x / 127.5 - 1
    ),
    r"range over \[0, 4095\]; allowed": changed(
        "images", lambda x: x.astype(np.uint16) // 17 * 273
    ),
    r"range over \[nan, nan\]": FILE | {"test_images": np.full((15, 28, 28), np.nan)},
    "train_images is <U3 .*; pixels must be numbers": changed("images", lambda x: x.astype(str)),
    r"train_images is uint8 \[45, 3, 28, 28\]; the channels go last: train_images\.tran": (
        images_of((3, 28, 28))
    ),
    r"train_images is uint8 \[45, 28, 28, 4\]; it must be \[N, S, S\] or": images_of((28, 28, 4)),
    r"train_images is uint8 \[45, 784\]; it must be": images_of((784,)),
    "images must be square, their side a multiple of 4 from 28 to 128": images_of((28, 32)),
    r"train_images is uint8 \[45, 224, 224\]; images must be square": images_of((224, 224)),
    r"\[45, 50, 50\]; .* a multiple of 4 from 28": images_of((50, 50)),
    r"are \[45, 28, 28\] and \[15, 32, 32\]; they must have the same shape": FILE
    | {"test_images": np.zeros((15, 32, 32), np.uint8)},
    r"it lacks train_images, train_labels\. It holds images, labels; needed are train_images, .* "
    r"\(or x_train": {"images": IMAGES["train_images"], "labels": LABELS["train_labels"]},
    r"it lacks test_labels\. It holds": {k: v for k, v in FILE.items() if k != "test_labels"},
    "train_images is empty": changed("train_labels", lambda x: x[:0])
    | {"train_images": IMAGES["train_images"][:0]},
}


@pytest.mark.parametrize("problem", REFUSED)
def test_what_cannot_be_told_apart_is_refused(read, problem):
    with pytest.raises(ValueError, match=rf"own\.npz is not a usable data file: .*{problem}"):
        read(REFUSED[problem])


def damaged(tmp_path, damage):
    np.savez(tmp_path / "whole.npz", **FILE)
    content = damage((tmp_path / "whole.npz").read_bytes())
    (tmp_path / "own.npz").write_bytes(content)
    return tmp_path / "own.npz"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[: len(content) // 2], "it is cut off or damaged"),
        (lambda content: content[:2000] + bytes(100) + content[2100:], "it is cut off or damaged"),
        (lambda content: b"", "it is not an .npz archive"),
        (lambda content: b"some text", "it is not an .npz archive"),
        (
            lambda content: b"\xef\xbb\xbf\n<!DOCTYPE html><html>Sign in</html>",
            r"it is a web page \(a proxy's sign-in page, perhaps\)\. Download it anew",
        ),
    ],
    ids=["cut off", "bytes changed", "empty", "text", "a web page"],
)
def test_a_damaged_file_says_what_it_is(tmp_path, damage, said):
    with pytest.raises(ValueError, match=rf"own\.npz is not a usable data file: {said}"):
        sources.read_npz(damaged(tmp_path, damage))


def test_a_single_array_is_no_data_set(tmp_path):
    with (tmp_path / "own.npz").open("wb") as stream:
        np.save(stream, IMAGES["train_images"])
    with pytest.raises(ValueError, match=r"a single array \(\.npy\), not an \.npz archive"):
        sources.read_npz(tmp_path / "own.npz")


# MNIST's own forms


def test_both_forms_of_mnist_give_the_same_arrays(tmp_path):
    given = {
        f"{split}_{part}": RANDOM.integers(0, 256, (20, 28, 28), dtype=np.uint8)
        if part == "images"
        else np.tile(np.arange(10, dtype=np.uint8), 2)
        for split in ("train", "test")
        for part in ("images", "labels")
    }
    rows = [
        np.column_stack([given[f"{split}_images"].reshape(20, -1), given[f"{split}_labels"]])
        for split in ("train", "test")
    ]
    table = tmp_path / "table.gz"
    np.savetxt(table, np.concatenate(rows), fmt="%d", delimiter=",")
    paths = []
    for key in sources.KEYS:
        header = struct.pack(
            f">BBBB{given[key].ndim}I", 0, 0, 8, given[key].ndim, *given[key].shape
        )
        paths.append(tmp_path / f"{key}.gz")
        paths[-1].write_bytes(gzip.compress(header + given[key].tobytes()))
    contents = sources.read_mnist_table(table, n_train=20), sources.read_mnist_files(*paths)
    for key, array in given.items():
        assert all(np.array_equal(content.arrays[key], array) for content in contents)
    checksums = {datasets._checksum(content.arrays) for content in contents}
    assert len(checksums) == 1
