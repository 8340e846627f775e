"""The private step: per-record clipping and Gaussian noise.

DP-SGD (Abadi et al. 2016, Algorithm 1) replaces the gradient of a step by

    ( sum_i g_i * min(1, C / |g_i|)  +  sigma * C * N(0, I) ) / normaliser,

with g_i the gradient of record i's loss, C = `max_grad_norm` and sigma = `noise_multiplier`. The
clipped sum is computed by book-keeping (Bu et al. 2022, arXiv 2210.00038): one backward pass yields
the gradients at the layers' outputs; with the layers' inputs they give every record's gradient
norm, and once the clipping factors are known, the weighted sum. The backward pass computes no
gradients of parameters, so a step costs little more than one without privacy.

This module knows modules and losses, not which generator is trained; the rules of single layers are
in `layers`, and what a step costs is told by `accounting`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .accounting import check_noise_multiplier
from .layers import RULES

SMALLEST, LARGEST = 1e-15, 1e15  # of the clipping norm C


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
    values out of range, and for a gradient that is not finite; no message tells of which record.
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
    in place, for frozen parameters, for a gradient that is not finite, and for a C outside 1e-15 to
    1e15: squares of smaller norms vanish in single precision, those of larger ones overflow. What
    the losses do outside the layers is not seen here, but by `check_losses`.
    """
    if not SMALLEST <= max_grad_norm <= LARGEST:
        raise ValueError(
            f"max_grad_norm (C) is {max_grad_norm}; it must lie in {SMALLEST:g} to {LARGEST:g}, "
            "where single precision can hold squared norms: scale the loss instead"
        )
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
            for gradient in RULES[type(layer)](layer, a, g, draws)
        ]
        norms = torch.stack([g.squared_norms for g in gradients]).sum(0).sqrt()
        _check_finite(norms)
        factors = max_grad_norm / norms.clamp_min(max_grad_norm)
        total = [g.weighted_sum(factors) for g in gradients]
    return total, means.detach(), norms


def _trainable_layers(module: nn.Module) -> list[nn.Module]:
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            raise ValueError(f"{layer} mixes records, which have no gradients of their own then")
    layers = [m for m in module.modules() if any(True for _ in m.parameters(recurse=False))]
    for layer in layers:
        if type(layer) not in RULES:
            allowed = ", ".join(kind.__name__ for kind in RULES)
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


def _check_finite(norms: Tensor) -> None:
    """Which record it is, or how many there are, is private: the message does not tell."""
    if not norms.isfinite().all():
        raise ValueError(
            "a record's gradient is not finite, or too large for its square to be; check that all "
            "images hold finite numbers in [0, 1], or lower the learning rate"
        )


def check_losses(
    module: nn.Module, losses: Callable[[slice], Tensor], *, records: int, draws: int = 1
) -> None:
    """Check that clipping bounds what a record does: once before a training, on made-up records.

    `losses(part)` are the losses of a slice of `records` records with draws of their own, as in
    `private_gradient`. Raises `ValueError` if a record's loss depends on which others are there, or
    if the gradients of the layers are not those of the losses, as when a loss uses a weight
    directly. What made-up records do not show, such as a dependence on rare values, is not found.
    """
    whole = losses(slice(None)).detach()
    tolerance = {"rtol": 1e-4, "atol": 1e-4 * whole.abs().max().item()}
    for record in range(records):
        rows = slice(record * draws, (record + 1) * draws)
        alone = losses(slice(record, record + 1)).detach()
        if not torch.allclose(alone, whole[rows], **tolerance):
            raise ValueError(
                "a record's loss changes with the other records of the batch, so that clipping "
                "does not bound what one of them does; compute each loss from its own record alone"
            )
    sums = (
        clipped_sum(module, lambda: losses(slice(None)), LARGEST, draws=draws)[0],
        _plain_sum(module, lambda: losses(slice(None)), draws)[0],
    )
    clipped, plain = (torch.cat([t.flatten() for t in parts]) for parts in sums)
    if (clipped - plain).norm() > 1e-3 * plain.norm():
        raise ValueError(
            "the losses' gradient is not that of the module's layers: a parameter is used outside "
            "its layer, where it cannot be clipped; use weights by calling their layers alone"
        )
