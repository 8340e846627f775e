"""Robustness of a classifier to DeepFool (TRI, section 4.1.5).

DeepFool (Moosavi-Dezfooli et al. 2016, arXiv 1511.04599) steps to the nearest decision boundary and
slightly over it. It has no limit on the size of the change, so given enough iterations the accuracy
under attack is 0 for any classifier: what tells classifiers apart is how far the images had to
move. The attack is the Adversarial Robustness Toolbox's.
"""

from typing import NamedTuple

import torch
from art.attacks.evasion import DeepFool
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from ..data.checks import check_images, check_labels
from .utility import device_of, predict

OVERSHOOT = 0.02  # the DeepFool paper's; the toolbox's 1e-6 drowns in rounding
BATCH = 100


class Robustness(NamedTuple):
    """A classifier under DeepFool, see `robustness`."""

    adversarial_accuracy: float  # share of images predicted right before and after, in [0, 1]
    adversarial_accuracy_paper: float  # share predicted right after, wherever they were before
    relative_distance: float  # mean |change| / |image| over images predicted right; larger: robust


def deepfool(classifier: nn.Module, images: Tensor, *, iterations: int = 5) -> Tensor:
    """Adversarial images float32 [N, C, H, W] in [0, 1], after at most `iterations` steps each.

    Starts from the predicted class, right or wrong. `images` [N, C, H, W] in [0, 1].
    """
    images, device = check_images(images), device_of(classifier)
    with torch.no_grad():
        n_classes = classifier(images[:1].to(device)).shape[1]
    estimator = PyTorchClassifier(
        classifier,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=n_classes,
        clip_values=(0.0, 1.0),
        device_type="cpu" if device.type == "cpu" else "gpu",
    )
    attack = DeepFool(
        estimator,
        max_iter=iterations,
        epsilon=OVERSHOOT,
        nb_grads=n_classes,
        batch_size=BATCH,
        verbose=False,
    )
    return torch.from_numpy(attack.generate(images.numpy())).clamp(0, 1)


def robustness(
    classifier: nn.Module, images: Tensor, labels: Tensor, *, iterations: int = 5
) -> Robustness:
    """Accuracy under DeepFool and the distance it takes, on test images [N, C, H, W] in [0, 1].

    TRI reports the accuracy on attacked images. DeepFool leaves the predicted class, so it also
    turns wrong predictions right: a worse classifier can then look more robust. That form is
    `adversarial_accuracy_paper`; `adversarial_accuracy` counts only images right before and after.
    About 15 ms an image on one core with a compact classifier and 10 classes.
    """
    images = check_images(images)
    labels = check_labels(labels, len(images))
    attacked = deepfool(classifier, images, iterations=iterations)
    before, after = predict(classifier, images) == labels, predict(classifier, attacked) == labels
    change = (attacked - images).flatten(1).norm(dim=1) / images.flatten(1).norm(dim=1).clamp(1e-6)
    distance = change[before].mean().item() if before.any() else 0.0
    return Robustness(
        adversarial_accuracy=(before & after).double().mean().item(),
        adversarial_accuracy_paper=after.double().mean().item(),
        relative_distance=distance,
    )
