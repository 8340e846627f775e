"""Known truth is what it claims to be: by arithmetic, by counting, and by construction."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from chapters.density import truth
from helpers.data import datasets
from helpers.metrics import plane

pytestmark = pytest.mark.usefixtures("one_thread")


def scene(dataset, **changes):
    sizes = {"fitted": 8, "unseen": 60, "clean": 400, "planted": 50} | changes
    return truth.scene(dataset, 0, **sizes)


@pytest.mark.parametrize("leak", list(truth.WIDTHS))
@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 1.0])
def test_the_blobs_ratio_is_that_of_the_densities(leak, fraction):
    clean = multivariate_normal(np.zeros(2)).pdf(truth.QUERY)
    planted = multivariate_normal(truth.QUERY, truth.WIDTHS[leak] ** 2).pdf(truth.QUERY)
    ratio = ((1 - fraction) * clean + fraction * planted) / clean
    assert truth.blob_log_ratio(fraction, leak) == pytest.approx(math.log(ratio))


def test_the_estimator_recovers_the_blobs_truth_from_their_places():
    random = np.random.default_rng(0)
    n, fraction = 20_000, 0.2
    clean = random.standard_normal((2, n, 2))
    clean[0][: int(fraction * n)] = truth.QUERY + 0.5 * random.standard_normal(
        (int(fraction * n), 2)
    )
    value = plane.log_density_ratio(clean[0], clean[1], np.array(truth.QUERY), k=200)
    assert value == pytest.approx(truth.blob_log_ratio(fraction, "smooth"), abs=0.25)


def test_mass_grows_as_counted_in_a_ball():
    # 1,000 points, 20 in the ball; 50 of the others give way to copies of which 45 are in the ball.
    assert truth.mass_log_ratio(0.05, 45 / 50, 20 / 1000) == pytest.approx(
        math.log((20 * 0.95 + 45) / 20)
    )
    rising = [truth.mass_log_ratio(f, 1.0, 0.02) for f in (0, 0.01, 0.1, 1)]
    assert rising == sorted(rising)
    assert rising[0] == 0


def test_blobs_are_bright_where_they_are_placed():
    [image] = truth.blobs(torch.tensor([[1.0, -2.0]]))
    weights = image[0] / image.sum()
    centre = [float((weights.sum(axis) * (torch.arange(28) + 0.5)).sum()) for axis in (0, 1)]
    assert centre == pytest.approx([14 + 3, 14 - 6], abs=0.05)
    assert 0.9 < image.max() <= 1


def test_a_scene_keeps_its_parts_apart():
    data, made = datasets.load("digits"), scene("digits")
    assert len(made.fitted) == 8 * len(data.classes)
    assert len(made.query) == 1
    parts = [made.fitted, made.unseen, made.query, made.clean]
    rows = torch.cat(parts).flatten(1)
    index = torch.cat([torch.full((len(part),), i) for i, part in enumerate(parts)])
    distances = torch.cdist(rows, rows)
    twins = (distances < 1e-6) & (index[:, None] != index[None, :])
    assert not twins.any()


def test_smaller_fitted_sets_are_part_of_larger_ones():
    small, large = scene("digits", fitted=3), scene("digits", fitted=8)
    for few, many in zip(small.fitted.split(3), large.fitted.split(8), strict=True):
        assert torch.equal(few, many[:3])


@pytest.mark.parametrize("dataset", ["digits", truth.BLOBS])
def test_a_seed_is_a_scene(dataset):
    first, again = scene(dataset), scene(dataset)
    assert torch.equal(first.clean, again.clean)
    assert all(torch.equal(first.leaks[kind], again.leaks[kind]) for kind in first.leaks)
    other = truth.scene(dataset, 1, fitted=8, unseen=60, clean=400, planted=50)
    assert not torch.equal(first.clean, other.clean)


def test_near_copies_are_nearer_to_the_query_than_other_images():
    made = scene("digits")
    query, copies = made.query.flatten(1), made.leaks["copies"].flatten(1)
    assert (copies >= 0).all()
    assert (copies <= 1).all()
    nearest = torch.cdist(query, made.clean.flatten(1)).min()
    far = torch.cdist(query, copies)[0]
    assert 0 < far.median() < nearest


def test_an_unknown_data_set_is_refused():
    with pytest.raises(ValueError, match="unknown data set 'mnits'"):
        scene("mnits")
