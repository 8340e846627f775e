"""The private step: per-record clipping and Gaussian noise.

DP-SGD (Abadi et al. 2016, Algorithm 1) replaces the gradient of a step by

    ( sum_i g_i * min(1, C / |g_i|)  +  sigma * C * N(0, I) ) / normaliser,

with g_i the gradient of record i's loss, C = `max_grad_norm` and sigma = `noise_multiplier`. The
clipped sum is computed by book-keeping (Bu et al. 2022, arXiv 2210.00038): one backward pass yields
the gradients at the layers' outputs; with the layers' inputs they give every record's gradient
norm, and once the clipping factors are known, the weighted sum. The backward pass computes no
gradients of parameters, so a step costs little more than one without privacy.

This module knows layers and losses, not which generator is trained; what a step costs is told by
`accounting`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .accounting import check_noise_multiplier


class Gradient(NamedTuple):
    """A step's gradient, one tensor per parameter of the noised module, and what it was made of."""

    values: list[Tensor]  # in the order of module.parameters(), divided by the normaliser
    losses: Tensor  # [n], per record
    norms: Tensor  # [n], per-record gradient norms before clipping; empty in the arm `sgd`
    signal: float  # norm of the sum before noise


def private_gradient(
    module: nn.Module,
    losses: Callable[[], Tensor],
    *,
    max_grad_norm: float | None,
    noise_multiplier: float,
    normaliser: float,
    generator: torch.Generator,
    draws: int = 1,
) -> Gradient:
    """The gradient of one step over the records in the batch, clipped and noised.

    - `module`: the network the gradient is for; its trainable parameters are all noised.
    - `losses`: runs the forward pass and returns [n * draws], record by record; with `draws` > 1
      a record's loss is the mean of its draws, taken *before* clipping (noise multiplicity,
      Dockhorn et al. 2023, arXiv 2210.09929), which costs no privacy. An empty batch is allowed.
    - `max_grad_norm`: C; `None` leaves gradients unclipped (the arm `sgd`).
    - `noise_multiplier`: sigma >= 0; the noise on the sum has standard deviation sigma * C.
    - `normaliser`: a public constant, never the size of the private batch (defect D6).

    Raises `ValueError` for noise without clipping, which would have no finite sensitivity, for
    values out of range, and for a gradient that is not finite.
    """
    check_noise_multiplier(noise_multiplier)
    if max_grad_norm is None and noise_multiplier > 0:
        raise ValueError("noise needs clipping: give max_grad_norm > 0 or noise_multiplier 0")
    if not 0 < normaliser < math.inf:
        raise ValueError(f"normaliser is {normaliser}; it must be finite and > 0")
    if max_grad_norm is None:
        total, means = _plain_sum(module, losses, draws)
        norms = means.new_empty(0)
    else:
        total, means, norms = clipped_sum(module, losses, max_grad_norm, draws=draws)
    vector = torch.cat([t.flatten() for t in total])
    signal = math.sqrt(vector.square().sum().item())
    if not math.isfinite(signal):
        raise ValueError("the summed gradient is not finite; lower the learning rate")
    if noise_multiplier > 0:
        noise = torch.randn(len(vector), generator=generator)
        vector.add_(noise.to(vector.device), alpha=noise_multiplier * max_grad_norm)
    parts = vector.div_(normaliser).split([t.numel() for t in total])
    shaped = [part.view_as(t) for part, t in zip(parts, total, strict=True)]
    return Gradient(shaped, means, norms, signal)


def _plain_sum(
    module: nn.Module, losses: Callable[[], Tensor], draws: int
) -> tuple[list[Tensor], Tensor]:
    parameters = [p for p in module.parameters() if p.requires_grad]
    means = _mean_of_draws(losses(), draws)
    if len(means) == 0:
        return [torch.zeros_like(p) for p in parameters], means.detach()
    total = torch.autograd.grad(means.sum(), parameters, materialize_grads=True)
    return list(total), means.detach()


def _mean_of_draws(values: Tensor, draws: int) -> Tensor:
    if values.dim() != 1 or draws < 1 or len(values) % draws:
        raise ValueError(
            f"losses of shape {tuple(values.shape)} for {draws} draws; [records * draws] is needed"
        )
    return values.unflatten(0, (len(values) // draws, draws)).mean(1)


# Clipping ---------------------------------------------------------------------------------------


def clipped_sum(
    module: nn.Module, losses: Callable[[], Tensor], max_grad_norm: float, *, draws: int = 1
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Sum over records of the gradient scaled to norm at most C; per-record losses and norms.

    Exact for modules built of `Linear`, `Conv2d`, `ConvTranspose2d` and `GroupNorm`, each called
    once per pass, in which records do not mix (no BatchNorm). Returns the sum in the order of the
    module's parameters, the losses [n] and the norms [n].

    Raises `ValueError` for other layers, for a layer called twice or never, for activations changed
    in place, for frozen parameters, and naming the records whose gradient is not finite.
    """
    if not 0 < max_grad_norm < math.inf:
        raise ValueError(f"max_grad_norm (C) is {max_grad_norm}; it must be finite and > 0")
    layers = _trainable_layers(module)
    calls, values = _watch(layers, losses)
    means = _mean_of_draws(values, draws)
    if len(means) == 0:
        return [torch.zeros_like(p) for p in module.parameters()], means.detach(), means.detach()
    inputs, outputs = _untouched(layers, calls)
    out_grads = torch.autograd.grad(means.sum(), outputs, materialize_grads=True)
    with torch.no_grad():
        gradients = [
            gradient
            for layer, a, g in zip(layers, inputs, out_grads, strict=True)
            for gradient in _RULES[type(layer)](layer, a, g, draws)
        ]
        norms = torch.stack([g.squared_norms for g in gradients]).sum(0).sqrt()
        _check_finite(norms, means)
        factors = max_grad_norm / norms.clamp_min(max_grad_norm)
        total = [g.weighted_sum(factors) for g in gradients]
    return total, means.detach(), norms


def _trainable_layers(module: nn.Module) -> list[nn.Module]:
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            raise ValueError(f"{layer} mixes records, which have no gradients of their own then")
    layers = [m for m in module.modules() if any(True for _ in m.parameters(recurse=False))]
    for layer in layers:
        if type(layer) not in _RULES:
            allowed = ", ".join(kind.__name__ for kind in _RULES)
            raise ValueError(f"no per-record gradient rule for {layer}; allowed layers: {allowed}")
        if not all(p.requires_grad for p in layer.parameters()):
            raise ValueError(f"{layer} has frozen parameters; freeze or train whole networks")
    if len({id(p) for p in module.parameters()}) != sum(len(list(m.parameters())) for m in layers):
        raise ValueError("layers share a parameter; per-record gradients need one layer for each")
    return layers


class _Call(NamedTuple):
    """What a layer was given and gave, and how often these had been written to by then."""

    input: Tensor
    output: Tensor
    versions: tuple[int, int]


def _watch(
    layers: list[nn.Module], losses: Callable[[], Tensor]
) -> tuple[dict[nn.Module, _Call], Tensor]:
    """Run the forward pass; each layer's call, and the losses."""
    calls: dict[nn.Module, _Call] = {}

    def remember(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if layer in calls:
            raise ValueError(f"{layer} is called twice in one loss; per-record sums need one call")
        (a,) = inputs
        calls[layer] = _Call(a.detach(), output, (a._version, output._version))

    handles = [layer.register_forward_hook(remember) for layer in layers]
    try:
        return calls, losses()
    finally:
        for handle in handles:
            handle.remove()


def _untouched(
    layers: list[nn.Module], calls: dict[nn.Module, _Call]
) -> tuple[list[Tensor], list[Tensor]]:
    """The layers' inputs and outputs, which must still hold what they held at the call."""
    for layer in layers:
        if layer not in calls:
            raise ValueError(f"{layer} is not called by the losses; leave it out of the module")
        a, output, versions = calls[layer]
        if (a._version, output._version) != versions:
            raise ValueError(
                f"the input or output of {layer} is changed in place; use inplace=False"
            )
    return [calls[m].input for m in layers], [calls[m].output for m in layers]


def _check_finite(norms: Tensor, losses: Tensor) -> None:
    bad = (~norms.isfinite()).nonzero()[:, 0].tolist()
    if bad:
        raise ValueError(
            f"the gradient of the records at positions {bad[:10]} of the batch is not finite (loss "
            f"{losses[bad[0]].item()}); check their images, or lower the learning rate"
        )


# Per-record gradients ---------------------------------------------------------------------------


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
    """The same without ever forming a record's matrix (ghost norms, Li et al. 2022, 2110.05679).

    Its squared norm is the inner product of the two Gram matrices over positions, in which large
    terms may cancel: hence the double precision.
    """

    def squared_norms(x: Tensor, y: Tensor) -> Tensor:
        x, y = x.mT.double(), y.double()
        return ((x @ x.mT) * (y @ y.mT)).sum((1, 2)).clamp_min(0).to(left.dtype)

    def weighted_sum(factors: Tensor) -> Tensor:
        scaled = left * factors[:, None, None]
        return scaled.transpose(0, 1).flatten(1) @ right.flatten(0, 1)

    pieces = zip(left.split(part), right.split(part), strict=True)
    return RecordGradients(torch.cat([squared_norms(x, y) for x, y in pieces]), weighted_sum)


# Measured: the Gram matrices pay where a record's matrix is this many times larger than they are.
_GHOST = 32
_CACHE = 2**18  # numbers of the right factor made at a time: 1 MB


def _positions(x: Tensor, draws: int) -> Tensor:
    """[n * draws, channels, ...] -> [n, channels, draws * positions]."""
    x = x.flatten(2)
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
    g, size = g.unsqueeze(2), layer.weight.numel()
    weight = _product(_positions(g, draws), a, lambda x: x.unflatten(0, (-1, draws)), size=size)
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


_RULES = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _conv_transpose,
    nn.GroupNorm: _group_norm,
}
