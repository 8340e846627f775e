"""`python -m helpers report`: any synthetic images judged beside one's own private ones.

Nothing leaves this machine, and nothing is kept but the page: no feature of a private image is
cached.
"""

import argparse
import datetime
import hashlib
import json
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ..data import files, folders
from ..data.conversion import SIZES

_SEED = 0
_PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pillow")


def add(commands: Any) -> None:
    """Add the command and its options to the command line's `commands`."""
    command = commands.add_parser(
        "report",
        help="judge synthetic images, whoever made them, beside your private ones",
        description=(
            "Three answers on one page, each with its number, interval and yardstick: do they look "
            "right, are they useful, what do they give away. Folders hold class folders or images "
            "as they are; ten of a class are enough. The page shows private images: it is yours."
        ),
    )
    command.add_argument("--private", type=Path, required=True, help="the images to be protected")
    command.add_argument("--synthetic", type=Path, required=True, help="the images to be judged")
    command.add_argument(
        "--holdout",
        type=Path,
        help="real images of the same pool that the generator has not seen: without them the "
        "attack cannot be tried",
    )
    command.add_argument(
        "--public", type=Path, help="images anyone may have, which the synthetic ones may be"
    )
    command.add_argument("--out", type=Path, required=True, help="the page, an .html not there yet")
    command.add_argument(
        "--size",
        type=int,
        help=f"pixels a side; default: the synthetic images', to {folders.USUAL}",
    )
    command.add_argument("--json", action="store_true", help="print the numbers as JSON too")
    command.set_defaults(run=report, parser=command)


def report(arguments: argparse.Namespace) -> int:
    """Write the page, or say in one line why not; the exit code."""
    try:
        _check(arguments)
        _report(arguments)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def _check(asked: argparse.Namespace) -> None:
    """Raise `ValueError` for what can be told before any image is read."""
    if asked.out.suffix.lower() != ".html":
        raise ValueError(f"--out is {asked.out}; it must be an .html file")
    if asked.out.exists():
        raise ValueError(f"{asked.out} exists already; give another name, none is replaced")
    if asked.size is not None and asked.size not in SIZES:
        raise ValueError(
            f"--size is {asked.size}; it must be a multiple of 4 from {SIZES[0]} to {SIZES[-1]}"
        )
    given = {name: folder for name, folder in _folders(asked).items() if folder}
    for name, folder in given.items():
        if not folder.is_dir():
            raise ValueError(f"--{name} is {folder}, which is no folder; give one with images")
    places = {name: folder.resolve() for name, folder in given.items()}
    for name, place in places.items():
        for other, outer in places.items():
            if name != other and place.is_relative_to(outer):
                where = "the same folder as" if place == outer else "inside"
                raise ValueError(
                    f"--{name} ({given[name]}) is {where} --{other} ({given[other]}); give "
                    "folders that lie apart"
                )
    if asked.out.resolve().is_relative_to(places["synthetic"]):
        raise ValueError(
            f"--out is {asked.out}, in the folder of the synthetic images: the page shows private "
            "ones, so keep it apart from what is handed out"
        )


def _folders(asked: argparse.Namespace) -> dict[str, Path | None]:
    names = ("private", "synthetic", "holdout", "public")
    return {name: getattr(asked, name) for name in names}


def _report(asked: argparse.Namespace) -> None:
    from ..study import host
    from . import judging, page, verdicts  # what can be refused without PyTorch is

    size = asked.size or folders.usual_side(asked.synthetic)
    found = {}
    for name, folder in _folders(asked).items():
        if folder:
            _say(f"reading {folder}")
            found[name] = folders.read_any(folder, size=size)
            if found[name].note:
                _say(f"{folder}: {found[name].note}")
    pixels = _of_one_kind({name: images.pixels for name, images in found.items()})
    sets = _sets(found, pixels)
    with host.one_thread():
        judged = judging.judge(sets, seed=_SEED, say=_say)
    answers = verdicts.answers(judged, sets.classes)
    settings = {"pixels a side": size, "feature network's images, at most": judging.MOST}
    content = page.html(
        judged,
        answers,
        {_NAMES[name]: images for name, images in pixels.items()},
        {_NAMES[name]: images.names for name, images in found.items()},
        date=datetime.datetime.now(datetime.UTC).strftime("%d %B %Y"),
        promise=_promise(asked.synthetic),
        remarks=verdicts.remarks(judged, {n: f.note for n, f in found.items()}, sets.classes),
        facts=_facts(asked, pixels, settings),
    )
    with files.atomic(asked.out, "w", size=len(content)) as file:
        file.write(content)
    asked.out.chmod(0o600)  # it shows private images
    if asked.json:
        told = [answer._asdict() for answer in answers]
        for answer in told:
            answer["rows"] = [row._asdict() for row in answer["rows"]]
        print(json.dumps({"answers": told, "facts": _facts(asked, pixels, settings)}, indent=2))
    else:
        for answer in answers:
            print(f"{answer.question} {answer.verdict}. {' '.join(answer.said)}")
    _say(f"{asked.out}: for your eyes only, since it shows private images")


_NAMES = {"private": "private", "synthetic": "synthetic", "holdout": "hold-out", "public": "public"}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _of_one_kind(pixels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All sets in colour if one of them is."""
    if len({images.ndim for images in pixels.values()}) == 1:
        return pixels
    return {
        name: np.repeat(images[..., None], 3, axis=3) if images.ndim == 3 else images
        for name, images in pixels.items()
    }


def _sets(found: dict[str, folders.Images], pixels: dict[str, np.ndarray]) -> Any:
    """The sets to judge; with classes if all folders but the public one have them, by name."""
    import torch

    from ..data.sources import from_bytes
    from .judging import Sets, Side

    named = {name: images for name, images in found.items() if name != "public"}
    labelled = all(images.classes for images in named.values())
    classes = found["private"].classes if labelled else ()
    sides = {}
    for name, images in named.items():
        labels = None
        if labelled:
            unknown = [one for one in images.classes if one not in classes]
            if unknown:
                raise ValueError(
                    f"the {_NAMES[name]} images have classes that the private ones lack: "
                    f"{', '.join(unknown)}; those are: {', '.join(classes)}"
                )
            numbers = np.array([classes.index(one) for one in images.classes])
            labels = torch.from_numpy(numbers[images.labels])
        sides[name] = Side(from_bytes(pixels[name]), labels)
    public = from_bytes(pixels["public"]) if "public" in pixels else None
    return Sets(sides["private"], sides["synthetic"], sides.get("holdout"), public, classes)


def _promise(synthetic: Path) -> str:
    """What the certificate of a release says, if one lies in the folder."""
    path = synthetic / "certificate.json"
    if not path.exists():
        return ""
    try:
        told = json.loads(path.read_text())
        epsilon, delta = told["epsilon"], told["delta"]
        shown = told.get("public", {}).get("images shown", "")
        added, replaced = (
            float(epsilon[f"one record {how}"]) for how in ("added or removed", "replaced")
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a release's certificate ({error}); remove it") from error
    return (
        f"ε = {added:.3g} at δ = {delta:g} for one image added or removed, {replaced:.3g} for one "
        "replaced, against any attack. This page cannot check that; it holds if the images were "
        "made as the certificate says, and no longer once this page is handed out."
        + (f" The images shown: {shown}." if shown else "")
    )


def _facts(
    asked: argparse.Namespace, pixels: dict[str, np.ndarray], settings: dict[str, Any]
) -> dict[str, str]:
    facts = {}
    for name, folder in _folders(asked).items():
        if folder:
            digest = hashlib.sha256(np.ascontiguousarray(pixels[name])).hexdigest()
            facts[f"{_NAMES[name]} images"] = f"{folder} (as read, SHA-256 {digest})"
    facts |= {name: str(value) for name, value in settings.items()} | {"seed": str(_SEED)}
    facts["feature network"] = "EfficientNet-Lite0 (ImageNet), as installed"
    versions = [f"{name} {metadata.version(name)}" for name in _PACKAGES]
    return facts | {"versions": ", ".join([f"Python {platform.python_version()}", *versions])}
