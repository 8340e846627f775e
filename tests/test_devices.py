"""Trainings on another device: the same draws, every tensor where the model is, images back.

There is no graphics card here. Instead a second device is simulated: tensors "moved" to torch's
`meta` device keep their values inside a wrapper, compute on the CPU, and refuse what two devices
would refuse of each other.
"""

import os
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from helpers.data import datasets, files
from helpers.data.draws import Sample
from helpers.metrics import attacks, features, lpips, robustness, utility
from helpers.metrics.evaluation import ClassifierPreset
from helpers.models import families, networks
from helpers.study import execute, store, work
from helpers.study.cell import MODELS, grid
from helpers.training import checkpoint, devices, fit
from helpers.training.checkpoint import Checkpoint

NAMES = MODELS  # trained step by step
AWAY = torch.device("meta")


class Elsewhere(Tensor):
    """A tensor that says it is away; its values are in `inner`."""

    @staticmethod
    def __new__(cls, inner: Tensor):
        wrapper = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=AWAY,
        )
        wrapper.inner = inner
        return wrapper

    def __repr__(self, **options):
        return f"Elsewhere({self.inner!r})"

    def tolist(self) -> list:  # these two do not reach __torch_dispatch__
        return self.inner.tolist()

    def new_tensor(self, data) -> Tensor:
        return Elsewhere(self.inner.new_tensor(data))

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return SecondDevice.run(function, args, kwargs or {})


class SecondDevice(TorchDispatchMode):
    """While it is on, `.to("meta")` and `device="meta"` lead to `Elsewhere`."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return self.run(function, args, kwargs or {})

    @staticmethod
    def run(function, args, kwargs):
        given = tensors_in((*args, *kwargs.values()))
        wrappers = {id(x.inner): x for x in given if isinstance(x, Elsewhere)}
        target = kwargs.get("device")
        check(function, given, away=bool(wrappers) or target == AWAY)
        if wrappers:
            args, kwargs = tree_map_only(Elsewhere, lambda x: x.inner, (args, kwargs))
        result = function(*args, **kwargs | ({} if target is None else {"device": "cpu"}))
        if target == AWAY or (target is None and wrappers):
            # An operation in place, or into `out`, gives back the tensor it was given.
            result = tree_map_only(
                Tensor, lambda x: wrappers[id(x)] if id(x) in wrappers else Elsewhere(x), result
            )
        return result


def tensors_in(values) -> list[Tensor]:
    found = [x for x in values if isinstance(x, Tensor)]
    for nested in values:
        if isinstance(nested, list | tuple):
            found += tensors_in(nested)
    return found


def check(function, given: list[Tensor], *, away: bool) -> None:
    """What a graphics card refuses: arrays of the CPU; and what it must not do: draw."""
    name = function.overloadpacket._qualified_op_name
    here = any(not isinstance(x, Elsewhere) and x.dim() > 0 for x in given)
    if away and here and name not in ("aten::_to_copy", "aten::copy_"):
        raise AssertionError(f"{name} mixes devices")
    if away and torch.Tag.nondeterministic_seeded in function.tags:
        raise AssertionError(f"{name} draws random numbers away from the CPU")


def on(device: torch.device | str):
    """The context in which tensors can be on `device`."""
    return SecondDevice() if device == AWAY else nullcontext()


# The simulated device itself


def test_the_simulated_device_computes_and_refuses_what_a_second_device_would():
    with SecondDevice():
        x, y = torch.arange(3.0), torch.arange(3.0).to(AWAY)
        assert y.device == (y + 1).device == torch.zeros(3, device=AWAY).device == AWAY
        assert (2 * y + torch.tensor(1.0)).cpu().tolist() == [1.0, 3.0, 5.0]
        for mixed in (lambda: x + y, lambda: torch.cat([x, y]), lambda: torch.where(y > 1, y, x)):
            with pytest.raises(AssertionError, match="mixes devices"):
                mixed()
        for draw in (lambda: torch.rand(3, device=AWAY), lambda: torch.randn_like(y)):
            with pytest.raises(AssertionError, match="draws random numbers"):
                draw()


# Trainings


def stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


LABELS = torch.arange(8) % 4
GREY, COLOUR = (1, 28, 28), (3, 32, 32)


def build(name: str, shape=GREY, **changes) -> nn.Module:
    """A model at smoke scale; `changes` are to its preset."""
    preset = replace(families.preset(name, "smoke"), **changes)
    weights = stream(0)
    return networks.build(name, "smoke", classes=4, shape=shape, generator=weights, preset=preset)


def trained(
    name: str, device, arm="dp", sigma=0.5, sample_rate=1.0, shape=GREY, checkpoint=None, **changes
) -> fit.Fitted:
    """A short training on `device`: the model and its history; `changes` are to its preset."""
    model = build(name, shape, **changes)
    options = families.preset(name, "smoke").training
    records = Sample(torch.rand(8, *shape, generator=stream(1)), LABELS, torch.arange(8))
    with on(device):
        return fit.fit(
            model.to(device),
            records,
            arm=arm,
            sigma=sigma,
            training=replace(options, steps=2, sample_rate=sample_rate, draws=2),
            slots=9,
            places=torch.arange(8),
            seed=0,
            checkpoint=checkpoint,
        )


def equal_elsewhere(here: nn.Module, there: nn.Module) -> bool:
    """Whether the second model is away and has the first one's parameters."""
    pairs = list(zip(here.parameters(), there.parameters(), strict=True))
    assert {a.device for a, _ in pairs} == {torch.device("cpu")}
    assert {b.device for _, b in pairs} == {AWAY}
    return all(torch.equal(a, b.cpu()) for a, b in pairs)


@pytest.mark.parametrize(
    ("arm", "sigma", "shape"),
    [("sgd", 0.0, GREY), ("clipped", 0.0, GREY), ("dp", 0.5, GREY), ("dp", 0.5, COLOUR)],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_training_elsewhere_has_the_same_draws_and_keeps_to_its_device(name, arm, sigma, shape):
    """On a real second device results would differ by rounding; the simulated one rounds alike."""
    here, there = (trained(name, device, arm, sigma, shape=shape) for device in ("cpu", AWAY))
    assert equal_elsewhere(here.model, there.model)
    assert str(here.history) == str(there.history)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_records_is_noise_alone_elsewhere_too(name):
    here, there = (trained(name, device, sample_rate=1e-6) for device in ("cpu", AWAY))
    assert equal_elsewhere(here.model, there.model)


@pytest.mark.parametrize("option", [{"labels": "batch"}, {"schedule": "loss-gap"}])
def test_the_authors_options_train_elsewhere(option):
    here, there = (trained("gan", device, **option) for device in ("cpu", AWAY))
    assert equal_elsewhere(here.model, there.model)


def images_of(name: str, device: torch.device | str, shape) -> dict[str, Tensor]:
    """All images a model makes, by the name of the method."""
    model = build(name, shape)
    with on(device):
        model.to(device)
        images = {"sample": model.sample(LABELS, generator=stream(2))}
        if name == "ddpm":
            images["sample_ancestral"] = model.sample_ancestral(LABELS, generator=stream(3))
        if name == "vae":
            images["reconstruct"] = model.reconstruct(images["sample"], LABELS)
    return images


@pytest.mark.parametrize("shape", [GREY, COLOUR])
@pytest.mark.parametrize("name", NAMES)
def test_images_come_back_to_the_cpu(name, shape):
    here, there = (images_of(name, device, shape) for device in ("cpu", AWAY))
    for method, images in there.items():
        assert type(images) is Tensor and images.device == torch.device("cpu")
        assert torch.equal(images, here[method])


# Measures


def measured(device: torch.device | str, measure):
    """What a function gives while measures run on `device`."""
    with on(device), devices.measuring(torch.device(device)):
        return measure()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    return tmp_path


IMAGES = torch.rand(10, *GREY, generator=stream(4))


def test_features_elsewhere_are_the_same_and_kept_apart(home, monkeypatch):
    monkeypatch.setattr(features, "DEVICE_BATCH", features.BATCH)  # else rounded in another order
    here, there = (
        measured(device, lambda: features.cached(IMAGES, features.lite0))
        for device in ("cpu", AWAY)
    )
    assert torch.equal(here, there) and type(there) is Tensor
    assert len(list((home / "runs" / "features").iterdir())) == 2
    assert {p.device for p in features._lite0_network(AWAY).parameters()} == {AWAY}


def test_inception_and_lpips_run_elsewhere(monkeypatch):
    def networks_of(device: torch.device):
        torch.manual_seed(0)
        alexnet, weights = (
            torchvision.models.alexnet(weights=None).features,
            lpips.channel_weights(),
        )
        both = features.inception_layers(), lpips.LpipsEmbedding(alexnet.eval(), weights)
        return [network.requires_grad_(False).to(device) for network in both]

    def both(device) -> list[Tensor]:
        with on(device):
            inception, embedding = networks_of(device)
            monkeypatch.setattr(features, "_inception_network", lambda _: inception)
            monkeypatch.setattr(lpips, "_embedding", lambda _: embedding)
        pair = IMAGES[:2], LABELS[:2]
        return measured(
            device,
            lambda: [features.inception(IMAGES[:2]), torch.tensor(lpips.lpips(*pair, *pair))],
        )

    for here, there in zip(both(torch.device("cpu")), both(AWAY), strict=True):
        assert torch.equal(here, there) and type(there) is Tensor


CLASSIFIER = ClassifierPreset((8, 16), steps=3, batch_size=4)


def test_classifiers_and_deepfool_run_elsewhere(monkeypatch):
    class Estimator(robustness.PyTorchClassifier):
        """The toolbox's, which knows of CUDA and the CPU alone."""

        def __init__(self, classifier, *, device_type, **options):
            super().__init__(classifier, device_type="cpu", **options)
            self._device = AWAY if device_type == "gpu" else torch.device("cpu")
            self._model.to(self._device)

    monkeypatch.setattr(robustness, "PyTorchClassifier", Estimator)

    def attacked():
        how = {"preset": CLASSIFIER, "generator": stream(5)}
        classifier = utility.train_classifier(IMAGES[:8], LABELS, 4, **how)
        found = robustness.robustness(classifier, IMAGES[:8], LABELS, iterations=2)
        return found, utility.device_of(classifier)

    (here, at_home), (there, away) = (measured(device, attacked) for device in ("cpu", AWAY))
    assert here == there and (at_home, away) == (torch.device("cpu"), AWAY)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_attack_runs_elsewhere_in_small_batches(name, monkeypatch):
    monkeypatch.setattr(attacks, "_DEVICE_BATCH", 16 * 8)

    def scores() -> np.ndarray:
        model = build(name).to(devices.current())
        return attacks.loss_scores(model, IMAGES[:8], LABELS, generator=stream(6))

    assert np.array_equal(*(measured(device, scores) for device in ("cpu", AWAY)))


def attempt_elsewhere(home: str, *given, **how) -> work.Outcome:
    """`work.attempt` in a worker that has the simulated device as its graphics card."""
    card = patch.object(devices, "resolve", lambda name: AWAY)
    with SecondDevice(), patch.dict(os.environ, NFL_HOME=home), card:
        return work.attempt(*given, **how)


def test_workers_share_the_device(tmp_path, monkeypatch):
    """Trained and measured on it, each in a process of its own; the CPU's numbers, to rounding."""
    cells = grid("digits", ["vae", "gan"], [0.5], [0], "smoke")
    kept = {}
    for home, workers in (("here", 1), ("there", 2)):
        monkeypatch.setenv("NFL_HOME", str(tmp_path / home))
        if home == "there":
            attempt = partial(attempt_elsewhere, str(tmp_path / home))
            monkeypatch.setattr(execute, "attempt", attempt)
        assert execute.run(cells, workers=workers, device="cpu", progress=False) == []
        checksum = datasets.identity("digits").checksum
        folders = [store.folder(cell, checksum) for cell in cells]
        runs = [files.read_arrays(folder / "full.npz") for folder in folders]
        numbers = [store.record(cell, checksum)["metrics"] for cell in cells]
        kept[home] = [run["images"].tobytes() for run in runs], numbers
    assert kept["here"][0] == kept["there"][0]
    for here, there in zip(kept["here"][1], kept["there"][1], strict=True):
        assert there == pytest.approx(here, rel=1e-3, abs=1e-4)
    baselines = list((tmp_path / "there" / "runs" / "digits" / "baselines").iterdir())
    assert not {path.name for path in baselines} & {
        path.name for path in (tmp_path / "here" / "runs" / "digits" / "baselines").iterdir()
    }


# Checkpoints


@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")  # of meta itself
@pytest.mark.parametrize("name", NAMES)
def test_a_training_goes_on_elsewhere(name, home, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0)
    path = home / "runs" / "x.npz"
    with monkeypatch.context() as patch:
        patch.setattr(fit.Average, "write", None)  # killed at the end
        with pytest.raises(TypeError):
            trained(name, AWAY, checkpoint=Checkpoint(path, device=AWAY))
    monkeypatch.setattr(fit, "_gradient", None)  # no step is left
    there = trained(name, AWAY, checkpoint=Checkpoint(path, device=AWAY))
    monkeypatch.undo()
    assert equal_elsewhere(trained(name, "cpu").model, there.model)


# Names


@pytest.mark.parametrize(("name", "expected"), [("auto", "cuda"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_auto_is_the_graphics_card_where_there_is_one(name, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.resolve(name) == torch.device(expected)


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_without_a_graphics_card_it_is_the_cpu(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.resolve(name) == torch.device("cpu")


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="finds none; give 'auto' or 'cpu'"):
        devices.resolve("cuda")
    for name in ("gpu", "cuda:1", "", None):
        with pytest.raises(ValueError, match="allowed: auto, cpu, cuda"):
            devices.resolve(name)
