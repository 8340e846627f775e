"""Data sets are found where they should be, are the images they were, and bad files are refused."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from helpers.data import assets, datasets, places, records, sources

DIGITS = datasets.load("digits")
REAL = pytest.mark.skipif("NFL_DATA" not in os.environ, reason="NFL_DATA is not set: no real data")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in the place of NFL_DATA, and an empty data folder."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NFL_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def arrays(n_classes=4, per_class=3, dtype=np.uint8):
    rng = np.random.default_rng(0)
    n = n_classes * per_class
    labels = np.tile(np.arange(n_classes, dtype=dtype), per_class)[:, None]
    return {
        f"{split}_{part}": labels
        if part == "labels"
        else rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        for split in ("train", "test")
        for part in ("images", "labels")
    }


# Loading


def test_digits_are_enlarged_as_bilinear_interpolation_does():
    from sklearn.datasets import load_digits

    small = load_digits().images[:50]
    expected = functional.interpolate(
        torch.from_numpy(small)[:, None] / 16, size=(28, 28), mode="bilinear"
    )
    given = sources.enlarge_digits(small) / 255
    assert np.abs(given - expected[:, 0].numpy()).max() < 0.502 / 255


def test_digits_test_split_has_fifty_per_class_and_no_training_image():
    assert DIGITS.counts("test") == [50] * 10
    assert len(DIGITS.train_labels) + len(DIGITS.test_labels) == 1797
    both = torch.cat([DIGITS.train_images, DIGITS.test_images]).flatten(1)
    assert len(both.unique(dim=0)) == 1797


def test_data_of_ones_own_is_loaded_by_its_name(folder):
    np.savez(folder / "leaves.npz", **arrays(n_classes=3, dtype=np.int32))
    dataset = datasets.load("leaves")
    assert dataset.classes == ("0", "1", "2") and dataset.query_class == 0
    assert dataset.source == "NFL_DATA"


def test_the_given_folder_comes_before_the_cache(folder):
    raw = places.root() / "raw"
    raw.mkdir(parents=True)
    np.savez(raw / "octmnist.npz", **arrays())
    assert datasets.load("octmnist").source == "data/raw"
    datasets._load.cache_clear()
    np.savez(folder / "octmnist.npz", **arrays())
    assert datasets.load("octmnist").source == "NFL_DATA"


def test_the_checksum_is_of_pixels_and_labels_not_of_their_file(folder):
    first, second = arrays(), arrays(dtype=np.int64)
    np.savez(folder / "a.npz", **first)
    np.savez_compressed(folder / "b.npz", **second, extra=np.zeros(3))
    second["test_images"][0, 0, 0] ^= 1
    np.savez(folder / "c.npz", **second)
    a, b, c = (datasets.load(name).checksum for name in "abc")
    assert a == b != c


def test_a_split_of_its_own_is_noted(folder):
    np.savez(folder / "octmnist.npz", **arrays(), train_source=np.zeros(12, np.uint8))
    assert "cannot be compared" in datasets.load("octmnist").note


def test_an_unknown_name_says_which_was_meant(folder):
    with pytest.raises(ValueError, match=r"'mnits'; did you mean 'mnist'\?"):
        datasets.load("mnits")
    with pytest.raises(ValueError, match="known: digits, mnist"):
        datasets.load("../../etc/passwd")


def test_a_folder_that_is_not_there_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("NFL_DATA", str(tmp_path / "typo"))
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        datasets.load("mnist")


def test_unavailable_names_every_way(folder, monkeypatch):
    closed = "http://127.0.0.1:9/"
    for name in ("mnist-train-images", "mnist-csv"):
        ways = (assets.Official(closed + name, "md5:" + "0" * 32),)
        monkeypatch.setitem(assets.ASSETS, name, assets.Asset("raw", ways, ""))
    with pytest.raises(assets.Unavailable) as caught:
        datasets.load("mnist")
    message = str(caught.value)
    for said in (
        "NFL_DATA",
        "raw: no mnist.npz",
        "train-images: no conn",
        "csv: no conn",
        "set NFL",
    ):
        assert said in message


def without(key):
    return {k: v for k, v in arrays().items() if k != key}


MALFORMED = {
    "lacks train_labels": without("train_labels"),
    "its images are 3x28x28, and 1x28x28 under this name; give it a name of its own": {
        key: value if key.endswith("labels") else np.stack([value] * 3, axis=-1)
        for key, value in arrays().items()
    },
    r"train_labels is uint8 \[11, 1\]": arrays() | {"train_labels": np.zeros((11, 1), np.uint8)},
    "values from 0 to 4; allowed: 0 to 3": arrays()
    | {"test_labels": np.tile(np.arange(1, 5) % 5, 3)}
    | {"train_labels": np.arange(12)[:, None] % 5},
    "values from -1 to 0": arrays() | {"train_labels": np.array([0, -1] * 6)},
    "test_labels has no image of class 3 \\(normal\\)": arrays()
    | {"test_labels": np.arange(12)[:, None] % 3},
    "train_labels holds Python objects": arrays() | {"train_labels": np.array([None] * 12)},
    "train_images is empty": {
        key: value[:0] if key.startswith("train") else value for key, value in arrays().items()
    },
}


@pytest.mark.parametrize("problem", MALFORMED)
def test_a_malformed_file_is_named_with_its_problem(folder, problem):
    np.savez(folder / "octmnist.npz", **MALFORMED[problem])
    with pytest.raises(ValueError, match=rf"octmnist\.npz is not a usable data file: .*{problem}"):
        datasets.load("octmnist")


# Identity, rows, what needs no PyTorch


def forget():
    datasets._load.cache_clear()
    datasets._remembered.cache_clear()


def test_the_digits_are_those_of_all_results_so_far():
    checksum = "192230ab5f97019250c701f9869bf7c7e8f66c027d1850cc81926b194fc2ba5e"
    assert DIGITS.checksum == checksum and DIGITS.source == "scikit-learn"


def test_the_identity_is_that_of_what_load_gives(folder, monkeypatch):
    np.savez(folder / "leaves.npz", **arrays(n_classes=3))
    data = datasets.load("leaves")
    assert datasets.identity("leaves") == (data.checksum, data.source)
    assert datasets.identity("digits") == (DIGITS.checksum, "scikit-learn")
    forget()
    monkeypatch.setattr(sources, "convert", lambda *_: pytest.fail("read the file again"))
    assert datasets.identity("leaves") == (data.checksum, data.source)


def test_the_identity_follows_the_file(folder):
    np.savez(folder / "leaves.npz", **arrays(n_classes=3))
    before = datasets.identity("leaves")
    np.savez(folder / "leaves.npz", **arrays(n_classes=4))
    forget()
    assert datasets.identity("leaves") == (datasets.load("leaves").checksum, before.source)
    assert datasets.identity("leaves") != before


def test_the_identity_needs_no_store_that_can_be_written(folder):
    np.savez(folder / "leaves.npz", **arrays(n_classes=3))
    places.root().write_text("no folder")
    assert datasets.identity("leaves").checksum == datasets.load("leaves").checksum


def test_what_is_known_of_data_of_ones_own_is_what_was_read(folder):
    np.savez(folder / "leaves.npz", **arrays(n_classes=3, per_class=50))
    for _ in range(2):  # read, then remembered
        about = datasets.about("leaves")
        assert about.title == "leaves" and about.classes == ("0", "1", "2")
        assert about.shape == (1, 28, 28) and about.public_per_class == 40
        forget()
    assert datasets.about("mnist") is datasets.DATASETS["mnist"]
    with pytest.raises(ValueError, match="did you mean 'leaves'"):
        datasets.about("leafs")


@pytest.mark.parametrize(("per_class", "public"), [(10, 0), (9, 0), (35, 25), (200, 100)])
def test_ten_images_are_left_beside_the_public_ones(folder, per_class, public):
    np.savez(folder / "few.npz", **arrays(n_classes=2, per_class=per_class))
    assert datasets.load("few").public_per_class == public


@pytest.fixture
def whole(folder, monkeypatch):
    """A data set with a record that uses seven images of each split, and its whole file."""
    given = arrays(per_class=5)
    rows = np.array([3, 0, 1, 2, 4, 8, 5], np.uint16)
    (folder / "public").mkdir()
    np.savez(folder / "public" / "rows.npz", train_index=rows, test_index=rows)
    part = {key: value[rows] for key, value in given.items()}
    part |= {key: part[key].reshape(-1).astype(np.int64) for key in part if "labels" in key}
    about = records.About(
        "toy", tuple("abcd"), rows=records.Rows("rows.npz", datasets._checksum(part))
    )
    monkeypatch.setitem(datasets.DATASETS, "toy", about)
    monkeypatch.setattr(places, "committed", lambda: folder)
    return folder / "toy.npz", given, part


def test_the_rows_of_the_whole_file_are_used_in_their_order(whole):
    path, given, part = whole
    np.savez(path, **given)
    data = datasets.load("toy")
    assert np.array_equal(data.arrays["train_images"], part["train_images"])
    assert data.checksum == datasets.DATASETS["toy"].rows.checksum
    assert data.note == "A subset of the official file, with the official splits."


def test_a_file_that_is_the_subset_is_used_as_it_is(whole):
    path, _, part = whole
    np.savez(path, **part)
    assert datasets.load("toy").checksum == datasets.DATASETS["toy"].rows.checksum


def test_other_images_are_not_cut(whole):
    path, given, _ = whole
    given["train_images"][3, 0, 0] ^= 1
    np.savez(path, **given)
    assert len(datasets.load("toy").train_labels) == 20


def test_a_record_is_all_that_a_data_set_in_colour_needs(folder, monkeypatch):
    given = arrays(n_classes=2)
    for key in ("train_images", "test_images"):
        given[key] = np.random.default_rng(1).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    np.savez(folder / "blood.npz", **given)
    monkeypatch.setitem(
        datasets.DATASETS, "blood", records.About("Blood", ("a", "b"), shape=(3, 64, 64))
    )
    data = datasets.load("blood")
    assert data.title == "Blood" and data.train_images.shape == (6, 3, 64, 64)
    assert data.train_images[2, 1, 5, 7] == np.float32(given["train_images"][2, 5, 7, 1] / 255)
    assert np.array_equal(sources.to_bytes(data.train_images), given["train_images"])


def test_loading_takes_no_pytorch_until_images_are_used(folder):
    np.savez(folder / "leaves.npz", **arrays(n_classes=3))
    code = """if True:
        import sys
        from helpers.data import assets, datasets, files, sources
        for name in ("digits", "leaves"):
            datasets.identity(name), datasets.load(name).counts("train"), datasets.about(name)
        slow = {"torch", "sklearn", "pandas", "requests", "matplotlib"} & set(sys.modules)
        assert not slow, slow
        assert datasets.load("digits").test_images.shape == (500, 1, 28, 28)
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Real data


@REAL
def test_mnist_is_the_official_one():
    mnist = datasets.load("mnist")
    assert mnist.checksum == "1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b"
    assert mnist.counts("train")[:3] == [5923, 6742, 5958] and len(mnist.test_labels) == 10_000


@REAL
@pytest.mark.parametrize("name", ["octmnist", "organamnist"])
def test_the_images_are_those_of_the_committed_results(name, root):
    about = json.loads((root / "data" / "results" / f"{name}.json").read_text())["data"]
    data = datasets.load(name)
    assert (data.checksum, data.note) == (about["checksum"], about["note"])


@REAL
def test_the_committed_rows_are_those_of_the_subset(root):
    given = np.load(os.path.join(os.environ["NFL_DATA"], "organamnist.npz"))
    with np.load(root / "data" / "public" / "organamnist_rows.npz") as rows:
        for key in ("train_index", "test_index"):
            assert np.array_equal(rows[key], given[key])
