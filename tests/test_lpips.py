"""LPIPS as a squared distance of vectors: the same numbers as torchmetrics' pairwise network."""

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.functional.image.lpips import _NoTrainLpips

from helpers.data import assets
from helpers.metrics import fidelity, lpips


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n, seed=0, size=28, channels=1):
    return torch.rand(n, channels, size, size, generator=rng(seed))


@pytest.fixture(scope="module")
def reference():
    """torchmetrics' LPIPS with its learned channel weights on an untrained AlexNet."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _NoTrainLpips(net="alex", pnet_rand=True)


@pytest.fixture(scope="module")
def embed(reference):
    convolutions = [m for m in reference.net.modules() if isinstance(m, nn.Conv2d)]
    network = lpips.LpipsEmbedding(*untrained(convolutions))
    return network.eval().requires_grad_(False)


def untrained(convolutions):
    from torchvision.models import alexnet

    layers = alexnet(weights=None).features
    ours = [m for m in layers if isinstance(m, nn.Conv2d)]
    for mine, theirs in zip(ours, convolutions, strict=True):
        mine.load_state_dict(theirs.state_dict())
    return layers, lpips.channel_weights()


def pairwise(reference, a, b):
    a, b = (x.expand(-1, 3, -1, -1) for x in (a, b))
    return reference(a, b, normalize=True).flatten()


@pytest.mark.parametrize(("size", "channels"), [(64, 1), (80, 1), (64, 3)])
def test_squared_distance_is_lpips(reference, embed, size, channels):
    a, b = images(4, 0, size, channels), images(4, 1, size, channels)
    a[0] = b[0]
    ours = (embed(a) - embed(b)).square().sum(dim=1)
    np.testing.assert_allclose(ours, pairwise(reference, a, b), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("size", "wide", "channels"), [(28, 64, 1), (32, 64, 3), (96, 96, 1)])
def test_mean_over_all_same_class_pairs(reference, embed, size, wide, channels):
    """Of images enlarged to 64x64; larger ones are taken as they are."""
    fake, real = images(5, 0, size, channels), images(4, 1, size, channels)
    labels, real_labels = torch.tensor([0, 0, 1, 1, 1]), torch.tensor([1, 0, 0, 1])
    wide = [
        torch.nn.functional.interpolate(x, size=(wide, wide), mode="bilinear") for x in (fake, real)
    ]
    values = [
        pairwise(reference, wide[0][i : i + 1], wide[1][j : j + 1]).item()
        for i in range(5)
        for j in range(4)
        if labels[i] == real_labels[j]
    ]
    value = lpips.lpips(fake, labels, real, real_labels, embed=embed)
    assert value == pytest.approx(np.mean(values), rel=1e-4)
    flipped = lpips.lpips(fake.flip(0), labels.flip(0), real, real_labels, embed=embed)
    assert flipped == pytest.approx(value, rel=1e-5)


def test_the_papers_form_is_torchmetrics_on_the_papers_pairs(reference, embed):
    fake, real = images(3, 0), images(3, 1)
    value = lpips.lpips_paper(fake, real, generator=rng(), embed=embed)
    pairs = fidelity.paper_pairs(fake, real, generator=rng())
    expected = torch.cat([pairwise(reference, a, b) for a, b in pairs]).mean().item()
    assert value == pytest.approx(expected, rel=1e-4)


def test_equal_images_have_distance_zero(embed):
    same, labels = images(1).repeat(3, 1, 1, 1), torch.zeros(3, dtype=torch.long)
    assert lpips.lpips(same, labels, same, labels, embed=embed) == pytest.approx(0, abs=1e-6)


def test_bad_images_are_refused(embed):
    labels = torch.zeros(2, dtype=torch.long)
    with pytest.raises(ValueError, match="3 and 1 channels"):
        lpips.lpips(images(2, channels=3), labels, images(2), labels, embed=embed)
    with pytest.raises(ValueError, match="no real image"):
        lpips.lpips(images(2), labels + 1, images(2), labels, embed=embed)


@pytest.mark.skipif(assets.cached("alexnet") is None, reason="AlexNet's weights are not cached")
def test_the_trained_network_ranks_distortions():
    generator = rng()
    smooth = torch.nn.functional.interpolate(
        torch.rand(8, 1, 4, 4, generator=generator), size=(28, 28), mode="bicubic"
    ).clamp(0, 1)
    noise = torch.randn(smooth.shape, generator=generator)
    labels = torch.arange(8)
    values = [
        lpips.lpips((smooth + s * noise).clamp(0, 1), labels, smooth, labels)
        for s in (0, 0.05, 0.2)
    ]
    assert values[0] == pytest.approx(0, abs=1e-5)
    assert values[0] < values[1] < values[2]
