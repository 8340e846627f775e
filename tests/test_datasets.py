"""The parts of a data set never mix, draws are what they say, and bad files are refused."""

import gzip
import os
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from helpers.data import assets, datasets, sources
from helpers.randomness import generator

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


# Drawing


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 40))
def test_private_images_are_never_public(seed, n):
    private = datasets.few_shot(DIGITS, n, generator=generator(seed, "few-shot"))
    public = datasets.public(DIGITS, DIGITS.public_per_class)
    assert not set(private.index.tolist()) & set(public.index.tolist())
    assert len(private.index.unique()) == 10 * n


@pytest.mark.parametrize(
    "draw",
    [
        lambda n: datasets.few_shot(DIGITS, n, generator=generator(0, "few-shot")),
        lambda n: datasets.public(DIGITS, n),
        lambda n: datasets.holdout(DIGITS, n),
    ],
)
def test_samples_are_balanced_sorted_by_class_and_identified(draw):
    sample = draw(7)
    assert torch.equal(sample.labels, torch.arange(10).repeat_interleave(7))
    assert sample.images.shape == (70, 1, 28, 28) and sample.images.dtype == torch.float32
    assert sample.images.min() >= 0 and sample.images.max() <= 1


def test_the_index_is_the_position_in_the_split():
    private = datasets.few_shot(DIGITS, 5, generator=generator(3, "few-shot"))
    assert torch.equal(DIGITS.train_images[private.index], private.images)
    assert torch.equal(DIGITS.train_labels[private.index], private.labels)
    holdout = datasets.holdout(DIGITS, 5)
    assert torch.equal(DIGITS.test_images[holdout.index], holdout.images)


def test_each_seed_draws_its_own_images_and_always_the_same():
    draws = [datasets.few_shot(DIGITS, 10, generator=generator(s, "few-shot")) for s in (0, 0, 1)]
    assert torch.equal(draws[0].index, draws[1].index)
    assert not torch.equal(draws[0].index, draws[2].index)


@pytest.mark.parametrize("draw", [datasets.public, datasets.holdout])
def test_fixed_samples_are_nested(draw):
    small, large = draw(DIGITS, 5), draw(DIGITS, 20)
    assert set(small.index.tolist()) <= set(large.index.tolist())


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), query_class=st.integers(0, 9), n=st.integers(1, 12))
def test_neighbours_differ_in_the_query_only(seed, query_class, n):
    stream = generator(seed, "few-shot")
    sets = datasets.neighbours(DIGITS, n, query_class=query_class, generator=stream)
    assert sets.query.labels.tolist() == [query_class]
    assert torch.equal(sets.victim.index, torch.cat([sets.ablated.index, sets.query.index]))
    assert torch.equal(sets.victim.images[-1:], sets.query.images)
    assert query_class not in sets.ablated.labels
    others = sets.full.labels != query_class
    assert torch.equal(sets.full.index[others], sets.ablated.index)
    assert sets.query.index.item() in sets.full.index[~others]


def test_neighbours_full_is_what_few_shot_draws():
    full = datasets.neighbours(DIGITS, 10, generator=generator(5, "few-shot")).full
    alone = datasets.few_shot(DIGITS, 10, generator=generator(5, "few-shot"))
    assert torch.equal(full.index, alone.index)


def test_too_many_images_name_the_class_and_how_many_there_are():
    with pytest.raises(ValueError, match=r"n_per_class is 85, but class 8 \(8\) has 84: digits pr"):
        datasets.few_shot(DIGITS, 85, generator=generator(0, "few-shot"))
    with pytest.raises(ValueError, match=r"class 0 .* has 40: digits public pool"):
        datasets.public(DIGITS, 41)
    with pytest.raises(ValueError, match=r"class 0 .* has 50: digits test split"):
        datasets.holdout(DIGITS, 51)


@pytest.mark.parametrize("n", [0, -1, 2.0, True])
def test_a_number_of_images_that_is_none_is_refused(n):
    with pytest.raises(ValueError, match="must be an integer >= 1"):
        datasets.few_shot(DIGITS, n, generator=generator(0, "few-shot"))


@pytest.mark.parametrize("query_class", [-1, 10, 1.5])
def test_a_query_class_out_of_range_is_refused(query_class):
    with pytest.raises(ValueError, match="digits has classes 0 to 9"):
        datasets.neighbours(DIGITS, 5, query_class=query_class, generator=generator(0, "x"))


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
    raw = assets.root() / "raw"
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
    "train_images is float32": arrays() | {"train_images": np.zeros((12, 28, 28), np.float32)},
    r"test_images is uint8 \[12, 28, 28, 3\]": arrays()
    | {"test_images": np.zeros((12, 28, 28, 3), np.uint8)},
    r"train_labels is uint8 \[11, 1\]": arrays() | {"train_labels": np.zeros((11, 1), np.uint8)},
    "train_labels is float64": arrays() | {"train_labels": np.zeros((12, 1))},
    "values from 0 to 4; allowed: 0 to 3": arrays()
    | {"test_labels": np.tile(np.arange(1, 5) % 5, 3)}
    | {"train_labels": np.arange(12)[:, None] % 5},
    "values from -1 to 0": arrays() | {"train_labels": np.array([0, -1] * 6)},
    "Object arrays cannot be loaded": arrays() | {"train_labels": np.array([None] * 12)},
    "train_images is empty": {
        key: value[:0] if key.startswith("train") else value for key, value in arrays().items()
    },
}


@pytest.mark.parametrize("problem", MALFORMED)
def test_a_malformed_file_is_named_with_its_problem(folder, problem):
    np.savez(folder / "octmnist.npz", **MALFORMED[problem])
    with pytest.raises(ValueError, match=rf"octmnist\.npz is not a usable data file: .*{problem}"):
        datasets.load("octmnist")


def whole(folder):
    np.savez(folder / "whole.npz", **arrays())
    return (folder / "whole.npz").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"<html>not found</html>",
        lambda content: content[:2000] + bytes(100) + content[2100:],
    ],
    ids=["cut off", "empty", "a web page", "bytes changed"],
)
def test_a_damaged_file_is_named(folder, damage):
    (folder / "octmnist.npz").write_bytes(damage(whole(folder)))
    with pytest.raises(ValueError, match=r"octmnist\.npz is not a usable data file"):
        datasets.load("octmnist")


def test_a_single_array_is_no_data_set(folder):
    with (folder / "octmnist.npz").open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(ValueError, match=r"octmnist\.npz .* not an \.npz archive"):
        datasets.load("octmnist")


def test_both_forms_of_mnist_give_the_same_arrays(tmp_path):
    given = arrays()
    rows = [
        np.column_stack([given[f"{split}_images"].reshape(12, -1), given[f"{split}_labels"]])
        for split in ("train", "test")
    ]
    table = tmp_path / "table.gz"
    np.savetxt(table, np.concatenate(rows), fmt="%d", delimiter=",")
    read = sources.read_mnist_table(table, n_train=12)
    for key, array in given.items():
        array = array.squeeze(-1) if key.endswith("labels") else array
        header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        (tmp_path / "idx.gz").write_bytes(gzip.compress(header + array.tobytes()))
        assert np.array_equal(sources.read_idx(tmp_path / "idx.gz"), array)
        assert np.array_equal(read[key], array)


# Real data


@REAL
def test_mnist_is_the_official_one():
    mnist = datasets.load("mnist")
    assert mnist.checksum == "1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b"
    assert mnist.counts("train")[:3] == [5923, 6742, 5958] and len(mnist.test_labels) == 10_000


@REAL
@pytest.mark.parametrize(("name", "query_class"), [("octmnist", 0), ("organamnist", 3)])
def test_the_paper_s_numbers_can_be_drawn(name, query_class):
    dataset = datasets.load(name)
    sets = datasets.neighbours(dataset, 10, generator=generator(0, "few-shot"))
    assert len(sets.full.labels) == {"octmnist": 40, "organamnist": 110}[name]
    assert sets.query.labels.tolist() == [query_class]
    assert len(datasets.holdout(dataset, 100).labels) == 100 * len(dataset.classes)
    assert len(datasets.public(dataset, 100).labels) == 100 * len(dataset.classes)
