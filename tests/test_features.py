"""Features are those of the reference implementations, independent of the batch, and cached."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from helpers.data import assets, datasets, draws
from helpers.metrics import features

IMAGES = draws.holdout(datasets.load("digits"), 1).images[:3]


def need_inception():
    if assets.cached("inception") is None:
        pytest.skip("no Inception weights here: python -m helpers data inception")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def official_form(tmp_path_factory):
    """Inception's weights as the official file has them, with an empty last layer."""
    need_inception()
    network = features.inception_layers()
    features.load_inception(network, assets.fetch("inception"))
    state = network.state_dict() | {
        "fc.weight": torch.zeros(1008, 2048),
        "fc.bias": torch.zeros(1008),
    }
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(state, path)
    return path


def rgb(images):
    return (images * 255).round().byte().expand(-1, 3, -1, -1)


def test_lite0_features_and_logits():
    found = features.lite0(IMAGES)
    assert found.shape == (3, 1280) and found.dtype == torch.float32
    logits = features.lite0_head(features.lite0(IMAGES))
    assert logits.shape == (3, 1000)
    assert torch.equal(logits, features.lite0_head(found))
    assert not found.requires_grad and not found.is_inference()


def test_lite0_knows_what_a_photograph_shows():
    from sklearn.datasets import load_sample_image

    photograph = torch.from_numpy(load_sample_image("china.jpg")[:, 106:533].mean(axis=2))
    grey = (photograph / 255).float()[None, None]
    palace, bell_cote = 698, 442
    assert features.lite0_head(features.lite0(grey)).argmax().item() in (palace, bell_cote)


def test_grey_is_colour_of_equal_channels_and_colour_is_looked_at():
    assert torch.equal(features.lite0(IMAGES.repeat(1, 3, 1, 1)), features.lite0(IMAGES))
    red, blue = (functional.pad(IMAGES, (0, 0, 0, 0, c, 2 - c)) for c in (0, 2))
    assert (features.lite0(red) - features.lite0(blue)).abs().max() > 0.1


def test_features_do_not_depend_on_the_batch():
    together = features.lite0(IMAGES)
    alone = torch.cat([features.lite0(image[None]) for image in IMAGES])
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_pixels_are_rounded_to_eight_bits():
    nudged = (IMAGES + 0.4 / 255).clamp(max=1)
    assert torch.equal(features.lite0(nudged), features.lite0(IMAGES))


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        (IMAGES.expand(-1, 2, -1, -1), r"\(3, 2, 28, 28\).* are needed"),
        (IMAGES[0], "are needed"),
        (IMAGES * 255, "not within"),
        (IMAGES * float("nan"), "NaN"),
        (IMAGES.mul(255).byte(), "float"),
        (IMAGES[:0], "at least 1"),
    ],
)
def test_other_images_are_refused(images, problem):
    with pytest.raises(ValueError, match=problem):
        features.lite0(images)


@pytest.mark.parametrize("channels", [1, 3])
def test_inception_is_the_network_of_torch_fidelity(official_form, channels):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    reference = FeatureExtractorInceptionV3("reference", ["2048"], str(official_form))
    images = IMAGES[:2] if channels == 1 else IMAGES[torch.tensor([[0, 1, 2], [2, 0, 1]])][:, :, 0]
    with torch.inference_mode():
        (expected,) = reference(rgb(images))
    found = features.inception(images)
    assert found.shape == (2, 2048)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_the_weights_give_torchmetrics_documented_fid(official_form):
    """12.6388 stands in the documentation of torchmetrics, computed with the official weights."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    torch.manual_seed(42)
    fid = FrechetInceptionDistance(feature=64, feature_extractor_weights_path=str(official_form))
    first = torch.randint(0, 200, (100, 3, 299, 299), dtype=torch.uint8)
    second = torch.randint(100, 255, (100, 3, 299, 299), dtype=torch.uint8)
    for real, images in ((True, first), (False, second)):
        for batch in images.split(20):
            fid.update(batch, real=real)
    assert fid.compute().item() == pytest.approx(12.6388, abs=5e-4)


def test_both_forms_of_the_weights_give_the_same_network(official_form):
    one, other = features.inception_layers(), features.inception_layers()
    features.load_inception(one, assets.fetch("inception"))
    features.load_inception(other, official_form)
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_weights_of_another_network_are_refused(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "small.pt", "w") as archive:
        archive.writestr("top/data/0", bytes(8))
    with pytest.raises(ValueError, match="does not hold the parameters"):
        features.load_inception(features.inception_layers(), tmp_path / "small.pt")


# The cache


@pytest.fixture
def means():
    """A quick stand-in for a network, which counts its calls."""

    def means(images):
        means.calls += 1
        return images.mean(dim=(2, 3))

    means.calls = 0
    return means


def test_features_of_the_same_images_are_computed_once(home, means):
    first, second = features.cached(IMAGES, means), features.cached(IMAGES.clone(), means)
    assert means.calls == 1 and torch.equal(first, second)
    assert torch.equal(first, means(IMAGES))


def test_one_pixel_or_another_network_makes_other_features(home, means):
    features.cached(IMAGES, means)
    changed = IMAGES.clone()
    changed[2, 0, 5, 5] += 1 / 255
    features.cached(changed, means)
    assert means.calls == 2

    def maxima(images):
        return images.amax(dim=(2, 3))

    assert torch.equal(features.cached(IMAGES, maxima), maxima(IMAGES))


def test_equal_images_are_looked_at_once(home):
    seen = []

    def means(images):
        seen.append(len(images))
        return images.mean(dim=(2, 3))

    repeated = IMAGES[[0, 1, 0, 2, 1]]
    assert torch.equal(features.cached(repeated, means), repeated.mean(dim=(2, 3)))
    assert seen == [3]


@pytest.mark.parametrize("damage", ["cut", "empty", "pickled"])
def test_a_damaged_file_is_computed_anew_with_a_warning(home, means, damage):
    expected = features.cached(IMAGES, means)
    (path,) = (home / "runs" / "features").iterdir()
    if damage == "pickled":
        np.savez(path, features=np.array([None] * 3))
    else:
        path.write_bytes(path.read_bytes()[: 100 if damage == "cut" else 0])
    with pytest.warns(UserWarning, match="damaged"):
        assert torch.equal(features.cached(IMAGES, means), expected)
    assert torch.equal(features.cached(IMAGES, means), expected)
    assert means.calls == 2 and list(path.parent.iterdir()) == [path]
