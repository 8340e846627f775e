"""The ways to a file, and how one of them fails."""

import urllib.parse
from dataclasses import dataclass
from pathlib import Path


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


class Failed(OSError):
    """A download that did not succeed, and why."""


class Offline(Failed):
    """A download that another network would help: no connection, no such name, no answer."""
