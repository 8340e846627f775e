"""The store: whole files or none, damage found, hashes that follow what decides a result."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from helpers.data import files, places
from helpers.models import families


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty store."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def test_arrays_survive_a_round_trip_and_equal_arrays_give_equal_bytes(tmp_path):
    arrays = {"a": np.arange(6).reshape(2, 3), "b/c": np.float64(1.5)}
    files.write_arrays(tmp_path / "one.npz", arrays)
    files.write_arrays(tmp_path / "two.npz", arrays)
    read = files.read_arrays(tmp_path / "one.npz")
    assert read["a"].tolist() == [[0, 1, 2], [3, 4, 5]] and read["b/c"] == 1.5
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


@pytest.mark.parametrize("damage", [b"", b"garbage, not an archive", None])
def test_a_damaged_archive_is_removed_with_a_warning(store, damage):
    path = store / "full.npz"
    files.write_arrays(path, {"a": np.arange(1000)})
    path.write_bytes(path.read_bytes()[:200] if damage is None else damage)
    with pytest.warns(UserWarning, match="damaged"):
        assert files.read_arrays(path) is None
    assert not path.exists()


def test_a_flipped_byte_in_the_pixels_is_found(store):
    path = store / "full.npz"
    files.write_arrays(path, {"a": np.arange(1000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        assert files.read_arrays(path) is None


def test_damaged_json_is_removed_with_a_warning(store):
    path = store / "metrics.json"
    path.write_text('{"metrics": {"fid": 1')
    with pytest.warns(UserWarning, match="damaged"):
        assert files.read_json(path) is None
    assert files.read_json(path) is None


@pytest.mark.parametrize("name", ["results/mnist.json", "results/mnist/pictures.npz"])
def test_what_is_not_in_the_store_is_never_removed(store, name):
    path = store.parent / name
    path.parent.mkdir(parents=True)
    path.write_text('{"cells": [')
    read = files.read_json if name.endswith("json") else files.read_arrays
    with pytest.raises(files.Damaged, match=r"was left as it is.* git checkout HEAD -- .*mnist"):
        read(path)
    assert path.read_text() == '{"cells": ['


def test_the_committed_results_are_not_in_the_store():
    committed = places.committed() / "results" / "mnist.json"
    assert committed.is_file() and not files._in_store(committed)


def test_a_merge_conflict_is_named_with_its_line(tmp_path):
    path = tmp_path / "mnist.json"
    path.write_text('{\n<<<<<<< HEAD\n "a": 1\n=======\n "a": 2\n>>>>>>> theirs\n}\n')
    said = r"mnist\.json, line 2: '<<<<<<< HEAD' is left of a merge conflict.* git checkout HEAD --"
    for read in (files.read_json, files.check_no_conflict):
        with pytest.raises(files.Damaged, match=said):
            read(path)
    path.write_text("a,b\n=======,<<<<<<<\n")
    files.check_no_conflict(path)


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o027, 0o640), (0o022, 0o644)])
def test_who_may_read_a_file_is_what_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        files.write_json(tmp_path / "weights.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "weights.json").stat().st_mode & 0o777 == mode


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"kept": 1})
    with pytest.raises(TypeError):
        files.write_json(path, {"unwritable": object()})
    assert files.read_json(path) == {"kept": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_what_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(files.Unwritable, match=r"cannot be written: .* set NFL_HOME to another"):
        files.write_json(tmp_path / "file" / "a.json", {})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_a_full_disk_says_how_much_is_needed(tmp_path):
    class Full(type(tmp_path)):
        def open(self, mode):
            super().open(mode).close()
            return open("/dev/full", "wb")

    said = r"full\.npz cannot be written: No space left on device \(.* free, up to 8\.0 MB needed\)"
    with pytest.raises(files.Unwritable, match=said):
        arrays = {"a": np.random.default_rng(0).random(10**6)}
        files.write_arrays(Full(tmp_path / "full.npz"), arrays)
    assert list(tmp_path.iterdir()) == []


def test_only_old_leftovers_are_swept(tmp_path):
    old, fresh, kept = (tmp_path / name for name in (".a.npz.x1", ".b.npz.x2", "a.npz"))
    for path in (old, fresh, kept):
        path.write_text("")
    for path in (old, kept):
        os.utime(path, (0, 0))
    files.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {fresh.name, kept.name}


def test_the_hash_follows_every_preset_value():
    preset = families.preset("vae", "compact")
    longer = dataclasses.replace(
        preset, training=dataclasses.replace(preset.training, steps=preset.training.steps + 1)
    )
    assert files.content_hash(preset) == files.content_hash(dataclasses.replace(preset))
    assert files.content_hash(preset) != files.content_hash(longer)
