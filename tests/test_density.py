"""The reducer keeps its promises: a fixed map of images to the plane."""

import math
import warnings

import numpy as np
import pytest
import torch

from helpers import density


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def curve(n, seed=0):
    """Images on a smooth curve: a bright blob that moves from left to right, and its place."""
    place = torch.linspace(4, 24, n) + 0.01 * torch.rand(n, generator=rng(seed))
    x, y = torch.arange(28.0), torch.arange(28.0)[:, None]
    square = (x - place[:, None, None]) ** 2 + (y - 14) ** 2
    return torch.exp(-square / 18)[:, None], place.numpy()


def test_isomap_unrolls_a_curve_that_pixels_fold():
    images, place = curve(80)
    points = density.isomap(images, n_neighbors=4).transform(images)
    assert points.shape == (80, 2)
    assert points.dtype == np.float64
    assert abs(np.corrcoef(points[:, 0], place)[0, 1]) > 0.999


def test_transform_knows_neither_batches_nor_order():
    images, _ = curve(60)
    reducer = density.isomap(images[::2], n_neighbors=4)
    whole = reducer.transform(images)
    np.testing.assert_allclose(reducer.transform(images.flip(0))[::-1], whole, atol=1e-9)
    parts = np.concatenate([reducer.transform(part) for part in images.split(7)])
    np.testing.assert_allclose(parts, whole, atol=1e-9)


def test_equal_images_have_equal_points():
    images, _ = curve(40)
    points = density.isomap(images, n_neighbors=4).transform(images[:1].repeat(5, 1, 1, 1))
    assert np.ptp(points, axis=0).max() < 1e-9


def test_a_graph_in_pieces_is_joined_with_one_warning_of_our_own():
    images, _ = curve(40)
    apart = torch.cat([images, 1 - images])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        points = density.isomap(apart, n_neighbors=3).transform(apart)
    assert [w.category for w in caught] == [UserWarning]
    assert "raise n_neighbors" in str(caught[0].message)
    assert np.isfinite(points).all()


@pytest.mark.parametrize(
    ("images", "neighbors", "message"),
    [
        (curve(10)[0], 10, "smaller than the number of images"),
        (curve(10)[0], 0, "at least 1"),
        (torch.zeros(20, 1, 28, 28), 5, "equal"),
        (curve(20)[0] * math.nan, 5, "NaN"),
        (curve(20)[0].repeat(1, 3, 1, 1), 5, "colour"),
    ],
)
def test_isomap_refuses(images, neighbors, message):
    with pytest.raises(ValueError, match=message):
        density.isomap(images, n_neighbors=neighbors)


def test_transform_refuses_another_size():
    reducer = density.isomap(curve(20)[0], n_neighbors=5)
    with pytest.raises(ValueError, match="fitted on"):
        reducer.transform(torch.zeros(2, 1, 32, 32))
