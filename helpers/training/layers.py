"""Per-record gradients, a rule per layer type: from a layer's input and its output's gradient.

What clipping needs of them is every record's squared norm and, once its factor is known, their
weighted sum. Small parameters form the gradients themselves; for large ones both come from the two
factors of the gradient (ghost norms, Li et al. 2022, arXiv 2110.05679). Either way norm and sum are
of the same numbers, up to rounding that is small against the norm: that is what bounds a record's
share in the sum.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RecordGradients(NamedTuple):
    """The gradients of one parameter, one per record, as far as clipping needs them."""

    squared_norms: Tensor  # [n]
    weighted_sum: Callable[[Tensor], Tensor]  # factors [n] -> sum, in the parameter's shape


def _explicit(gradients: Tensor) -> RecordGradients:
    """From the gradients themselves, [n, ...]."""
    flat = gradients.flatten(1)
    # Row by row: over long vectors `vector_norm` loses digits.
    rows = torch.linalg.vector_norm(gradients, dim=-1).square()
    return RecordGradients(
        rows.reshape(len(rows), -1).sum(1),
        lambda factors: (factors @ flat).view(gradients.shape[1:]),
    )


def _product(
    left: Tensor, x: Tensor, columns: Callable[[Tensor], Tensor], *, size: int
) -> RecordGradients:
    """Of matrices of `size` numbers, products over T positions: `left` [n, P, T] times [n, T, D].

    The right factor is `columns(x)`, of as many records as `x` holds. It is made for a few records
    at a time, which keeps it in the processor's cache.
    """
    n, rows, positions = left.shape
    part = max(1, _CACHE * rows // (positions * size))
    if size > _GHOST * positions**2:
        return _ghost(left, columns(x), part)
    gradients = left.new_empty(n, rows, size // rows)
    pieces = left.split(part), x.split(part * (len(x) // n)), gradients.split(part)
    for few, few_x, out in zip(*pieces, strict=True):
        torch.bmm(few, columns(few_x), out=out)
    return _explicit(gradients)


def _ghost(left: Tensor, right: Tensor, part: int) -> RecordGradients:
    """The same without forming the records' matrices.

    A squared norm is the inner product of the two Gram matrices over positions, in double precision
    because large terms may cancel. Of a record whose terms nearly cancel, what is left in the sum
    would be rounding, of any norm: its matrix is formed after all, once for the norm and once more
    for the sum.
    """

    def squared_norms(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        x, y = x.mT.double(), y.double()
        over_x, over_y = x @ x.mT, y @ y.mT
        squared = (over_x * over_y).sum((1, 2)).clamp_min(0)
        terms = (over_x.diagonal(0, 1, 2) * over_y.diagonal(0, 1, 2)).sqrt().sum(1)
        return squared.to(left.dtype), squared < (terms / _CANCELLATION).square()

    def matrix(record: int) -> Tensor:
        return (left[record].double() @ right[record].double()).to(left.dtype)

    def weighted_sum(factors: Tensor) -> Tensor:
        kept = factors.clone().index_fill_(0, formed, 0)
        scaled = left * kept[:, None, None]
        total = scaled.transpose(0, 1).flatten(1) @ right.flatten(0, 1)
        for record in formed.tolist():
            total.add_(matrix(record) * factors[record])
        return total

    pieces = zip(left.split(part), right.split(part), strict=True)
    squared, cancels = map(
        torch.cat, zip(*(squared_norms(*piece) for piece in pieces), strict=True)
    )
    formed = cancels.nonzero()[:, 0]
    for record in formed.tolist():
        squared[record] = matrix(record).double().square().sum()
    return RecordGradients(squared, weighted_sum)


# How many times larger than a record's gradient its terms together may be before it is formed. The
# sum in single precision is then right to about 100 * 2^-24 of the norm.
_CANCELLATION = 100
# Measured: the Gram matrices pay where a record's matrix is this many times larger than they are.
_GHOST = 32
_CACHE = 2**18  # numbers of the right factor made at a time: 1 MB


def _positions(x: Tensor, draws: int) -> Tensor:
    """[n * draws, channels, ...] -> [n, channels, draws * positions]; one where there are none."""
    x = x.flatten(2) if x.dim() > 2 else x.unsqueeze(2)
    if draws == 1:
        return x
    return x.unflatten(0, (len(x) // draws, draws)).transpose(1, 2).flatten(2)


def _windows(layer: nn.Module, padding: tuple[int, int], draws: int) -> Callable[[Tensor], Tensor]:
    """What the kernel sees: [n * draws, channels, H, W] -> [n, draws * T, h * w * channels].

    The channels come last, so that long runs are copied: five times as fast as `F.unfold`.
    """
    (h, w), (down, across), (top, side) = layer.kernel_size, layer.stride, padding

    def columns(x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        padded = x.new_zeros(n, height + 2 * top, width + 2 * side, channels)
        padded[:, top : top + height, side : side + width] = x.permute(0, 2, 3, 1)
        windows = padded.unfold(1, h, down).unfold(2, w, across)  # -> [., T_y, T_x, channels, h, w]
        if channels == 1:  # long runs are those of positions
            windows = windows.unflatten(0, (n // draws, draws)).permute(0, 5, 6, 4, 1, 2, 3)
            return windows.reshape(n // draws, h * w, -1).mT
        return windows.permute(0, 1, 2, 4, 5, 3).reshape(n // draws, -1, h * w * channels)

    return columns


def _bias(layer: nn.Module, g: Tensor, draws: int) -> list[RecordGradients]:
    return [] if layer.bias is None else [_explicit(_positions(g, draws).sum(2))]


def _linear(layer: nn.Linear, a: Tensor, g: Tensor, draws: int) -> list[RecordGradients]:
    if a.dim() != 2:
        raise ValueError(f"{layer} needs inputs [records, features], got {tuple(a.shape)}")
    columns, size = lambda x: x.unflatten(0, (-1, draws)), layer.weight.numel()
    weight = _product(_positions(g, draws), a, columns, size=size)
    return [weight, *_bias(layer, g, draws)]


def _conv(layer: nn.Conv2d, a: Tensor, g: Tensor, draws: int) -> list[RecordGradients]:
    _check_convolution(layer)
    (h, w), (top, side) = layer.kernel_size, layer.padding
    # Where the output has fewer channels, its windows are smaller: correlate the other way round.
    flipped = layer.stride == (1, 1) and 2 * g.shape[1] <= a.shape[1] and top < h and side < w
    padding = (h - 1 - top, w - 1 - side) if flipped else layer.padding
    left, right = (a, g) if flipped else (g, a)
    return [_kernel(layer, left, right, padding, draws, flipped), *_bias(layer, g, draws)]


def _conv_transpose(
    layer: nn.ConvTranspose2d, a: Tensor, g: Tensor, draws: int
) -> list[RecordGradients]:
    """The adjoint of a convolution: the roles of input and output gradient are exchanged."""
    _check_convolution(layer)
    return [_kernel(layer, a, g, layer.padding, draws), *_bias(layer, g, draws)]


def _kernel(
    layer: nn.Conv2d | nn.ConvTranspose2d,
    left: Tensor,
    right: Tensor,
    padding: tuple[int, int],
    draws: int,
    flipped: bool = False,
) -> RecordGradients:
    """Of the kernel: the values of `left`, channel by channel, times the windows of `right`."""
    windows, size = _windows(layer, padding, draws), layer.weight.numel()
    product = _product(_positions(left, draws), right, windows, size=size)

    def weighted_sum(factors: Tensor) -> Tensor:
        kernel = product.weighted_sum(factors).unflatten(1, (*layer.kernel_size, -1))
        return kernel.permute(3, 0, 1, 2).flip(2, 3) if flipped else kernel.permute(0, 3, 1, 2)

    return RecordGradients(product.squared_norms, weighted_sum)


def _check_convolution(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    plain = layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
    if not plain or isinstance(layer.padding, str):
        raise ValueError(
            f"{layer}: only ungrouped, undilated, numerically zero-padded convolutions"
        )


def _group_norm(layer: nn.GroupNorm, a: Tensor, g: Tensor, draws: int) -> list[RecordGradients]:
    normalised = F.group_norm(a, layer.num_groups, eps=layer.eps)
    scale = _explicit(_positions(g * normalised, draws).sum(2))
    return [scale, *_bias(layer, g, draws)]


RULES = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _conv_transpose,
    nn.GroupNorm: _group_norm,
}
