"""What is measured, in order of importance: as many synthetic images as real ones first.

Frozen before anything of it was measured. On Corn the generators of scale `compact` are trained for
TRI's epochs, 100 and of the autoencoder 50, and every classifier takes the steps of TRI's 30 epochs
of the real images, however many it is taught with. On blood cells all take the same steps at every
number of images, so that only the images differ: 33 epochs of the most, and of a classifier 30.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from helpers.models import families
from helpers.models.families import Preset

SCALE = "compact"
MODELS = ("cvae", "stylegan2", "latent_diffusion")
SEEDS = (0, 1, 2)
BASELINES = ("real", "geometric")
SETTINGS = ("real+synthetic", "synthetic", "combined")  # TRI: synthetic, anonymised, combined
BATCH = 32  # of every classifier
EPOCHS = 30  # of TRI's protocol, whatever the size of the set


@dataclass(frozen=True, order=True)
class Unit:
    """One training set for a classifier."""

    setting: str
    model: str  # "" for the baselines
    multiple: int  # synthetic images per real one; 0 for the baselines
    seed: int
    protocol: str = "steps"  # or "epochs", TRI's


@dataclass(frozen=True)
class Plan:
    """One data set, with all of its training images or so many of each class."""

    name: str  # of what is kept and collected
    dataset: str
    per_class: int  # training images of each class, drawn by seed; 0 for all there are
    generator_steps: int  # in each part of a generator's training
    epoch: int  # steps that see the most training images once: a classifier is validated so often
    multiples: tuple[int, ...]
    protocols: tuple[str, ...]
    attacked: int  # test images of each class on which classifiers are attacked; 0 for none
    tested: int  # test images

    @property
    def steps(self) -> int:
        """Of every classifier whose protocol is not TRI's."""
        return EPOCHS * self.epoch

    def preset(self, model: str) -> Preset:
        """A generator's preset, with the steps of this plan."""
        whole = families.preset(model, SCALE)
        parts = [part for part in ("autoencoding", "training") if hasattr(whole, part)]
        steps = self.generator_steps
        return replace(whole, **{p: replace(getattr(whole, p), steps=steps) for p in parts})

    def attacks(self, unit: Unit) -> bool:
        """Whether a unit's classifier is attacked."""
        return bool(self.attacked) and unit.multiple <= 1 and unit.protocol == "steps"

    def units(self) -> list[Unit]:
        """Every unit once."""
        return list(dict.fromkeys(self._units()))

    def _units(self) -> Iterator[Unit]:
        for multiple in self.multiples:
            for seed in SEEDS:
                yield from _seed(seed, multiple)
        for protocol in self.protocols:
            yield from _seed(SEEDS[0], self.multiples[0], protocol)


def _seed(seed: int, multiple: int, protocol: str = "steps") -> Iterator[Unit]:
    for setting in BASELINES:
        yield Unit(setting, "", 0, seed, protocol)
    for model in MODELS:
        for setting in SETTINGS:
            yield Unit(setting, model, multiple, seed, protocol)


CORN = Plan("trilemma_corn", "corn", 0, 9700, 97, (1, 3, 2), ("epochs",), 50, 385)
BLOOD = tuple(
    Plan(f"trilemma_blood_{n}", "bloodmnist", n, 2500, 75, (1, 3), (), 0, 3421)
    for n in (10, 100, 300)
)
PLANS = (CORN, *BLOOD)
