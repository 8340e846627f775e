"""Levels of noise at which our networks meet the authors' noise (defect D7).

Equal sigmas are not equal noise: the norm of the noise grows with the square root of the noised
parameters, and steps add up. What a whole run leaves of the signal is sqrt(T) / (noise-to-signal of
a step), with T its number of steps; here it is the authors', network by network.
"""

import math

from helpers.metrics.evaluation import PRIVATE_PER_CLASS
from helpers.models import families, networks
from helpers.randomness import generator as stream
from helpers.training import accounting

SIGMAS = (0.1, 0.2, 0.3, 0.4)  # the paper's, with noise
BATCH = 50  # what the authors' code divides by for 100 images: D6
CLASSES = 10


def levels(model: str, scale: str = "compact") -> list[float]:
    """Our noise multipliers, of three digits, that leave as much as the authors' `SIGMAS` do."""
    ours = _left(model, scale, 1.0, CLASSES * PRIVATE_PER_CLASS)
    return [float(f"{ours / _left(model, 'paper', sigma, BATCH):.3g}") for sigma in SIGMAS]


def _left(model: str, scale: str, sigma: float, batch: float) -> float:
    """sqrt(T) over the noise-to-signal ratio of a step on MNIST."""
    network = networks.build(model, scale, classes=CLASSES, generator=stream(0, "count"))
    size = networks.count_parameters(network.noised)
    steps = families.preset(model, scale).training.steps
    ratio = accounting.noise_to_signal(sigma, parameters=size, expected_batch=batch)
    return math.sqrt(steps) / ratio
