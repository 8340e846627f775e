"""Public simulators: images that nobody took, of classes that mean nothing.

A simulator draws random classes and instances of each. `strokes` writes characters of one to three
strokes in MNIST's published layout: ink in a box of 20 of 28 pixels, its centre of mass in the
middle (LeCun et al. 1998). `phantoms` lays two to nine soft ellipses over a background, warped and
grainy, in the greys of a scan. No real image, label or name of a class goes into them; that they
were written knowing which kind of image they stand in for is a public choice all the same.

Classes come in families of four siblings, three being a changed first: an encoder that is to tell
classes apart under noise has to learn small differences, too.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SIBLINGS = 4  # classes of a family stand side by side
_CHUNK = 100  # images drawn at once: their distances stay in the processor's cache

Shape = tuple[int, int, int]


class Simulator(NamedTuple):
    """Parameters of random classes, the same changed a little, and images of given parameters."""

    classes: Callable[[int, int, torch.Generator], tuple[Tensor, ...]]  # of a number and channels
    vary: Callable[[tuple[Tensor, ...], torch.Generator], tuple[Tensor, ...]]
    draw: Callable[[tuple[Tensor, ...], Shape, torch.Generator], Tensor]  # -> [N, C, S, S]
    channels: tuple[int, ...]  # that it can draw


def simulate(
    name: str, classes: int, per_class: int, *, shape: Shape, generator: torch.Generator
) -> Tensor:
    """Images uint8 [classes * per_class, C, S, S] of random classes, class by class.

    Raises `ValueError` for an unknown simulator, or channels that it cannot draw.
    """
    check_simulator(name, shape)
    simulator = SIMULATORS[name]
    kinds = simulator.classes(classes, shape[0], generator)
    changed = simulator.vary(tuple(part[_first(classes)] for part in kinds), generator)
    kinds = tuple(
        torch.where(_shaped(torch.arange(classes) == _first(classes), own), own, other)
        for own, other in zip(kinds, changed, strict=True)
    )
    rows = torch.arange(classes).repeat_interleave(per_class)
    return draw(name, tuple(part[rows] for part in kinds), shape=shape, generator=generator)


def draw(
    name: str, kinds: tuple[Tensor, ...], *, shape: Shape, generator: torch.Generator
) -> Tensor:
    """Images uint8 [n, C, S, S], one of each of the classes with the parameters `kinds`."""
    drawn = (
        SIMULATORS[name].draw(tuple(part[some] for part in kinds), shape, generator)
        for some in torch.arange(len(kinds[0])).split(_CHUNK)
    )
    return torch.cat([(255 * images).round().to(torch.uint8) for images in drawn])


def _first(classes: int) -> Tensor:
    """The first class of the family of each, [classes]."""
    return torch.arange(classes) // SIBLINGS * SIBLINGS


def _shaped(rows: Tensor, like: Tensor) -> Tensor:
    return rows.view(-1, *[1] * (like.ndim - 1))


def check_simulator(name: str, shape: Shape) -> None:
    """Raise `ValueError` unless there is a simulator of that name for images of that shape."""
    if name not in SIMULATORS:
        raise ValueError(f"simulator {name!r} is unknown; allowed: {', '.join(SIMULATORS)}")
    if shape[0] not in SIMULATORS[name].channels:
        raise ValueError(
            f"the simulator {name} draws images of {SIMULATORS[name].channels[0]} channel, not "
            f"{shape[0]}: take grey images, or another simulator"
        )


def _uniform(*shape: int, low: float = 0.0, high: float = 1.0, generator) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=generator)


# Strokes: points [N, 3, 9, 2] in the unit square, how many of them count [N, 3], smooth [N, 3]

_STROKES, _POINTS = 3, 9
_DENSE = 120  # points a character is drawn with
_BOX, _FRAME = 20, 28  # pixels of MNIST's layout
_SOFT = 1.4  # pixels over which ink fades


def _characters(n: int, channels: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Random characters of one to three strokes, which may start on each other."""
    points, count = _random_strokes(n, generator)
    number = 1 + (torch.rand(n, generator=generator)[:, None] > torch.tensor([0.5, 0.9])).sum(1)
    count = torch.where(torch.arange(_STROKES) < number[:, None], count, 0)
    for j in range(1, _STROKES):  # half of the later strokes start on a point of the one before
        before = torch.rand(n, generator=generator) * count[:, j - 1].clamp(min=1)
        joint = points[torch.arange(n), j - 1, before.long()]
        moved = points[:, j] - points[:, j, :1] + joint[:, None]
        attached = torch.rand(n, 1, 1, generator=generator) < 0.5
        points[:, j] = torch.where(attached, moved, points[:, j])
    smooth = torch.rand(n, _STROKES, generator=generator) < 0.8
    return points, count, smooth


def _random_strokes(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A loop, a line of two or three points, or a curve of three to six, [n, 3] of them."""
    shape = n, _STROKES
    points = _uniform(*shape, _POINTS, 2, generator=generator)
    kind = torch.rand(shape, generator=generator)
    line = 2 + torch.randint(2, shape, generator=generator)
    curve = 3 + torch.randint(4, shape, generator=generator)
    tail = torch.rand(shape, generator=generator) < 0.4
    tail = tail * (1 + torch.randint(2, shape, generator=generator))
    arc = _uniform(*shape, low=0.7, high=2.0, generator=generator)
    arc = torch.pi * torch.where(torch.rand(shape, generator=generator) < 0.5, 2.0, arc)
    arc = arc * (2 * torch.randint(2, shape, generator=generator) - 1)
    start = _uniform(*shape, 1, high=2 * torch.pi, generator=generator)
    angle = start + arc[..., None] * torch.linspace(0, 1, 7)
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    radius = _uniform(*shape, 1, 2, low=0.1, high=0.4, generator=generator)
    centre = _uniform(*shape, 1, 2, low=0.3, high=0.7, generator=generator)
    loop = torch.cat([centre + radius * circle, points[:, :, 7:]], 2)
    points = torch.where(kind[..., None, None] < 0.3, loop, points)
    return points, torch.where(kind < 0.3, 7 + tail, torch.where(kind < 0.6, line, curve))


def _change_character(kinds: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
    """A stroke moved, dropped or added."""
    points, count, smooth = kinds
    n = len(points)
    what, row = torch.rand(n, generator=generator), torch.arange(n)
    number = (count > 0).sum(1)
    which = (torch.rand(n, generator=generator) * number).long()
    shift = 0.25 * torch.randn(n, _POINTS, 2, generator=generator)
    shift = shift * (torch.rand(n, _POINTS, 1, generator=generator) < 0.6)
    moves, drops = what < 0.5, (what >= 0.5) & (what < 0.75) & (number > 1)
    points = points.clone()
    points[row[moves], which[moves]] += shift[moves]
    count, adds = count.clone(), ~(moves | drops)
    count[row[drops], which[drops]] = 0
    free = torch.where(number < _STROKES, number, _STROKES - 1)
    points[row[adds], free[adds]] = _uniform(int(adds.sum()), _POINTS, 2, generator=generator)
    count[row[adds], free[adds]] = 2 + torch.randint(2, (int(adds.sum()),), generator=generator)
    order = torch.sort((count == 0).byte(), dim=1, stable=True).indices  # strokes there are, first
    points = points.gather(1, order[:, :, None, None].expand_as(points))
    return points, count.gather(1, order), smooth.gather(1, order)


def _write(kinds: tuple[Tensor, ...], shape: Shape, generator: torch.Generator) -> Tensor:
    """Characters as ink: each a little off, turned, sheared and stretched, its pen its own."""
    points, count, smooth = kinds
    n, size = len(points), shape[1]
    points = points + 0.045 * torch.randn(points.shape, generator=generator)
    dense, joined = _dense(points, count, smooth)
    turn, shear = (s * torch.randn(n, generator=generator) for s in (0.21, 0.25))
    stretch = torch.exp(0.2 * torch.randn(n, 2, 1, generator=generator))
    cos, sin = turn.cos(), turn.sin()
    turned = torch.stack([cos, shear * cos - sin, sin, shear * sin + cos], 1).view(n, 2, 2)
    dense = (dense - 0.5) @ (turned * stretch.mT).mT
    pen = _uniform(n, 1, 1, low=1.6, high=3.2, generator=generator)  # its width, in pixels of 28
    low, high = dense.amin(1, keepdim=True), dense.amax(1, keepdim=True)
    scale = (_BOX - pen) / (high - low).amax(-1, keepdim=True).clamp(min=0.15)
    gaps = (dense[:, 1:] - dense[:, :-1]).norm(dim=-1) * joined + 1e-6
    mass = (F.pad(gaps, (0, 1)) + F.pad(gaps, (1, 0)))[..., None]
    centre = (dense * mass).sum(1, keepdim=True) / mass.sum(1, keepdim=True)
    room = _FRAME / 2 - pen / 2  # the ink stays in the frame, even if its mass lies aside
    low, high = (low - centre) * scale, (high - centre) * scale
    shift = torch.maximum(torch.minimum(torch.zeros(()), room - high), -room - low)
    dense = (dense - centre) * scale + shift + _FRAME / 2
    places = (torch.arange(size) + 0.5) * (_FRAME / size)
    grid = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1).view(1, -1, 2)
    distance = torch.cdist(grid.expand(n, -1, -1), dense).amin(-1)
    ink = ((pen[:, 0] / 2 - distance) / _SOFT + 0.5).clamp(0, 1)
    darkness = _uniform(n, 1, low=1.0, high=1.4, generator=generator)
    return (ink * darkness).clamp(max=1).view(n, 1, size, size)


def _dense(points: Tensor, count: Tensor, smooth: Tensor) -> tuple[Tensor, Tensor]:
    """Strokes as close points [n, P, 2], and whether each is joined to the next, [n, P - 1].

    Lines, or Catmull-Rom splines. The strokes of a character share its P points evenly.
    """
    number = (count > 0).sum(1, keepdim=True)
    place = torch.arange(_DENSE) * number / _DENSE
    stroke = place.floor().long()  # [n, P]
    last = (count.gather(1, stroke) - 1).clamp(min=1)
    at = (place - stroke) * _DENSE / (_DENSE - number) * last
    left = torch.minimum(at.floor().long(), last - 1)
    flat, start = points.flatten(1, 2), stroke * _POINTS

    def point(k: int) -> Tensor:
        row = start + torch.minimum((left + k).clamp(min=0), last)
        return flat.gather(1, row[..., None].expand(-1, -1, 2))

    a, b, c, d, t = *(point(k) for k in (-1, 0, 1, 2)), (at - left)[..., None]
    spline = (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    bent = (smooth.gather(1, stroke) & (last > 1))[..., None]
    return torch.where(bent, spline / 2, b + t * (c - b)), stroke[:, 1:] == stroke[:, :-1]


# Phantoms: a background [N, C], ellipses [N, 9, 5] with greys [N, 9, C], how many [N], grain [N, 2]

_ELLIPSES = 9
_GREYS = torch.tensor([0.0, 0.0, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.9, 1.0])


def _grey(*shape: int, generator: torch.Generator) -> Tensor:
    return _GREYS[torch.randint(len(_GREYS), shape, generator=generator)]


def _anatomies(n: int, channels: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Random anatomies: large parts below small ones."""
    big = torch.rand(n, _ELLIPSES, 1, generator=generator) < 0.35
    wide = _uniform(n, _ELLIPSES, 2, low=0.2, high=0.6, generator=generator)
    narrow = _uniform(n, _ELLIPSES, 2, low=0.04, high=0.25, generator=generator)
    ellipses = torch.cat(
        [
            _uniform(n, _ELLIPSES, 2, generator=generator),  # the centre
            torch.where(big, wide, narrow),  # half axes
            _uniform(n, _ELLIPSES, 1, high=torch.pi, generator=generator),  # the angle
        ],
        -1,
    )
    count = 2 + torch.randint(8, (n,), generator=generator)
    greys = _grey(n, _ELLIPSES, channels, generator=generator)
    greys = greys + 0.05 * torch.randn(greys.shape, generator=generator)
    area = ellipses[..., 2] * ellipses[..., 3]
    area = torch.where(torch.arange(_ELLIPSES) < count[:, None], area, -1.0)
    order = area.argsort(dim=1, descending=True)[..., None]  # large ones lie below
    ellipses = ellipses.gather(1, order.expand_as(ellipses))
    greys = greys.gather(1, order.expand_as(greys))
    grain = _uniform(n, 2, generator=generator) * torch.tensor([0.12, 1.0])
    return _grey(n, channels, generator=generator), ellipses, greys, count, grain


def _change_anatomy(kinds: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
    """Twice: parts moved, dropped or added, or another grey or grain."""
    return _change_once(_change_once(kinds, generator), generator)


def _change_once(kinds: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
    background, ellipses, greys, count, grain = kinds
    n, row = len(background), torch.arange(len(background))
    what = torch.rand(n, 1, 1, generator=generator)
    some = (torch.rand(n, _ELLIPSES, 1, generator=generator) < 0.5) & (what < 0.5)
    shift = torch.randn(ellipses.shape, generator=generator)
    moved = ellipses + shift * torch.tensor([0.15, 0.15, 0.0, 0.0, 0.35])
    moved[..., 2:4] = ellipses[..., 2:4] * torch.exp(0.25 * shift[..., 2:4])
    ellipses = torch.where(some, moved, ellipses)
    greys = greys + some * 0.1 * torch.randn(greys.shape, generator=generator)
    what = what[:, 0, 0]
    fewer, more = (what >= 0.5) & (what < 0.62), (what >= 0.62) & (what < 0.8)
    count = (count - fewer.long() + more.long()).clamp(1, _ELLIPSES)  # the last, and the smallest
    shade = 0.2 * torch.randn(background.shape, generator=generator)
    background = background + shade * ((what >= 0.8) & (what < 0.9))[:, None]
    other = (what >= 0.9)[:, None]
    which = (torch.rand(n, generator=generator) * count).long()
    greys = greys.clone()
    new = _grey(n, greys.shape[2], generator=generator)
    greys[row, which] = torch.where(other, new, greys[row, which])
    rougher = torch.stack([0.05 * torch.randn(n, generator=generator), torch.zeros(n)], 1)
    return background.clamp(0, 1), ellipses, greys, count, (grain + rougher * other).abs()


def _scan(kinds: tuple[Tensor, ...], shape: Shape, generator: torch.Generator) -> Tensor:
    """Anatomies as scans: every part a little off, smoothly warped, with contrast and grain."""
    background, ellipses, greys, count, grain = kinds
    n, (channels, size, _) = len(background), shape

    def normal(*rest: int) -> Tensor:
        return torch.randn(n, *rest, generator=generator)

    warp = F.interpolate(0.04 * normal(2, 5, 5), size=(size, size), mode="bicubic")
    place = (torch.arange(size) + 0.5) / size
    grid = torch.stack(torch.meshgrid(place, place, indexing="xy")) + warp  # [n, 2, S, S]
    scale = torch.exp(0.12 * normal(1, 1))
    centre = (ellipses[..., :2] - 0.5) * scale + 0.5 + 0.07 * normal(1, 2)
    centre = centre + 0.05 * normal(_ELLIPSES, 2)
    axes = ellipses[..., 2:4] * scale * torch.exp(0.15 * normal(_ELLIPSES, 2))
    axes = axes.clamp(min=1 / 56)
    angle = ellipses[..., 4] + 0.17 * normal(_ELLIPSES)
    greys = (greys + 0.05 * normal(_ELLIPSES, channels)).clamp(0, 1)
    shown = torch.rand(n, _ELLIPSES, generator=generator) >= 0.08
    shown = shown & (torch.arange(_ELLIPSES) < count[:, None])
    image = (background + 0.03 * normal(channels)).clamp(0, 1)[..., None, None]
    image = image.expand(-1, -1, size, size)
    for k in range(_ELLIPSES):
        x, y = (grid - centre[:, k, :, None, None]).unbind(1)
        cos, sin = angle[:, k, None, None].cos(), angle[:, k, None, None].sin()
        a, b = axes[:, k, :1, None], axes[:, k, 1:, None]
        radius = (((cos * x + sin * y) / a) ** 2 + ((cos * y - sin * x) / b) ** 2).sqrt()
        inside = (1 - radius) * torch.sqrt(a * b) * size + 0.5  # an edge of about one pixel
        inside = inside.clamp(0, 1) * shown[:, k, None, None]
        image = image + inside[:, None] * (greys[:, k, :, None, None] - image)
    noise = normal(1, size, size)
    blurred = 2 * F.avg_pool2d(F.pad(noise, (1, 1, 1, 1), mode="replicate"), 3, 1)
    noise = torch.where(grain[:, 1, None, None, None] > 0.5, blurred, noise)
    amount = grain[:, :1] * _uniform(n, 1, low=0.5, high=1.5, generator=generator)
    contrast = _uniform(n, 1, low=0.85, high=1.15, generator=generator)[..., None, None]
    image = (image + amount[..., None, None] * noise - 0.5) * contrast + 0.5
    return (image + 0.04 * normal(1, 1, 1)).clamp(0, 1)


SIMULATORS = {
    "strokes": Simulator(_characters, _change_character, _write, channels=(1,)),
    "phantoms": Simulator(_anatomies, _change_anatomy, _scan, channels=(1, 3)),
}
