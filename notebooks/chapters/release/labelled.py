"""A control without any private image: labelled public digits, what a leak of labels is worth.

Whoever has a labelled look-alike needs no release. A public side that hid one would look like a
private release that works, at an epsilon of 0.
"""

import torch
from torch import Tensor

from helpers.data import datasets
from helpers.randomness import generator as stream

from . import letters

KINDS = ("scikit-learn", "fonts")
_DIGITS = "0123456789"


def images(kind: str, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """`count` digits of each class in MNIST's layout, [10 * count, 1, 28, 28], and their labels.

    `scikit-learn`: pen digits of its data set; `fonts`: digits of the fonts that `letters` takes.
    """
    if kind == "scikit-learn":
        data = datasets.load("digits")
        pixels, labels = data.train_images, data.train_labels
    else:
        pixels, labels = letters.images(2 * count, 0, _DIGITS)
        pixels = pixels.float() / 255
    drawn, rows = stream(seed, "release/labelled"), []
    for digit in range(len(_DIGITS)):
        own = torch.nonzero(labels == digit).flatten()
        rows.append(own[torch.randperm(len(own), generator=drawn)[:count]])
    index = torch.cat(rows)
    chosen = pixels[index]
    return (letters.laid_out(chosen) if kind == "scikit-learn" else chosen), labels[index]
