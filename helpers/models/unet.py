"""The U-Nets of the diffusion model: noisy image, time and label to logits of the clean pixels.

`PaperUNet` has the layers of the authors' code; `CompactUNet` is small enough to be trained under
noise on a CPU. It works on 2x2 pixel blocks and has a bottleneck that sees the whole image.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import presets
from .interface import Shape


class PaperUNet(nn.Module):
    """Residual convolutions, two poolings, a vector; label multiplies and time adds on the way up.

    Inputs: images [n, C, S, S], times [n] in [0, 1], labels one-hot or zero [n, classes].
    """

    def __init__(self, classes: int, shape: Shape, preset: presets.PaperUNet):
        super().__init__()
        f, groups = preset.features, preset.groups
        channels, quarter = shape[0], shape[1] // 4
        self.stem_1, self.stem_2 = _block(channels, f, groups), _block(f, f, groups)
        self.down_1 = nn.Sequential(*_blocks(f, f, groups), nn.MaxPool2d(2))  # -> [., f, S/2, .]
        self.down_2 = nn.Sequential(
            *_blocks(f, 2 * f, groups), nn.MaxPool2d(2)
        )  # -> [., 2f, S/4, .]
        self.time_1, self.time_2 = _embedding(1, 2 * f), _embedding(1, f)
        self.label_1, self.label_2 = _embedding(classes, 2 * f), _embedding(classes, f)
        self.up_0 = nn.Sequential(
            nn.ConvTranspose2d(2 * f, 2 * f, quarter, quarter),
            nn.GroupNorm(groups, 2 * f),
            nn.ReLU(),
        )
        self.up_1, self.up_2 = _up(4 * f, f, groups), _up(2 * f, f, groups)
        self.out = nn.Sequential(
            nn.Conv2d(2 * f, f, 3, padding=1),
            nn.GroupNorm(groups, f),
            nn.ReLU(),
            nn.Conv2d(f, channels, 3, padding=1),
        )

    def forward(self, images: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        """Logits [n, C, S, S]."""
        first = self.stem_1(images)
        stem = (first + self.stem_2(first)) / math.sqrt(2)
        half = self.down_1(stem)
        quarter = self.down_2(half)
        vector = F.gelu(F.avg_pool2d(quarter, quarter.shape[2:]))  # -> [n, 2f, 1, 1]
        t = times[:, None]
        x = self.up_0(vector)
        x = _plane(self.label_1(labels)) * x + _plane(self.time_1(t))
        x = self.up_1(torch.cat([x, quarter], 1))
        x = _plane(self.label_2(labels)) * x + _plane(self.time_2(t))
        x = self.up_2(torch.cat([x, half], 1))
        return self.out(torch.cat([x, stem], 1))


class CompactUNet(nn.Module):
    """Two levels on 2x2 pixel blocks around a linear bottleneck; same inputs as `PaperUNet`.

    Under noise all weights move at random by the same amount, so what matters must be easy to
    learn. Label and time reach every level by one linear map, the label also times the time and
    with unit variance; the bottleneck sees the whole image and, besides entering the convolutions,
    is added to the output as a picture of half the size: the class's mean image needs no
    convolution.
    """

    def __init__(self, classes: int, shape: Shape, preset: presets.CompactUNet):
        super().__init__()
        a, b, groups = preset.fine, preset.coarse, preset.groups
        self.block, self.quarter = 4 * shape[0], shape[1] // 4  # numbers of a 2x2 block; S/4
        wide, places = max(preset.wide, self.block), self.quarter**2
        self.unit = math.sqrt(classes)  # brings one-hot labels to a mean square of 1
        self.sizes = (a, a, b, b, preset.width)
        self.modulate = nn.Linear(5 + 2 * classes, sum(self.sizes))
        self.stem = nn.Conv2d(self.block, a, 3, padding=1)
        self.norm_1 = nn.GroupNorm(groups, a)
        self.down = nn.Conv2d(a, b, 3, stride=2, padding=1)
        self.norm_2 = nn.GroupNorm(groups, b)
        self.squeeze = nn.Conv2d(b, preset.narrow, 1)
        self.encode = nn.Linear(preset.narrow * places, preset.width)
        self.decode = nn.Linear(preset.width, wide * places)
        self.expand = nn.Conv2d(b + wide, b, 3, padding=1)
        self.norm_3 = nn.GroupNorm(groups, b)
        self.up = nn.Conv2d(b + a, a, 3, padding=1)
        self.norm_4 = nn.GroupNorm(groups, a)
        self.out = nn.Conv2d(a, self.block, 3, padding=1)

    def forward(self, images: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        """Logits [n, C, S, S]."""
        labels = self.unit * labels
        condition = torch.cat([_waves(times), labels, labels * times[:, None]], 1)
        s1, m1, s2, m2, shift = self.modulate(condition).split(self.sizes, 1)
        fine = self.norm_1(self.stem(F.pixel_unshuffle(images, 2)))  # -> [n, a, S/2, S/2]
        fine = F.gelu(fine * (1 + _plane(s1)) + _plane(m1))
        coarse = self.norm_2(self.down(fine))  # -> [n, b, S/4, S/4]
        coarse = F.gelu(coarse * (1 + _plane(s2)) + _plane(m2))
        code = F.gelu(self.encode(self.squeeze(coarse).flatten(1)) + shift)
        whole = self.decode(code).view(len(images), -1, self.quarter, self.quarter)
        coarse = F.gelu(self.norm_3(self.expand(torch.cat([coarse, whole], 1))))
        up = self.up(torch.cat([F.interpolate(coarse, scale_factor=2), fine], 1))
        detail = F.pixel_shuffle(self.out(F.gelu(self.norm_4(up))), 2)
        picture = F.pixel_shuffle(whole[:, : self.block], 2)  # -> [n, C, S/2, S/2]
        return detail + F.interpolate(picture, scale_factor=2, mode="bilinear")


UNET = {presets.PaperUNet: PaperUNet, presets.CompactUNet: CompactUNet}


def _waves(times: Tensor) -> Tensor:
    """Features of a time in [0, 1], [n, 5]."""
    angle = times[:, None] * math.pi
    return torch.cat(
        [times[:, None], angle.cos(), angle.sin(), (2 * angle).cos(), (2 * angle).sin()], 1
    )


def _plane(x: Tensor) -> Tensor:
    return x[:, :, None, None]


def _block(before: int, after: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(groups, after), nn.GELU()
    )


def _blocks(before: int, after: int, groups: int) -> tuple[nn.Sequential, nn.Sequential]:
    return _block(before, after, groups), _block(after, after, groups)


def _embedding(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, after), nn.GELU(), nn.Linear(after, after))


def _up(before: int, after: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(before, after, 2, 2),
        *_blocks(after, after, groups),
        *_blocks(after, after, groups),
    )
