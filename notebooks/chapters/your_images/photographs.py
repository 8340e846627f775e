"""The walk on photographs: leaves of maize (PlantVillage, CC BY-SA 3.0) as the images of one's own.

The commands run on folders made for them: ten leaves of each class are private, ten held out, and
`PUBLIC` others lie in one folder without labels; a folder of digits stands for one of another kind.
What they say and a few images are kept in `data/results/your_images.json` and `.npz`.
"""

import datetime
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from IPython.display import HTML
from matplotlib.figure import Figure

from helpers.data import datasets, draws, files, folders, places
from helpers.data.sources import to_bytes
from helpers.randomness import generator as stream
from helpers.study import host

from ..beyond.figures import CORN_NAMES
from . import walk
from .walk import PER_CLASS, Place

NAME, DATASET = "your_images", "corn"
PUBLIC = 600
EPSILONS = (10.0, 1.0)
UNRELATED = "digits as public"
SHOWN = 5  # images of a class that are kept
_SHOWN = 4  # and shown
_PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pillow")


def collect() -> Path:
    """Run the commands and keep what is shown; the path of the kept JSON."""
    place, publics = _places()
    made = {"private": place.private}
    told: dict[str, Any] = {}
    asked = [(f"ε = {epsilon:g}", epsilon, "leaves") for epsilon in EPSILONS]
    for seed, (title, epsilon, public) in enumerate([*asked, (UNRELATED, EPSILONS[0], "digits")]):
        made[title], told[title] = _released(place, epsilon, publics[public], seed)
    made["by heart"] = walk.by_heart(place)
    told["by heart"] = {"answers": _answers(place, made["by heart"])}
    sheets = {
        name: walk.by_class(folders.read_any(folder, size=place.size), SHOWN)
        for name, folder in made.items()
    }
    files.write_arrays(_kept(".npz"), sheets)
    about = {
        "checksum": datasets.identity(DATASET).checksum,
        "told": told,
        "versions": {name: metadata.version(name) for name in _PACKAGES},
        "host": host.host(),
        "date": datetime.date.today().isoformat(),
    }
    files.write_json(_kept(".json"), about)
    return _kept(".json")


def _kept(suffix: str) -> Path:
    return places.committed() / "results" / f"{NAME}{suffix}"


def _places() -> tuple[Place, dict[str, Path]]:
    """Private images and a hold-out, and two public folders, in a temporary folder."""
    data, digits = datasets.load(DATASET), datasets.load("digits")
    place = Place(Path(tempfile.mkdtemp(prefix=f"{NAME}-")), False, data.shape[1])
    private = draws.few_shot(data, PER_CLASS, generator=stream(0, "few-shot"))
    for folder, (images, labels, _) in (
        (place.private, private),
        (place.holdout, draws.holdout(data, PER_CLASS)),
    ):
        walk.write(folder, to_bytes(images), [CORN_NAMES[label] for label in labels])
    others = torch.ones(len(data.train_labels), dtype=torch.bool)
    others[private.index] = False
    publics = {"leaves": data.train_images[others], "digits": digits.train_images}
    for name, images in publics.items():
        rows = torch.randperm(len(images), generator=stream(0, f"public/{name}"))[:PUBLIC]
        pixels = to_bytes(images[rows])
        if pixels.ndim == 3:
            pixels = np.repeat(pixels[..., None], 3, axis=3)
        walk.write(place.root / "public", pixels, [name] * len(rows))
    return place, {name: place.root / "public" / name for name in publics}


def _released(place: Place, epsilon: float, public: Path, seed: int) -> tuple[Path, dict[str, Any]]:
    """A release with a ledger of its own, as if it were the only one; what is said of it."""
    place.private.joinpath(".releases.json").unlink(missing_ok=True)
    name = f"release-{epsilon:g}-{public.name}"
    folder, said = walk.released(place, epsilon, str(public), name, seed)
    return folder, {"said": said, "answers": _answers(place, folder, public)}


def _answers(place: Place, folder: Path, public: Path | None = None) -> list[dict[str, Any]]:
    told, _ = walk.report(place, folder, str(public or ""))
    return [{k: a[k] for k in ("question", "verdict", "number")} for a in told["answers"]]


# What is kept


def said(name: str) -> str:
    """A command and what it said."""
    return files.read_json(_kept(".json"))["told"][name]["said"]


def table() -> HTML:
    """The three answers of each report."""
    told, sheets = files.read_json(_kept(".json"))["told"], files.read_arrays(_kept(".npz"))
    return walk.table({name: told[name] for name in sheets if name in told}, "leaves")


def pictures() -> Figure:
    """A panel for each set, a row for each class."""
    sets = files.read_arrays(_kept(".npz"))
    return walk.drawn(
        {name: images[:, :_SHOWN] for name, images in sets.items()}, sorted(CORN_NAMES)
    )
