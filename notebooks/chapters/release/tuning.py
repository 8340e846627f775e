"""The rivals that are trained step by step, tuned on the stand-in within a few settings.

The same private letters and the same test as for the release (`standin`). Each setting is tried in
two seeds at an epsilon of 10; the best mean is what `stepwise.CHOSEN` holds, at every epsilon. The
numbers are in `data/results/release_rivals.json`.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from helpers.data import files, places
from helpers.metrics.evaluation import EVALUATIONS
from helpers.study import host

from . import prior, standin, stepwise
from .experiment import DELTA
from .stepwise import Setting

EPSILON = 10.0  # tuned at; the setting is taken at 3 and 1, too
SEEDS = (0, 1)
_SYNTHETIC = 100  # images of a class
_PUBLIC = "strokes"  # what the prior's generator learned from
GRIDS: dict[str, tuple[Setting, ...]] = {
    "vae": (
        Setting("quarter", 100, 5e-3),
        Setting("tiny", 60, 1e-2),
    ),
    "gan": (
        Setting("quarter", 100, 2e-3),
        Setting("tiny", 100, 5e-3),
        Setting("tiny", 200, 5e-3),
    ),
    "ddpm": (
        Setting("tiny", 60, 2e-2),
        Setting("quarter", 60, 1e-2),
    ),
    "prior": (
        Setting("", 5, 1.0),
        Setting("", 20, 0.3),
        Setting("", 20, 0.1),
        Setting("", 20, 0.3, max_grad_norm=3.0),
        Setting("", 20, 0.3, max_grad_norm=10.0),
        Setting("", 60, 0.1),
        Setting("", 60, 0.1, max_grad_norm=3.0),
        Setting("", 60, 0.05, max_grad_norm=3.0),
        Setting("", 150, 0.05, max_grad_norm=3.0),
    ),
}


def accuracy(mechanism: str, setting: Setting, seed: int) -> float:
    """The accuracy on the test images of the seed's letters."""
    private, images, labels = standin.split(seed)
    at = private, standin.CLASSES, EPSILON, DELTA, _SYNTHETIC, seed
    taught = stepwise.trained(mechanism, *at, setting=setting, simulator=_PUBLIC)
    preset = EVALUATIONS["compact"].classifier
    return standin.worth(*taught, preset, seed, images, labels)


def measured(mechanism: str) -> Iterator[tuple[Setting, list]]:
    """Each setting's accuracies, a seed each, kept as they are done."""
    for setting in GRIDS[mechanism]:
        made = [prior.key(_PUBLIC)] if mechanism == "prior" else []
        key = files.content_hash(mechanism, asdict(setting), EPSILON, list(SEEDS), *made)

        def make(setting=setting) -> list[float]:
            with host.one_thread():
                return [round(accuracy(mechanism, setting, seed), 4) for seed in SEEDS]

        path = places.root() / "runs" / "release" / f"tuning-{key}.json"
        yield setting, files.memo(path, make)


def collect() -> Path:
    """Write the numbers behind the choices into the committed results; their file."""
    content = {
        mechanism: [
            asdict(setting) | {"accuracy": values} for setting, values in measured(mechanism)
        ]
        for mechanism in GRIDS
    }
    path = places.committed() / "results" / "release_rivals.json"
    files.write_json(path, {"epsilon": EPSILON, "seeds": SEEDS, "tried": content})
    return path
