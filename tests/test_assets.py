"""Files come from where the table says, are verified, and are never executed."""

import functools
import hashlib
import http.server
import io
import os
import re
import shutil
import socket
import ssl
import subprocess
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from helpers.data import assets, download, files, places
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
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
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


# What failed


@pytest.fixture
def direct(monkeypatch):
    """No proxy, whatever the machine has."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def said(monkeypatch, *ways) -> assets.Unavailable:
    use(monkeypatch, *ways)
    with pytest.raises(assets.Unavailable) as caught:
        assets.fetch("thing")
    return caught.value


def everywhere(monkeypatch, url: str) -> tuple[Official, Packaged]:
    """An address as both ways: as a file's own, and as that of an index."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{url}/simple")
    return Official(f"{url}/thing", sha256(b"")), Packaged("toy==1.0", "0" * 64, "x", sha256(b""))


@pytest.fixture
def secure(tmp_path):
    """The address of a server whose certificate nobody signed."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed: no certificate to refuse")
    names = [str(tmp_path / name) for name in ("key.pem", "certificate.pem")]
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout"
    subprocess.run([*command.split(), names[0], "-out", names[1]], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(names[1], names[0])

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            pass

    with Quiet(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"https://localhost:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_refused_certificate_is_said_as_such(home, secure, direct, monkeypatch):
    error = said(monkeypatch, *everywhere(monkeypatch, secure))
    assert not error.offline and "onnect to a network" not in str(error)
    for reason in error.said:
        assert "certificate of localhost was refused (self-signed" in reason, reason
        assert "SSL_CERT_FILE and REQUESTS_CA_BUNDLE" in reason


def test_a_proxy_that_refuses_is_said_as_such(home, direct, monkeypatch):
    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self):
            self.send_error(407)

        do_GET = do_CONNECT

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        for scheme in ("http", "https"):
            proxy = f"http://somebody:secret@127.0.0.1:{server.server_address[1]}"
            monkeypatch.setenv(f"{scheme}_proxy", proxy)
            error = said(monkeypatch, *everywhere(monkeypatch, f"{scheme}://example.invalid"))
            assert re.search("the proxy refused .*407.*; check http_proxy", error.said[0])
            # Over plain http an index must be on this machine.
            assert ("407" if scheme == "https" else "not being trusted") in error.said[1]
            assert not error.offline and "secret" not in str(error)
        server.shutdown()


def test_a_proxy_that_is_not_there_is_named(home, direct, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://somebody:secret@127.0.0.1:9")
    error = said(monkeypatch, *everywhere(monkeypatch, "https://example.invalid"))
    for reason in error.said:
        assert "no connection with the proxy 127.0.0.1:9 (from http" in reason, reason
    assert "secret" not in str(error)


def test_a_name_that_is_not_found_is_said_as_such(home, direct, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = said(monkeypatch, *everywhere(monkeypatch, "https://data.invalid"))
    assert error.offline and "Connect to a network" in str(error)
    assert all("the name of data.invalid was not found" in reason for reason in error.said)


def test_what_an_index_answers_is_said(home, site, monkeypatch):
    error = said(monkeypatch, everywhere(monkeypatch, site[1])[1])
    assert "no such archive" in str(error) and "Client Error(404)" in str(error)


def test_no_answer_is_said_as_such(home, direct, monkeypatch):
    monkeypatch.setattr(download, "READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        error = said(monkeypatch, Official(f"{url}/thing", sha256(b"")))
    assert error.offline and "thing: no answer in time (5 s, then 0.2 s)" in error.said[0]


def test_a_web_page_in_place_of_a_file_is_said_as_such(home, site, monkeypatch):
    folder, url = site
    (folder / "thing.bin").write_text("\n<!DOCTYPE html><html>Sign in</html>")
    with pytest.warns(UserWarning, match="a web page"):
        error = said(monkeypatch, Official(f"{url}/thing.bin", sha256(b"content")))
    assert "a web page (a proxy's sign-in page, perhaps) came in its place" in error.said[0]
    assert not error.offline and "onnect to a network" not in str(error)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("packaged", [False, True])
def test_a_full_disk_is_no_missing_network(home, site, monkeypatch, packaged):
    content = wheel({"toy/thing.bin": b"content"})
    digest = serve_package(site, monkeypatch, "toy-1.0-py3-none-any.whl", content)
    folder, url = site
    (folder / "thing.bin").write_bytes(b"content")
    way = Official(f"{url}/thing.bin", sha256(b"content"))
    if packaged:
        way = Packaged("toy==1.0", digest, "toy/thing.bin", sha256(b"content"))
    use(monkeypatch, way, way)
    make = assets.tempfile.mkdtemp

    def full(*arguments, **named):
        place = make(*arguments, **named)
        os.symlink("/dev/full", os.path.join(place, "thing.bin"))
        return place

    monkeypatch.setattr(assets.tempfile, "mkdtemp", full)
    with pytest.raises(
        files.Unwritable, match=r"No space left.* free\). Make room there"
    ) as caught:
        assets.fetch("thing")
    assert "network" not in str(caught.value)


def test_a_cache_that_is_no_folder_says_what_to_do(home, monkeypatch):
    home.write_text("a file")
    use(monkeypatch, Official("http://127.0.0.1:9/thing", sha256(b"")))
    with pytest.raises(files.Unwritable, match="set NFL_HOME to another"):
        assets.fetch("thing")


# Folders


def test_a_relative_folder_is_the_same_wherever_a_process_runs(tmp_path, monkeypatch, root):
    monkeypatch.setenv("NFL_HOME", "store")
    monkeypatch.setenv("NFL_DATA", "data")
    for place in (root, tmp_path):
        monkeypatch.chdir(place)
        assert places.root() == root / "store" and places.given() == root / "data"


def test_what_is_committed_does_not_follow_the_store(home, root):
    assert places.root() == home and places.committed() == root / "data"


def test_nothing_given_is_no_folder(monkeypatch):
    for value in ("", None):
        if value is None:
            monkeypatch.delenv("NFL_DATA", raising=False)
        else:
            monkeypatch.setenv("NFL_DATA", value)
        assert places.given() is None


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
    for name in ("octmnist", "organamnist", "bloodmnist"):
        official, about = assets.ASSETS[name].ways[0], medmnist.INFO[name]
        assert (official.url, official.checksum) == (about["url"], f"md5:{about['MD5']}")
    alexnet = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.url
    assert assets.ASSETS["alexnet"].ways[0].url == alexnet
