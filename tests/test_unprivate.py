"""The second paper's generators: penalties against finite differences, demodulation against
convolutions of each image's own, the sampler against MONAI's, averages, labels and bad input."""

import importlib
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from helpers import study
from helpers.data.draws import Sample
from helpers.models import families, latent_diffusion, networks, stylegan2
from helpers.models.families import FAMILIES
from helpers.study import Cell
from helpers.training import minibatches

NAMES = [name for name, family in FAMILIES.items() if not family.private]
SHAPES = ((3, 32, 32), (1, 28, 28))


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(name: str, shape=SHAPES[0], **changes):
    preset = replace(families.preset(name, "smoke"), **changes)
    return networks.build(name, "smoke", classes=4, shape=shape, generator=stream(), preset=preset)


def records(n: int, shape=SHAPES[0]) -> Sample:
    images = torch.rand(n, *shape, generator=stream(1))
    return Sample(images, torch.arange(n) % 4, torch.arange(n))


# Not trained privately


@pytest.mark.parametrize("name", NAMES)
def test_noise_and_clipping_are_refused_before_anything_is_trained(name):
    for arm, sigma in (("dp", 0.4), ("clipped", 0.0)):
        with pytest.raises(ValueError, match=f"{name} is not trained privately.*'sgd'.*vae, gan"):
            Cell("mnist", name, arm, sigma, 0, "compact")
    with pytest.raises(ValueError, match="not trained privately"):
        study.guaranteed("mnist", [name], [10], [0], "compact")
    assert Cell("mnist", name, "sgd", 0.0, 0, "compact").level == "sgd"


def test_all_other_families_take_noise():
    assert NAMES
    for name in FAMILIES.keys() - set(NAMES):
        assert Cell("mnist", name, "dp", 0.4, 0, "compact").sigma == 0.4


# All three


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_training_gives_a_model_whose_samples_are_images_of_their_label(name, shape):
    def sample(seed: int, labels: torch.Tensor) -> torch.Tensor:
        model = build(name, shape)
        fitted = minibatches.fit(model, records(20, shape), seed=seed)
        assert fitted.history["step"] == list(range(len(fitted.history["loss"])))
        assert all(map(math.isfinite, fitted.history["loss"]))
        return fitted.model.sample(labels, generator=stream(3))

    labels = torch.arange(7) % 4
    images = sample(0, labels)
    assert images.shape == (7, *shape) and images.min() >= 0 and images.max() <= 1
    assert torch.equal(images, sample(0, labels))
    assert not torch.equal(images, sample(1, labels))
    assert not torch.allclose(images, sample(0, (labels + 1) % 4))


@pytest.mark.parametrize("name", NAMES)
def test_a_record_s_loss_is_its_own_in_evaluation(name):
    model, batch = build(name).eval(), records(8)
    randomness = model.randomness(8, generator=stream())
    together = model.losses(batch.images, batch.labels, randomness)
    alone = model.losses(batch.images[2:3], batch.labels[2:3], randomness[2:3])
    assert alone.item() == pytest.approx(together[2].item(), rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_fewer_than_two_records_and_a_loss_that_explodes_are_refused(name):
    with pytest.raises(ValueError, match="1 records; a batch needs 2"):
        minibatches.fit(build(name), records(1), seed=0)
    broken = records(8)._replace(images=torch.full((8, 3, 32, 32), math.nan))
    with pytest.raises(ValueError, match=r"the loss of step 0 is nan; lower"):
        minibatches.fit(build(name), broken, seed=0)


@pytest.mark.parametrize("name", NAMES)
def test_another_shape_is_refused(name):
    with pytest.raises(ValueError, match="multiple of 4"):
        build(name, (3, 30, 30))


def test_batches_are_shuffled_epochs_of_a_fixed_size():
    rows = minibatches.batches(10, 4, 5, generator=stream())
    assert rows.shape == (5, 4)
    assert all(len(epoch.unique()) == 10 for epoch in rows.flatten().split(10))
    assert minibatches.batches(3, 8, 2, generator=stream()).shape == (2, 3)


def test_the_average_of_the_weights_is_what_samples():
    """Averaging leaves the training as it is, and gives the mean with its early bias removed."""
    training = families.preset("cvae", "smoke").training
    models = {}
    for decay in (0.0, 0.9):
        model = build("cvae", training=replace(training, steps=30, ema_decay=decay))
        weights = []
        model.mean.register_forward_pre_hook(
            lambda layer, _, kept=weights: kept.append(layer.weight.detach().clone())
        )
        minibatches.fit(model, records(8), seed=0)
        models[decay] = model.mean.weight.detach(), weights
    last, path = models[0.0]
    average, same_path = models[0.9]
    assert torch.equal(path[-1], same_path[-1])  # averaging does not change the training
    expected = path[0]
    for step, weights in enumerate([*path[1:], last], start=1):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weights
    torch.testing.assert_close(average, expected)
    assert not torch.allclose(average, last, atol=1e-4)


# StyleGAN2


def test_demodulated_activations_have_unit_variance_whatever_the_style():
    torch.manual_seed(0)
    x = torch.randn(4, 64, 16, 16)
    convolution = stylegan2.ModulatedConv(64, 48, 3, latent=8)
    plain = stylegan2.ModulatedConv(64, 48, 3, latent=8, demodulated=False)
    styles = torch.randn(4, 8) * torch.tensor([0.1, 1.0, 5.0, 20.0])[:, None]
    with torch.no_grad():
        inner = convolution(x, styles)[:, :, 1:-1, 1:-1].var((1, 2, 3))
        other = plain(x, styles)[:, :, 1:-1, 1:-1].var((1, 2, 3))
    torch.testing.assert_close(inner, torch.ones(4), rtol=0.05, atol=0)
    assert other.max() > 10 * other.min()


def test_scaling_around_one_convolution_equals_a_convolution_of_each_image_s_own():
    torch.manual_seed(0)
    x, style = torch.randn(3, 5, 8, 8), torch.randn(3, 4)
    layer = stylegan2.ModulatedConv(5, 6, 3, latent=4)
    scales = layer.style(style)
    weights = layer.weight[None] * layer.scale * scales[:, None, :, None, None]
    norms = weights.square().sum((2, 3, 4), keepdim=True)
    weights = weights * torch.rsqrt(norms + 1e-8)
    grouped = F.conv2d(x.reshape(1, 15, 8, 8), weights.flatten(0, 1), padding=1, groups=3)
    torch.testing.assert_close(layer(x, style), grouped.view(3, 6, 8, 8), atol=1e-5, rtol=1e-4)


def test_r1_is_the_squared_slope_that_finite_differences_give():
    model = build("stylegan2").double().eval()
    images = torch.rand(2, 3, 32, 32, generator=stream()).double() * 2 - 1
    labels = torch.tensor([0, 3])

    def logit(moved: torch.Tensor) -> torch.Tensor:
        return model.discriminator(moved, labels).sum()

    squares, step = 0.0, 1e-5
    with torch.no_grad():
        flat = images.flatten()
        for i in range(0, len(flat), 97):  # some coordinates, scaled up to all
            ends = []
            for sign in (1, -1):
                moved = flat.clone()
                moved[i] += sign * step
                ends.append(logit(moved.view_as(images)).item())
            squares += ((ends[0] - ends[1]) / (2 * step)) ** 2
    model.zero_grad()
    real = images.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(logit(real), real)
    some = slope.flatten()[::97].square().sum().item()
    assert some == pytest.approx(squares, rel=1e-4)
    assert model.r1(images, labels).item() == pytest.approx(slope.square().sum().item() / 2)


def test_path_lengths_are_those_of_finite_differences():
    model = build("stylegan2", latent=3).double().eval()
    generator = model.generator
    with torch.no_grad():
        for convolution in generator.convolutions:
            convolution.strength.fill_(0.1)
    styles = generator.styles(torch.tensor([1]), stream(1)).detach().double().clone()
    styles.requires_grad_(True)

    found = model.path_lengths(styles, stream(5)).item()
    drawn = stream(5)  # the same noise and the same normal again
    noise = [n.double() for n in generator.noise(1, drawn)]
    normal = torch.randn(1, 3, 32, 32, generator=drawn).double() / 32

    def projected(moved: torch.Tensor) -> float:
        with torch.no_grad():
            return (generator.synthesise(moved, noise) * normal).sum().item()

    step, squares = 1e-5, 0.0
    for layer in range(generator.layers):
        for i in range(3):
            ends = []
            for sign in (1, -1):
                moved = styles.detach().clone()
                moved[0, layer, i] += sign * step
                ends.append(projected(moved))
            squares += ((ends[0] - ends[1]) / (2 * step)) ** 2
    assert found == pytest.approx(math.sqrt(squares / generator.layers), rel=1e-5)


def test_penalties_come_in_their_steps_and_as_much_stronger():
    model, batch = build("stylegan2", r1_every=4, path_every=4), records(8)

    def loss(name: str, step: int) -> float:
        return getattr(model, name)(batch.images, batch.labels, step, stream(2)).item()

    r1 = model.r1(2 * batch.images - 1, batch.labels).item()
    extra = loss("discriminator_loss", 4) - loss("discriminator_loss", 1)
    assert extra == pytest.approx(4 * model.preset.r1 / 2 * r1, rel=1e-3)
    before = model.path_mean.clone()
    assert loss("generator_loss", 4) != pytest.approx(loss("generator_loss", 1), rel=1e-6)
    assert model.path_mean > before


def test_styles_are_mixed_with_the_preset_s_probability_and_after_one_crossover():
    model = build("stylegan2", mixing=0.5)
    styles = model._styles(torch.zeros(400, dtype=torch.long), stream())
    changes = (styles[:, 1:] != styles[:, :-1]).any(2).sum(1)
    assert set(changes.tolist()) == {0, 1}
    assert changes.double().mean().item() == pytest.approx(0.5, abs=0.08)


def test_the_discriminator_sees_collapse_in_training_and_images_alone_in_evaluation():
    model = build("stylegan2").discriminator
    same, labels = torch.rand(1, 3, 32, 32).expand(8, -1, -1, -1), torch.zeros(8, dtype=torch.long)
    varied = torch.rand(8, 3, 32, 32)
    features = model.train()._deviation(torch.rand(8, 8, 4, 4))
    assert (features > 0).all() and torch.equal(features[:4], features[4:])
    assert model._deviation(torch.ones(8, 8, 4, 4)).max() <= 1e-4 + 1e-8
    assert model.eval()._deviation(varied).abs().max() == 0
    logits = model(same, labels)
    torch.testing.assert_close(logits, logits[:1].expand(8))


# Latent diffusion


def test_ddim_is_deterministic_and_agrees_with_monai_s():
    from monai.networks.schedulers import DDIMScheduler

    model = build("latent_diffusion", timesteps=1000, steps=50)
    noise = torch.randn(2, 3, 8, 8, generator=stream())
    variance = torch.tensor([0.1, 0.5, 2.0])[:, None, None]

    def estimate(x: torch.Tensor, time: int) -> torch.Tensor:
        """The noise's mean where latents are normal, each channel of a variance of its own."""
        signal = model.signal[time]
        return (1 - signal).sqrt() * x / (signal * variance + 1 - signal)

    ours = [latent_diffusion.ddim(estimate, noise, model.signal, steps=50) for _ in range(2)]
    assert torch.equal(*ours)
    scheduler = DDIMScheduler(
        num_train_timesteps=1000,
        schedule="scaled_linear_beta",
        beta_start=0.0015,
        beta_end=0.0195,
        clip_sample=False,
    )
    scheduler.set_timesteps(50)  # whose own list of times does not end where its steps do
    torch.testing.assert_close(scheduler.alphas_cumprod, model.signal)
    x = noise
    for time in range(980, -1, -20):
        x, _ = scheduler.step(estimate(x, time), time, x)
    assert ours[0].abs().max() < latent_diffusion.LARGEST
    torch.testing.assert_close(ours[0], x, atol=1e-4, rtol=1e-4)


def test_latents_have_unit_variance_and_sampling_undoes_the_scale():
    model, batch = build("latent_diffusion"), records(20)
    latents, _ = model._to_latents(batch.images, batch.labels)
    assert latents.std().item() == pytest.approx(1, rel=1e-5)
    decoded = model.decode(latents / model.scale)
    torch.testing.assert_close(decoded, model.reconstruct(batch.images), atol=1e-5, rtol=0)


def test_latents_of_a_side_that_levels_cannot_halve_are_padded_and_cut():
    model = build("latent_diffusion", (1, 28, 28))
    noisy = torch.randn(2, 3, 7, 7, generator=stream())
    found = model.noise(noisy, torch.tensor([3, 9]), torch.tensor([0, 1]))
    assert found.shape == noisy.shape


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("cvae", 1e7, 1e8), ("stylegan2", 4e7, 6.5e7), ("latent_diffusion", 3.5e8, 6e8)],
)
def test_paper_scale_has_as_many_parameters_as_trilemma_says(name, least, most):
    """ "Tens of millions", "on the order of 50 millions", "400 million to 600 million"."""
    preset = families.preset(name, "paper")
    module, _, network = FAMILIES[name].network.partition(".")
    constructor = getattr(importlib.import_module(f"helpers.models.{module}"), network)
    with torch.device("meta"):  # nothing is allocated
        model = constructor(4, (3, 256, 256), preset)
    assert least <= networks.count_parameters(model) <= most
