"""Images that are drawn after the release, where `one_shot` selects them from a library.

A small diffusion model (`models.ddpm` says how images are mixed with noise) learns the library's
images given their embeddings in place of labels, and is public as the library is. What it is asked
for is a function of the release, so drawing costs no privacy. On the stand-in, at the same releases
and with the same classifier, what is `selected` is compared with images that are

- `drawn`: asked for the direction of the class's sum,
- `redrawn`: asked for the embeddings of the selected images,
- `joined`: selected as ever, from the library and the drawn images together.

The numbers are in `data/results/release_drawn.json`. How the model is asked, its guidance and its
steps were chosen on seeds 0 and 1, which are not among them; on seeds 2 to 5 the herding of what is
selected was. No way to draw taught a classifier more, so none was measured elsewhere.
"""

import functools
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.data import files, places
from helpers.data.draws import Sample
from helpers.metrics import utility
from helpers.metrics.evaluation import EVALUATIONS
from helpers.metrics.statistics import mean_interval
from helpers.models import one_shot, presets
from helpers.models.ddpm import DDPM, amplitudes
from helpers.models.interface import Phase, Unprivate, Update
from helpers.models.one_shot import COMMITTED_SHAPE, DIMENSION, SIGMAS, Public
from helpers.randomness import generator as stream
from helpers.report.style import text
from helpers.study import host
from helpers.training import minibatches

from . import standin
from .standin import CLASSES

VERSION = 1  # raise when a number changes its meaning
SEEDS = (2, 3, 4, 5, 6)
EPSILONS = (10, 3, 1)  # of `SIGMAS`
EACH = 100  # images of a class
WAYS = ("selected", "drawn", "redrawn", "joined")
PRESET = presets.DDPM(
    presets.Minibatches(2500, 3e-3, ema_decay=0.999, annealed=True, batch=128),
    presets.CompactUNet(fine=24, coarse=48, narrow=8, wide=8, width=96),
    steps=8,
    guidance=1.0,
)
JUDGE = 300  # steps of the judge, on the test letters


class Diffusion(DDPM, Unprivate):
    """p(x | e) of images x [n, 1, 28, 28] in [0, 1] and embeddings e [n, 32] in place of labels."""

    def __init__(self):
        super().__init__(DIMENSION, COMMITTED_SHAPE, PRESET)

    def phases(self) -> tuple[Phase, ...]:
        """One: the network on images and embeddings."""
        training = PRESET.training
        return (Phase(training, (Update(self, self.loss, training.learning_rate),), self),)

    def loss(self, images: Tensor, asked: Tensor, step: int, drawn: torch.Generator) -> Tensor:
        """Cross-entropy of the estimated clean image, a mean over pixels."""
        cosine, sine = amplitudes(times := torch.rand(len(images), generator=drawn))
        noisy = cosine * (2 * images - 1) + sine * torch.randn(images.shape, generator=drawn)
        told = asked * (torch.rand(len(images), 1, generator=drawn) >= PRESET.drop)
        return F.binary_cross_entropy_with_logits(self.network(noisy, times, told), images)

    def denoise(self, noisy: Tensor, time: float, asked: Tensor) -> Tensor:
        """The guided estimate of the clean image in [-1, 1]; no embedding is 0."""
        both, times = torch.cat([asked, 0 * asked]), noisy.new_full((2 * len(noisy),), time)
        means = torch.sigmoid(self.network(noisy.repeat(2, 1, 1, 1), times, both))
        given, free = (2 * means - 1).chunk(2)
        return (given + PRESET.guidance * (given - free)).clamp(-1, 1)


def train(public: Public) -> Diffusion:
    """The model of a library's images given their embeddings."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream(0, "drawn/weights").initial_seed())
        model = Diffusion()
    index = torch.arange(len(public.images))
    records = Sample(public.images.float() / 255, public.embeddings, index)
    return minibatches.fit(model, records, seed=0).model


@functools.cache
def trained() -> Diffusion:
    """The model of the simulator's library, trained once and kept."""
    encoder, model = one_shot.COMMITTED["strokes"], Diffusion()
    key = files.content_hash(VERSION, encoder, PRESET.network, PRESET.training, PRESET.drop)

    def arrays() -> dict:
        with host.one_thread():
            state = train(one_shot.simulated("strokes")).state_dict()
        return {name: value.numpy() for name, value in state.items()}

    kept = files.memo(places.root() / "runs" / "public" / f"drawn-{key}.npz", arrays)
    model.load_state_dict({name: torch.as_tensor(value) for name, value in kept.items()})
    return model.eval().requires_grad_(False)


def sets(
    sums: Tensor, sigma: float, public: Public, model: Diffusion, seed: int
) -> Iterator[Tensor]:
    """Images [classes * EACH, 1, 28, 28] of a release in each of `WAYS`, class by class."""

    def choose(public: Public) -> Tensor:
        how = {"decoder": presets.Decoder(), "generator": stream(seed, "samples")}
        return one_shot.choose(sums, sigma, public, [EACH] * len(sums), **how)

    rows = choose(public)
    yield public.images[rows].float() / 255
    toward = F.normalize(sums.float(), dim=1).repeat_interleave(EACH, 0)
    yield (drawn := model.sample(toward, generator=stream(seed, "drawn/images")))
    yield model.sample(public.embeddings[rows], generator=stream(seed, "drawn/images"))
    drawn = (255 * drawn).round().to(torch.uint8)
    images = torch.cat([public.images, drawn])
    embeddings = torch.cat([public.embeddings, public.encoder.embed(drawn)])
    joined = public._replace(images=images, embeddings=embeddings)
    yield images[choose(joined)].float() / 255


@functools.lru_cache(maxsize=1)
def _judge(seed: int) -> torch.nn.Module:
    """A classifier of the seed's test letters, none of them private."""
    _, images, labels = standin.split(seed)
    preset = replace(EVALUATIONS["compact"].judge, steps=JUDGE)
    drawn = stream(seed, "evaluation/judge")
    return utility.train_classifier(images, labels, CLASSES, preset=preset, generator=drawn)


def measure(sigma: float, seed: int) -> dict[str, list[float]]:
    """By way: the accuracy on the test letters that its images teach, and how often the judge
    sees the asked letter in them; `judge` on the private letters, which it has not seen."""
    private, images, truth = standin.split(seed)
    public, model = one_shot.simulated("strokes"), trained()
    sums, preset = standin.released(private, public.encoder, sigma, seed), EVALUATIONS["compact"]
    found, labels = {}, torch.arange(CLASSES).repeat_interleave(EACH)
    for way, made in zip(WAYS, sets(sums, sigma, public, model, seed), strict=True):
        worth = standin.worth(made, labels, preset.classifier, seed, images, truth)
        shown = utility.conditional_consistency(_judge(seed), made, labels)
        found[way] = [round(worth, 4), round(shown, 4)]
    right = utility.conditional_consistency(_judge(seed), private.images, private.labels)
    return found | {"judge": [round(right, 4)]}


def settings() -> dict:
    """What decides the numbers."""
    sampling = {name: getattr(PRESET, name) for name in ("drop", "guidance", "steps")}
    return {
        "version": VERSION,
        "encoder": one_shot.COMMITTED["strokes"],
        "network": asdict(PRESET.network),
        "training": asdict(PRESET.training),
        "sampling": sampling,
        "decoder": asdict(presets.Decoder()),
        "images of a class": EACH,
        "judge's steps": JUDGE,
    }


def measured() -> dict[str, list]:
    """By seed, the records of `measure` at each of `SIGMAS`, kept as they are done."""

    def of(sigma: float, seed: int) -> dict:
        def make() -> dict:
            with host.one_thread():
                return measure(sigma, seed)

        key = files.content_hash(settings(), sigma, seed)
        return files.memo(places.root() / "runs" / "release" / f"drawn-{key}.json", make)

    return {str(seed): [of(sigma, seed) for sigma in SIGMAS] for seed in SEEDS}


def path() -> Path:
    """The committed numbers."""
    return places.committed() / "results" / "release_drawn.json"


def collect() -> Path:
    """Write the comparison into the committed results; their file."""
    files.write_json(path(), settings() | {"by seed": measured()})
    return path()


def frame() -> pd.DataFrame:
    """What is collected, tidy: a row per seed, epsilon and way to make images."""
    kept = files.read_json(path())["by seed"]
    rows = [
        (int(seed), epsilon, way, *record[way])
        for seed, records in kept.items()
        for epsilon, record in zip(EPSILONS, records, strict=True)
        for way in WAYS
    ]
    return pd.DataFrame(rows, columns=["seed", "ε", "images", "accuracy", "shown"])


def table() -> pd.DataFrame:
    """A row per way to make images: accuracy, and how often the asked letter is seen."""
    grouped = frame().groupby(["images", "ε"], sort=False)[["accuracy", "shown"]]
    found = grouped.agg(lambda values: text(mean_interval(values.tolist()), 2)).unstack()
    found.columns = [f"{name}, ε = {epsilon}" for name, epsilon in found.columns]
    return found.loc[list(WAYS)]


def glued() -> dict[str, float]:
    """The numbers that prose quotes, by name: `guarantees_drawn_shown_10` and the like."""
    found, numbers = frame().pivot(index=["ε", "seed"], columns="images"), {}
    for way in ("selected", "drawn"):
        for name in ("accuracy", "shown"):
            numbers[f"guarantees_{way}_{name}_10"] = float(found[name][way].loc[10].mean())
    more = found["accuracy"]["joined"] - found["accuracy"]["selected"]
    for epsilon in EPSILONS:
        interval = mean_interval(more.loc[epsilon].tolist())
        numbers[f"guarantees_joined_{epsilon}"] = interval.mean
        numbers[f"guarantees_joined_half_{epsilon}"] = interval.high - interval.mean
    return numbers
