"""The store: whole files or none, damage found, hashes that follow what decides a result."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from helpers.data import files
from helpers.models import families


def test_arrays_survive_a_round_trip_and_equal_arrays_give_equal_bytes(tmp_path):
    arrays = {"a": np.arange(6).reshape(2, 3), "b/c": np.float64(1.5)}
    files.write_arrays(tmp_path / "one.npz", arrays)
    files.write_arrays(tmp_path / "two.npz", arrays)
    read = files.read_arrays(tmp_path / "one.npz")
    assert read["a"].tolist() == [[0, 1, 2], [3, 4, 5]] and read["b/c"] == 1.5
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


@pytest.mark.parametrize("damage", [b"", b"garbage, not an archive", None])
def test_a_damaged_archive_is_removed_with_a_warning(tmp_path, damage):
    path = tmp_path / "full.npz"
    files.write_arrays(path, {"a": np.arange(1000)})
    path.write_bytes(path.read_bytes()[:200] if damage is None else damage)
    with pytest.warns(UserWarning, match="damaged"):
        assert files.read_arrays(path) is None
    assert not path.exists()


def test_a_flipped_byte_in_the_pixels_is_found(tmp_path):
    path = tmp_path / "full.npz"
    files.write_arrays(path, {"a": np.arange(1000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        assert files.read_arrays(path) is None


def test_damaged_json_is_removed_with_a_warning(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"metrics": {"fid": 1')
    with pytest.warns(UserWarning, match="damaged"):
        assert files.read_json(path) is None
    assert files.read_json(path) is None


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
def test_a_full_disk_says_how_much_is_needed(tmp_path, monkeypatch):
    def mkstemp(**_):
        return os.open("/dev/full", os.O_WRONLY), str(tmp_path / "temporary")

    (tmp_path / "temporary").write_text("")
    monkeypatch.setattr(files.tempfile, "mkstemp", mkstemp)
    said = r"full\.npz cannot be written: No space left on device \(.* free, up to 8\.0 MB needed\)"
    with pytest.raises(files.Unwritable, match=said):
        files.write_arrays(tmp_path / "full.npz", {"a": np.random.default_rng(0).random(10**6)})
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
