"""Fidelity measures against torchmetrics, torch-fidelity and closed forms."""

import math

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from helpers.metrics import fidelity


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def features(n, d, seed, shift=0.0):
    """Correlated, skewed features, as networks give them."""
    mix = torch.randn(d, d, generator=rng(99)) / math.sqrt(d)
    return (torch.randn(n, d, generator=rng(seed)) @ mix + shift).relu()


def images(n, seed=0, size=28, channels=1):
    return torch.rand(n, channels, size, size, generator=rng(seed))


@pytest.mark.parametrize(("n", "m", "d"), [(40, 60, 100), (300, 200, 50), (60, 200, 100)])
def test_frechet_distance_is_the_references(n, m, d):
    a, b = features(n, d, 0).double(), features(m, d, 1, shift=0.3).double()
    ours = fidelity.frechet_distance(a, b)
    fidelity_value = fid_statistics_to_metric(
        fid_features_to_statistics(a), fid_features_to_statistics(b), verbose=False
    )["frechet_inception_distance"]
    metrics_value = _compute_fid(a.mean(0), a.T.cov(), b.mean(0), b.T.cov()).item()
    # References take square roots of eigenvalues that are 0 up to rounding when n < d.
    assert ours == pytest.approx(fidelity_value, rel=1e-4)
    assert ours == pytest.approx(metrics_value, rel=1e-4)


def test_frechet_distance_of_known_gaussians():
    # N(0, I) against N(mu, s^2 I): |mu|^2 + d (1 - s)^2, made exact by whitening the sample.
    x = torch.randn(500, 6, generator=rng()).double()
    x -= x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov()).T)
    assert fidelity.frechet_distance(x, 3 * x + 2) == pytest.approx(6 * 4 + 6 * 4, rel=1e-9)
    assert fidelity.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_knows_no_order_and_is_symmetric():
    a, b = features(80, 120, 0), features(90, 120, 1)
    value = fidelity.frechet_distance(a, b)
    assert fidelity.frechet_distance(a.flip(0), b.numpy()) == pytest.approx(value, rel=1e-10)
    assert fidelity.frechet_distance(b, a) == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize(
    ("real", "synthetic", "message"),
    [
        (torch.zeros(1, 4), torch.zeros(5, 4), "at least 2"),
        (torch.zeros(5, 4), torch.full((5, 4), math.nan), "NaN"),
        (torch.zeros(5, 4), torch.zeros(5, 3), "columns"),
        (torch.zeros(5, 4, 2), torch.zeros(5, 4), "shape"),
    ],
)
def test_frechet_distance_refuses(real, synthetic, message):
    with pytest.raises(ValueError, match=message):
        fidelity.frechet_distance(real, synthetic)


@pytest.mark.parametrize("splits", [1, 10])
def test_inception_score_is_torch_fidelitys(splits):
    logits = 3 * torch.randn(200, 10, generator=rng())
    reference = isc_features_to_metric(logits.double(), splits=splits, shuffle=False)
    value = fidelity.inception_score(logits, splits)
    assert value == pytest.approx(reference["inception_score_mean"], rel=1e-9)


def test_inception_score_does_not_depend_on_order_and_falls_with_splits():
    logits = 3 * torch.randn(200, 10, generator=rng())
    value = fidelity.inception_score(logits)
    assert fidelity.inception_score(logits.flip(0)) == pytest.approx(value, rel=1e-10)
    assert fidelity.inception_score(logits, splits=10) < value


def test_inception_score_runs_from_one_to_the_number_of_classes():
    assert fidelity.inception_score(torch.zeros(30, 10)) == pytest.approx(1)
    assert fidelity.inception_score(1000 * torch.eye(10)) == pytest.approx(10)


SHAPES = [{"channels": 1, "size": 28}, {"channels": 3, "size": 32}, {"channels": 1, "size": 64}]


@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_matrix_is_torchmetrics(shape):
    a, b = images(4, 0, **shape), images(5, 1, **shape)
    a[0] = b[0]
    a[1] = 0  # constant images keep a defined value
    ours = fidelity.ssim_matrix(a, b)
    for i in range(4):
        reference = structural_similarity_index_measure(
            a[i : i + 1].expand_as(b), b, data_range=1.0, reduction="none"
        )
        np.testing.assert_allclose(ours[i], reference, atol=1e-5)
    assert ours[0, 0] == pytest.approx(1)


def test_ssim_matrix_takes_pictures_that_are_not_square():
    a = torch.rand(2, 1, 20, 31, generator=rng())
    reference = structural_similarity_index_measure(a[:1], a[1:], data_range=1.0)
    assert fidelity.ssim_matrix(a, a)[0, 1] == pytest.approx(reference.item(), abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_pairs_are_all_pairs_of_the_same_class(shape):
    fake, real = images(6, 0, **shape), images(4, 1, **shape)
    labels, real_labels = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([1, 1, 0, 0])
    pairs = [(i, j) for i in range(6) for j in range(4) if labels[i] == real_labels[j]]
    left, right = fake[[i for i, _ in pairs]], real[[j for _, j in pairs]]
    psnr = peak_signal_noise_ratio(left, right, data_range=1.0).item()
    ssim = structural_similarity_index_measure(left, right, data_range=1.0).item()
    arguments = (fake, labels, real, real_labels)
    assert fidelity.psnr(*arguments) == pytest.approx(psnr, abs=1e-4)
    assert fidelity.ssim(*arguments) == pytest.approx(ssim, abs=1e-5)


@pytest.mark.parametrize("measure", [fidelity.psnr, fidelity.ssim])
def test_pair_measures_know_no_order(measure):
    fake, real, labels = images(30, 0), images(20, 1), torch.arange(30) % 3
    real_labels = torch.arange(20) % 3
    order = torch.randperm(30, generator=rng())
    assert measure(fake[order], labels[order], real.flip(0), real_labels.flip(0)) == pytest.approx(
        measure(fake, labels, real, real_labels), rel=1e-9
    )


def test_equal_images_have_infinite_psnr_and_ssim_one():
    same, labels = images(1).repeat(4, 1, 1, 1), torch.zeros(4, dtype=torch.long)
    assert fidelity.psnr(same, labels, same, labels) == math.inf
    assert fidelity.ssim(same, labels, same, labels) == pytest.approx(1)


BAD = [
    (images(2) - 0.5, "range"),
    (images(2) * math.nan, "NaN"),
    (images(2, channels=2), "are needed"),
    (images(2, channels=3), "3 and 1 channels"),
    ((255 * images(2)).byte(), "float tensor"),
    (images(2, size=32), "same size"),
    (images(2)[:0], "at least 1"),
]


@pytest.mark.parametrize("measure", [fidelity.psnr, fidelity.ssim])
@pytest.mark.parametrize(("bad", "message"), BAD)
def test_pair_measures_refuse_bad_images(measure, bad, message):
    labels = torch.zeros(2, dtype=torch.long)
    with pytest.raises(ValueError, match=message):
        measure(bad, labels[: len(bad)], images(2), labels)


@pytest.mark.parametrize("measure", [fidelity.psnr, fidelity.ssim])
def test_pair_measures_refuse_bad_labels(measure):
    one, zero = torch.ones(2, dtype=torch.long), torch.zeros(2, dtype=torch.long)
    with pytest.raises(ValueError, match=r"no real image of class \[1\]"):
        measure(images(2), one, images(2), zero)
    with pytest.raises(ValueError, match="labels"):
        measure(images(2), one[:1], images(2), zero)
    with pytest.raises(ValueError, match="integers"):
        measure(images(2), one.float(), images(2), zero)


def test_ssim_refuses_images_smaller_than_its_window():
    with pytest.raises(ValueError, match="at least 11"):
        fidelity.ssim_matrix(images(2, size=8), images(2, size=8))


def test_kid_is_the_references():
    a, b = features(120, 40, 0).double(), features(120, 40, 1, shift=0.2).double()
    assert fidelity.kid(a, b) == pytest.approx(poly_mmd(a, b).item(), rel=1e-9)
    everything = {"kid_subsets": 1, "kid_subset_size": 120, "verbose": False}
    reference = kid_features_to_metric(a, b, **everything)["kernel_inception_distance_mean"]
    assert fidelity.kid(a, b) == pytest.approx(reference, rel=1e-9)
    assert fidelity.kid(a.flip(0), b) == pytest.approx(fidelity.kid(a, b), rel=1e-9)


def test_kid_has_no_bias_at_small_n_and_fid_has():
    pairs = [(features(50, 20, 2 * s), features(50, 20, 2 * s + 1)) for s in range(40)]
    kids = [fidelity.kid(a, b) for a, b in pairs]
    assert np.mean(kids) == pytest.approx(0, abs=4 * np.std(kids) / math.sqrt(len(kids)))
    assert min(fidelity.frechet_distance(a, b) for a, b in pairs) > 0


def test_fid_inf_removes_most_of_the_bias():
    pairs = [[torch.randn(200, 16, generator=rng(2 * s + i)) for i in (0, 1)] for s in range(20)]
    biased = [fidelity.frechet_distance(a, b) for a, b in pairs]
    estimates = [fidelity.fid_inf(a, b, generator=rng()) for a, b in pairs]
    assert abs(np.mean(estimates)) < 0.25 * np.mean(biased)  # the truth is 0
    assert np.mean(estimates) == pytest.approx(0, abs=4 * np.std(estimates) / math.sqrt(20))


def test_fid_inf_keeps_a_true_distance_and_repeats():
    a, b = (torch.randn(300, 4, generator=rng(s)) for s in (0, 1))
    estimate = fidelity.fid_inf(a, 3 * b + 2, generator=rng())
    assert estimate == pytest.approx(4 * 2**2 + 4 * 2**2, rel=0.1)
    assert fidelity.fid_inf(a, 3 * b + 2, generator=rng()) == estimate
    with pytest.raises(ValueError, match="at least 30"):
        fidelity.fid_inf(a[:29], b, generator=rng())


def naive_neighbourhoods(real, fake, k):
    """Loops over the definitions of Kynkaanniemi et al. and Naeem et al."""

    def radius(points, i):
        return sorted(math.dist(points[i], p) for p in points)[k]

    balls_r = [radius(real, i) for i in range(len(real))]
    balls_f = [radius(fake, i) for i in range(len(fake))]
    inside = [
        [math.dist(r, f) <= ball for f in fake] for r, ball in zip(real, balls_r, strict=True)
    ]
    recall = [
        any(math.dist(r, f) <= ball for f, ball in zip(fake, balls_f, strict=True)) for r in real
    ]
    columns = list(zip(*inside, strict=True))
    return (
        np.mean([any(column) for column in columns]),
        np.mean(recall),
        sum(map(sum, columns)) / (k * len(fake)),
        np.mean([any(row) for row in inside]),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_neighbourhoods_are_the_definitions_and_torch_fidelitys(k):
    real, fake = features(40, 5, 0).double(), features(30, 5, 1, shift=0.3).double()
    ours = fidelity.neighbourhoods(real, fake, k)
    np.testing.assert_allclose(ours, naive_neighbourhoods(real.tolist(), fake.tolist(), k))
    reference = prc_features_to_metric(fake, real, prc_neighborhood=k, verbose=False)
    assert ours.precision == pytest.approx(reference["precision"])
    assert ours.recall == pytest.approx(reference["recall"])


def test_neighbourhoods_tell_blur_from_collapse():
    real, fresh = (torch.randn(300, 8, generator=rng(s)) for s in (0, 1))
    same = fidelity.neighbourhoods(real, fresh)
    assert same.density == pytest.approx(1, abs=0.15)
    assert same.coverage == pytest.approx(1 - 2**-3, abs=0.06)
    shrunk = fidelity.neighbourhoods(real, 0.3 * fresh)  # every image likely, no variety
    assert shrunk.precision > same.precision
    assert shrunk.recall < 0.1
    collapsed = fidelity.neighbourhoods(real, fresh[:1].repeat(300, 1))
    assert collapsed.recall <= 0.01
    assert collapsed.coverage < 0.1
    far = fidelity.neighbourhoods(real, fresh + 100)
    assert far == (0, 0, 0, 0)
    copies = fidelity.neighbourhoods(real, real)
    assert copies.precision == copies.recall == copies.coverage == 1


def test_neighbourhoods_refuse_too_few():
    with pytest.raises(ValueError, match="k=3"):
        fidelity.neighbourhoods(features(3, 5, 0), features(30, 5, 1))


def test_per_class_measures_each_class_alone():
    a, b = features(40, 3, 0), features(40, 3, 1)
    labels = torch.arange(40) % 2
    values = fidelity.per_class(fidelity.frechet_distance, a, labels, b, labels)
    assert values == {c: fidelity.frechet_distance(a[c::2], b[c::2]) for c in (0, 1)}
    with pytest.raises(ValueError, match=r"class \[1\]"):
        fidelity.per_class(fidelity.kid, a, 0 * labels, b, labels)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_papers_pairs_inflate_ssim_and_ignore_classes(channels):
    fake, real = (images(12, seed, channels=channels) for seed in (0, 1))
    labels = torch.zeros(12, dtype=torch.long)
    inflated = fidelity.ssim_paper(fake, real, generator=rng())
    assert inflated > fidelity.ssim(fake, labels, real, labels) + 0.1
    a, b = next(fidelity.paper_pairs(fake, real, generator=rng()))
    assert a.shape == b.shape == (10, channels, 299, 299)
    assert fidelity.ssim_paper(fake, real, generator=rng()) == inflated
    reference = peak_signal_noise_ratio(
        *(
            torch.cat(s)
            for s in zip(*fidelity.paper_pairs(fake, real, generator=rng()), strict=True)
        ),
        data_range=1.0,
    )
    assert fidelity.psnr_paper(fake, real, generator=rng()) == pytest.approx(
        reference.item(), rel=1e-5
    )
    parts = zip(*fidelity.paper_pairs(fake, real, generator=rng()), strict=True)
    pairs = (torch.cat(side) for side in parts)
    reference = structural_similarity_index_measure(*pairs, data_range=1.0)
    assert inflated == pytest.approx(reference.item(), abs=1e-5)
