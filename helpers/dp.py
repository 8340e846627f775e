"""The private step: per-record clipping, Gaussian noise, and the (epsilon, delta) it costs.

DP-SGD (Abadi et al. 2016, Algorithm 1) replaces the gradient of a step by

    ( sum_i g_i * min(1, C / |g_i|)  +  sigma * C * N(0, I) ) / normaliser,

with g_i the gradient of record i's loss, C = `max_grad_norm` and sigma = `noise_multiplier`. The
clipped sum is computed by book-keeping (Bu et al. 2022, arXiv 2210.00038): one backward pass yields
the gradients at the layers' outputs, from which each layer's rule derives its per-record gradient
norms and, once the clipping factors are known, their weighted sum. No per-record copy of the
network's gradients is made by the automatic differentiation itself.

This module knows layers and losses, not which generator is trained.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dp_accounting.pld import PLDAccountant
from scipy.optimize import brentq
from scipy.special import log_ndtr, logsumexp
from torch import Tensor, nn

# Per-record gradients of one layer: squared norms [n], and the sum weighted by factors [n].
WeightedSum = Callable[[Tensor], list[Tensor]]


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
      Dockhorn et al. 2023, arXiv 2210.09929), which costs no privacy.
    - `max_grad_norm`: C; `None` leaves gradients unclipped (the arm `sgd`).
    - `noise_multiplier`: sigma >= 0; the noise on the sum has standard deviation sigma * C.
    - `normaliser`: a public constant, never the size of the private batch (defect D6).

    Raises `ValueError` for noise without clipping, which would have no finite sensitivity.
    """
    check_noise_multiplier(noise_multiplier)
    if max_grad_norm is None and noise_multiplier > 0:
        raise ValueError("noise needs clipping: give max_grad_norm > 0 or noise_multiplier 0")
    parameters = [p for p in module.parameters() if p.requires_grad]
    if max_grad_norm is None:
        values = losses()
        total = torch.autograd.grad(values.sum() / draws, parameters)
        values, norms = values.detach().view(-1, draws).mean(1), values.new_empty(0)
    else:
        total, values, norms = clipped_sum(module, losses, max_grad_norm, draws=draws)
    signal = torch.linalg.vector_norm(torch.cat([t.flatten() for t in total])).item()
    if noise_multiplier > 0:
        total = _add_noise(total, noise_multiplier * max_grad_norm, generator)
    return Gradient([t / normaliser for t in total], values, norms, signal)


def _add_noise(tensors: list[Tensor], std: float, generator: torch.Generator) -> list[Tensor]:
    sizes = [t.numel() for t in tensors]
    noise = torch.randn(sum(sizes), generator=generator).to(tensors[0].device) * std
    return [t + z.view_as(t) for t, z in zip(tensors, noise.split(sizes), strict=True)]


# Clipping ---------------------------------------------------------------------------------------


def clipped_sum(
    module: nn.Module, losses: Callable[[], Tensor], max_grad_norm: float, *, draws: int = 1
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Sum over records of the gradient scaled to norm at most C; per-record losses and norms.

    Exact for modules built of `Linear`, `Conv2d`, `ConvTranspose2d` and `GroupNorm`, each called
    once per pass, in which records do not mix (no BatchNorm). Returns the sum in the order of the
    trainable parameters, the losses [n] and the norms [n]. Raises `ValueError` otherwise.
    """
    layers = _trainable_layers(module)
    calls: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def remember(layer, inputs, output):
        if layer in calls:
            raise ValueError(f"{layer} is called twice in one loss; per-record sums need one call")
        calls[layer] = (inputs[0].detach(), output)

    handles = [layer.register_forward_hook(remember) for layer in layers]
    try:
        values = losses()
    finally:
        for handle in handles:
            handle.remove()
    outputs = [calls[layer][1] for layer in layers]
    out_grads = torch.autograd.grad(values.sum() / draws, outputs)

    with torch.no_grad():
        rules = [
            _RULES[type(layer)](layer, calls[layer][0], g, draws)
            for layer, g in zip(layers, out_grads, strict=True)
        ]
        norms = torch.stack([squared for squared, _ in rules]).sum(0).sqrt()
        factors = (max_grad_norm / norms.clamp_min(1e-12)).clamp_max(1.0)
        total = [t for _, weighted in rules for t in weighted(factors)]
    return total, values.detach().view(-1, draws).mean(1), norms


def _trainable_layers(module: nn.Module) -> list[nn.Module]:
    layers = [m for m in module.modules() if any(True for _ in m.parameters(recurse=False))]
    for layer in layers:
        if type(layer) not in _RULES:
            allowed = ", ".join(kind.__name__ for kind in _RULES)
            raise ValueError(f"no per-record gradient rule for {layer}; allowed layers: {allowed}")
        if not all(p.requires_grad for p in layer.parameters()):
            raise ValueError(f"{layer} is partly frozen; freeze or train whole networks")
    return layers


def _per_record(x: Tensor, draws: int) -> Tensor:
    """[n * draws, channels, positions] -> [n, channels, draws * positions]."""
    if draws == 1:
        return x
    n = x.shape[0] // draws
    return x.view(n, draws, *x.shape[1:]).transpose(1, 2).flatten(2)


def _materialised(layer: nn.Module, per_record: list[Tensor]) -> tuple[Tensor, WeightedSum]:
    """Norms and weighted sum from explicit per-record gradients, each [n, ...]."""
    flat = [g.flatten(1) for g in per_record]
    squared = torch.stack([(g * g).sum(1) for g in flat]).sum(0)
    shapes = [p.shape for p in layer.parameters()]

    def weighted(factors: Tensor) -> list[Tensor]:
        return [(factors @ g).view(s) for g, s in zip(flat, shapes, strict=True)]

    return squared, weighted


def _linear(layer: nn.Linear, a: Tensor, g: Tensor, draws: int) -> tuple[Tensor, WeightedSum]:
    if a.dim() != 2:
        raise ValueError(f"{layer} needs inputs [records, features], got {tuple(a.shape)}")
    if draws > 1:
        a, g = a.view(-1, draws, a.shape[1]), g.view(-1, draws, g.shape[1])
        biases = [] if layer.bias is None else [g.sum(1)]
        return _materialised(layer, [torch.bmm(g.transpose(1, 2), a), *biases])
    # A per-record gradient is the outer product of g and a: its norm is a product of norms.
    has_bias = layer.bias is not None
    squared = (g * g).sum(1) * ((a * a).sum(1) + float(has_bias))

    def weighted(factors: Tensor) -> list[Tensor]:
        scaled = g * factors[:, None]
        return [scaled.T @ a, scaled.sum(0)] if has_bias else [scaled.T @ a]

    return squared, weighted


def _conv(layer: nn.Conv2d, a: Tensor, g: Tensor, draws: int) -> tuple[Tensor, WeightedSum]:
    _check_convolution(layer)
    columns = F.unfold(a, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    columns, g = _per_record(columns, draws), _per_record(g.flatten(2), draws)
    biases = [] if layer.bias is None else [g.sum(2)]
    return _materialised(layer, [torch.bmm(g, columns.transpose(1, 2)), *biases])


def _conv_transpose(
    layer: nn.ConvTranspose2d, a: Tensor, g: Tensor, draws: int
) -> tuple[Tensor, WeightedSum]:
    """The adjoint of a convolution: the roles of input and output gradient are exchanged."""
    _check_convolution(layer)
    columns = F.unfold(g, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    columns, a = _per_record(columns, draws), _per_record(a.flatten(2), draws)
    biases = [] if layer.bias is None else [_per_record(g.flatten(2), draws).sum(2)]
    return _materialised(layer, [torch.bmm(a, columns.transpose(1, 2)), *biases])


def _check_convolution(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    if layer.groups != 1 or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise ValueError(f"{layer}: only ungrouped, numerically zero-padded convolutions")


def _group_norm(
    layer: nn.GroupNorm, a: Tensor, g: Tensor, draws: int
) -> tuple[Tensor, WeightedSum]:
    normalised = F.group_norm(a, layer.num_groups, eps=layer.eps)
    scale = _per_record((g * normalised).flatten(2), draws).sum(2)
    return _materialised(layer, [scale, _per_record(g.flatten(2), draws).sum(2)])


_RULES = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _conv_transpose,
    nn.GroupNorm: _group_norm,
}


# Accounting -------------------------------------------------------------------------------------


def epsilon(
    noise_multiplier: float, *, steps: int, sample_rate: float = 1.0, delta: float
) -> float:
    """The accountant's epsilon of `steps` private steps, for one record added or removed.

    Full batch (`sample_rate` 1): exact, by the Gaussian-DP composition mu = sqrt(steps) / sigma
    (Dong, Roth and Su 2022, Corollary 2.13). Poisson sampling: by composing privacy loss
    distributions. Infinite for sigma 0. Raises `ValueError` for values out of range.
    """
    check_noise_multiplier(noise_multiplier)
    _check_accounting(steps, sample_rate, delta)
    if noise_multiplier == 0:
        return math.inf
    if sample_rate == 1:
        return _gdp_epsilon(math.sqrt(steps) / noise_multiplier, delta)
    step = PoissonSampledDpEvent(sample_rate, GaussianDpEvent(noise_multiplier))
    # A coarser grid for large epsilon keeps the distribution's support in memory; rounding is
    # pessimistic, so the result stays an upper bound.
    grid = max(1e-4, 1e-6 * steps * sample_rate / noise_multiplier**2)
    accountant = PLDAccountant(value_discretization_interval=grid)
    accountant.compose(SelfComposedDpEvent(step, steps))
    return float(accountant.get_epsilon(delta))


def _gdp_epsilon(mu: float, delta: float) -> float:
    """The epsilon at which a mu-GDP mechanism has the given delta."""

    def excess(eps: float) -> float:
        return _gdp_log_delta(mu, eps) - math.log(delta)

    if excess(0.0) <= 0:
        return 0.0
    upper = mu * mu / 2 + mu * 40 + 1.0
    return float(brentq(excess, 0.0, upper, xtol=1e-10, rtol=1e-12))


def _gdp_log_delta(mu: float, eps: float) -> float:
    """ln delta(eps) = ln(Phi(-eps/mu + mu/2) - e^eps Phi(-eps/mu - mu/2)), in logarithms."""
    gain, loss = log_ndtr(-eps / mu + mu / 2), eps + log_ndtr(-eps / mu - mu / 2)
    if loss >= gain:  # the difference is below the precision of the logarithms
        return -math.inf
    return float(logsumexp([gain, loss], b=[1.0, -1.0]))


def noise_multiplier_for(
    target_epsilon: float, *, steps: int, sample_rate: float = 1.0, delta: float
) -> float:
    """The smallest noise multiplier whose `epsilon(...)` is at most the target (within 0.1 %).

    Raises `ValueError` for a target that is not positive or beyond what 1e4 of noise can give.
    """
    if not target_epsilon > 0:
        raise ValueError(f"target epsilon is {target_epsilon}; it must be > 0")

    def excess(log_sigma: float) -> float:
        sigma = math.exp(log_sigma)
        return epsilon(sigma, steps=steps, sample_rate=sample_rate, delta=delta) - target_epsilon

    low, high = math.log(0.05), math.log(1e4)
    if excess(high) > 0:
        raise ValueError(f"epsilon {target_epsilon} needs a noise multiplier above 10,000")
    if excess(low) <= 0:
        raise ValueError(f"epsilon {target_epsilon} needs a noise multiplier below 0.05")
    return math.exp(brentq(excess, low, high, xtol=1e-4))


def noise_to_signal(noise_multiplier: float, *, parameters: int, expected_batch: float) -> float:
    """Expected norm of the noise over the largest possible norm of the clipped sum (defect D7)."""
    return noise_multiplier * math.sqrt(parameters) / expected_batch


def check_noise_multiplier(noise_multiplier: float) -> None:
    """Raise `ValueError` unless the noise multiplier is a finite number >= 0."""
    if not (isinstance(noise_multiplier, int | float) and 0 <= noise_multiplier < math.inf):
        raise ValueError(
            f"noise multiplier (sigma) is {noise_multiplier!r}; it must be finite and >= 0"
        )


def _check_accounting(steps: int, sample_rate: float, delta: float) -> None:
    if steps < 1:
        raise ValueError(f"steps is {steps}; it must be at least 1")
    if not 0 < sample_rate <= 1:
        raise ValueError(f"sample_rate is {sample_rate}; it must lie in (0, 1]")
    if not 0 < delta < 1:
        raise ValueError(f"delta is {delta}; it must lie in (0, 1)")
