"""Utility: train a small classifier on synthetic images, test it on real ones (NFL, section 3.4).

The classifier follows the body of the authors' discriminator: strided convolutions, GroupNorm,
LeakyReLU, then a linear layer. Every training takes the same fixed number of Adam steps whatever
the size of the training set, so that sets of 100 and of 1,000 images get the same budget. Images
are neither augmented nor rescaled to the test set's statistics (D18).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.checks import check_images, check_labels
from ..training import devices
from ..training.minibatches import batches
from .evaluation import ClassifierPreset

GROUPS = 8
INFERENCE_BATCH = 500


class Classifier(nn.Module):
    """Images [N, C, H, W] in [0, 1] of one `shape` (C, H, W) to logits [N, n_classes].

    Channels are multiples of 8; every convolution but the last halves the plane. The head sees the
    mean over the plane, as the authors' does (`pooled`), or the plane as it is, which learns far
    more from a hundred images.
    """

    def __init__(self, n_classes: int, shape: tuple[int, ...], preset: ClassifierPreset):
        super().__init__()
        self.shape = tuple(shape)
        channels = preset.channels
        layers: list[nn.Module] = []
        for i, width in enumerate(channels):
            before = channels[i - 1] if i else shape[0]
            last = i == len(channels) - 1
            kernel, stride = (3, 1) if last else (4, 2)
            layers += [
                nn.Conv2d(before, width, kernel, stride, padding=1),
                nn.GroupNorm(GROUPS, width),
                nn.LeakyReLU(0.2),
            ]
        self.body = nn.Sequential(*layers)  # -> [N, channels, height, width]
        self.pool = nn.AdaptiveAvgPool2d(1) if preset.pooled else nn.Identity()
        height, width = (
            1 if preset.pooled else size // 2 ** (len(channels) - 1) for size in shape[1:]
        )
        self.head = nn.Linear(channels[-1] * height * width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, n_classes] of images [N, C, H, W] in [0, 1]."""
        if images.shape[1:] != self.shape:
            raise ValueError(
                f"images of shape {tuple(images.shape[1:])}; this classifier was trained on images "
                f"of shape {self.shape}: resize them, or train one on their shape"
            )
        return self.head(self.pool(self.body(2 * images - 1)).flatten(1))


def check_training_set(images: Tensor, labels: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """Images and labels of a set to train on, each a class or, as floats [N, n_classes], its
    probabilities; `ValueError` unless every class occurs."""
    images = check_images(images, "training images")
    if n_classes < 2:
        raise ValueError(f"n_classes is {n_classes}; a classifier needs at least 2")
    if labels.ndim == 2:
        return images, _check_probabilities(labels, len(images), n_classes)
    labels = check_labels(labels, len(images), "training labels")
    counts = torch.bincount(labels, minlength=n_classes)
    if len(counts) > n_classes:
        raise ValueError(f"label {len(counts) - 1} is outside the {n_classes} classes")
    missing = torch.nonzero(counts == 0).flatten().tolist()
    if missing:
        raise ValueError(f"no training image of class {missing}; every class needs at least one")
    return images, labels


def _check_probabilities(labels: Tensor, count: int, n_classes: int) -> Tensor:
    labels = labels.detach().cpu().float()
    proper = (labels >= 0).all() and torch.allclose(labels.sum(1), torch.ones(len(labels)))
    if labels.shape != (count, n_classes) or not proper:
        raise ValueError(
            f"training labels: shape {tuple(labels.shape)}; probabilities [{count}, {n_classes}] "
            "that add up to 1 are needed"
        )
    return labels


def train_classifier(
    images: Tensor,
    labels: Tensor,
    n_classes: int,
    *,
    preset: ClassifierPreset,
    generator: torch.Generator,
) -> Classifier:
    """A classifier after `preset.steps` Adam steps on `images` [N, C, H, W] in [0, 1].

    `labels` [N] in 0..n_classes-1, or probabilities [N, n_classes]. `generator` decides initial
    weights and batches: the same generator state gives the same classifier. torch's global stream
    is left as it was. The classifier is where measures run (`devices.current`). Raises `ValueError`
    for bad images, a label outside the classes, or a class without an image.
    """
    images, labels = check_training_set(images, labels, n_classes)
    device = devices.current()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        classifier = Classifier(n_classes, images.shape[1:], preset).to(device)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=preset.learning_rate)
    classifier.train()
    rows = batches(len(images), preset.batch_size, preset.steps, generator=generator)
    images, labels = images.to(device), labels.to(device)
    for batch in rows.to(device):
        optimizer.zero_grad()
        F.cross_entropy(classifier(images[batch]), labels[batch]).backward()
        optimizer.step()
    return classifier.eval()


@torch.no_grad()
def predict(classifier: nn.Module, images: Tensor) -> Tensor:
    """Predicted classes int64 [N] of images [N, C, H, W] in [0, 1], in batches, on the CPU."""
    device, batches = device_of(classifier), check_images(images).split(INFERENCE_BATCH)
    return torch.cat([classifier(batch.to(device)).argmax(dim=1).cpu() for batch in batches])


def device_of(network: nn.Module) -> torch.device:
    """Where its weights are; the CPU if it has none."""
    return next((p.device for p in network.parameters()), devices.CPU)


def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of images whose class is predicted right, in [0, 1]; chance is 1 / classes."""
    labels = check_labels(labels, len(images))
    return (predict(classifier, images) == labels).double().mean().item()


def class_accuracies(classifier: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The share predicted right of each class in `labels`, float64 [classes], in their order."""
    labels = check_labels(labels, len(images))
    right = (predict(classifier, images) == labels).double()
    return torch.stack([right[labels == c].mean() for c in labels.unique()])


def rescaled_paper(images: Tensor, test_images: Tensor) -> Tensor:
    """Images brought to the mean and deviation of the test images, as the authors do (D18).

    That is a leak from the test set. Both [N, C, H, W] in [0, 1]; the result is cut to [0, 1].
    """
    images, test_images = check_images(images), check_images(test_images, "test images")
    scale = test_images.std() / images.std().clamp(min=1e-6)
    return ((images - images.mean()) * scale + test_images.mean()).clamp(0, 1)


def conditional_consistency(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    """How often synthetic images show the class that was asked for, in [0, 1] (claim C22).

    `classifier` was trained on real images, none of them private; its own accuracy on real images
    that it did not see is the value of a perfect generator. `accuracy`, the other way round.
    """
    return accuracy(classifier, images, labels)
