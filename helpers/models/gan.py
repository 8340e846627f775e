"""Class-conditional generative adversarial network (Goodfellow et al. 2014), No Free Lunch 3.1.

Only the discriminator reads private records, and of its loss only the real half,

    L_D(x, y) = -ln D(x, y)   [private: clipped and noised per record]
              - ln(1 - D(G(z, y'), y'))   [synthetic],

so only the real half costs privacy. The synthetic half and the generator's loss are functions of
the current weights and of public randomness: by induction over the steps the weights are functions
of the noised real halves, and what is computed from them is post-processing (Dwork and Roth 2014,
Proposition 2.1). This holds because the labels y' are uniform over the public class list, the batch
size is fixed and the generator moves at fixed steps. The authors' forms, which break it, are the
options `labels="batch"` (defect D3) and `schedule="loss-gap"` (defect D4).

At the scale `paper` the layers are those of the authors' code, without its dropout: 1,561,985
parameters in the discriminator.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import presets
from .interface import Adversarial, Shape


class GAN(Adversarial):
    """G(z, y) and D(x, y) for images x [n, C, S, S] in [0, 1] and labels y [n]."""

    def __init__(self, classes: int, shape: Shape, preset: presets.GAN):
        super().__init__()
        self.classes, self.shape, self.preset = classes, shape, preset
        self.generator = _generator(classes, shape, preset)
        self.discriminator = Discriminator(classes, shape, preset)
        self.schedule = _SCHEDULES[preset.schedule](preset.discriminator_steps)
        self.private_labels: Tensor | None = None  # of the last batch; read by labels="batch" only
        self.real_loss = self.synthetic_loss = 0.0  # read by schedule="loss-gap" only

    def generate(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Images [n, C, S, S] in [0, 1] from codes [n, latent]."""
        onehot = F.one_hot(labels, self.classes).to(codes.dtype)
        return torch.sigmoid(self.generator(torch.cat([codes, onehot], 1)))

    def randomness(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Standard normal draws for the instance noise, [n, C * S * S]."""
        return torch.randn(n, math.prod(self.shape), generator=generator)

    def losses(self, images: Tensor, labels: Tensor, randomness: Tensor) -> Tensor:
        """The real half of the discriminator's loss per record [n]: -ln D(x, y)."""
        losses = F.softplus(-self._logits(images, labels, randomness))
        self.private_labels, self.real_loss = labels, losses.detach().mean().item()
        return losses

    def public_losses(self, *, generator: torch.Generator) -> Tensor:
        """The synthetic half per image: -ln(1 - D(G(z, y'), y'))."""
        labels = self._labels(generator)
        with torch.no_grad():
            images = self.generate(self._codes(len(labels), generator), labels)
        randomness = self.randomness(len(labels), generator=generator).to(self.device)
        losses = F.softplus(self._logits(images, labels, randomness))
        self.synthetic_loss = losses.detach().mean().item()
        return losses

    def opponent_losses(self, *, generator: torch.Generator) -> Tensor | None:
        """The generator's loss per image, -ln D(G(z, y'), y'), or `None` if it is not its turn."""
        if not self.schedule.turn((self.real_loss + self.synthetic_loss) / 2):
            return None
        labels = self._labels(generator)
        images = self.generate(self._codes(len(labels), generator), labels)
        randomness = self.randomness(len(labels), generator=generator).to(self.device)
        return F.softplus(-self._logits(images, labels, randomness))

    @torch.no_grad()
    def sample(self, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        """Images [n, C, S, S] in [0, 1], one per label, on the CPU."""
        codes = self._codes(len(labels), generator)
        return self.generate(codes, labels.to(self.device)).cpu()

    def carried(self) -> dict[str, Any]:
        """How far the schedule is, and what the authors' options read of the last batch."""
        return vars(self.schedule) | {name: getattr(self, name) for name in _LAST}

    def carry(self, values: dict[str, Any]) -> None:
        """Go on with what `carried` gave, its tensors on the CPU."""
        for name, value in values.items():
            value = value.to(self.device) if isinstance(value, Tensor) else value
            setattr(self if name in _LAST else self.schedule, name, value)

    def _logits(self, images: Tensor, labels: Tensor, randomness: Tensor) -> Tensor:
        """The discriminator's logits [n] of images under instance noise.

        Noise on real and synthetic images alike keeps the discriminator from knowing the few real
        ones by heart (Sonderby et al. 2017, arXiv 1610.04490).
        """
        noise = self.preset.instance_noise * randomness.view_as(images)
        return self.discriminator(images + noise, labels)

    def _codes(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.preset.latent, generator=generator).to(self.device)

    def _labels(self, generator: torch.Generator) -> Tensor:
        """Labels of synthetic images: all classes in turn, from a random one on."""
        if self.preset.labels == "batch":
            return self.private_labels
        offset = torch.randint(self.classes, (), generator=generator)
        return ((torch.arange(self.preset.batch) + offset) % self.classes).to(self.device)


class Discriminator(nn.Module):
    """Images [n, C, S, S] in [0, 1] and labels [n] to logits [n] of being real.

    The label enters as one-hot planes beside the image and the logits are averaged over the image
    (`head="mean"`, the authors'), or each class has a logit of its own, a linear function of all
    features, and the label chooses (`head="class"`): a much shorter way from the label to the loss.
    """

    def __init__(self, classes: int, shape: Shape, preset: presets.GAN):
        super().__init__()
        self.classes, self.planes = classes, preset.head == "mean"
        layers: list[nn.Module] = []
        before, size = shape[0] + classes * self.planes, shape[1]
        for i, (after, stride) in enumerate(preset.discriminator):
            layers.append(nn.Conv2d(before, after, 3, stride=stride, padding=1))
            if i > 0:
                layers.append(nn.GroupNorm(preset.groups, after))
            layers.append(nn.LeakyReLU(0.2))
            before, size = after, math.ceil(size / stride)
        self.features = nn.Sequential(*layers)
        if self.planes:
            self.head = nn.Conv2d(before, 1, 3, padding=1)
        else:
            self.head = nn.Linear(before * size * size, classes)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Logits [n]."""
        if not self.planes:
            return self.head(self.features(images).flatten(1)).gather(1, labels[:, None])[:, 0]
        planes = F.one_hot(labels, self.classes).to(images.dtype)[:, :, None, None]
        planes = planes.expand(-1, -1, *images.shape[2:])
        return self.head(self.features(torch.cat([images, planes], 1))).mean(dim=(1, 2, 3))


class FixedSchedule:
    """The generator moves once in `discriminator_steps` steps of the discriminator."""

    def __init__(self, discriminator_steps: int):
        self.discriminator_steps, self.steps = discriminator_steps, 0

    def turn(self, loss: float) -> bool:
        """Whether the generator moves now; the discriminator's loss is not looked at."""
        self.steps += 1
        return self.steps % self.discriminator_steps == 0


class LossGapSchedule:
    """The authors' schedule: the generator moves when the discriminator's private, un-noised loss
    comes close to a target it hardly reaches, or after 50 steps (defect D4)."""

    grace, tolerance, memory, longest, target = 5, 0.6, 0.9, 50, math.log(4)

    def __init__(self, discriminator_steps: int):
        self.steps = self.since = 0
        self.average: float | None = None

    def turn(self, loss: float) -> bool:
        """Whether the generator moves now, given the discriminator's loss (mean of its halves)."""
        self.steps += 1
        self.since += 1
        before = loss if self.average is None else self.average
        self.average = self.memory * before + (1 - self.memory) * loss
        if self.steps <= self.grace:
            return True
        if self.since >= self.longest or abs(self.average - self.target) < self.tolerance:
            self.since = 0
            return True
        return False


_LAST = ("private_labels", "real_loss", "synthetic_loss")
_SCHEDULES = {"fixed": FixedSchedule, "loss-gap": LossGapSchedule}


class Upsampling(nn.Sequential):
    """Layers in sequence, with two shortcuts for convolutions of 3x3, padded by 1.

    One after an `Upsample` (nearest, by 2) is taken with it: a pixel's copies lie side by side, so
    the parts of the kernel that meet them are added up first. That is a transposed convolution with
    4x4 sums, at 4/9 of the multiplications. One to few channels mixes the channels first, for each
    of its nine taps, and then moves what it mixed, which is less than its input.
    """

    def forward(self, x: Tensor) -> Tensor:
        """What the layers give one after the other, up to rounding."""
        for layer in (layers := iter(self)):
            if isinstance(layer, nn.Upsample):
                x = _upsampled(x, next(layers))
            elif isinstance(layer, nn.Conv2d) and 9 * layer.out_channels < layer.in_channels:
                x = _mixed(x, layer)
            else:
                x = layer(x)
        return x


def _upsampled(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """`convolution`, 3x3 and padded by 1, of x [n, a, H, W] with every pixel doubled both ways."""
    kernel = convolution.weight.flip(2, 3).transpose(0, 1)  # [a, b, 3, 3]
    sums = F.avg_pool2d(kernel, 2, stride=1, padding=1, divisor_override=1)  # -> [a, b, 4, 4]
    return F.conv_transpose2d(x, sums, convolution.bias, stride=2, padding=1)


def _mixed(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """`convolution`, 3x3 and padded by 1, of x [n, a, H, W], its channels mixed before it moves."""
    taps = convolution.weight.flip(2, 3).flatten(2).transpose(1, 2).flatten(0, 1)  # [b * 9, a]
    mixed = F.conv2d(x, taps[:, :, None, None])  # -> [n, b * 9, H, W]
    return F.fold(mixed.flatten(2), x.shape[2:], 3, padding=1) + convolution.bias[:, None, None]


def _generator(classes: int, shape: Shape, preset: presets.GAN) -> Upsampling:
    a, b, c = preset.generator
    channels, quarter = shape[0], shape[1] // 4
    return Upsampling(
        nn.Linear(preset.latent + classes, a * quarter**2),
        nn.Unflatten(1, (a, quarter, quarter)),
        nn.GroupNorm(preset.groups, a),
        nn.Upsample(scale_factor=2),  # -> [n, a, S/2, S/2]
        nn.Conv2d(a, b, 3, padding=1),
        nn.GroupNorm(preset.groups, b),
        nn.LeakyReLU(0.2),
        nn.Upsample(scale_factor=2),  # -> [n, b, S, S]
        nn.Conv2d(b, c, 3, padding=1),
        nn.GroupNorm(preset.groups, c),
        nn.LeakyReLU(0.2),
        nn.Conv2d(c, channels, 3, padding=1),
    )
