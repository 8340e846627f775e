"""What is measured on Corn, in order of importance: as many synthetic images as real ones first.

Frozen before anything of a generator was measured. The generators are those of scale `compact`,
their lengths cut to what a busy core could do in an hour: 4 to 7 epochs of Corn, where TRI trains
each for 100 (9,600 steps of 32 images). Of the classifier's length real images alone were asked:
1,000 steps gave .875 in seed 0, so it is 1,500, half of TRI's 30 epochs of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from helpers.models import families
from helpers.models.families import Preset

DATASET = "corn"
IMAGES, TESTED = 3082, 385  # of its training and of its test split
SCALE = "compact"
MODELS = ("cvae", "stylegan2", "latent_diffusion")
LENGTHS = {  # steps, in place of the preset's
    "cvae": {"training": 600},
    "stylegan2": {"training": 600},
    "latent_diffusion": {"autoencoding": 400, "training": 700},
}
SEEDS = (0, 1, 2)
BASELINES = ("real", "geometric")
SETTINGS = ("real+synthetic", "synthetic", "combined")  # TRI: synthetic, anonymised, combined
MULTIPLES = (1, 3, 2)
STEPS, BATCH, EVERY = 1500, 32, 100  # of every classifier; validation images are seen so often
EPOCHS = 30  # of TRI's protocol, whatever the size of the set
ATTACKED = 50  # test images of each class


def preset(model: str) -> Preset:
    """A generator's preset, with the lengths above."""
    whole = families.preset(model, SCALE)
    cut = {
        part: replace(getattr(whole, part), steps=steps) for part, steps in LENGTHS[model].items()
    }
    return replace(whole, **cut)


@dataclass(frozen=True, order=True)
class Unit:
    """One training set for a classifier."""

    setting: str
    model: str  # "" for the baselines
    multiple: int  # synthetic images per real one; 0 for the baselines
    seed: int
    protocol: str = "steps"  # or "epochs", TRI's

    @property
    def attacked(self) -> bool:
        """Whether its classifier is attacked."""
        return self.multiple <= 1 and self.protocol == "steps"


def units() -> list[Unit]:
    """Every unit once."""
    return list(dict.fromkeys(_units()))


def _units() -> Iterator[Unit]:
    for multiple in MULTIPLES:
        for seed in SEEDS:
            yield from _seed(seed, multiple)
    yield from _seed(SEEDS[0], MULTIPLES[0], "epochs")


def _seed(seed: int, multiple: int, protocol: str = "steps") -> Iterator[Unit]:
    for setting in BASELINES:
        yield Unit(setting, "", 0, seed, protocol)
    for model in MODELS:
        for setting in SETTINGS:
            yield Unit(setting, model, multiple, seed, protocol)
