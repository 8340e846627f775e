"""The score of a map: 1 for one that keeps the order of densities, whatever else it does."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors

from chapters.density import preservation, truth

pytestmark = pytest.mark.usefixtures("one_thread")


def places(n, seed=0):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def test_neighbour_distances_are_those_of_scikit_learn():
    points = places(50).double().numpy()
    known = NearestNeighbors(n_neighbors=5).fit(points).kneighbors()[0].mean(axis=1)
    np.testing.assert_allclose(preservation.neighbour_distances(points, 5), known)


def test_a_similarity_keeps_the_order_of_densities():
    points = places(60)
    images = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    flat = images.flatten(1)
    assert preservation.density_preservation(images, 3 * flat + 1, 5) == pytest.approx(1)
    shuffled = points[torch.randperm(60, generator=torch.Generator().manual_seed(1))]
    assert abs(preservation.density_preservation(images, shuffled, 5)) < 0.5


def test_the_places_of_blobs_keep_the_order_and_noise_does_not():
    where = places(300)
    images = truth.blobs(where)
    assert preservation.density_preservation(images, where, 10) > 0.9
    assert abs(preservation.density_preservation(images, places(300, 1), 10)) < 0.3


def test_a_model_is_scored_by_its_own_density():
    where = places(300)
    images, logs = truth.blobs(where), -(where**2).sum(1) / 2
    assert preservation.density_agreement(images, logs, 10) > 0.7
    assert preservation.density_agreement(images, -logs, 10) < -0.7


def test_the_authors_form_is_as_their_code_has_it():
    fitted, new = places(30), places(20, 1)
    images = truth.blobs(fitted), truth.blobs(new)
    score = preservation.density_preservation_paper(images[0], fitted, images[1], new)
    kth = []
    for a, b in ((images[0].flatten(1), images[1].flatten(1)), (fitted, new)):
        a, b = a.double().numpy(), b.double().numpy()
        low, width = a.min(axis=0), np.ptp(a, axis=0)
        a, b = (a - low) / np.where(width > 0, width, 1), (b - low) / np.where(width > 0, width, 1)
        kth.append(NearestNeighbors(n_neighbors=5).fit(a).kneighbors(b)[0][:, -1])
    assert score.distance == pytest.approx(spearmanr(*kth).statistic)
    assert score.combined == pytest.approx(0.7 * score.distance + 0.3 * score.angle)
    assert all(0 <= value <= 1 for value in score)


@pytest.mark.parametrize(
    ("images", "points", "k", "message"),
    [
        (torch.zeros(20, 1, 28, 28), places(20), 5, "all images have the same"),
        (truth.blobs(places(20)), torch.zeros(20, 2), 5, "all points have the same"),
        (truth.blobs(places(20)), places(20), 20, "below that"),
        (truth.blobs(places(20)), places(20) * math.nan, 5, "NaN"),
    ],
)
def test_refuses(images, points, k, message):
    with pytest.raises(ValueError, match=message):
        preservation.density_preservation(images, points, k)
