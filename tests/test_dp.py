"""The private step: exact clipped sums, Gaussian noise of the right size, and clear errors."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from opacus import GradSampleModule
from torch import Tensor, nn

from helpers.models import networks
from helpers.randomness import generator as stream
from helpers.training import dp

MODELS = ("vae", "gan", "ddpm")


def flat(tensors) -> Tensor:
    return torch.cat([t.flatten() for t in tensors]).double()


def relative(a, b) -> float:
    """Distance over the length of `b`, both lists of tensors."""
    return ((flat(a) - flat(b)).norm() / flat(b).norm()).item()


class Batch:
    """A model, records and their random draws; `losses(i, j)` are those of records i to j - 1."""

    def __init__(self, name: str, scale: str, records: int, draws: int = 1):
        draw = stream(0, "test")
        self.model = networks.build(name, scale, classes=10, generator=draw)
        self.records, self.draws = records, draws
        images = torch.rand(records, 1, 28, 28, generator=draw)
        # Records of different contrast have gradients of different norms.
        images = images * torch.linspace(0.2, 1, records)[:, None, None, None]
        self.images = images.repeat_interleave(draws, 0)
        self.labels = (torch.arange(records) % 10).repeat_interleave(draws)
        self.randomness = self.model.randomness(records * draws, generator=draw)
        self.module = self.model.noised
        self.parameters = list(self.module.parameters())

    def losses(self, start: int = 0, stop: int | None = None):
        stop = self.records if stop is None else stop
        part = slice(start * self.draws, stop * self.draws)
        data = self.images[part], self.labels[part], self.randomness[part]
        return lambda: self.model.losses(*data)


def opacus_gradients(batch: Batch) -> list[Tensor]:
    """Per-record gradients [records, ...] of each parameter, by Opacus' hooks."""
    wrapped = GradSampleModule(batch.module, loss_reduction="sum")
    batch.losses()().sum().backward()
    samples = [p.grad_sample.unflatten(0, (-1, batch.draws)).mean(1) for p in batch.parameters]
    wrapped.to_standard_module()
    for p in batch.parameters:
        p.grad = p.grad_sample = None
    return samples


def clip_and_sum(per_record: list[Tensor], max_grad_norm: float) -> tuple[list[Tensor], Tensor]:
    """The definition: each record's gradient scaled to norm at most C, then summed; in float64."""
    per_record = [g.double() for g in per_record]
    norms = torch.cat([g.flatten(1) for g in per_record], 1).norm(dim=1)
    factors = (max_grad_norm / norms).clamp_max(1)
    return [torch.einsum("n,n...->...", factors, g) for g in per_record], norms


# Exactness --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("scale", ["compact", "paper"])
@pytest.mark.parametrize("name", MODELS)
def test_clipped_sum_equals_that_of_opacus(name, scale, draws):
    batch = Batch(name, scale, records=4, draws=draws)
    per_record = opacus_gradients(batch)
    bound = clip_and_sum(per_record, 1.0)[1].median().item() * 1.0001  # some clip, some do not
    expected, norms = clip_and_sum(per_record, bound)
    assert 0 < (norms > bound).sum() < batch.records
    total, losses, ours = dp.clipped_sum(batch.module, batch.losses(), bound, draws=draws)
    assert relative(total, expected) < 1e-5
    assert relative([ours], [norms]) < 1e-5
    # Each parameter on its own, unless its gradient vanishes (a bias before a normalisation).
    smallest = 1e-4 * flat(expected).norm()
    for t, e in zip(total, expected, strict=True):
        assert e.norm() < smallest or relative([t], [e]) < 1e-4
    means = batch.losses()().detach().unflatten(0, (-1, draws)).mean(1)
    torch.testing.assert_close(losses, means)


@pytest.mark.parametrize("name", MODELS)
def test_clipped_sum_equals_a_loop_over_single_records(name):
    batch = Batch(name, "compact", records=6, draws=2)
    singles = [
        torch.autograd.grad(batch.losses(i, i + 1)().mean(), batch.parameters)
        for i in range(batch.records)
    ]
    per_record = [torch.stack(column) for column in zip(*singles, strict=True)]
    bound = clip_and_sum(per_record, 1.0)[1].median().item() * 1.0001
    expected, norms = clip_and_sum(per_record, bound)
    total, _, ours = dp.clipped_sum(batch.module, batch.losses(), bound, draws=2)
    assert 0 < (norms > bound).sum() < batch.records
    assert relative(total, expected) < 1e-5
    assert relative([ours], [norms]) < 1e-5


# Each builds a layer and the shape of one record's input; wide layers take the ghost norms.
LAYERS = {
    "linear": lambda: (nn.Linear(5, 3), (5,)),
    "linear without bias": lambda: (nn.Linear(5, 3, bias=False), (5,)),
    "wide linear": lambda: (nn.Linear(40, 30), (40,)),
    "convolution": lambda: (nn.Conv2d(3, 4, 3, padding=1), (3, 6, 5)),
    "convolution, strided": lambda: (nn.Conv2d(3, 4, 4, stride=2, padding=1), (3, 7, 8)),
    "convolution, oblong": lambda: (nn.Conv2d(2, 3, (2, 3), (2, 1), (1, 0)), (2, 6, 7)),
    "convolution of one channel": lambda: (nn.Conv2d(1, 4, (3, 2), 2, 1), (1, 6, 7)),
    "convolution, 1x1": lambda: (nn.Conv2d(6, 5, 1, bias=False), (6, 4, 4)),
    "convolution to few channels": lambda: (nn.Conv2d(6, 2, 3, padding=1), (6, 5, 6)),
    "convolution to few channels, unpadded": lambda: (nn.Conv2d(6, 1, (3, 2)), (6, 5, 6)),
    "convolution, wide": lambda: (nn.Conv2d(20, 30, 3), (20, 4, 4)),
    "convolution, wide to few channels": lambda: (nn.Conv2d(60, 30, 2), (60, 3, 3)),
    "transposed convolution": lambda: (nn.ConvTranspose2d(3, 4, 4, 2, 1), (3, 4, 3)),
    "transposed convolution, padded output": lambda: (
        nn.ConvTranspose2d(3, 2, 3, 2, 1, output_padding=1),
        (3, 4, 3),
    ),
    "transposed convolution of a vector": lambda: (nn.ConvTranspose2d(6, 4, 7, 7), (6, 1, 1)),
    "group normalisation": lambda: (nn.GroupNorm(2, 6), (6, 3, 4)),
    "group normalisation of vectors": lambda: (nn.GroupNorm(2, 6), (6,)),
}


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_has_exact_gradients(kind, draws):
    torch.manual_seed(0)
    layer, shape = LAYERS[kind]()
    layer = layer.double()
    inputs = torch.randn(5 * draws, *shape, dtype=torch.float64)
    weights = torch.randn_like(layer(inputs)).detach() * torch.linspace(0.1, 1, 5 * draws).view(
        -1, *[1] * (layer(inputs).dim() - 1)
    )

    def losses(part: slice = slice(None)) -> Tensor:
        return (weights[part] * layer(inputs[part]).sin()).flatten(1).sum(1)

    singles = [
        torch.autograd.grad(losses(slice(i, i + draws)).mean(), list(layer.parameters()))
        for i in range(0, 5 * draws, draws)
    ]
    per_record = [torch.stack(column) for column in zip(*singles, strict=True)]
    bound = clip_and_sum(per_record, 1.0)[1].median().item() * 1.0001
    expected, norms = clip_and_sum(per_record, bound)
    total, _, ours = dp.clipped_sum(layer, losses, bound, draws=draws)
    assert [t.shape for t in total] == [p.shape for p in layer.parameters()]
    assert relative(total, expected) < 1e-12
    assert relative([ours], [norms]) < 1e-12


def small_net(hidden: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(2, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.GELU()]
    for _ in range(depth):
        layers += [nn.Conv2d(4, 4, 3, padding=1), nn.LeakyReLU(0.2)]
    layers += [nn.ConvTranspose2d(4, 3, 2, 2), nn.Flatten(), nn.Linear(3 * 64, hidden), nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(hidden, 1))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    hidden=st.integers(1, 40),
    depth=st.integers(0, 2),
    records=st.integers(1, 6),
    draws=st.integers(1, 3),
    scale=st.floats(1e-3, 1e4),
    bound=st.floats(1e-3, 1e3),
)
def test_removing_a_record_moves_the_sum_by_at_most_c(
    seed, hidden, depth, records, draws, scale, bound
):
    torch.manual_seed(seed)
    net = small_net(hidden, depth)
    images = torch.randn(records * draws, 2, 4, 4)
    removed = seed % records
    kept = torch.arange(records * draws) // draws != removed

    def clipped(x: Tensor) -> Tensor:
        total, _, _ = dp.clipped_sum(net, lambda: scale * net(x).square()[:, 0], bound, draws=draws)
        return flat(total)

    both = clipped(images)
    without = clipped(images[kept]) if kept.any() else torch.zeros_like(both)
    # Rounding grows with the whole sum, of norm at most records * C.
    assert (both - without).norm() <= bound * (1 + 1e-5 * records)


def test_an_unreached_bound_leaves_the_plain_gradient():
    batch = Batch("gan", "smoke", records=5)
    gradient = {
        bound: dp.private_gradient(
            batch.module,
            batch.losses(),
            max_grad_norm=bound,
            noise_multiplier=0.0,
            normaliser=5,
            generator=torch.Generator(),
        )
        for bound in (None, 1e6)
    }
    plain = torch.autograd.grad(batch.losses()().mean(), batch.parameters)
    assert relative(gradient[None].values, plain) < 1e-6
    assert relative(gradient[1e6].values, plain) < 1e-5
    assert len(gradient[None].norms) == 0
    assert len(gradient[1e6].norms) == 5
    assert gradient[1e6].signal == pytest.approx(5 * flat(plain).norm().item(), rel=1e-5)


@pytest.mark.parametrize("strength", [1.0, 100.0, 1e4])
def test_ghost_norms_survive_cancellation(strength):
    """Activations of a strong mean and gradients without one: the terms of the norm cancel."""
    torch.manual_seed(0)
    layer = nn.Conv2d(40, 40, 1, bias=False)
    images = torch.randn(4, 40, 1, 1) * strength + torch.randn(4, 40, 2, 2)
    weights = torch.randn(4, 40, 2, 2)
    weights = weights - weights.mean((2, 3), keepdim=True)
    exact = torch.einsum("nohw,nihw->noi", weights.double(), images.double())
    _, _, norms = dp.clipped_sum(layer, lambda: (weights * layer(images)).flatten(1).sum(1), 1.0)
    torch.testing.assert_close(norms.double(), exact.flatten(1).norm(dim=1), rtol=1e-4, atol=0)


def cancelling(net: nn.Module, apart: float, draws: int, factor: float = 1.0):
    """A record of two positions, or draws, that nearly cancel in the gradient: inputs, weights."""
    torch.manual_seed(0)
    image, weight = torch.randn(2, 1, 40) * factor
    images, weights = torch.cat([image, image]), torch.cat([weight, -weight * (1 + apart)])
    if draws == 1:
        images, weights = (t.T.reshape(1, 40, 1, 2) for t in (images, weights))
    return images, weights, lambda: (weights * net(images)).flatten(1).sum(1)


@pytest.mark.parametrize("bound", [1e-6, 1e-3])
@pytest.mark.parametrize("apart", [3e-7, 1e-6, 1e-4, 1e-3])
@pytest.mark.parametrize("draws", [1, 2])
def test_no_record_exceeds_c_where_its_terms_nearly_cancel(draws, apart, bound):
    """In the ghost path: rounding of large terms in the sum must not pass for a small gradient."""
    torch.manual_seed(0)
    net = nn.Linear(40, 40, bias=False) if draws == 2 else nn.Conv2d(40, 40, 1, bias=False)
    images, weights, losses = cancelling(net, apart, draws)
    total, _, norms = dp.clipped_sum(net, losses, bound, draws=draws)
    a, g = (
        t.double().view(-1, 40, 3 - draws).transpose(0, 1).flatten(1) for t in (images, weights)
    )
    exact = g @ a.T / draws
    assert norms.item() == pytest.approx(exact.norm().item(), rel=1e-4)
    assert flat(total).norm() <= bound * (1 + 1e-5)
    assert relative(total, [exact * min(1, bound / exact.norm().item())]) < 1e-4


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_records_that_cancel_and_those_that_do_not_are_summed_as_by_opacus():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(40, 40, 1, bias=False))
    pairs = [cancelling(net, 1e-5, draws=1, factor=factor)[:2] for factor in (1, 3)]
    others = torch.randn(2, 3, 40, 1, 2)
    images, weights = (torch.cat([pairs[0][i], others[i], pairs[1][i]]) for i in (0, 1))
    total, _, ours = dp.clipped_sum(net, lambda: (weights * net(images)).flatten(1).sum(1), 0.01)
    wrapped = GradSampleModule(net.double(), loss_reduction="sum")
    (weights.double() * wrapped(images.double())).sum().backward()
    per_record = [p.grad_sample for p in net.parameters()]
    wrapped.to_standard_module()
    expected, norms = clip_and_sum(per_record, 0.01)
    assert 0 < (norms < 0.01).sum() < 5
    assert relative(total, expected) < 1e-5
    torch.testing.assert_close(ours.double(), norms, rtol=1e-4, atol=0)


@pytest.mark.parametrize("bound", [dp.SMALLEST, 1e-12, 1e12, dp.LARGEST])
def test_c_is_kept_at_the_ends_of_its_range(bound):
    torch.manual_seed(0)
    net = small_net(8, 1)
    images = torch.randn(1, 2, 4, 4)
    once = dp.clipped_sum(net, lambda: net(images)[:, 0], 1.0)[2].item()
    for factor in (0.5, 2, 1e3):
        scale = bound * factor / once
        total, _, _ = dp.clipped_sum(net, lambda s=scale: s * net(images)[:, 0], bound)
        length = flat(total).norm().item()
        assert length == pytest.approx(bound * min(1, factor), rel=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-18])
def test_vanishing_gradients_are_summed_unclipped(scale):
    torch.manual_seed(0)
    net = small_net(8, 1)
    images = torch.randn(4, 2, 4, 4)
    total, _, norms = dp.clipped_sum(net, lambda: scale * net(images)[:, 0], 1.0)
    plain = torch.autograd.grad((scale * net(images)).sum(), list(net.parameters()))
    assert norms.isfinite().all()
    torch.testing.assert_close(total, list(plain), rtol=1e-4, atol=1e-6 * scale)


# Noise ------------------------------------------------------------------------------------------


def step(net, losses, **changes) -> dp.Gradient:
    defaults = {
        "max_grad_norm": 1.0,
        "noise_multiplier": 1.0,
        "normaliser": 1.0,
        "generator": stream(0, "noise"),
    }
    return dp.private_gradient(net, losses, **defaults | changes)


def linear_losses(net: nn.Module, records: int = 3):
    images = torch.randn(records, 100, generator=stream(1, "images"))
    return lambda: net(images)[:, 0]


def noise_of(net, generator, sigma: float, bound: float) -> list[Tensor]:
    arguments = {"max_grad_norm": bound, "generator": generator}
    noised = step(net, linear_losses(net), noise_multiplier=sigma, **arguments)
    clipped = step(net, linear_losses(net), noise_multiplier=0.0, **arguments)
    return [a - b for a, b in zip(noised.values, clipped.values, strict=True)]


@pytest.mark.parametrize(("sigma", "bound"), [(0.1, 1.0), (3.0, 0.5), (20.0, 2.0)])
def test_noise_has_standard_deviation_sigma_c(sigma, bound):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(100, 300), nn.Linear(300, 1))
    noise = noise_of(net, stream(0, "noise"), sigma, bound)
    for z in (noise[0], noise[2], flat(noise)):  # 30,000 and 300 numbers, and all of them
        tolerance = 0.02 if z.numel() > 10_000 else 0.15
        assert z.std().item() == pytest.approx(sigma * bound, rel=tolerance)
        assert abs(z.mean().item()) < 4 * sigma * bound / z.numel() ** 0.5


def test_noise_is_independent_across_parameters_and_steps():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(100, 100, bias=False), nn.Linear(100, 100, bias=False))
    generator = stream(0, "noise")
    draws = [noise_of(net, generator, 1.0, 1.0) for _ in range(2)]
    correlations = torch.corrcoef(torch.stack([z.flatten() for step in draws for z in step]))
    off_diagonal = correlations - torch.eye(4)
    assert off_diagonal.abs().max() < 0.05  # five standard deviations of 10,000 pairs


def test_noise_comes_from_its_own_generator_alone():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(100, 50), nn.Linear(50, 1))
    before = torch.get_rng_state()
    first = noise_of(net, stream(0, "noise"), 1.0, 1.0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(flat(first), flat(noise_of(net, stream(0, "noise"), 1.0, 1.0)))
    assert not torch.equal(flat(first), flat(noise_of(net, stream(1, "noise"), 1.0, 1.0)))


def test_neighbouring_batches_share_the_noise():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(100, 50), nn.Linear(50, 1))
    noises = []
    for records in (2, 3):
        losses = linear_losses(net, records)
        arms = [step(net, losses, noise_multiplier=sigma).values for sigma in (1.0, 0.0)]
        noises.append(flat(arms[0]) - flat(arms[1]))
    torch.testing.assert_close(noises[0], noises[1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("bound", [None, 1.0])
def test_the_normaliser_is_the_public_one(bound):
    net = nn.Linear(100, 1)
    whole = step(net, linear_losses(net), max_grad_norm=bound, noise_multiplier=0.0)
    half = step(net, linear_losses(net), max_grad_norm=bound, noise_multiplier=0.0, normaliser=2.0)
    torch.testing.assert_close(half.values, [g / 2 for g in whole.values])


@pytest.mark.parametrize("draws", [1, 4])
def test_an_empty_batch_gives_noise_alone(draws):
    net = nn.Sequential(nn.Linear(100, 300), nn.Linear(300, 1))
    gradient = step(net, lambda: net(torch.zeros(0, 100))[:, 0], draws=draws)
    assert gradient.signal == 0
    assert len(gradient.losses) == len(gradient.norms) == 0
    assert flat(gradient.values).std().item() == pytest.approx(1.0, rel=0.02)
    for bound in (None, 1.0):
        silent = step(net, lambda: torch.zeros(0), max_grad_norm=bound, noise_multiplier=0.0)
        assert [g.shape for g in silent.values] == [p.shape for p in net.parameters()]
        assert not flat(silent.values).any()


# Errors -----------------------------------------------------------------------------------------


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(100, 100)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x))


class Partial(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(100, 1), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


def frozen() -> nn.Module:
    net = nn.Sequential(nn.Linear(100, 5), nn.Linear(5, 1))
    net[0].bias.requires_grad_(False)
    return net


def tied() -> nn.Module:
    net = nn.Sequential(nn.Linear(100, 100), nn.Linear(100, 100))
    net[1].weight = net[0].weight
    return net


def convolution(**options) -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (4, 5, 5)), nn.Conv2d(4, 4, 3, **options), nn.Flatten())


REFUSED = {
    "an unknown layer": (lambda: nn.Sequential(nn.Linear(100, 9), nn.LayerNorm(9)), "LayerNorm"),
    "batch normalisation": (lambda: nn.Sequential(nn.BatchNorm1d(100)), "mixes records"),
    "batch normalisation without parameters": (
        lambda: nn.Sequential(nn.Linear(100, 9), nn.BatchNorm1d(9, affine=False)),
        "mixes records",
    ),
    "a layer used twice": (Twice, "called twice"),
    "a layer not used": (Partial, "not called"),
    "a frozen parameter": (frozen, "frozen"),
    "a shared parameter": (tied, "share a parameter"),
    "a grouped convolution": (lambda: convolution(groups=2), "ungrouped"),
    "a dilated convolution": (lambda: convolution(dilation=2), "undilated"),
    "padding by reflection": (lambda: convolution(padding=1, padding_mode="reflect"), "padded"),
    "an operation in place": (
        lambda: nn.Sequential(nn.Linear(100, 9), nn.LeakyReLU(0.2, inplace=True)),
        "in place",
    ),
    "linear maps of sequences": (
        lambda: nn.Sequential(nn.Unflatten(1, (4, 25)), nn.Linear(25, 2), nn.Flatten()),
        r"\[records, features\]",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_modules_without_exact_gradients_are_refused(what):
    build, message = REFUSED[what]
    net = build()
    with pytest.raises(ValueError, match=message):
        step(net, linear_losses(net))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_multiplier": -0.1}, "noise multiplier"),
        ({"noise_multiplier": float("nan")}, "noise multiplier"),
        ({"noise_multiplier": float("inf")}, "noise multiplier"),
        ({"noise_multiplier": "0.1"}, "noise multiplier"),
        ({"max_grad_norm": None}, "noise needs clipping"),
        ({"max_grad_norm": 0.0}, "max_grad_norm"),
        ({"max_grad_norm": float("nan")}, "max_grad_norm"),
        ({"max_grad_norm": 9e-16}, "must lie in 1e-15 to 1e.15"),
        ({"max_grad_norm": 1.1e15}, "must lie in 1e-15 to 1e.15"),
        ({"normaliser": 0}, "normaliser"),
        ({"draws": 2}, "3.* for 2 draws"),
        ({"draws": 0}, "0 draws"),
    ],
)
def test_impossible_arguments_are_refused(changes, message):
    net = nn.Linear(100, 1)
    with pytest.raises(ValueError, match=message):
        step(net, linear_losses(net), **changes)


def test_losses_must_be_per_record():
    net = nn.Linear(100, 1)
    with pytest.raises(ValueError, match="losses of shape"):
        step(net, lambda: linear_losses(net)().mean())


@pytest.mark.parametrize("bound", [None, 1.0])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e25])
def test_a_record_without_a_finite_gradient_is_an_error(value, bound):
    net = nn.Sequential(nn.Linear(100, 8), nn.GELU(), nn.Linear(8, 1))
    images = torch.randn(4, 100, generator=stream(1, "images"))
    images[2, 5] = value
    sigma = 0.0 if bound is None else 1.0
    with pytest.raises(ValueError, match="not finite") as refusal:
        step(
            net,
            lambda: net(images)[:, 0].square(),
            max_grad_norm=bound,
            noise_multiplier=sigma,
        )
    assert "2" not in str(refusal.value)  # which record it is must not be told


class Outside(nn.Module):
    """Uses a weight beside its layer's call."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(100, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + x @ self.layer.weight.T


def decayed(net: nn.Module, x: Tensor) -> Tensor:
    return net(x)[:, 0].square() + 0.1 * sum(p.square().sum() for p in net.parameters())


def with_next(outputs: Tensor) -> Tensor:
    return outputs.square() + 0.01 * outputs.roll(1).square()


UNBOUNDED = {  # losses of a net that ends in one number, and what is said of them
    "a weight beside its layer": (lambda net, x: net(x)[:, 0].square(), "outside its layer"),
    "weight decay in the loss": (decayed, "outside its layer"),
    "the batch's mean image": (lambda net, x: net(x - x.mean(0))[:, 0].square(), "other records"),
    "the batch's mean output": (
        lambda net, x: (net(x) - net(x).mean())[:, 0] ** 2,
        "other records",
    ),
    "a mean over the batch": (lambda net, x: net(x)[:, 0].square() / len(x), "other records"),
    "the next record": (lambda net, x: with_next(net(x)[:, 0]), "other records"),
}


@pytest.mark.parametrize("draws", [1, 2])
@pytest.mark.parametrize("what", UNBOUNDED)
def test_losses_that_clipping_does_not_bound_are_refused(what, draws):
    torch.manual_seed(0)
    losses, message = UNBOUNDED[what]
    net = Outside() if what == "a weight beside its layer" else nn.Linear(100, 1)
    images = torch.rand(3, draws, 100)
    with pytest.raises(ValueError, match=message):
        dp.check_losses(
            net, lambda part: losses(net, images[part].flatten(0, 1)), records=3, draws=draws
        )


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_the_families_losses_are_bounded_by_clipping(name, draws):
    batch = Batch(name, "compact", records=3, draws=draws)

    def losses(part: slice) -> Tensor:
        return batch.losses(*part.indices(3)[:2])()

    def mixed(part: slice) -> Tensor:
        return losses(part) - losses(part).mean() / 2

    dp.check_losses(batch.module, losses, records=3, draws=draws)  # raises nothing
    with pytest.raises(ValueError, match="other records"):
        dp.check_losses(batch.module, mixed, records=3, draws=draws)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_behind_on_the_module(fails):
    net = small_net(8, 1)
    before = copy.deepcopy(net.state_dict())
    images = torch.randn(3, 2, 4, 4)

    def losses() -> Tensor:
        values = net(images)[:, 0]
        if fails:
            raise RuntimeError("a failure in the loss")
        return values

    if fails:
        with pytest.raises(RuntimeError, match="a failure in the loss"):
            step(net, losses)
    else:
        step(net, losses)
    for layer in net.modules():
        assert not layer._forward_hooks
        assert not layer._backward_hooks
    for p in net.parameters():
        assert p.grad is None
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
