"""A release and reports on small digits or one's own folder, as the commands make them.

The release on digits, which are public, is a study: its noise has a seed, so that the page stays
the same, and so that anyone can subtract it. On a folder of one's own it is a true one.
"""

import argparse
import contextlib
import html
import io
import json
import re
import shlex
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from IPython.display import HTML
from matplotlib.figure import Figure
from PIL import Image

from helpers import cli
from helpers import release as releasing
from helpers.data import datasets, draws, folders
from helpers.data.conversion import split_off
from helpers.data.sources import to_bytes
from helpers.randomness import generator as stream
from helpers.report import style
from helpers.report.pictures import mosaic, name_rows, show
from helpers.training import release as training

from ..ledger import text_table
from ..release.letters import laid_out

PER_CLASS = 10
_SHOWN = 4  # images of a class
_ACROSS = 3  # sets of them side by side


class Place(NamedTuple):
    """The folders of a walk through: what is private, what nobody trained on."""

    root: Path
    own: bool  # whether the images are the reader's
    size: int  # pixels a side

    @property
    def private(self) -> Path:
        """What a generator may see."""
        return self.root / "private"

    @property
    def holdout(self) -> Path:
        """What it must not."""
        return self.root / "holdout"


def prepare(images: str) -> Place:
    """Two folders of class folders: ten digits of each class and ten others, or a folder's halves.

    In a temporary folder. Raises `ValueError` for a folder without classes, or with fewer than four
    images of one.
    """
    if not images:
        size = 28
        sample = draws.few_shot(
            datasets.load("digits"), 2 * PER_CLASS, generator=stream(0, "few-shot")
        )
        pixels, labels = to_bytes(laid_out(sample.images)), sample.labels.numpy()
        names = datasets.about("digits").classes
        other = np.arange(len(labels)) % (2 * PER_CLASS) >= PER_CLASS
    else:
        folder = Path(images).expanduser()
        size = folders.usual_side(folder)
        pixels, labels, names = folders.read_classes(folder, size=size)
        if np.bincount(labels).min() < 4:
            raise ValueError(f"{folder} has fewer than four images of a class")
        keys = [image.tobytes() for image in pixels]
        other = split_off(keys, labels, part=2)
    place = Place(Path(tempfile.mkdtemp(prefix="your_images-")), bool(images), size)
    for target, rows in ((place.private, ~other), (place.holdout, other)):
        write(target, pixels[rows], [names[label] for label in labels[rows]])
    return place


def write(folder: Path, pixels: np.ndarray, names: list[str]) -> Path:
    """Images uint8 [N, S, S(, 3)] as PNG files in the class folders of their names."""
    for number, (image, name) in enumerate(zip(pixels, names, strict=True)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name / f"{number:05d}.png")
    return folder


def released(
    place: Place, epsilon: float, public: str = "", name: str = "release", seed: int = 0
) -> tuple[Path, str]:
    """A release of the private folder: where it lies, and the command with what it says.

    The noise has the `seed` unless the images are the reader's. With a simulator for want of a
    `public` folder, images are grey and of 28 pixels.
    """
    out = place.root / name
    asked = ["--images", str(place.private), "--epsilon", f"{epsilon:g}", "--out", str(out)]
    asked += ["--per-class", str(PER_CLASS)]
    side = ["--public", str(Path(public).expanduser()), "--size", str(place.size)]
    asked += side if public else ["--simulator", "strokes", "--grey"]
    parser = argparse.ArgumentParser()
    releasing.add(parser.add_subparsers())
    arguments = parser.parse_args(["release", *asked])
    noise = {} if place.own else {"noise": training.seeded_normal(seed), "seed": seed}
    said = io.StringIO()
    with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stdout(said):
        warnings.simplefilter("always")
        releasing.make(arguments, **noise)
    lines = [_command("release", asked), said.getvalue().strip()]
    lines += [f"warning: {w.message}" for w in warned]
    return out, _without(place, "\n".join(lines))


def by_heart(place: Place) -> Path:
    """What a generator that has learned by heart would give: each private image with some noise."""
    found = folders.read_any(place.private, size=place.size)
    noise = 20 * torch.randn(found.pixels.shape, generator=stream(0, "by heart")).numpy()
    noisy = (found.pixels + noise).clip(0, 255).round().astype(np.uint8)
    names = [found.classes[label] for label in found.labels]
    return write(place.root / "by heart", noisy, names)


def _command(name: str, asked: list[str]) -> str:
    return f"$ python -m helpers {name} {shlex.join(asked)}"


def report(place: Place, synthetic: Path, public: str = "") -> tuple[dict[str, Any], Path]:
    """The numbers of a report on synthetic images, and where its page lies."""
    out = place.root / f"{synthetic.name}.html"
    asked = ["--private", place.private, "--synthetic", synthetic, "--holdout", place.holdout]
    asked += ["--public", Path(public).expanduser()] if public else []
    said, progress = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(progress):
        failed = cli.main(["report", *map(str, asked), "--out", str(out), "--json"])
    if failed:
        raise ValueError(progress.getvalue().splitlines()[-1])
    return json.loads(said.getvalue()), out


def table(reports: Mapping[str, dict[str, Any]], mark: str = "yourimages") -> HTML:
    """The three answers, a column for each report; `mark` is the table's own on the page."""
    rows = {"question": [answer["question"] for answer in next(iter(reports.values()))["answers"]]}
    for name, told in reports.items():
        rows[name] = [f"{a['verdict']}. {a['number']}".strip() for a in told["answers"]]
    return text_table(pd.DataFrame(rows), mark, (22, *[78 // len(reports)] * len(reports)))


def page(place: Place, path: Path) -> HTML:
    """A report's page within this one; of images of one's own, only where it lies."""
    if place.own:
        told = f"The page shows private images, so it is not shown here: {path}"
        return HTML(f"<p>{html.escape(told)}</p>")
    text = re.sub(r"\d\d \w+ \d{4}\.", "", _without(place, path.read_text()))
    frame = '<iframe title="the report" style="width:100%; height:46rem; border:1px solid #999"'
    inside = html.escape(text).replace("/", "&#47;")  # pictures in it are no paths
    return HTML(f'<div>{frame} srcdoc="{inside}"></iframe></div>')


def pictures(sets: Mapping[str, Path]) -> Figure:
    """A panel for each folder, a row for each class."""
    size = folders.usual_side(next(iter(sets.values())))
    found = {name: folders.read_any(folder, size=size) for name, folder in sets.items()}
    return drawn(
        {name: by_class(images, _SHOWN) for name, images in found.items()},
        next(iter(found.values())).classes,
    )


def by_class(images: folders.Images, most: int) -> np.ndarray:
    """The first images of each class, at most so many, uint8 [classes, n, S, S(, 3)]."""
    rows = [images.pixels[images.labels == c] for c in range(len(images.classes))]
    return np.stack([part[: min(most, *map(len, rows))] for part in rows])


def drawn(sets: Mapping[str, np.ndarray], classes: Sequence[str]) -> Figure:
    """A panel for each set of images uint8 [classes, n, S, S(, 3)], a row for each class."""
    high, wide = next(iter(sets.values())).shape[:2]
    columns = min(len(sets), _ACROSS)
    rows = -(-len(sets) // columns)
    height = 2.9 * high / wide + 0.3
    figure, axes = style.panels(rows, columns, size=(3.1 * columns, height * rows))
    for axis, (name, images) in zip(axes.flat, sets.items(), strict=False):
        show(axis, name, mosaic(images))
    for axis in axes.flat[len(sets) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        name_rows(axis, classes, height=images.shape[2])
    return figure


def _without(place: Place, text: str) -> str:
    return text.replace(f"{place.root}/", "")
