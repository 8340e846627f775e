"""The three generators: the authors' layer counts, the interface's promises, samplers in closed
form, and what the GAN's generator can know of a private label."""

import math
import re
from dataclasses import replace

import pytest
import torch

from helpers.data.draws import Sample
from helpers.models import families, networks, presets
from helpers.models.ddpm import amplitudes, ancestral, ddim
from helpers.models.gan import FixedSchedule, LossGapSchedule
from helpers.study.cell import MODELS
from helpers.training import fit

NAMES = MODELS  # trained step by step
CLASSES = 10
GREY = (1, 28, 28)
SHAPES = (GREY, (3, 32, 32), (1, 64, 64))


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(name: str, scale: str = "smoke", classes: int = CLASSES, shape=GREY):
    return networks.build(name, scale, classes=classes, shape=shape, generator=stream())


def records(n: int, classes: int = CLASSES, shape=GREY) -> Sample:
    images = torch.rand(n, *shape, generator=stream(1))
    return Sample(images, torch.arange(n) % classes, torch.arange(n))


# Networks


@pytest.mark.parametrize(
    ("name", "parameters"), [("vae", 4_318_369), ("gan", 1_561_985), ("ddpm", 6_585_601)]
)
def test_paper_scale_noises_the_authors_number_of_parameters(name, parameters):
    model = build(name, "paper")
    assert networks.count_parameters(model.noised) == parameters


@pytest.mark.parametrize("scale", ["smoke", "quick", "paper"])
@pytest.mark.parametrize("shape", [*SHAPES, (3, 36, 36)])
@pytest.mark.parametrize("name", NAMES)
def test_every_family_takes_grey_and_colour_of_any_allowed_size(name, shape, scale):
    model, batch = build(name, scale, shape=shape), records(2, shape=shape)
    randomness = model.randomness(2, generator=stream())
    losses = model.losses(batch.images, batch.labels, randomness)
    assert losses.shape == (2,) and losses.isfinite().all()


@pytest.mark.parametrize(
    ("shape", "instead"),
    [
        ((1, 24, 24), "28x28"),
        ((3, 30, 30), "32x32"),
        ((1, 28, 32), "32x32"),
        ((2, 64, 64), "64x64"),
        ((28, 28), "28x28"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_another_shape_is_refused_with_what_is_allowed_and_what_to_do(name, shape, instead):
    allowed = re.escape(f"{shape}; models take (C, S, S) with C 1 (grey) or 3 (colour) and S a ")
    with pytest.raises(ValueError, match=allowed + f"multiple of 4, at least 28.*to {instead}"):
        build(name, shape=shape)


@pytest.mark.parametrize("classes", [4, 10, 11])
def test_compact_models_noise_the_same_number_of_parameters_within_ten_percent(classes):
    built = [build(name, "compact", classes) for name in NAMES]
    sizes = [networks.count_parameters(model.noised) for model in built]
    assert max(sizes) <= 1.1 * min(sizes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "factor"), [("quarter", 0.25), ("4x", 4), ("16x", 16)])
def test_variants_noise_a_stated_multiple_of_the_parameters(name, width, factor):
    wider, plain = build(f"{name}-{width}", "compact"), build(name, "compact")
    ratio = networks.count_parameters(wider.noised) / networks.count_parameters(plain.noised)
    assert ratio == pytest.approx(factor, rel=0.1)
    if name == "gan":
        assert networks.count_parameters(wider.generator) == networks.count_parameters(
            plain.generator
        )


def test_a_variant_exists_at_the_scale_compact_only():
    with pytest.raises(ValueError, match="compact only"):
        build("gan-authors", "paper")


@pytest.mark.parametrize("scale", presets.SCALES)
@pytest.mark.parametrize("name", NAMES)
def test_no_scale_has_dropout_or_in_place_layers(name, scale):
    """Under DP, dropout is noise on top of noise, and in-place layers break hooks (defect D5)."""
    for layer in build(name, scale).modules():
        assert not isinstance(layer, torch.nn.modules.dropout._DropoutNd)
        assert not getattr(layer, "inplace", False)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_class_count_scale_or_model_is_refused(name):
    with pytest.raises(ValueError, match="at least 2"):
        build(name, classes=1)
    with pytest.raises(ValueError, match="scale"):
        build(name, "huge")
    with pytest.raises(ValueError, match="vae, gan, ddpm"):
        build(name + "s")


# The interface


@pytest.mark.parametrize(("classes", "shape"), [(11, GREY), (4, SHAPES[1]), (4, SHAPES[2])])
@pytest.mark.parametrize("name", NAMES)
def test_samples_are_images_and_the_same_generator_gives_the_same_bits(name, classes, shape):
    labels = torch.arange(7) % classes

    def sample(seed: int) -> torch.Tensor:
        return build(name, classes=classes, shape=shape).sample(labels, generator=stream(seed))

    first, second, other = sample(3), sample(3), sample(4)
    assert first.shape == (7, *shape)
    assert first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", NAMES)
def test_building_leaves_the_global_random_stream_alone(name):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    build(name)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("scale", "shape"), [("compact", GREY), *(("smoke", shape) for shape in SHAPES)]
)
@pytest.mark.parametrize("name", NAMES)
def test_a_record_s_loss_does_not_depend_on_the_other_records(name, scale, shape):
    model, batch = build(name, scale, shape=shape), records(6, shape=shape)
    randomness = model.randomness(6, generator=stream())
    together = model.losses(batch.images, batch.labels, randomness)
    for i in range(6):
        alone = model.losses(
            batch.images[i : i + 1], batch.labels[i : i + 1], randomness[i : i + 1]
        )
        assert alone.item() == pytest.approx(together[i].item(), rel=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_samples_follow_their_label(name, shape):
    """The same randomness with another label gives another image."""
    model = build(name, shape=shape)
    images = [model.sample(torch.full((2,), c), generator=stream(5)) for c in (0, 1)]
    assert not torch.allclose(images[0], images[1])


# Diffusion


def test_noise_reaches_all_and_then_nothing_of_the_image():
    """Terminal signal-to-noise ratio near zero, where the authors keep 13 % (defect D20)."""
    cosine, sine = amplitudes(torch.tensor([0.0, 0.5, 1.0]))
    snr = (cosine / sine.clamp_min(1e-12)).square().flatten()
    assert snr[2] < 1e-8
    assert snr[1] == pytest.approx(1.0, rel=1e-5)
    torch.testing.assert_close(cosine**2 + sine**2, torch.ones(3, 1, 1, 1))


MEAN, STD = 0.3, 0.2


def gaussian_denoiser(x, t, labels):
    """E[x_0 | x_t] of a Gaussian data set N(MEAN, STD^2), pixel by pixel."""
    cosine, sine = math.cos(t * math.pi / 2), math.sin(t * math.pi / 2)
    variance = cosine**2 * STD**2 + sine**2
    return MEAN + STD**2 * cosine / variance * (x - cosine * MEAN)


def test_ddim_converges_to_the_known_flow_of_a_gaussian_data_set():
    """The deterministic flow of a Gaussian maps noise z to MEAN + STD z."""
    noise = torch.randn(4, 1, 28, 28, generator=stream())
    exact = MEAN + STD * noise
    errors = [
        (ddim(gaussian_denoiser, noise, torch.zeros(4), steps=k) - exact).abs().max().item()
        for k in (25, 100, 400)
    ]
    assert errors[2] < 0.01
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_ancestral_sampling_recovers_a_gaussian_data_set():
    noise = torch.randn(50, 1, 28, 28, generator=stream())
    x = ancestral(gaussian_denoiser, noise, torch.zeros(50), steps=400, generator=stream(1))
    assert x.mean().item() == pytest.approx(MEAN, abs=0.01)
    assert x.std().item() == pytest.approx(STD, rel=0.03)
    correlation = torch.corrcoef(torch.stack([x.flatten(), noise.flatten()]))[0, 1]
    assert abs(correlation) < 0.05  # unlike the deterministic sampler it forgets its start


@pytest.mark.parametrize("shape", SHAPES)
def test_both_samplers_of_one_model_give_images(shape):
    model, labels = build("ddpm", shape=shape), torch.arange(3)
    few = model.sample(labels, generator=stream(), steps=2)
    reference = model.sample_ancestral(labels, generator=stream())
    assert few.shape == reference.shape == (3, *shape)
    assert reference.min() >= 0 and reference.max() <= 1
    with pytest.raises(ValueError, match="steps is -1"):
        model.sample(labels, generator=stream(), steps=-1)


@pytest.mark.parametrize(("name", "more"), [("gan", 0), ("ddpm", 2)])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_noise_of_a_loss_covers_every_pixel_and_channel(name, more, shape):
    randomness = build(name, shape=shape).randomness(3, generator=stream())
    assert randomness.shape == (3, math.prod(shape) + more)


def test_times_of_one_record_s_draws_are_uniform_and_spread():
    randomness = build("ddpm").randomness(4000, generator=stream())
    times = randomness[:, 784].sort().values
    torch.testing.assert_close(times, torch.linspace(0, 1, 4000), atol=2e-3, rtol=0)
    gaps = randomness[:, 784].view(-1, 4).sort(1).values.diff(dim=1)
    assert gaps.min() > 0.1  # four draws of a record never fall together


def test_labels_are_dropped_with_the_preset_s_probability():
    model = build("ddpm")
    dropped = model.randomness(20_000, generator=stream())[:, 785] < model.preset.drop
    assert dropped.float().mean().item() == pytest.approx(0.1, abs=0.01)


# The GAN's privacy: labels and schedule


def trained_generator(present: bool, labels: str) -> torch.Tensor:
    """The generator's weights after training at sigma 1000 with or without the one query record."""
    preset = families.preset("gan", "smoke")
    option = replace(preset, labels=labels)
    model = networks.build("gan", "smoke", classes=CLASSES, generator=stream(), preset=option)
    everyone = records(19, CLASSES - 1)  # classes 0 to 8; the query is the only record of class 9
    query = Sample(
        torch.rand(1, 1, 28, 28, generator=stream(2)), torch.tensor([9]), torch.tensor([19])
    )
    chosen = (
        Sample(*(torch.cat(p) for p in zip(everyone, query, strict=True))) if present else everyone
    )
    run = {"sigma": 1000.0, "training": preset.training, "slots": 20, "seed": 0}
    fit.fit(model, chosen, arm="dp", places=torch.arange(19 + present), **run)
    return model.generator[0].weight.detach().clone()


def test_the_generator_does_not_learn_which_labels_are_private():
    """At sigma 1000 the discriminator's update is noise. With public labels, victim and ablated
    generators then agree; with the batch's labels the query's class can be read off (defect D3)."""
    preset = families.preset("gan", "smoke")
    column = preset.latent + 9
    start = networks.build("gan", "smoke", classes=CLASSES, generator=stream()).generator[0].weight
    victim, ablated = (trained_generator(present, "uniform") for present in (True, False))
    moved = [(w - start)[:, column].abs().max().item() > 0 for w in (victim, ablated)]
    assert moved == [True, True]
    torch.testing.assert_close(victim, ablated, atol=1e-3, rtol=0)

    victim, ablated = (trained_generator(present, "batch") for present in (True, False))
    moved = [(w - start)[:, column].abs().max().item() > 0 for w in (victim, ablated)]
    assert moved == [True, False]


@pytest.mark.parametrize("scale", ["compact", "paper"])
@pytest.mark.parametrize("shape", SHAPES)
def test_upsampling_and_convolution_are_what_they_are_one_after_the_other(shape, scale):
    layers = build("gan", scale, shape=shape).generator.double()
    codes = torch.randn(3, layers[0].in_features, generator=stream(), dtype=torch.float64)
    inputs = [codes.requires_grad_(), *layers.parameters()]
    together, apart = layers(codes), torch.nn.Sequential.forward(layers, codes)
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-12)
    direction = torch.randn(apart.shape, generator=stream(1), dtype=torch.float64)
    gradients = (torch.autograd.grad((y * direction).sum(), inputs) for y in (together, apart))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-9)


def test_the_fixed_schedule_does_not_look_at_the_loss():
    schedule = FixedSchedule(discriminator_steps=3)
    assert [schedule.turn(loss) for loss in (0.0, 9.0, 1.4, 0.0, 0.0, 0.0)] == [
        *(False, False, True),
        *(False, False, True),
    ]


def test_the_authors_schedule_depends_on_the_private_loss():
    """With a discriminator that wins, five moves and then one in fifty steps; else every step."""
    moves = {}
    for loss in (0.3, math.log(4)):
        schedule = LossGapSchedule(discriminator_steps=1)
        moves[loss] = sum(schedule.turn(loss) for _ in range(200))
    assert moves == {0.3: 5 + 4, math.log(4): 200}
