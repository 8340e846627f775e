"""The choice of every option on public stand-ins: private := letters of fonts.

Ten letters and ten images of each are drawn for every seed, a classifier is tested on the other
images of these letters. The public side is the stroke simulator, or, for what belongs to a folder,
other images of all letters, unlabelled. The options below are compared at the noises of epsilon
10, 3 and 1; what won stands in `one_shot.Decoder`, and the numbers are kept in
`data/results/release_standin.json`.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from helpers.data import files, places
from helpers.data.draws import Sample
from helpers.metrics import utility
from helpers.metrics.evaluation import EVALUATIONS
from helpers.models import one_shot
from helpers.models.one_shot import SIGMAS, Decoder, Public
from helpers.randomness import generator as stream
from helpers.study import host
from helpers.training import encoder as encoders
from helpers.training import release

from . import letters

SEEDS = (0, 1, 2, 3)
CLASSES, PRIVATE = 10, 10
_IMAGES = 60  # of each letter


class Option(NamedTuple):
    """One way to decode."""

    name: str
    folder: bool  # whether the public side is a folder
    decoder: Decoder
    synthetic: int = 100
    soft: bool = False


_PLAIN = Decoder(herded_below=0.0)
_UNSMOOTHED = replace(_PLAIN, smoothing=0.0)


def options() -> Iterator[Option]:
    """What is compared."""
    for best in (100, 300, 600):
        yield Option(f"best {best}", False, replace(_PLAIN, best=best))
    for affinity in (1.0, 15.0):
        yield Option(f"affinity {affinity:g}", False, replace(_PLAIN, affinity=affinity))
    for best in (300, 500, 1000):
        herded = replace(_PLAIN, herded_best=best, herded_below=9.0)
        yield Option(f"herded of {best}", False, herded)
    yield Option("soft 100", False, _PLAIN, soft=True)
    yield Option("soft 1000", False, _PLAIN, synthetic=1000, soft=True)
    yield Option("hard 1000", False, _PLAIN, synthetic=1000)
    for smoothing in (0.0, 0.8, 0.95):
        yield Option(f"smoothing {smoothing}", True, replace(_PLAIN, smoothing=smoothing))
    for affinity in (0.5, 5.0):
        smooth = replace(_PLAIN, smoothed_affinity=affinity)
        yield Option(f"smoothed affinity {affinity:g}", True, smooth)
    yield Option("smoothed, herded", True, replace(_PLAIN, herded_below=9.0))


def folder() -> Public:
    """Unlabelled images of all letters, other ones than are private."""
    return encoders.of_folder(letters.images(_IMAGES, 1)[0])


def accuracy(option: Option, public: Public, sigma: float, seed: int) -> float:
    """The accuracy on the test images of the seed's letters."""
    private, images, labels = split(seed)
    embeddings = public.encoder.embed_exactly(private.images)
    sums = release.noisy_sums(
        embeddings,
        private.labels,
        classes=CLASSES,
        sigma=sigma,
        noise=release.seeded_normal(seed),
    )
    counts, drawn = [option.synthetic] * CLASSES, stream(seed, "samples")
    rows = one_shot.choose(sums, sigma, public, counts, decoder=option.decoder, generator=drawn)
    taught = torch.arange(CLASSES).repeat_interleave(option.synthetic)
    preset = EVALUATIONS["compact"].classifier
    if option.soft:
        taught = one_shot.probabilities(sums, sigma, public, option.decoder)[rows]
        preset = replace(preset, steps=300)
    return _taught(public.images[rows].float() / 255, taught, preset, seed, images, labels)


def ceiling(seed: int) -> float:
    """The accuracy that the private letters themselves give."""
    private, images, labels = split(seed)
    preset = EVALUATIONS["compact"].classifier
    return _taught(private.images, private.labels, preset, seed, images, labels)


def _taught(images, labels, preset, seed: int, test: Tensor, truth: Tensor) -> float:
    drawn = stream(seed, "evaluation/classifier")
    classifier = utility.train_classifier(images, labels, CLASSES, preset=preset, generator=drawn)
    return utility.accuracy(classifier, test, truth)


def split(seed: int) -> tuple[Sample, Tensor, Tensor]:
    """The seed's private letters, and the test images with their labels."""
    images, kinds = letters.images(_IMAGES, 0)
    drawn = stream(seed, "stand-in")
    chosen = torch.randperm(len(letters.LETTERS), generator=drawn)[:CLASSES]
    private, test = [], []
    for letter in chosen.tolist():
        rows = torch.nonzero(kinds == letter).flatten()
        rows = rows[torch.randperm(len(rows), generator=drawn)]
        private.append(rows[:PRIVATE])
        test.append(rows[PRIVATE:])
    truth = torch.cat([torch.full_like(rows, k) for k, rows in enumerate(test)])
    index = torch.cat(private)
    labels = torch.arange(CLASSES).repeat_interleave(PRIVATE)
    sample = Sample(images[index].float() / 255, labels, index)
    return sample, images[torch.cat(test)].float() / 255, truth


def measured() -> dict[str, list]:
    """Mean accuracies at `SIGMAS` by option, each kept in the store as it is done."""
    found = {}
    for option in sorted(options(), key=lambda option: option.folder):
        key = files.content_hash(asdict(option.decoder), option[1], *option[3:], one_shot.COMMITTED)
        path = places.root() / "runs" / "release" / f"stand-in-{key}.json"

        def measure(option=option) -> list[list[float]]:
            with host.one_thread():
                public = folder() if option.folder else one_shot.simulated("strokes")
                return [[accuracy(option, public, s, seed) for seed in SEEDS] for s in SIGMAS]

        values = np.array(files.memo(path, measure))
        found[option.name] = values.mean(1).round(4).tolist()
        print(option.name, found[option.name], flush=True)
    return found
