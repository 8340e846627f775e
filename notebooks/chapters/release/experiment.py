"""What classifiers learn from each mechanism: units, kept one by one, collected into two files.

A unit is one training set: private images of one seed, a mechanism, a public side and an epsilon.
Units are kept in the store, so that a run can be killed and resumed, and collected into
`data/results/release.csv` (tidy, a row per unit) and `.json` (provenance). `standin` chose the
options; the plan of what is measured is in `plan`.
"""

import datetime
import importlib.metadata
import time
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from helpers.data import datasets, draws, files, places
from helpers.data.draws import Sample
from helpers.metrics import utility
from helpers.metrics.evaluation import EVALUATIONS
from helpers.models import one_shot
from helpers.models.one_shot import COMMITTED, Decoder
from helpers.randomness import generator as stream
from helpers.study import host
from helpers.training import encoder as encoders
from helpers.training import release

from . import labelled, prior, rivals, stepwise
from .public import side

NAME = "release"
DELTA = 1e-3
VERSION = 1  # raise when a number changes its meaning: units are then computed again
STEPS = 300  # of the classifier on soft labels; on hard ones the project's 100
_PACKAGES = ("torch", "numpy", "scipy", "pillow", "matplotlib")
EVOLUTION = {"rounds": 1, "candidates": 100}  # chosen on the stand-in


@dataclass(frozen=True, order=True)
class Unit:
    """One training set for a classifier."""

    dataset: str
    mechanism: str  # "release", a rival, or "private" and "labelled": images as they are
    public: str  # a side of `public.side`; "" for none
    epsilon: float  # 0: the noise of epsilon 1 alone; inf: no noise
    seed: int
    private: int = 10  # images per class
    synthetic: int = 100  # images per class
    soft: bool = False  # whether a classifier learns from probabilities
    encoder: int = 0  # seed of the public encoder

    @property
    def name(self) -> str:
        """For messages and file names."""
        return "-".join(str(part) for part in astuple(self))


COLUMNS = (*(field.name for field in fields(Unit)), "metric", "value")


def measure(unit: Unit) -> dict[str, float]:
    """The unit's `accuracy` on all test images and `balanced`, its mean over classes."""
    data = datasets.load(unit.dataset)
    preset = EVALUATIONS["compact"].classifier
    if unit.soft:
        preset = replace(preset, steps=STEPS)
    images, labels = training_set(unit)
    classifier = utility.train_classifier(
        images,
        labels,
        len(data.classes),
        preset=preset,
        generator=stream(unit.seed, "evaluation/classifier"),
    )
    by_class = utility.class_accuracies(classifier, data.test_images, data.test_labels)
    counts = torch.tensor(data.counts("test"), dtype=by_class.dtype)
    accuracy = (by_class @ counts / counts.sum()).item()
    return {"accuracy": accuracy, "balanced": by_class.mean().item()}


def training_set(unit: Unit) -> tuple[Tensor, Tensor]:
    """Images [N, C, S, S], and labels [N] or probabilities [N, classes]."""
    data = datasets.load(unit.dataset)
    private = draws.few_shot(data, unit.private, generator=stream(unit.seed, "few-shot"))
    classes = len(data.classes)
    if unit.mechanism == "private":
        return private.images, private.labels
    if unit.mechanism == "labelled":
        return labelled.images(unit.public, unit.synthetic, unit.seed)
    if unit.mechanism != "release":
        return _of_rival(unit, private, classes)
    public = side(unit.public, unit.dataset, unit.encoder)
    sigma, sums = released(unit.epsilon, unit.seed, private, classes, public.encoder)
    decoder, counts = Decoder(), [unit.synthetic] * classes
    drawn = stream(unit.seed, "samples")
    rows = one_shot.choose(sums, sigma, public, counts, decoder=decoder, generator=drawn)
    labels = torch.arange(classes).repeat_interleave(unit.synthetic)
    if unit.soft:
        labels = one_shot.probabilities(sums, sigma, public, decoder)[rows]
    return public.images[rows].float() / 255, labels


def _of_rival(unit: Unit, private: Sample, classes: int) -> tuple[Tensor, Tensor]:
    whom, at = (private, classes), (unit.epsilon, DELTA, unit.synthetic, unit.seed)
    if unit.mechanism == "means":
        return rivals.class_means(*whom, unit.dataset, *at)
    if unit.mechanism == "evolution":
        public = side(unit.public, unit.dataset, unit.encoder)
        return rivals.evolution(*whom, public, unit.dataset, *at, **EVOLUTION)
    how = {"setting": stepwise.CHOSEN[unit.mechanism], "simulator": unit.public}
    return stepwise.trained(unit.mechanism, *whom, *at, **how)


def released(
    epsilon: float, seed: int, private: Sample, classes: int, encoder: one_shot.Encoder
) -> tuple[float, Tensor]:
    """The noise and the sums; at epsilon 0 the noise of epsilon 1 around no sums at all."""
    sigma, noise = rivals.noise_at(epsilon, DELTA), release.seeded_normal(seed)
    if epsilon == 0:
        private = Sample(*(part[:0] for part in private))
    embeddings = (
        encoder.embed_exactly(private.images)
        if len(private.images)
        else torch.zeros(0, one_shot.DIMENSION, dtype=torch.float64)
    )
    sums = release.noisy_sums(embeddings, private.labels, classes=classes, sigma=sigma, noise=noise)
    return sigma, sums


# Keeping


def compute(unit: Unit) -> dict:
    """The unit's record, from the store or computed now on one thread."""

    def make() -> dict:
        with host.one_thread():
            _prepare(unit)  # made once, counted to no unit
            began = time.process_time()
            metrics = measure(unit)
        return {"metrics": metrics, "core_seconds": round(time.process_time() - began, 2)}

    return files.memo(_path(unit), make)


def _prepare(unit: Unit) -> None:
    """Make the unit's public side."""
    if unit.mechanism in ("release", "evolution"):
        side(unit.public, unit.dataset, unit.encoder)
    if unit.mechanism == "prior":
        prior.drawer(unit.public)


def _path(unit: Unit) -> Path:
    key = key_of(unit, datasets.identity(unit.dataset).checksum)
    return places.root() / "runs" / NAME / f"{unit.name}-{key}.json"


def key_of(unit: Unit, checksum: str) -> str:
    """Changes with anything that decides the unit's numbers."""
    settings = [VERSION, asdict(unit), checksum, EVALUATIONS["compact"].classifier]
    if unit.mechanism in ("release", "evolution"):
        made = COMMITTED.get(unit.public, encoders.VERSION)
        settings += [Decoder(), made] if unit.mechanism == "release" else [EVOLUTION, made]
    if unit.mechanism in stepwise.CHOSEN:
        settings += [stepwise.CHOSEN[unit.mechanism]]
    if unit.mechanism == "prior":
        settings += [prior.key(unit.public)]
    return files.content_hash(*settings, STEPS if unit.soft else 0)


def run(units: Iterable[Unit]) -> None:
    """Compute the units that the store lacks."""
    missing = [unit for unit in units if files.read_json(_path(unit)) is None]
    for unit in tqdm(missing, unit="unit", disable=None):
        compute(unit)


# Collecting


def root() -> Path:
    """Where results are committed."""
    return places.committed() / "results"


def frame() -> pd.DataFrame:
    """All that is collected, tidy: a row per unit and metric."""
    return pd.read_csv(root() / f"{NAME}.csv", keep_default_na=False)


def collect(units: Iterable[Unit]) -> Path:
    """Bring the done ones of `units` into the collected files, beside those there; the CSV's path.

    Collecting the same store again gives the same bytes.
    """
    about = files.read_json(root() / f"{NAME}.json") or {"units": {}, "data": {}}
    kept = {} if not about["units"] else dict(_rows(frame()))
    abouts, data = dict(about["units"]), dict(about["data"])
    for unit in units:
        if (record := files.read_json(_path(unit))) is None:
            continue
        data[unit.dataset] = datasets.identity(unit.dataset).checksum
        kept[unit] = record["metrics"]
        key = key_of(unit, data[unit.dataset])
        abouts[unit.name] = {"key": key, "core_seconds": record["core_seconds"]}
    rows = [
        (*astuple(unit), metric, f"{value:.5g}")
        for unit in sorted(kept)
        for metric, value in sorted(kept[unit].items())
    ]
    with files.atomic(root() / f"{NAME}.csv", "w") as file:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(file, index=False, lineterminator="\n")
    if abouts != about["units"]:
        files.write_json(
            root() / f"{NAME}.json",
            {
                "units": abouts,
                "data": data,
                "core_seconds": round(sum(a["core_seconds"] for a in abouts.values())),
                "decoder": asdict(Decoder()),
                "encoders": COMMITTED,
                "evolution": EVOLUTION,
                "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
                "host": host.host(),
                "date": datetime.date.today().isoformat(),
            },
        )
    return root() / f"{NAME}.csv"


def _rows(table: pd.DataFrame) -> Iterable[tuple[Unit, dict[str, float]]]:
    names = [field.name for field in fields(Unit)]
    for values, part in table.groupby(names, sort=False):
        dataset, mechanism, public, epsilon, seed, private, synthetic, soft, encoder = values
        unit = Unit(
            dataset,
            mechanism,
            public,
            float(epsilon),
            int(seed),
            int(private),
            int(synthetic),
            soft in (True, "True"),
            int(encoder),
        )
        yield unit, dict(zip(part["metric"], part["value"], strict=True))
