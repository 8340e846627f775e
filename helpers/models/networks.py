"""Class-conditional generators behind one small interface.

Each is a torch module with

- `noised`: the network whose gradients read private records, and are clipped and noised;
- `released`: the network that samples, and that is averaged over the steps (EMA);
- `randomness(n, generator=...)`: the random numbers of `n` per-record losses, [n, ...];
- `losses(images, labels, randomness)`: the per-record losses [n], a function of `noised` alone;
- `public_losses(...)` and `opponent_losses(...)`: what else is trained but reads no record
  (the GAN's synthetic half and its generator), or `None`;
- `sample(labels, generator=...)`: images [n, C, S, S] in [0, 1], on the CPU;
- `phases()`: of those alone that are not trained privately, how `training.minibatches` does it.

Images have C = 1 or 3 channels and S pixels a side, a multiple of 4 and at least 28.

A model is built on the CPU and moved with `.to(device)`. Generators are CPU generators and draws
are moved, so that a seed means the same draws on every device; `losses` wants its tensors where the
model is, `sample` takes labels from anywhere.
"""

import importlib

import torch
from torch import nn

from .families import FAMILIES, Preset, family_of
from .families import preset as preset_of
from .interface import Generative, Shape


def build(
    name: str,
    scale: str,
    *,
    classes: int,
    shape: Shape = (1, 28, 28),
    generator: torch.Generator,
    preset: Preset | None = None,
) -> Generative:
    """A freshly initialised model; the same generator state gives the same weights.

    `shape` is that of an image, (C, S, S). `preset` replaces the scale's, e.g. to choose the
    authors' options of the GAN. Raises `ValueError` for an unknown model or scale, fewer than two
    classes, or images of a shape that the networks cannot take.
    """
    preset = preset or preset_of(name, scale)
    if classes < 2:
        raise ValueError(f"classes is {classes}; a class-conditional model needs at least 2")
    _check_shape(shape)
    module, _, network = FAMILIES[family_of(name)].network.partition(".")
    with torch.random.fork_rng(devices=[]):
        # The CPU's stream alone: `torch.manual_seed` would reset those of graphics cards, too.
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        constructor = getattr(importlib.import_module(f".{module}", __package__), network)
        return constructor(classes, tuple(shape), preset)


def _check_shape(shape: Shape) -> None:
    square = len(shape) == 3 and shape[1] == shape[2]
    if square and shape[0] in (1, 3) and shape[1] >= 28 and shape[1] % 4 == 0:
        return
    size = max(28, 4 * round(max(shape) / 4))
    raise ValueError(
        f"images of shape {tuple(shape)}; models take (C, S, S) with C 1 (grey) or 3 (colour) and "
        f"S a multiple of 4, at least 28: resize the images, for example to {size}x{size} pixels"
    )


def count_parameters(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
