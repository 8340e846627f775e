"""What is measured, in order of importance: first what answers, then what explains."""

import math
from collections.abc import Iterator, Sequence

from . import labelled, stepwise
from .experiment import Unit
from .public import SEEDS

EPSILONS = (10.0, 3.0, 1.0)
FEW = SEEDS[:5]  # of what stands beside the answer
THREE = SEEDS[:3]  # of what is trained step by step
STEPWISE = tuple(stepwise.SIZES)
SIMULATED = {"mnist": "strokes", "organamnist": "phantoms"}
FOLDERS = {  # of the same kind as the private images
    "organamnist": ("validation", "training"),
    "bloodmnist": ("training",),
    "corn": ("training",),
    "mnist": ("letters",),
}


def units() -> list[Unit]:
    """Every unit once."""
    return list(dict.fromkeys(_units()))


def _units() -> Iterator[Unit]:
    for dataset, public in SIMULATED.items():
        yield from _private(dataset)
        yield from _release(dataset, public, (*EPSILONS, math.inf, 0.0))
    yield from _release("mnist", "strokes", EPSILONS, synthetic=1000, soft=True)
    for dataset, folders in FOLDERS.items():
        yield from _private(dataset, seeds=FEW)
        for public in folders:
            yield from _release(dataset, public, EPSILONS, seeds=FEW)
    for dataset, public in SIMULATED.items():  # how many images to bring
        for count in (50, 20):
            yield from _release(dataset, public, (1.0,), private=count)
            yield from _private(dataset, private=count, seeds=FEW)
    for dataset in SIMULATED:
        yield from _rival("means", dataset, "", FEW)
        yield from _rival("evolution", dataset, SIMULATED[dataset], FEW)
        yield from _rival("prior", dataset, SIMULATED[dataset], FEW)
    for dataset in SIMULATED:
        for model in STEPWISE:
            yield from _rival(model, dataset, "", THREE)
    for kind in labelled.KINDS:
        yield from (Unit("mnist", "labelled", kind, 0.0, seed) for seed in FEW)
    yield from _private("octmnist", seeds=FEW)
    yield from _release("octmnist", "phantoms", EPSILONS, seeds=FEW)
    yield from _release("mnist", "phantoms", (10.0,), seeds=FEW)  # unrelated
    yield from _release("organamnist", "strokes", (10.0,), seeds=FEW)
    yield from _release("organamnist", "octmnist", (10.0, 3.0), seeds=FEW)
    for dataset in ("bloodmnist", "corn"):
        yield from _rival("means", dataset, "", FEW)
        yield from _release(dataset, "training", (0.0,), seeds=FEW)
    for encoder in (1, 2):
        for dataset, public in SIMULATED.items():
            yield from _release(dataset, public, EPSILONS, seeds=FEW, encoder=encoder)


def _private(dataset: str, *, seeds: Sequence[int] = SEEDS, private: int = 10) -> Iterator[Unit]:
    for seed in seeds:
        yield Unit(dataset, "private", "", math.inf, seed, private)


def _release(
    dataset: str,
    public: str,
    epsilons: Sequence[float],
    *,
    seeds: Sequence[int] = SEEDS,
    **settings: int | bool,
) -> Iterator[Unit]:
    for epsilon in epsilons:
        for seed in seeds:
            yield Unit(dataset, "release", public, epsilon, seed, **settings)


def _rival(mechanism: str, dataset: str, public: str, seeds: Sequence[int]) -> Iterator[Unit]:
    for epsilon in EPSILONS:
        for seed in seeds:
            yield Unit(dataset, mechanism, public, epsilon, seed)
