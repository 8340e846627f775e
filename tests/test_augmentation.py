"""TRI's training sets: who is in them, how many, and what augmentation may change."""

import pytest
import torch

from helpers.metrics import augmentation
from helpers.metrics.augmentation import TrainingSet


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def group(per_class, seed):
    labels = torch.arange(3).repeat_interleave(per_class)
    return TrainingSet(torch.rand(len(labels), 1, 28, 28, generator=rng(seed)), labels)


REAL, SYNTHETIC = group(4, 0), group(12, 1)


def members(images, pool):
    """Which of `images` are in `pool`."""
    return torch.tensor([bool((pool == image).flatten(1).all(dim=1).any()) for image in images])


@pytest.mark.parametrize("multiple", [1, 2, 3])
@pytest.mark.parametrize(
    ("setting", "real", "synthetic"),
    [
        ("real", 12, 0),
        ("geometric", 24, 0),
        ("synthetic", 0, 12),
        ("real+synthetic", 12, 12),
        ("combined", 24, 24),
    ],
)
def test_sizes_and_balance(setting, real, synthetic, multiple):
    result = augmentation.training_set(setting, REAL, SYNTHETIC, multiple=multiple, generator=rng())
    assert len(result.images) == real + multiple * synthetic
    assert torch.bincount(result.labels).tolist() == [len(result.images) // 3] * 3


def test_each_setting_draws_from_where_it_should():
    for setting, from_real, from_synthetic in (
        ("real", 12, 0),
        ("synthetic", 0, 24),
        ("real+synthetic", 12, 24),
    ):
        images, labels = augmentation.training_set(
            setting, REAL, SYNTHETIC, multiple=2, generator=rng()
        )
        assert members(images, REAL.images).sum() == from_real
        assert members(images, SYNTHETIC.images).sum() == from_synthetic
        assert len(images.flatten(1).unique(dim=0)) == len(images)  # nothing twice
        both = TrainingSet(*(torch.cat(c) for c in zip(REAL, SYNTHETIC, strict=True)))
        for image, label in zip(images, labels, strict=True):
            source = (both.images == image).flatten(1).all(dim=1)
            assert both.labels[source].tolist() == [label]


def test_geometric_changes_keep_size_range_and_the_original():
    turned = augmentation.geometric(REAL.images, generator=rng())
    assert turned.shape == REAL.images.shape
    assert turned.min() >= 0 and turned.max() <= 1
    assert not members(turned, REAL.images).any()
    assert torch.equal(turned, augmentation.geometric(REAL.images, generator=rng()))
    assert not torch.equal(turned, augmentation.geometric(REAL.images, generator=rng(1)))


def test_flips_mirror_both_ways_and_can_be_left_out():
    corner = torch.zeros(200, 1, 28, 28)
    corner[:, :, 4:10, 4:10] = 1  # upper left

    def quadrants(images):
        halves = images.view(-1, 2, 14, 2, 14).sum(dim=(2, 4)).flatten(1)
        return torch.bincount(halves.argmax(dim=1), minlength=4)

    flipped = augmentation.geometric(corner, generator=rng())
    assert (quadrants(flipped) > 30).all()
    kept = augmentation.geometric(corner, generator=rng(), flips=False)
    assert quadrants(kept).tolist() == [200, 0, 0, 0]
    still = augmentation.geometric(corner, generator=rng(), flips=False, degrees=0)
    torch.testing.assert_close(still, corner)


@pytest.mark.parametrize(
    ("setting", "multiple", "message"),
    [
        ("reall", 1, "allowed: real, geometric"),
        ("synthetic", 0, "multiple"),
        ("synthetic", 1.5, "multiple"),
        ("synthetic", 4, "16 are needed"),
    ],
)
def test_training_set_refuses(setting, multiple, message):
    with pytest.raises(ValueError, match=message):
        augmentation.training_set(setting, REAL, SYNTHETIC, multiple=multiple, generator=rng())
