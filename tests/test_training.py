"""Training: arms differ by clipping and noise alone, neighbouring runs share every draw."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from helpers import randomness
from helpers.data.conversion import SPLITS
from helpers.data.draws import Sample
from helpers.models import families, networks, presets
from helpers.models.gan import LossGapSchedule
from helpers.study.cell import MODELS
from helpers.training import accounting, dp
from helpers.training import fit as training

NAMES = MODELS  # trained step by step
CLASSES = 4
SLOTS = 8
GREY = (1, 28, 28)
SHAPES = (GREY, (3, 32, 32), (1, 64, 64))


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def records(n: int = SLOTS, shape=GREY) -> Sample:
    images = torch.rand(SLOTS, *shape, generator=stream(1))[:n]
    return Sample(images, torch.arange(n) % CLASSES, torch.arange(n))


def build(name: str, seed: int = 0, shape=GREY):
    return networks.build(name, "smoke", classes=CLASSES, shape=shape, generator=stream(seed))


def fit(
    name: str,
    *,
    arm="sgd",
    sigma=0.0,
    n=SLOTS,
    seed=0,
    slots=SLOTS,
    places=None,
    shape=GREY,
    **changes,
):
    """A smoke-scale model trained on `n` records; `changes` are to its `presets.Training`."""
    preset = families.preset(name, "smoke")
    model = build(name, seed, shape)
    options = replace(preset.training, **changes)
    data = records(n, shape)
    places = torch.arange(n) if places is None else places
    where = {"slots": slots, "places": places}
    return training.fit(model, data, arm=arm, sigma=sigma, training=options, seed=seed, **where)


def weights(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@pytest.fixture
def double_precision():
    """Adam divides by the gradient's size, so float32 would magnify rounding near zero."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("double_precision")
def test_without_clipping_or_noise_all_arms_are_the_same_training(name, shape):
    """Defect D2: the authors' sigma = 0 is another algorithm than their sigma > 0."""
    wide = {"max_grad_norm": 1e6, "shape": shape}
    plain = weights(fit(name, arm="sgd", **wide).model)
    start = weights(build(name, shape=shape))
    for arm, sigma in (("clipped", 0.0), ("dp", 1e-20)):
        other = weights(fit(name, arm=arm, sigma=sigma, **wide).model)
        assert (other - plain).norm() < 1e-3 * (plain - start).norm()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_clipping_and_noise_each_change_the_training(name, shape):
    arms = (("sgd", 0.0), ("clipped", 0.0), ("dp", 1.0))
    plain, clipped, noised = (
        weights(fit(name, arm=arm, sigma=sigma, shape=shape, max_grad_norm=0.01).model)
        for arm, sigma in arms
    )
    assert not torch.allclose(plain, clipped, atol=1e-5)
    assert not torch.allclose(clipped, noised, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits(name, shape):
    first, second, other = (
        weights(fit(name, arm="dp", sigma=0.5, seed=seed, shape=shape).model) for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("double_precision")
def test_victim_and_ablated_share_noise_and_draws(name):
    """With noise that swamps the records, leaving one out changes next to nothing (D10)."""
    victim, ablated = (
        weights(fit(name, arm="dp", sigma=1e4, n=n).model) for n in (SLOTS, SLOTS - 1)
    )
    start = weights(build(name))
    assert (victim - ablated).norm() < 1e-4 * (victim - start).norm()


def test_a_record_s_draws_depend_on_its_slot_alone():
    """The records present see the same draws whether or not a later one exists."""
    seen = []

    def losses(images, labels, randomness):
        seen.append(randomness)
        return type(model).losses(model, images, labels, randomness)

    for n in (SLOTS, SLOTS - 1):
        model = build("ddpm")
        model.losses = losses
        options = presets.Training(steps=1, learning_rate=1e-3, draws=2)
        where = {"slots": SLOTS, "places": torch.arange(n)}
        training.fit(model, records(n), arm="sgd", sigma=0.0, training=options, seed=0, **where)
    assert torch.equal(seen[0][: 2 * (SLOTS - 1)], seen[1])


def test_records_keep_their_draws_when_one_before_them_is_left_out():
    preset = families.preset("ddpm", "smoke")
    seen = []

    def losses(images, labels, randomness):
        seen.append(randomness)
        return type(model).losses(model, images, labels, randomness)

    for left_out in (None, 2):
        keep = torch.tensor([i for i in range(SLOTS) if i != left_out])
        model = build("ddpm")
        model.losses = losses
        options = replace(preset.training, steps=1, draws=2)
        data = Sample(*(part[keep] for part in records()))
        where = {"slots": SLOTS, "places": keep}
        training.fit(model, data, arm="sgd", sigma=0.0, training=options, seed=0, **where)
    by_slot = seen[0].view(SLOTS, 2, -1)
    assert torch.equal(by_slot[keep].flatten(0, 1), seen[1])


# One step of Adam then moves weights by 1e11 times the gradient, which is far below Adam's 1e-8.
LINEAR = presets.Training(steps=1, learning_rate=1e3, betas=(0.0, 0.999), max_grad_norm=1e-12)
MANY = 60


def clipped_sum(data: Sample, places: torch.Tensor) -> torch.Tensor:
    """The sum over records in one step of a real training of the DDPM, in units of C: [p]."""
    model = build("ddpm")
    before, where = weights(model).double(), {"slots": MANY, "places": places, "seed": 0}
    training.fit(model, data, arm="clipped", sigma=0.0, training=LINEAR, **where)
    return (before - weights(model).double()) * MANY * 1e-11 / LINEAR.max_grad_norm


def worst_records() -> Sample:
    """Records of two kinds that one draw fewer would move together, found by search on a model."""
    model, drawn = build("ddpm"), randomness.generator(0, "training/records")
    torch.rand(MANY, generator=drawn)  # which slots are sampled
    noises = model.randomness(MANY, generator=drawn)
    kinds = torch.stack([torch.rand(GREY, generator=stream(1)), torch.ones(GREY)])
    rows = []
    for kind in (0, 1):
        losses = [model.losses(kinds[[kind]], torch.tensor([kind]), r[None]).sum() for r in noises]
        found = [torch.autograd.grad(each, list(model.parameters())) for each in losses]
        rows.append(
            [nn.functional.normalize(torch.cat([t.flatten() for t in g]), dim=0) for g in found]
        )
    each = torch.stack([torch.stack(row) for row in rows])
    shift = each[:, 1:] - each[:, :-1]  # of a record that moves up by a slot
    direction = shift[0].sum(0)
    for _ in range(10):
        chosen = (shift @ direction).argmax(0)
        direction = shift[chosen, torch.arange(MANY - 1)].sum(0)
    labels = torch.cat([torch.tensor([0]), chosen])
    return Sample(kinds[labels], labels, torch.arange(MANY))


def test_a_removed_record_leaves_the_others_in_their_slots():
    """If the records behind it moved up, all their draws would change, and epsilon with them.

    Given the draws, two sums that differ by `moved` C are told apart under noise of sigma C as one
    record is under noise of sigma / moved C.
    """
    records = worst_records()
    everyone = clipped_sum(records, torch.arange(MANY))
    rest = Sample(*(part[1:] for part in records))
    moved = {
        name: (everyone - clipped_sum(rest, places)).norm().item()
        for name, places in {"up": rest.index - 1, "not": rest.index}.items()
    }
    sigma = accounting.noise_multiplier_for(0.34, steps=1, delta=1e-3)
    proven = {n: accounting.epsilon(sigma / m, steps=1, delta=1e-3) for n, m in moved.items()}
    assert proven["not"] == pytest.approx(0.34, rel=0.01)
    assert proven["up"] > 5.6


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_the_average_equals_its_closed_form(decay):
    """w_bar_t = d_t w_bar_(t-1) + (1 - d_t) w_t with d_t = min(decay, (1 + t) / (10 + t))."""
    module = nn.Linear(1, 1, bias=False)
    path = [float(w) for w in torch.randn(30, generator=stream())]
    with torch.no_grad():
        module.weight.fill_(path[0])
    average = training.Average(module, decay)
    expected = path[0]
    for t, w in enumerate(path[1:], start=1):
        module.weight.data.fill_(w)
        average.update()
        kept = min(decay, (1 + t) / (10 + t))
        expected = kept * expected + (1 - kept) * w
    average.write()
    assert module.weight.item() == pytest.approx(expected, abs=1e-6)


def test_annealing_ends_with_steps_of_almost_no_length():
    lengths = {}
    for annealed in (False, True):
        module = nn.Linear(1, 1, bias=False)
        options = presets.Training(steps=100, learning_rate=0.1, annealed=annealed)
        adam = training.Adam(module, options.learning_rate, options)
        path = []
        for step in range(options.steps):
            adam.step([torch.ones(1, 1)], step)
            path.append(module.weight.item())
        lengths[annealed] = [abs(path[1] - path[0]), abs(path[-1] - path[-2])]
    assert lengths[True][0] == pytest.approx(lengths[False][0], rel=1e-3)
    assert lengths[True][1] < 0.02 * lengths[False][1]


@pytest.mark.parametrize("name", NAMES)
def test_history_tells_what_clipping_and_noise_did(name):
    history = fit(name, arm="dp", sigma=0.5, max_grad_norm=1e-3).history
    assert len({len(column) for column in history.values()}) == 1
    assert history["clipped"][0] == 1.0
    assert history["norm"][0] > 1e-3
    assert 0 < history["snr"][0] < 1


def test_a_batch_without_records_is_noise_alone():
    """Poisson sampling may draw nobody; the step is taken all the same."""
    fitted = fit("vae", arm="dp", sigma=1.0, sample_rate=1e-6)
    assert weights(fitted.model).isfinite().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arm": "adam"}, "allowed: sgd, clipped, dp"),
        ({"arm": "sgd", "sigma": 0.1}, "goes with `dp` alone"),
        ({"arm": "dp", "sigma": 0.0}, "goes with `dp` alone"),
        ({"arm": "dp", "sigma": float("nan")}, "finite"),
        ({"slots": SLOTS - 1}, "8 records for 7 slots"),
        ({"places": torch.zeros(SLOTS, dtype=torch.long)}, "give each record its own in 0..7"),
        ({"places": torch.arange(SLOTS) + 1}, "give each record its own in 0..7"),
    ],
)
def test_impossible_requests_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        fit("vae", **changes)


@pytest.mark.parametrize("arm", ["clipped", "dp"])
def test_losses_that_mix_records_are_refused_before_the_first_step(arm, monkeypatch):
    losses = type(build("vae")).losses
    mixed = lambda *given: losses(*given) + losses(*given).mean()  # noqa: E731
    monkeypatch.setattr(type(build("vae")), "losses", mixed)
    with pytest.raises(ValueError, match="other records of the batch"):
        fit("vae", arm=arm, sigma=float(arm == "dp"))
    fit("vae")  # without clipping nothing is claimed


# What is released must depend on records by way of noised gradients alone.


def released(name: str, kind: int, monkeypatch, **options) -> list[torch.Tensor]:
    """Weights and samples of a training on records of a kind, with noise for their gradients."""
    real = training.dp.private_gradient

    def noise_alone(module, losses, *, noise_multiplier, generator, **others) -> dp.Gradient:
        found = real(module, losses, noise_multiplier=0.0, generator=generator, **others)
        if noise_multiplier == 0:  # the synthetic half
            return found
        noise = [torch.randn(v.shape, generator=generator) for v in found.values]
        return found._replace(values=noise)

    preset = replace(families.preset(name, "smoke"), **options)
    how = {"classes": CLASSES, "shape": GREY, "generator": stream(), "preset": preset}
    model, n = networks.build(name, "smoke", **how), SLOTS - kind
    images = torch.rand(n, *GREY, generator=stream(kind))
    data = Sample(images, torch.full((n,), kind), torch.arange(n))
    where = {"slots": SLOTS, "places": data.index + kind, "seed": 0}
    with monkeypatch.context() as patch:
        patch.setattr(training.dp, "private_gradient", noise_alone)
        training.fit(model, data, arm="dp", sigma=1.0, training=preset.training, **where)
    return [weights(model), model.sample(torch.arange(CLASSES), generator=stream())]


@pytest.mark.parametrize("name", NAMES)
def test_with_noise_for_gradients_nothing_released_depends_on_the_records(name, monkeypatch):
    first, second = (released(name, kind, monkeypatch) for kind in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("option", ["labels", "schedule"])
def test_the_authors_options_are_caught_by_that(option, monkeypatch):
    changes = {"labels": "batch"} if option == "labels" else {"schedule": "loss-gap"}
    if option == "schedule":  # made to look at the loss from the first step on, and closely
        monkeypatch.setattr(LossGapSchedule, "grace", 0)
        monkeypatch.setattr(LossGapSchedule, "turn", lambda self, loss: str(loss)[-1] in "02468")
    first, second = (released("gan", kind, monkeypatch, **changes) for kind in (0, 1))
    assert not torch.equal(first[0], second[0])


IMPORTS = """
import sys
import numpy, scipy.optimize, scipy.special, torch
before = set(sys.modules)
import helpers.training.accounting, helpers.training.dp, helpers.training.fit
imported = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(imported - {"torch", "numpy", "scipy", *sys.stdlib_module_names}))
"""


def test_training_imports_torch_numpy_and_scipy_alone(root):
    """So that it can be had in another project, or on a machine for trainings, with little else."""
    command = [sys.executable, "-c", IMPORTS]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["helpers"]


ALONE = """
import sys
from importlib.machinery import PathFinder

# With what torch itself asks for, and what its wheel brings.
INSTALLED = {"torch", "torchgen", "functorch", "sympy", "mpmath", "networkx", "jinja2"}
INSTALLED |= {"filelock", "fsspec", "typing_extensions", "setuptools", "triton", "nvidia", "cuda"}
INSTALLED |= {"markupsafe", "numpy", "scipy"}


class Bare:
    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target)
        installed = spec is not None and "site-packages" in str(spec.origin)
        return None if installed and name.partition(".")[0] not in INSTALLED else spec


sys.meta_path = [f if f is not PathFinder else Bare for f in sys.meta_path]
from helpers.cli import main
sys.exit(main(sys.argv[1:]))
"""
STUDY = ["study", "--dataset", "tiny", "--sigmas", "0.5", "--seeds", "0", "--scale", "smoke"]


def test_a_machine_with_torch_numpy_and_scipy_alone_can_train(root, tmp_path):
    """What it trains is then measured elsewhere, on a copy of the store."""
    drawn, labels = np.random.default_rng(0), np.arange(60)[:, None] % 3
    images = {f"{s}_images": drawn.integers(0, 256, (60, 28, 28), np.uint8) for s in SPLITS}
    np.savez(tmp_path / "tiny.npz", **images, **{f"{s}_labels": labels for s in SPLITS})
    environment = os.environ | {"NFL_DATA": str(tmp_path), "NFL_HOME": str(tmp_path / "home")}

    def done(*command: str) -> subprocess.CompletedProcess:
        how = {"cwd": root, "env": environment, "capture_output": True, "text": True}
        return subprocess.run([sys.executable, *command], **how)

    trained = done("-W", "error", "-c", ALONE, *STUDY, "--models", *MODELS, "--train-only")
    assert trained.returncode == 0, trained.stderr
    assert f"{len(MODELS)} of {len(MODELS)} cells trained, not measured" in trained.stdout
    refused = done("-c", ALONE, *STUDY, "--models", "vae")
    assert refused.returncode == 1 and "or train alone, in one process" in refused.stderr
    assert "Traceback" not in refused.stderr
    kept = {path: path.read_bytes() for path in (tmp_path / "home").rglob("full.npz")}
    assert len(kept) == len(MODELS)
    measured = done("-m", "helpers", *STUDY, "--models", "vae")
    assert measured.returncode == 0, measured.stderr
    assert "1 of 1 cells done" in measured.stdout
    assert kept == {path: path.read_bytes() for path in kept}
