"""Weights are read as numbers, and nothing in their files is run."""

import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from helpers.data import assets, weights


class Harmful:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_an_array_pickle_may_hold_arrays_only(tmp_path):
    path = tmp_path / "arrays.ckpt"
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = pickle.dumps({"layer": {"kernel": array}}, protocol=3)
    # As NumPy 1 wrote it, which is the form of the published file.
    path.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert np.array_equal(weights.read_array_pickle(path)["layer"]["kernel"], array)


@pytest.mark.parametrize("read", [weights.read_array_pickle, weights.read_state_dict])
def test_weights_that_name_a_function_are_refused_and_not_run(tmp_path, read):
    path, victim = tmp_path / "weights", tmp_path / "made"
    if read is weights.read_state_dict:
        torch.save({"layer": Harmful(victim)}, path)
    else:
        path.write_bytes(pickle.dumps({"layer": Harmful(victim)}))
    with pytest.raises(pickle.UnpicklingError):
        read(path)
    assert not victim.exists()


def test_numbers_in_a_zip_come_in_numerical_order(tmp_path):
    path = tmp_path / "weights.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for i in (10, 9, 2, 0):
            archive.writestr(f"top/data/{i}", np.full(i + 1, i, "<f4").tobytes())
    assert [list(n) for n in weights.read_float32_zip(path)] == [
        [i] * (i + 1) for i in (0, 2, 9, 10)
    ]


def test_the_published_alexnet_is_read():
    if assets.cached("alexnet") is None:
        pytest.skip("no AlexNet weights here: python -m helpers data alexnet")
    path = assets.fetch("alexnet")
    if path.suffix == ".pth":
        first = weights.read_state_dict(path)["features.0.weight"]
    else:
        kernel = weights.read_array_pickle(path)["AlexNet_0"]["Conv_0"]["kernel"]
        first = torch.from_numpy(kernel).permute(3, 2, 0, 1)
    assert first.shape == (64, 3, 11, 11)
    assert torch.isfinite(first).all() and 0.05 < first.std() < 0.2


def test_kernels_of_flax_become_convolutions_in_their_order():
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU(), torch.nn.Conv2d(3, 1, 1)
    )
    random = np.random.default_rng(0)
    layers = {
        f"Conv_{i}": {
            "kernel": random.normal(size=(side, side, before, after)).astype(np.float32),
            "bias": random.normal(size=after).astype(np.float32),
        }
        for i, (before, after, side) in enumerate([(2, 3, 3), (3, 1, 1)])
    }
    weights.fill_convolutions(network, layers)
    image = torch.randn(1, 2, 3, 3)
    kernel, bias = (layers["Conv_0"][part] for part in ("kernel", "bias"))
    by_hand = np.einsum("ihw,hwio->o", image[0].numpy(), kernel) + bias
    by_hand = np.maximum(by_hand, 0) @ layers["Conv_1"]["kernel"][0, 0] + layers["Conv_1"]["bias"]
    found = network(image).detach().flatten().numpy()
    np.testing.assert_allclose(found, by_hand, rtol=1e-4, atol=1e-5)


def test_the_published_vgg16_tells_images_apart():
    if assets.cached("vgg16") is None:
        pytest.skip("no VGG16 weights here: python -m helpers data vgg16")
    from helpers.metrics import features

    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = features.vgg16_conv5(torch.cat([images, images[:1]]))
    assert found.shape == (3, 512) and found.min() >= 0
    torch.testing.assert_close(found[0], found[2])
    assert not torch.allclose(found[0], found[1], atol=1e-3)
