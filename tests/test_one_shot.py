"""The public side and the decoder: pinned, repeatable, and blind without a release."""

import numpy as np
import pytest
import torch

from helpers import study
from helpers.data import files
from helpers.models import families, networks, one_shot
from helpers.models.one_shot import COMMITTED, DIMENSION, Decoder, Public
from helpers.randomness import generator as stream
from helpers.study import compute, host
from helpers.study.cell import MODELS, Cell
from helpers.training import encoder as encoders

SHORT = encoders.Episodes(steps=5, way=4, shot=4, query=2)
CLASSES = 5


@pytest.fixture(scope="module")
def public():
    """Embeddings in five clusters, of images that tell the cluster by their brightness."""
    drawn = stream(0, "public")
    centres = torch.linalg.qr(torch.randn(DIMENSION, DIMENSION, generator=drawn))[0][:CLASSES]
    kinds = torch.arange(1000) % CLASSES
    points = centres[kinds] + 0.15 * torch.randn(1000, DIMENSION, generator=drawn)
    points = torch.nn.functional.normalize(points, dim=1)
    images = (kinds * 50).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
    return Public(one_shot.Encoder(1).eval(), images, points), centres, kinds


def chosen(public, sums, sigma, counts, **options):
    decoder, drawn = Decoder(**options), stream(0, "samples")
    return one_shot.choose(sums, sigma, public, counts, decoder=decoder, generator=drawn)


@pytest.mark.parametrize("simulator", COMMITTED)
def test_the_committed_encoders_are_the_pinned_ones(simulator):
    path = one_shot.committed_path(simulator)
    assert files.file_hash(path) == COMMITTED[simulator]
    encoder = one_shot.from_arrays(files.read_arrays(path))
    images = torch.rand(20, 1, 28, 28, generator=stream(0, "images"))
    assert torch.allclose(encoder(images).norm(dim=1), torch.ones(20), atol=1e-5)
    exact = encoder.embed_exactly(images)
    assert torch.allclose(exact.float(), encoder(images), atol=1e-5)
    assert encoder.scale(1e-9) >= encoder.scale(0.4) > encoder.scale(3.0) > 0


def test_other_weights_than_the_pinned_ones_are_refused(monkeypatch):
    monkeypatch.setitem(COMMITTED, "strokes", "0123456789ab")
    with pytest.raises(ValueError, match="git checkout HEAD -- "):
        one_shot.simulated("strokes")


@pytest.mark.parametrize("way", ["simulator", "folder"])
def test_training_an_encoder_again_gives_the_same_bytes(way, tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "_CLASSES", (40, 8))
    folder = torch.randint(256, (120, 1, 28, 28), dtype=torch.uint8, generator=stream(0, "folder"))

    def trained(seed):
        with host.one_thread():
            if way == "folder":
                return encoders.train_on_images(folder, seed=seed, episodes=SHORT)
            shape = one_shot.COMMITTED_SHAPE
            return encoders.train_on_simulator("strokes", shape, seed=seed, episodes=SHORT)

    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        files.write_arrays(tmp_path / f"{name}.npz", one_shot.to_arrays(trained(seed)))
    one, again, other = (files.file_hash(tmp_path / f"{n}.npz") for n in ("one", "again", "other"))
    assert one == again != other


def test_training_leaves_torchs_own_stream_alone(monkeypatch):
    monkeypatch.setattr(encoders, "_CLASSES", (40, 8))
    before = torch.get_rng_state()
    encoders.train_on_simulator("phantoms", (3, 32, 32), episodes=SHORT)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_a_clear_release_chooses_images_of_its_classes(sigma, public):
    side, centres, kinds = public
    sums = 10 * centres.double()
    rows = chosen(side, sums, sigma, [20] * CLASSES)
    asked = torch.arange(CLASSES).repeat_interleave(20)
    assert (kinds[rows] == asked).double().mean() > 0.95


def test_without_private_images_the_choice_is_chance(public):
    """At epsilon 0 the release is noise: averaged over draws, its labels are right by chance."""
    side, _, kinds = public
    asked, right = torch.arange(CLASSES).repeat_interleave(10), []
    for seed in range(100):
        noise = torch.randn(
            CLASSES, DIMENSION, generator=stream(seed, "noise"), dtype=torch.float64
        )
        rows = chosen(side, 2.575 * noise, 2.575, [10] * CLASSES)
        right.append((kinds[rows] == asked).double().mean().item())
    error = np.std(right) / np.sqrt(len(right))
    assert np.mean(right) == pytest.approx(1 / CLASSES, abs=4 * error)


def test_herding_follows_the_mean_better_than_drawing(public):
    side, centres, _ = public
    sums = 10 * (centres + 0.3 * centres.roll(1, 0)).double()
    target = 0.75 * torch.nn.functional.normalize(sums.float(), dim=1)

    def gap(rows):
        means = side.embeddings[rows].view(CLASSES, 30, -1).mean(1)
        return (means - target).norm(dim=1).mean()

    herded = chosen(side, sums, 0.1, [30] * CLASSES, herded_below=1.0)
    drawn = chosen(side, sums, 0.1, [30] * CLASSES, herded_below=0.0)
    assert gap(herded) < gap(drawn)
    assert len(herded[:30].unique()) == 30


def test_smoothing_corrects_labels_over_neighbours(public):
    side, centres, kinds = public
    graph = side._replace(neighbours=encoders.nearest(side.embeddings, 16)[:, 1:])
    noise = torch.randn(CLASSES, DIMENSION, generator=stream(1, "noise"), dtype=torch.float64)
    sums = 4 * centres.double() + 1.5 * noise
    plain, smooth = (
        one_shot.probabilities(sums, 1.5, part, Decoder()).argmax(1) for part in (side, graph)
    )
    assert (smooth == kinds).double().mean() > (plain == kinds).double().mean()
    odds = one_shot.probabilities(sums, 1.5, graph, Decoder())
    assert torch.allclose(odds.sum(1), torch.ones(len(odds)), atol=1e-4)


def test_the_family_is_in_no_default_and_accounts_for_one_step():
    assert "one_shot" in families.FAMILIES and "one_shot" not in MODELS
    [cell] = study.guaranteed("mnist", ["one_shot"], [3], [0], "compact")
    assert cell.sigma == pytest.approx(1.04) and cell.preset.training.steps == 1
    assert Cell("organamnist", "one_shot-phantoms", "dp", 1.04, 0, "compact").roles


def test_a_model_for_images_without_an_encoder_is_refused():
    with pytest.raises(ValueError, match=r"takes \(1, 28, 28\).*or give a public folder"):
        networks.build(
            "one_shot", "compact", classes=3, shape=(1, 32, 32), generator=stream(0, "w")
        )


def test_a_cell_of_the_study_is_trained_attacked_and_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    monkeypatch.setattr(one_shot, "LIBRARY", (60, 4))
    one_shot._committed.cache_clear()
    try:
        metrics = compute.run_cell(Cell("digits", "one_shot", "dp", 1.04, 0, "smoke"))["metrics"]
    finally:
        one_shot._committed.cache_clear()
    assert metrics["epsilon_1e-3"] == pytest.approx(2.99, abs=0.02)
    assert metrics["noised_parameters"] == 10 * DIMENSION
    assert {"accuracy", "epsilon_hat", "mia_loss_auc", "fd_lite0"} <= metrics.keys()


def test_an_encoder_sees_larger_images_averaged_and_others_as_they_are():
    images = torch.rand(6, 3, 64, 64, generator=stream(0, "images"))
    encoder = one_shot.Encoder(3).eval()
    averaged = images.view(6, 3, 32, 2, 32, 2).mean((3, 5))
    assert torch.allclose(encoder(images), encoder(averaged), atol=1e-6)
    for size in (28, 32):
        small = images[:, :, :size, :size]
        assert one_shot.shrunk(small) is small
