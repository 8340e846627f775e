"""Levels of noise at which our networks meet the authors' noise (defect D7).

Equal sigmas are not equal noise: the norm of the noise grows with the square root of the noised
parameters, and steps add up. What a whole run leaves of the signal is sqrt(T) / (noise-to-signal of
a step), with T its number of steps; here it is the authors', network by network.
"""

import functools
import math

from helpers.metrics.evaluation import PRIVATE_PER_CLASS
from helpers.models import families, networks
from helpers.randomness import generator as stream
from helpers.training import accounting

SIGMAS = (0.1, 0.2, 0.3, 0.4)  # the paper's, with noise
EPOCHS, BATCH = 10_000, 64  # the authors': two batches of 50 for MNIST's 100 images (D6)
CLASSES = 10


def levels(model: str, scale: str = "compact", classes: int = CLASSES) -> list[float]:
    """Our noise multipliers, of three digits, that leave as much as the authors' `SIGMAS` do."""
    records = classes * PRIVATE_PER_CLASS
    steps = families.preset(model, scale).training.steps
    ours = _left(model, scale, 1.0, classes, steps, records)
    batches = math.ceil(records / BATCH)
    theirs = classes, EPOCHS * batches, records / batches
    return [float(f"{ours / _left(model, 'paper', sigma, *theirs):.3g}") for sigma in SIGMAS]


@functools.cache
def _left(model: str, scale: str, sigma: float, classes: int, steps: int, batch: float) -> float:
    """sqrt(T) over the noise-to-signal ratio of a step, of grey 28x28 images."""
    network = networks.build(model, scale, classes=classes, generator=stream(0, "count"))
    size = networks.count_parameters(network.noised)
    ratio = accounting.noise_to_signal(sigma, parameters=size, expected_batch=batch)
    return math.sqrt(steps) / ratio
