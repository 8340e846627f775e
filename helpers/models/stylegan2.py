"""Class-conditional StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), TRI section 4.2.2.

A mapping network takes a latent z and a label to w, which scales the input channels of every
convolution of the generator; demodulation divides each output channel by the deviation that this
leaves. Independent noise is added per pixel, images are sums of what every resolution adds, and
two latents may share an image (style mixing). The loss is the non-saturating logistic one with R1
on real images and the path length penalty on w, each only in some steps ("lazily") and then as much
stronger. Simpler than the original: planes are doubled by bilinear interpolation, which is its
filter [1, 3, 3, 1], and halved by the mean of four pixels; the discriminator has a logit per class.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import presets
from .interface import Adversarial, Phase, Shape, Unprivate, Update

GAIN = math.sqrt(2)  # of LeakyReLU, so that it keeps the variance
SLOPE = 0.2
GROUP = 4  # images whose deviation the discriminator sees
MAPPING_RATE = 0.01  # of the mapping network's learning rate
PATH_DECAY = 0.01  # of the running mean of path lengths


class StyleGAN2(Adversarial, Unprivate):
    """G(z, y) and D(x, y) for images x [n, C, S, S] in [0, 1] and labels y [n]."""

    def __init__(self, classes: int, shape: Shape, preset: presets.StyleGAN2):
        super().__init__()
        self.classes, self.preset = classes, preset
        sizes = resolutions(shape[1])
        widths = [min(preset.most, preset.base // size) for size in sizes]
        self.generator = Generator(classes, shape[0], sizes, widths, preset)
        self.discriminator = Discriminator(classes, shape[0], sizes, widths)
        self.register_buffer("path_mean", torch.zeros(()))

    def losses(self, images: Tensor, labels: Tensor, randomness: Tensor) -> Tensor:
        """-ln D(x, y) per record [n]."""
        return F.softplus(-self.discriminator(2 * images - 1, labels))

    def phases(self) -> tuple[Phase, ...]:
        """One, in which discriminator and generator take turns; the generator is averaged."""
        training = self.preset.training
        updates = (
            Update(self.discriminator, self.discriminator_loss, training.learning_rate),
            Update(self.generator, self.generator_loss, training.opponent_learning_rate),
        )
        return (Phase(training, updates, self.generator),)

    def discriminator_loss(
        self, images: Tensor, labels: Tensor, step: int, drawn: torch.Generator
    ) -> Tensor:
        """The logistic loss of real and synthetic images and, every so many steps, R1."""
        with torch.no_grad():
            fakes = self._generate(labels, drawn)
        loss = F.softplus(self.discriminator(fakes, labels)).mean()
        lazily, real = step % self.preset.r1_every == 0, 2 * images - 1
        if lazily:
            loss = loss + self.preset.r1_every * self.preset.r1 / 2 * self.r1(real, labels)
        return loss + F.softplus(-self.discriminator(real, labels)).mean()

    def r1(self, real: Tensor, labels: Tensor) -> Tensor:
        """Mean squared norm of the gradient of D at images in [-1, 1] (Mescheder et al. 2018)."""
        real = real.detach().requires_grad_(True)
        logits = self.discriminator(real, labels)
        (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
        return slope.square().sum((1, 2, 3)).mean()

    def generator_loss(
        self, images: Tensor, labels: Tensor, step: int, drawn: torch.Generator
    ) -> Tensor:
        """-ln D of synthetic images and, every so many steps, the path length penalty."""
        loss = F.softplus(-self.discriminator(self._generate(labels, drawn), labels)).mean()
        if step % self.preset.path_every:
            return loss
        styles = self._styles(labels[: max(1, len(labels) // 2)], drawn)
        lengths = self.path_lengths(styles, drawn)
        self.path_mean.lerp_(lengths.detach().mean(), PATH_DECAY)
        penalty = (lengths - self.path_mean).square().mean()
        return loss + self.preset.path_every * self.preset.path * penalty

    def path_lengths(self, styles: Tensor, drawn: torch.Generator) -> Tensor:
        """Norms [n] of J^T y, J the derivative of an image by its styles [n, layers, latent] and y
        normal, over the side of the image (Karras et al. 2020, Eq. 4); the mean over layers."""
        images = self.generator.synthesise(styles, self.generator.noise(len(styles), drawn))
        normal = torch.randn(images.shape, generator=drawn).to(images) / images.shape[-1]
        (slope,) = torch.autograd.grad((images * normal).sum(), styles, create_graph=True)
        return slope.square().sum(2).mean(1).sqrt()

    def _styles(self, labels: Tensor, drawn: torch.Generator) -> Tensor:
        """Styles [n, layers, latent] of fresh latents, two per image with some probability."""
        first, second = (self.generator.styles(labels, drawn) for _ in range(2))
        layers = self.generator.layers
        crossover = torch.randint(1, layers, (len(labels), 1), generator=drawn)
        mixed = torch.rand(len(labels), 1, generator=drawn) < self.preset.mixing
        later = (torch.arange(layers) >= crossover) & mixed
        return torch.where(later.to(first.device)[:, :, None], second, first)

    def _generate(self, labels: Tensor, drawn: torch.Generator) -> Tensor:
        noise = self.generator.noise(len(labels), drawn)
        return self.generator.synthesise(self._styles(labels, drawn), noise)

    @torch.no_grad()
    def sample(self, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        """Images [n, C, S, S] in [0, 1], one per label, on the CPU; latents are not truncated."""
        made = []
        for part in labels.split(250):
            styles = self.generator.styles(part.to(self.device), generator)
            noise = self.generator.noise(len(part), generator)
            made.append(self.generator.synthesise(styles, noise).cpu())
        return ((torch.cat(made) + 1) / 2).clamp(0, 1)


def resolutions(size: int) -> list[int]:
    """The sides of the planes, from the coarsest on: `size` halved while it is even and above 4."""
    sizes = [size]
    while sizes[0] > 4 and sizes[0] % 2 == 0:
        sizes.insert(0, sizes[0] // 2)
    return sizes


class Generator(nn.Module):
    """Latents and labels to styles, styles and noise to images in about [-1, 1]."""

    def __init__(
        self,
        classes: int,
        channels: int,
        sizes: list[int],
        widths: list[int],
        preset: presets.StyleGAN2,
    ):
        super().__init__()
        self.latent, self.sizes = preset.latent, sizes
        self.labels = nn.Embedding(classes, preset.latent)
        before = (2 * preset.latent, *[preset.latent] * (preset.layers - 1))
        self.mapping = nn.ModuleList(
            EqualLinear(width, preset.latent, rate=MAPPING_RATE) for width in before
        )
        self.constant = nn.Parameter(torch.randn(1, widths[0], sizes[0], sizes[0]))
        pairs = [(widths[0], widths[0])]  # of the convolutions: one at first, then two a resolution
        for coarse, fine in itertools.pairwise(widths):
            pairs += [(coarse, fine), (fine, fine)]
        self.convolutions = nn.ModuleList(StyledConv(*pair, preset.latent) for pair in pairs)
        self.to_image = nn.ModuleList(
            ModulatedConv(width, channels, 1, preset.latent, demodulated=False) for width in widths
        )
        self.layers = len(pairs)  # the images' share the style of the convolution before

    def styles(self, labels: Tensor, drawn: torch.Generator) -> Tensor:
        """Styles [n, layers, latent] of fresh latents, the same in all layers."""
        latents = torch.randn(len(labels), self.latent, generator=drawn).to(labels.device)
        x = torch.cat([_unit(latents), _unit(self.labels(labels))], 1)
        for layer in self.mapping:
            x = F.leaky_relu(layer(x), SLOPE) * GAIN
        return x[:, None].expand(-1, self.layers, -1)

    def noise(self, n: int, drawn: torch.Generator) -> list[Tensor]:
        """Normal noise of each convolution, [n, 1, side, side]."""
        sides = [self.sizes[(i + 1) // 2] for i in range(self.layers)]
        return [
            torch.randn(n, 1, side, side, generator=drawn).to(self.constant.device)
            for side in sides
        ]

    def synthesise(self, styles: Tensor, noise: list[Tensor]) -> Tensor:
        """Images [n, C, S, S]."""
        x, image = self.constant.expand(len(styles), -1, -1, -1), None
        for i, convolution in enumerate(self.convolutions):
            if i % 2 == 1:
                x = _doubled(x)
            x = convolution(x, styles[:, i], noise[i])
            if i % 2 == 0:  # the last of its resolution
                added = self.to_image[i // 2](x, styles[:, i])
                image = added if image is None else _doubled(image) + added
        return image


class Discriminator(nn.Module):
    """Images [n, C, S, S] in [-1, 1] and labels [n] to logits [n]: residual blocks.

    In training the mean deviation over groups of images is a feature; in `eval` it is 0, so that an
    image's logit is its own.
    """

    def __init__(self, classes: int, channels: int, sizes: list[int], widths: list[int]):
        super().__init__()
        fine_to_coarse = widths[::-1]
        self.enter = EqualConv(channels, fine_to_coarse[0], 1)
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                [EqualConv(a, a, 3), EqualConv(a, b, 3), EqualConv(a, b, 1, biased=False)]
            )
            for a, b in itertools.pairwise(fine_to_coarse)
        )
        top = widths[0]
        self.last = EqualConv(top + 1, top, 3)
        self.hidden = EqualLinear(top * sizes[0] ** 2, top)
        self.head = EqualLinear(top, classes)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Logits [n]."""
        x = _active(self.enter(images))
        for first, second, skip in self.blocks:
            y = _active(second(F.avg_pool2d(_active(first(x)), 2)))
            x = (y + skip(F.avg_pool2d(x, 2))) / GAIN
        x = _active(self.last(torch.cat([x, self._deviation(x)], 1)))
        logits = self.head(_active(self.hidden(x.flatten(1))))
        return logits.gather(1, labels[:, None])[:, 0]

    def _deviation(self, x: Tensor) -> Tensor:
        """Deviation of features over groups of up to four images, a plane of each [n, 1, s, s]."""
        n, (height, width) = len(x), x.shape[2:]
        group = math.gcd(n, GROUP)
        if not self.training or group == 1:
            return x.new_zeros(n, 1, height, width)
        grouped = x.view(group, n // group, *x.shape[1:])
        deviation = (grouped.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
        return deviation.repeat(group)[:, None, None, None].expand(n, 1, height, width)


class ModulatedConv(nn.Module):
    """A convolution whose input channels a style scales (Karras et al. 2020, Eqs. 1 and 3).

    Scaling the input, convolving with weights that all images share and dividing the output is the
    same as convolving each image with weights of its own.
    """

    def __init__(self, before: int, after: int, size: int, latent: int, demodulated: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, size, size))
        self.style = EqualLinear(latent, before, bias=1.0)
        self.scale, self.demodulated = 1 / math.sqrt(before * size**2), demodulated

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Planes [n, after, s, s] of planes [n, before, s, s] and styles [n, latent]."""
        scales, weight = self.style(style), self.weight * self.scale
        x = F.conv2d(x * scales[:, :, None, None], weight, padding="same")
        if not self.demodulated:
            return x
        squares = scales.square() @ weight.square().sum((2, 3)).T
        return x * torch.rsqrt(squares + 1e-8)[:, :, None, None]


class StyledConv(nn.Module):
    """A demodulated convolution, noise of a learned strength, a bias and LeakyReLU."""

    def __init__(self, before: int, after: int, latent: int):
        super().__init__()
        self.convolution = ModulatedConv(before, after, 3, latent)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(after, 1, 1))

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """Planes [n, after, s, s]."""
        return _active(self.convolution(x, style) + self.strength * noise + self.bias)


class EqualLinear(nn.Module):
    """A linear layer of weights of unit variance, scaled when used (Karras et al. 2018)."""

    def __init__(self, before: int, after: int, *, rate: float = 1.0, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before) / rate)
        self.bias = nn.Parameter(torch.full((after,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(before), rate

    def forward(self, x: Tensor) -> Tensor:
        """[n, after] of [n, before]."""
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class EqualConv(nn.Module):
    """A convolution of weights of unit variance, scaled when used; keeps the plane."""

    def __init__(self, before: int, after: int, size: int, *, biased: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, size, size))
        self.bias = nn.Parameter(torch.zeros(after)) if biased else None
        self.scale = 1 / math.sqrt(before * size**2)

    def forward(self, x: Tensor) -> Tensor:
        """[n, after, s, s] of [n, before, s, s]."""
        return F.conv2d(x, self.weight * self.scale, self.bias, padding="same")


def _active(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE) * GAIN


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _unit(x: Tensor) -> Tensor:
    """Rows of a mean square of 1."""
    return F.normalize(x, dim=1) * math.sqrt(x.shape[1])
