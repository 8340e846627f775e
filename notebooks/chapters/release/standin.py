"""The choice of the decoder's options on a public stand-in: private := letters of fonts.

Ten letters and ten images of each are drawn for every seed, a classifier is tested on the other
images of these letters; the public side is the stroke simulator. Compared are how many candidates a
class has and whether images are herded, at the noises of epsilon 10, 3 and 1. What won stands in
`presets.Decoder`, the numbers in `data/results/release_standin.json`. The weight of the cosine, the
smoothing in a folder and soft labels were set beforehand and not compared here.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.data import files, places
from helpers.data.draws import Sample
from helpers.metrics import utility
from helpers.metrics.evaluation import EVALUATIONS
from helpers.models import one_shot
from helpers.models.one_shot import SIGMAS, Decoder, Encoder, Public
from helpers.randomness import generator as stream
from helpers.study import host
from helpers.training import release

from . import letters

SEEDS = (0, 1)
MORE = (2, 3, 4, 5)  # for herding
CLASSES, PRIVATE = 10, 10
_IMAGES = 60  # of each letter


class Option(NamedTuple):
    """One way to decode."""

    name: str
    decoder: Decoder
    synthetic: int = 100
    soft: bool = False


_PLAIN = Decoder(herded_below=0.0)
_HERDED = replace(_PLAIN, herded_below=math.inf)


def options() -> Iterator[Option]:
    """What is compared."""
    yield Option("best 300", _PLAIN)
    yield Option("herded of 500", _HERDED)
    yield Option("best 100", replace(_PLAIN, best=100))


def accuracy(option: Option, public: Public, sigma: float, seed: int) -> float:
    """The accuracy on the test images of the seed's letters."""
    private, images, labels = split(seed)
    sums = released(private, public.encoder, sigma, seed)
    counts, drawn = [option.synthetic] * CLASSES, stream(seed, "samples")
    rows = one_shot.choose(sums, sigma, public, counts, decoder=option.decoder, generator=drawn)
    taught = torch.arange(CLASSES).repeat_interleave(option.synthetic)
    preset = EVALUATIONS["compact"].classifier
    if option.soft:
        taught = one_shot.probabilities(sums, sigma, public, option.decoder)[rows]
        preset = replace(preset, steps=300)
    return worth(public.images[rows].float() / 255, taught, preset, seed, images, labels)


def released(private: Sample, encoder: Encoder, sigma: float, seed: int) -> Tensor:
    """The release of a seed's letters, float64 [CLASSES, 32]."""
    embeddings, noise = encoder.embed_exactly(private.images), release.seeded_normal(seed)
    how = {"classes": CLASSES, "sigma": sigma, "noise": noise}
    return release.noisy_sums(embeddings, private.labels, **how)


def ceiling(seed: int) -> float:
    """The accuracy that the private letters themselves give."""
    private, images, labels = split(seed)
    preset = EVALUATIONS["compact"].classifier
    return worth(private.images, private.labels, preset, seed, images, labels)


def worth(images, labels, preset, seed: int, test: Tensor, truth: Tensor) -> float:
    """The accuracy on test images of a classifier that `images` and `labels` taught."""
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
    """Accuracies by option: a row for each of `SIGMAS`, of `SEEDS`, kept as they are done."""
    return {option.name: _kept(option, SIGMAS, SEEDS) for option in options()}


def at_low_noise() -> dict[str, list]:
    """Plain and herded choice at the noise of epsilon 10, where herding was expected to help."""
    found = {option.name: option for option in options()}
    return {name: _kept(found[name], SIGMAS[:1], MORE) for name in ("best 300", "herded of 500")}


def _kept(option: Option, sigmas: Sequence[float], seeds: Sequence[int]) -> list[list[float]]:
    settings = asdict(option.decoder), option.synthetic, option.soft, list(sigmas), list(seeds)
    key = files.content_hash(*settings, one_shot.COMMITTED["strokes"])

    def measure() -> list[list[float]]:
        with host.one_thread():
            public = one_shot.simulated("strokes")
            return [
                [round(accuracy(option, public, sigma, seed), 4) for seed in seeds]
                for sigma in sigmas
            ]

    return files.memo(places.root() / "runs" / "release" / f"stand-in-{key}.json", measure)


def collect() -> Path:
    """Write the numbers behind the choice into the committed results; their file."""
    content = {
        "accuracy at epsilon 10, 3 and 1": measured(),
        "seeds": SEEDS,
        "accuracy at epsilon 10": at_low_noise(),
        "more seeds": MORE,
        "chosen": asdict(Decoder()),
        "encoder": one_shot.COMMITTED["strokes"],
    }
    files.write_json(path(), content)
    return path()


def path() -> Path:
    """The committed numbers."""
    return places.committed() / "results" / "release_standin.json"
