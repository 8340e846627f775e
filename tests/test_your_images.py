"""The walk through the commands on a reader's folder, and what is kept of photographs."""

import numpy as np
import pytest
from PIL import Image
from torch.nn import functional as F

from chapters.your_images import photographs, walk
from helpers.data import files
from helpers.metrics import features
from helpers.report import judging
from helpers.training import encoder as encoders


def leaves(folder, count, classes, seed):
    """Photographs of 40 x 30 pixels in colour, a hue for each class."""
    numbers = np.random.default_rng(seed)
    for k in range(count):
        pixels = numbers.integers(0, 120, (30, 40, 3), dtype=np.uint8)
        pixels[..., k % 3] += 100
        place = folder / classes[k % len(classes)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"Blatt ä {k}", format="TIFF")
    return folder


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Seconds in place of minutes: an encoder of five steps, coarse features, no classifiers."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(encoders, "FOLDER", encoders.Episodes(steps=5, way=4, shot=4, query=2))
    monkeypatch.setattr(encoders, "_LIBRARY", 400)
    monkeypatch.setattr(features, "lite0", lambda x: F.adaptive_avg_pool2d(x, 5).flatten(1))
    monkeypatch.setattr(judging, "_use", lambda *_: None)


def test_a_folder_of_ones_own_is_walked_through(quick, tmp_path):
    own = leaves(tmp_path / "mine", 30, ("blight", "rust", "healthy"), 0)
    public = leaves(tmp_path / "public", 120, ("all",), 1)
    place = walk.prepare(str(own))
    assert place.size == 28 and len(list(place.private.rglob("*.png"))) == 15
    release, said = walk.released(place, 3, str(public))
    assert said.startswith("$ python -m helpers release --images private --epsilon 3")
    assert str(place.root) not in said and "those of the public folder" in said
    assert not (own / ".releases.json").exists()
    with Image.open(release / "rust" / "00001.png") as image:
        assert image.size == (28, 28) and image.mode == "RGB"
    told, path = walk.report(place, release, str(public))
    by_heart = walk.by_heart(place)
    answers = walk.report(place, by_heart)[0]["answers"]
    assert answers[2]["verdict"] == "Private images"
    shown = walk.page(place, path).data
    assert "not shown here" in shown and "iframe" not in shown
    assert told["answers"][2]["verdict"] in walk.table({"release": told}).data
    assert len(walk.pictures({"private": place.private, "release": release}).axes) == 2


def test_the_readers_release_has_noise_of_its_own(quick, tmp_path, monkeypatch):
    own = leaves(tmp_path / "mine", 30, ("blight", "rust", "healthy"), 0)
    public = leaves(tmp_path / "public", 120, ("all",), 1)
    sets = []
    for name in ("one", "two"):
        place = walk.prepare(str(own))
        folder, _ = walk.released(place, 0.1, str(public), name)
        sets.append([path.read_bytes() for path in sorted(folder.rglob("*.png"))])
    assert sets[0] != sets[1]


def test_what_is_kept_of_photographs_is_small_and_whole():
    kept = [photographs._kept(suffix) for suffix in (".json", ".npz")]
    assert sum(path.stat().st_size for path in kept) < 300_000
    told, sheets = files.read_json(kept[0])["told"], files.read_arrays(kept[1])
    assert set(sheets) == {"private", *told}
    assert {images.shape[:4] for images in sheets.values()} == {(4, photographs.SHOWN, 32, 32)}
    for name, one in told.items():
        assert len(one["answers"]) == 3 and "/tmp" not in one.get("said", "")
        for answer in one["answers"]:
            assert answer["number"] in photographs.table().data.replace(
                "\N{NO-BREAK SPACE}", " "
            ), name
