"""A release that a page makes in seconds: of digits that come with scikit-learn, and a study.

The noise has a seed, so that the page is the same at every execution, and so that anyone can
subtract it: not what `python -m helpers release` does.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from helpers.data import datasets, draws
from helpers.data.sources import to_bytes
from helpers.metrics import utility
from helpers.metrics.evaluation import EVALUATIONS
from helpers.models import networks
from helpers.randomness import generator as stream
from helpers.study import host
from helpers.training import release

from . import letters
from .experiment import DELTA

PER_CLASS = 100


class Released(NamedTuple):
    """What a release left: images uint8 [N, S, S], sorted by class, and what they are worth."""

    images: np.ndarray
    classes: tuple[str, ...]
    guarantee: release.Guarantee
    accuracy: float  # of a classifier trained on the images
    ceiling: float  # and on the private ones

    def table(self) -> pd.DataFrame:
        """What is promised and what is left, in one row."""
        numbers = {
            "ε, one added or removed": self.guarantee.epsilon,
            "ε, one replaced": self.guarantee.epsilon_replaced,
            "accuracy": self.accuracy,
            "accuracy of the private digits": self.ceiling,
        }
        return pd.DataFrame({name: [f"{value:.2f}"] for name, value in numbers.items()})


def released(name: str, epsilon: float, seed: int) -> Released:
    """A release of ten images per class of a data set, at an epsilon."""
    data, sigma = datasets.load(name), release.noise_multiplier_for(epsilon, delta=DELTA)
    classes = len(data.classes)
    with host.one_thread():
        private = draws.few_shot(data, 10, generator=stream(seed, "few-shot"))
        private = private._replace(images=letters.laid_out(private.images))
        test = letters.laid_out(data.test_images)
        drawn = stream(seed, "weights")
        model = networks.build("one_shot", "compact", classes=classes, generator=drawn)
        release.fit(model, private, sigma=sigma, seed=seed)
        labels = torch.arange(classes).repeat_interleave(PER_CLASS)
        images = model.sample(labels, generator=stream(seed, "samples"))
        accuracies = []
        for taught in ((images, labels), (private.images, private.labels)):
            classifier = utility.train_classifier(
                *taught,
                classes,
                preset=EVALUATIONS["compact"].classifier,
                generator=stream(seed, "evaluation/classifier"),
            )
            accuracies.append(utility.accuracy(classifier, test, data.test_labels))
    promised = release.guarantee(sigma, delta=DELTA)
    return Released(to_bytes(images), data.classes, promised, *accuracies)
