"""The reducers keep their promises: fixed maps of images to the plane."""

import math
import warnings

import numpy as np
import pytest
import torch

from chapters import density
from chapters.density import encoders
from helpers.metrics import plane

pytestmark = pytest.mark.usefixtures("one_thread")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def short(monkeypatch):
    """Networks are trained for a few steps only."""
    monkeypatch.setattr(encoders, "STEPS", 60)


def curve(n, seed=0):
    """Images on a smooth curve: a bright blob that moves from left to right, and its place."""
    place = torch.linspace(4, 24, n) + 0.01 * torch.rand(n, generator=rng(seed))
    x, y = torch.arange(28.0), torch.arange(28.0)[:, None]
    square = (x - place[:, None, None]) ** 2 + (y - 14) ** 2
    return torch.exp(-square / 18)[:, None], place.numpy()


QUICK = ["isomap", "pca", "tsne", "autoencoder", "beta-vae", "flow"]  # the rest take seconds


def test_isomap_unrolls_a_curve_that_pixels_fold():
    images, place = curve(80)
    points = plane.isomap(images, n_neighbors=4).transform(images)
    assert points.shape == (80, 2)
    assert points.dtype == np.float64
    assert abs(np.corrcoef(points[:, 0], place)[0, 1]) > 0.999


def test_transform_knows_neither_batches_nor_order():
    images, _ = curve(60)
    reducer = plane.isomap(images[::2], n_neighbors=4)
    whole = reducer.transform(images)
    np.testing.assert_allclose(reducer.transform(images.flip(0))[::-1], whole, atol=1e-9)
    parts = np.concatenate([reducer.transform(part) for part in images.split(7)])
    np.testing.assert_allclose(parts, whole, atol=1e-9)


def test_equal_images_have_equal_points():
    images, _ = curve(40)
    points = plane.isomap(images, n_neighbors=4).transform(images[:1].repeat(5, 1, 1, 1))
    assert np.ptp(points, axis=0).max() < 1e-9


@pytest.mark.parametrize("name", QUICK)
def test_a_map_is_the_generators_and_knows_neither_batches_nor_order(name, short):
    images, _ = curve(40)
    first, second = (density.fit(name, images[::2], generator=rng(1)) for _ in range(2))
    whole = first.transform(images)
    assert whole.shape == (40, 2)
    assert whole.dtype == np.float64
    np.testing.assert_array_equal(second.transform(images), whole)
    np.testing.assert_allclose(first.transform(images.flip(0))[::-1], whole, atol=1e-4)


def test_a_convolutional_encoder_tells_images_apart(short):
    images, _ = curve(60)
    reducer = density.fit("autoencoder-conv", images, generator=rng(0))
    points = reducer.transform(images)
    assert points.shape == (60, 2)
    assert np.isfinite(points).all()
    assert np.ptp(points, axis=0).max() > 0


@pytest.mark.parametrize("convolutional", [True, False])
def test_an_encoder_takes_images_of_any_shape(convolutional, short):
    images = torch.rand(20, 3, 32, 32, generator=rng(0))
    encode = encoders.train_autoencoder(images, generator=rng(0), convolutional=convolutional)
    assert encode(images[:7]).shape == (7, 2)


def test_umap_is_the_generators_and_keeps_neighbours():
    images, _ = curve(60)
    reducer = density.fit("umap", images, generator=rng(0))
    points = reducer.transform(images[5:55:10])
    again = density.fit("umap", images, generator=rng(0)).transform(images[5:55:10])
    np.testing.assert_array_equal(points, again)
    near, far = (np.linalg.norm(points[i] - points[0]) for i in (1, 4))
    assert near < far


def test_pca_is_the_plane_of_most_variance():
    images, _ = curve(50)
    points = density.pca(images).transform(images)
    flat = images.flatten(1).double().numpy()
    singular = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(np.linalg.norm(points, axis=0), singular[:2], rtol=1e-6)


def test_neighbour_probabilities_have_the_asked_perplexity():
    squares = np.random.default_rng(0).random((5, 200)) * 7
    weights = density.neighbour_probabilities(squares, 12.0)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    entropy = -(weights * np.log(weights)).sum(axis=1)
    np.testing.assert_allclose(np.exp(entropy), 12.0, rtol=1e-6)
    nearest = np.take_along_axis(weights, squares.argmin(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_array_equal(weights.max(axis=1), nearest)


def test_tsne_puts_new_images_within_the_fitted_ones():
    images, _ = curve(60)
    reducer = density.tsne(images, generator=rng(0))
    fitted = reducer.transform(images)
    far = reducer.transform(torch.rand(3, 1, 28, 28, generator=rng(1)))
    assert (far >= fitted.min(axis=0) - 10).all()
    assert (far <= fitted.max(axis=0) + 10).all()


def test_joint_tsne_places_the_new_images_only():
    images, _ = curve(40)
    points = density.tsne_joint(images[::2], images[1::2], generator=rng(0))
    assert points.shape == (20, 2)


def test_a_flow_has_a_density_that_is_higher_among_its_images(short):
    images, _ = curve(60)
    reducer = density.flow(images[::2], generator=rng(0))
    among, apart = (reducer.log_density(new).mean() for new in (images[1::2], 1 - images[1::2]))
    assert among > apart + 1
    with pytest.raises(ValueError, match="normalizing flow"):
        density.pca(images).log_density(images)


def test_a_beta_vae_without_a_penalty_spreads_its_codes_wider(short):
    images, _ = curve(60)
    spreads = [
        np.std(density.beta_vae(images, generator=rng(0), beta=beta).transform(images))
        for beta in (0.1, 50.0)
    ]
    assert spreads[0] > 2 * spreads[1]


def test_a_graph_in_pieces_is_joined_with_one_warning_of_our_own():
    images, _ = curve(40)
    apart = torch.cat([images, 1 - images])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        points = plane.isomap(apart, n_neighbors=3).transform(apart)
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
        (curve(20)[0].repeat(1, 2, 1, 1), 5, "are needed"),
    ],
)
def test_isomap_refuses(images, neighbors, message):
    with pytest.raises(ValueError, match=message):
        plane.isomap(images, n_neighbors=neighbors)


@pytest.mark.parametrize("name", sorted(density.REDUCERS))
def test_every_reducer_refuses_equal_images(name):
    with pytest.raises(ValueError, match="equal"):
        density.fit(name, torch.full((20, 1, 28, 28), 0.5), generator=rng())


@pytest.mark.parametrize("name", sorted(density.REDUCERS))
def test_every_reducer_refuses_two_images(name):
    with pytest.raises(ValueError, match="smaller than the number of images"):
        density.fit(name, curve(2)[0], generator=rng())


def test_an_unknown_reducer_is_refused():
    with pytest.raises(ValueError, match=r"unknown; allowed: isomap, pca"):
        density.fit("lda", curve(20)[0], generator=rng())


def test_transform_refuses_another_size():
    reducer = plane.isomap(curve(20)[0], n_neighbors=5)
    with pytest.raises(ValueError, match="fitted on"):
        reducer.transform(torch.zeros(2, 1, 32, 32))
