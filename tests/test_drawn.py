"""Images drawn after a release: they follow what is asked for, and that follows the release."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from chapters.release import drawn, standin
from helpers.data import files
from helpers.models.one_shot import DIMENSION, Encoder, Public
from helpers.models.presets import CompactUNet
from helpers.randomness import generator as stream

CLASSES = 3


def test_a_drawn_image_is_one_of_the_embedding_that_was_asked_for(monkeypatch):
    """Of a library of two kinds, ink on the left and ink on the right."""
    training = replace(drawn.PRESET.training, steps=80, batch=32)
    network = CompactUNet(8, 8, narrow=4, wide=4, width=16)
    preset = replace(drawn.PRESET, training=training, network=network)
    monkeypatch.setattr(drawn, "PRESET", preset)
    left = torch.arange(64) % 2 == 0
    images = torch.zeros(64, 1, 28, 28, dtype=torch.uint8)
    images[left, :, 8:20, 2:12], images[~left, :, 8:20, 16:26] = 255, 255
    embeddings = F.one_hot((~left).long(), DIMENSION).float()
    model = drawn.train(Public(Encoder(1), images, embeddings)).eval()
    asked = embeddings[:2].repeat_interleave(5, 0)
    made = model.sample(asked, generator=stream(0, "samples"))
    assert made.shape == (10, 1, 28, 28) and 0 <= made.min() <= made.max() <= 1
    leaning = made[..., :14].mean((1, 2, 3)) - made[..., 14:].mean((1, 2, 3))
    assert (leaning[:5] > 0.1).all() and (leaning[5:] < -0.1).all()


class Echo:
    """A model that draws black images, and remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def sample(self, asked, *, generator):
        self.asked.append(asked)
        return torch.zeros(len(asked), 1, 28, 28)


@pytest.fixture
def public():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = Encoder(1)
        images = torch.randint(1, 256, (200, 1, 28, 28), dtype=torch.uint8)
        encoder(images / 255)  # statistics for the last layer
    encoder = encoder.eval().requires_grad_(False)
    return Public(encoder, images, encoder.embed(images))


def test_what_is_asked_for_is_the_release_or_what_was_selected(public, monkeypatch):
    monkeypatch.setattr(drawn, "EACH", 4)
    sums = torch.randn(CLASSES, DIMENSION, generator=stream(0, "sums"), dtype=torch.float64)
    selected, made, redrawn, joined = drawn.sets(sums, 1.0, public, echo := Echo(), 0)
    toward, embeddings = echo.asked
    cosine = F.cosine_similarity(toward.view(CLASSES, 4, -1), sums[:, None].float(), dim=2)
    assert torch.allclose(cosine, torch.ones(CLASSES, 4), atol=1e-5)
    assert torch.allclose(embeddings, public.encoder.embed(selected), atol=1e-5)
    assert made.shape == redrawn.shape == selected.shape == joined.shape


def test_a_drawn_image_that_fits_is_selected_beside_the_library(public, monkeypatch):
    monkeypatch.setattr(drawn, "EACH", 4)
    black = public.encoder.embed(torch.zeros(1, 1, 28, 28))
    opposite = torch.cat([black, -black, -black]).double()
    *_, joined = drawn.sets(3 * opposite, 0.1, public, Echo(), 0)
    empty = (joined == 0).flatten(1).all(1).view(CLASSES, 4)
    assert empty[0].float().mean() > 0.5 and not empty[1:].any()  # none of the library is empty


def test_what_is_collected_is_of_today_s_settings_and_not_of_the_seeds_that_chose_them():
    found = files.read_json(drawn.path())
    today = json.loads(json.dumps(drawn.settings()))
    assert {name: found[name] for name in today} == today
    assert sorted(map(int, found["by seed"])) == sorted(drawn.SEEDS)
    assert not {0, 1} & set(drawn.SEEDS)
    assert {len(records) for records in found["by seed"].values()} == {len(drawn.EPSILONS)}


def test_what_is_compared_with_is_the_selection_that_was_chosen():
    chosen = files.read_json(standin.path())
    herded = chosen["accuracy at epsilon 10"]["herded of 500"][0]
    found = files.read_json(drawn.path())["by seed"]
    assert [found[str(seed)][0]["selected"][0] for seed in standin.MORE] == herded
