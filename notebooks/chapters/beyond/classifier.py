"""TRI's classifier of Corn, what four corner pixels tell, and attacks on it (TRI, section 4.2).

Four convolutions of 8, 16, 32 and 64 channels and two linear layers, Adam at 1e-3, batches of 32;
of all looks at the validation images the weights of the least loss are kept. What stands between
the convolutions TRI does not say: here ReLU and a maximum over 2x2 pixels.
"""

import copy
from typing import NamedTuple

import numpy as np
import torch
from art.attacks.evasion import AutoProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.metrics import robustness, utility
from helpers.metrics.worth import TrainingSet
from helpers.training.minibatches import batches

WIDTHS = (8, 16, 32, 64)
HIDDEN = 64
RATE = 1e-3
EPSILON = 2 / 255  # of the largest change of a pixel under AutoPGD
ITERATIONS = {"deepfool": 5, "apgd": 20}


def network(shape: tuple[int, ...], classes: int, generator: torch.Generator) -> nn.Module:
    """A fresh classifier of images [n, C, S, S] in [0, 1]: logits [n, classes]."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        layers: list[nn.Module] = []
        for before, after in zip((shape[0], *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        side = shape[1] // 2 ** len(WIDTHS)
        head = [nn.Linear(WIDTHS[-1] * side**2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes)]
        return nn.Sequential(*layers, nn.Flatten(), *head)


def train(
    taught: TrainingSet,
    validation: TrainingSet,
    classes: int,
    *,
    steps: int,
    batch: int,
    every: int,
    generator: torch.Generator,
) -> nn.Module:
    """A classifier after `steps` steps, with the weights that had the least validation loss of
    those looked at `every` so many. `generator` decides initial weights and batches."""
    images, labels = utility.check_training_set(*taught, classes)
    classifier = network(images.shape[1:], classes, generator)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=RATE)
    best, kept = float("inf"), classifier.state_dict()
    for step, rows in enumerate(batches(len(images), batch, steps, generator=generator), start=1):
        optimizer.zero_grad()
        F.cross_entropy(classifier(images[rows]), labels[rows]).backward()
        optimizer.step()
        if step % every == 0 or step == steps:
            with torch.no_grad():
                loss = F.cross_entropy(classifier(validation.images), validation.labels).item()
            if loss < best:
                best, kept = loss, copy.deepcopy(classifier.state_dict())
    classifier.load_state_dict(kept)
    return classifier.eval()


def corner_accuracy(taught: TrainingSet, test: TrainingSet, seed: int) -> float:
    """The accuracy of a random forest that is shown the four corner pixels and nothing else."""
    forest = RandomForestClassifier(n_estimators=100, random_state=seed)
    forest.fit(corners(taught.images), taught.labels.numpy())
    return float((forest.predict(corners(test.images)) == test.labels.numpy()).mean())


def corners(images: Tensor) -> np.ndarray:
    """The four corner pixels [n, 4 C] of images [n, C, S, S]."""
    return images[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].flatten(1).numpy()


# Attacks


class Attacked(NamedTuple):
    """A classifier under attack; shares of test images, in [0, 1]."""

    deepfool_paper: float  # right after DeepFool, wherever they were before: TRI's robustness
    deepfool_conditional: float  # of those right before, the share right after DeepFool
    deepfool_wrong_before: float  # of those right after DeepFool, the share wrong before
    deepfool_median: float  # median length of the change of those right before, relative
    apgd_conditional: float  # of those right before, the share right after AutoPGD


def attack(classifier: nn.Module, test: TrainingSet) -> Attacked:
    """DeepFool of 5 iterations (TRI), and AutoPGD within `EPSILON`."""
    iterations = ITERATIONS["deepfool"]
    moved = robustness.deepfool(classifier, test.images, iterations=iterations)
    before, after = (utility.predict(classifier, x) == test.labels for x in (test.images, moved))
    lengths = (moved - test.images).flatten(1).norm(dim=1) / test.images.flatten(1).norm(dim=1)
    robust = before.clone()
    for loss in ("cross_entropy", "difference_logits_ratio"):
        pushed = autopgd(classifier, test.images, test.labels, loss=loss)
        robust &= utility.predict(classifier, pushed) == test.labels
    return Attacked(
        deepfool_paper=after.double().mean().item(),
        deepfool_conditional=_share(before & after, before),
        deepfool_wrong_before=_share(after & ~before, after),
        deepfool_median=lengths[before].median().item(),
        apgd_conditional=_share(robust, before),
    )


def _share(part: Tensor, whole: Tensor) -> float:
    """How much of the whole the part is; 0 of nothing."""
    return (part.sum() / whole.sum().clamp(min=1)).item()


def autopgd(classifier: nn.Module, images: Tensor, labels: Tensor, *, loss: str) -> Tensor:
    """Images moved by at most `EPSILON` a pixel, by AutoPGD (Croce and Hein 2020, 2003.01690).

    Its two losses are the white-box half of AutoAttack; the other half, FAB and the black-box
    Square, adds little where gradients are not masked and takes thousands of calls.
    """
    estimator = PyTorchClassifier(
        classifier,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=int(labels.max()) + 1,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    attack = AutoProjectedGradientDescent(
        estimator,
        eps=EPSILON,
        eps_step=EPSILON / 4,
        max_iter=ITERATIONS["apgd"],
        nb_random_init=1,
        batch_size=len(images),
        loss_type=loss,
        verbose=False,
    )
    state = np.random.get_state()
    np.random.seed(0)  # the toolbox draws its starts from NumPy's global stream
    try:
        pushed = attack.generate(images.numpy(), labels.numpy())
    finally:
        np.random.set_state(state)
    return torch.from_numpy(pushed).clamp(0, 1)
