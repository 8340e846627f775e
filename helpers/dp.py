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
        total, values = _plain_sum(module, losses, draws)
        norms = values.new_empty(0)
    else:
        total, values, norms = clipped_sum(module, losses, max_grad_norm, draws=draws)
    signal = math.sqrt(sum(t.square().sum().item() for t in total))
    if not math.isfinite(signal):
        raise ValueError("the summed gradient is not finite; lower the learning rate")
    if noise_multiplier > 0:
        _add_noise(total, noise_multiplier * max_grad_norm, generator)
    return Gradient([t / normaliser for t in total], values, norms, signal)


def _add_noise(tensors: list[Tensor], std: float, generator: torch.Generator) -> None:
    sizes = [t.numel() for t in tensors]
    noise = torch.randn(sum(sizes), generator=generator).mul_(std).to(tensors[0].device)
    for t, z in zip(tensors, noise.split(sizes), strict=True):
        t.add_(z.view_as(t))


def _plain_sum(
    module: nn.Module, losses: Callable[[], Tensor], draws: int
) -> tuple[list[Tensor], Tensor]:
    parameters = [p for p in module.parameters() if p.requires_grad]
    means = _mean_of_draws(losses(), draws)
    if len(means) == 0:
        return [torch.zeros_like(p) for p in parameters], means.detach()
    return list(
        torch.autograd.grad(means.sum(), parameters, materialize_grads=True)
    ), means.detach()


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
        total = [g.weighted_sum(factors).contiguous() for g in gradients]
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
    return RecordGradients(
        flat.square().sum(1),  # pairwise summation; `vector_norm` loses digits on long vectors
        lambda factors: (factors @ flat).view(gradients.shape[1:]),
    )


def _product(left: Tensor, right: Tensor) -> RecordGradients:
    """Of matrices that are products over T positions: `left` [n, P, T] times `right` [n, T, D].

    `right` may be a strided view with its dimensions not merged yet; it is copied and multiplied a
    few records at a time, which keeps the copies in the processor's cache.
    """
    n, rows, positions = left.shape
    columns = right[0].numel() // positions
    if rows * columns > _GHOST * positions**2:
        return _ghost(left, right.reshape(n, positions, columns))
    gradients = left.new_empty(n, rows, columns)
    part = max(1, _CACHE // (positions * columns))
    for x, y, out in zip(left.split(part), right.split(part), gradients.split(part), strict=True):
        torch.bmm(x, y.reshape(len(y), positions, columns), out=out)
    return _explicit(gradients)


def _ghost(left: Tensor, right: Tensor) -> RecordGradients:
    """The same without ever forming a record's matrix (ghost norms, Li et al. 2022, 2110.05679).

    Its squared norm is the inner product of the two Gram matrices over positions, in which large
    terms may cancel: hence the double precision.
    """
    grams = [x @ x.mT for x in (left.mT.double(), right.double())]

    def weighted_sum(factors: Tensor) -> Tensor:
        scaled = left * factors[:, None, None]
        return scaled.transpose(0, 1).flatten(1) @ right.flatten(0, 1)

    squared_norms = (grams[0] * grams[1]).sum((1, 2)).clamp_min(0)
    return RecordGradients(squared_norms.to(left.dtype), weighted_sum)


# Measured: the Gram matrices pay where a record's matrix is this many times larger than they are.
_GHOST = 16
_CACHE = 2**18  # numbers of `right` copied at a time: 1 MB


def _positions(x: Tensor, draws: int) -> Tensor:
    """[n * draws, channels, ...] -> [n, channels, draws * positions]."""
    x = x.flatten(2)
    if draws == 1:
        return x
    return x.unflatten(0, (len(x) // draws, draws)).transpose(1, 2).flatten(2)


def _windows(x: Tensor, layer: nn.Module, padding: tuple[int, int], draws: int) -> Tensor:
    """What the kernel sees: [n * draws, channels, H, W] -> [n, draws, T_y, T_x, h, w, channels].

    A view whose channels come last, so that its copies move long runs: five times as fast as
    `F.unfold`.
    """
    (h, w), (down, across), (top, side) = layer.kernel_size, layer.stride, padding
    n, channels, height, width = x.shape
    padded = x.new_zeros(n, height + 2 * top, width + 2 * side, channels)
    padded[:, top : top + height, side : side + width] = x.permute(0, 2, 3, 1)
    windows = padded.unfold(1, h, down).unfold(2, w, across).permute(0, 1, 2, 4, 5, 3)
    return windows.unflatten(0, (n // draws, draws))


def _bias(layer: nn.Module, g: Tensor, draws: int) -> list[RecordGradients]:
    return [] if layer.bias is None else [_explicit(_positions(g, draws).sum(2))]


def _linear(layer: nn.Linear, a: Tensor, g: Tensor, draws: int) -> list[RecordGradients]:
    if a.dim() != 2:
        raise ValueError(f"{layer} needs inputs [records, features], got {tuple(a.shape)}")
    g = g.unsqueeze(2)
    a = a.unflatten(0, (len(a) // draws, draws))
    return [_product(_positions(g, draws), a), *_bias(layer, g, draws)]


def _conv(layer: nn.Conv2d, a: Tensor, g: Tensor, draws: int) -> list[RecordGradients]:
    _check_convolution(layer)
    (h, w), (top, side) = layer.kernel_size, layer.padding
    if layer.stride == (1, 1) and 2 * g.shape[1] <= a.shape[1] and top < h and side < w:
        # The windows of the fewer channels are smaller: correlate the other way round and flip.
        weight = _product(
            _positions(a, draws), _windows(g, layer, (h - 1 - top, w - 1 - side), draws)
        )
        return [_as_kernel(weight, layer, flipped=True), *_bias(layer, g, draws)]
    weight = _product(_positions(g, draws), _windows(a, layer, layer.padding, draws))
    return [_as_kernel(weight, layer), *_bias(layer, g, draws)]


def _conv_transpose(
    layer: nn.ConvTranspose2d, a: Tensor, g: Tensor, draws: int
) -> list[RecordGradients]:
    """The adjoint of a convolution: the roles of input and output gradient are exchanged."""
    _check_convolution(layer)
    weight = _product(_positions(a, draws), _windows(g, layer, layer.padding, draws))
    return [_as_kernel(weight, layer), *_bias(layer, g, draws)]


def _as_kernel(
    gradients: RecordGradients, layer: nn.Conv2d | nn.ConvTranspose2d, *, flipped: bool = False
) -> RecordGradients:
    """Sums of shape [P, h * w * Q] as kernels [P, Q, h, w]; flipped, as [Q, P, h, w] reversed."""

    def weighted_sum(factors: Tensor) -> Tensor:
        kernel = gradients.weighted_sum(factors).unflatten(1, (*layer.kernel_size, -1))
        return kernel.permute(3, 0, 1, 2).flip(2, 3) if flipped else kernel.permute(0, 3, 1, 2)

    return RecordGradients(gradients.squared_norms, weighted_sum)


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
