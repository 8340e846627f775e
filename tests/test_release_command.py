"""`python -m helpers release`: what it writes, what it never writes, and what it refuses."""

import json
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import cli
from helpers.models import one_shot
from helpers.training import encoder as encoders
from helpers.training import release

pytestmark = [  # random pixels have no classes
    pytest.mark.filterwarnings("ignore:what tells the classes"),
    pytest.mark.filterwarnings("ignore:to the public folder or simulator"),
]


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """A store of its own, with a small library and short trainings."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(one_shot, "LIBRARY", (60, 4))
    monkeypatch.setattr(encoders, "FOLDER", encoders.Episodes(5, way=4, shot=4, query=2))
    monkeypatch.setattr(encoders, "_LIBRARY", 200)
    one_shot._committed.cache_clear()
    yield
    one_shot._committed.cache_clear()


def write(folder, count, seed, *, colour=False, size=28):
    numbers = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        shape = (size, size, 3) if colour else (size, size)
        pixels = numbers.integers(256, size=shape, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
    return folder


@pytest.fixture
def private(tmp_path):
    for seed, name in enumerate(("benign", "malign")):
        write(tmp_path / "private" / name, 6, seed)
    return tmp_path / "private"


def run(private, out, *more, epsilon="3"):
    asked = ["release", "--images", str(private), "--epsilon", epsilon, "--per-class", "4"]
    return cli.main([*asked, "--out", str(out), *more])


def refused(capsys, *arguments, **settings):
    assert run(*arguments, **settings) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


SIMULATOR = ("--simulator", "strokes")


def test_a_release_holds_images_by_class_and_a_certificate(private, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(private, out, *SIMULATOR, "--soft-labels") == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "benign",
        "certificate.json",
        "malign",
        "probabilities.csv",
    ]
    assert len(list((out / "malign").glob("*.png"))) == 4
    rows = (out / "probabilities.csv").read_text().splitlines()
    assert rows[0] == 'image,"benign","malign"' and len(rows) == 9
    assert sum(map(float, rows[1].split(",")[1:])) == pytest.approx(1, abs=1e-3)
    certificate = json.loads((out / "certificate.json").read_text())
    expected = release.guarantee(certificate["sigma"], delta=1e-3)
    assert certificate["epsilon"] == {
        "one record added or removed": expected.epsilon,
        "one record replaced": expected.epsilon_replaced,
    }
    assert expected.epsilon <= 3
    assert certificate["public"]["encoder"] == one_shot.COMMITTED["strokes"]
    assert "seed" not in certificate and " 6" not in json.dumps(certificate["public"])
    assert f"{expected.epsilon_replaced:.3g}" in capsys.readouterr().out


def test_the_certificate_says_nothing_of_the_private_images(private, tmp_path):
    """More images, other images: the same certificate."""
    assert run(private, tmp_path / "one", *SIMULATOR, "--ledger", str(tmp_path / "1.json")) == 0
    write(private / "benign", 9, 7)
    assert run(private, tmp_path / "two", *SIMULATOR, "--ledger", str(tmp_path / "2.json")) == 0
    one, two = ((tmp_path / n / "certificate.json").read_text() for n in ("one", "two"))
    assert one == two


def test_two_releases_of_the_same_images_differ(private, tmp_path):
    sums = []
    original = release.noisy_sums

    def kept(*arguments, **settings):
        sums.append(original(*arguments, **settings))
        return sums[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release, "noisy_sums", kept)
        for name in ("one", "two"):
            assert run(private, tmp_path / name, *SIMULATOR, "--again") == 0
    assert not np.allclose(sums[0], sums[1])


def test_a_folder_of_unlabelled_images_is_a_public_side(private, tmp_path):
    public = write(tmp_path / "public" / "whatever", 100, 9)
    assert run(private, tmp_path / "out", "--public", str(public.parent)) == 0
    certificate = json.loads((tmp_path / "out" / "certificate.json").read_text())
    assert certificate["public"]["images"] == 100
    assert "licence" in certificate["public"]["images shown"]


def test_images_are_read_at_the_size_of_the_public_ones(private, tmp_path):
    public = write(tmp_path / "public", 100, 9, size=42)
    assert run(private, tmp_path / "out", "--public", str(public)) == 0
    with Image.open(tmp_path / "out" / "benign" / "00001.png") as image:
        assert image.size == (40, 40)  # a multiple of 4


def test_one_private_image_in_colour_does_not_change_what_is_written(private, tmp_path, capsys):
    write(private / "malign", 1, 5, colour=True)
    public = write(tmp_path / "public", 100, 9)
    assert run(private, tmp_path / "out", "--public", str(public)) == 0
    with Image.open(tmp_path / "out" / "benign" / "00001.png") as image:
        assert image.mode == "L"
    assert f"{public} is grey, so all images are read in grey" in capsys.readouterr().err


@pytest.mark.parametrize("epsilon", ["0", "-1", "inf", "nan"])
def test_an_epsilon_out_of_range_is_refused(epsilon, private, tmp_path, capsys):
    error = refused(capsys, private, tmp_path / "out", *SIMULATOR, epsilon=epsilon)
    assert "must be finite and > 0" in error


def test_a_seed_is_refused(private, tmp_path, capsys):
    error = refused(capsys, private, tmp_path / "out", *SIMULATOR, "--seed", "1")
    assert "a release takes no seed" in error


def test_images_without_classes_are_refused(private, tmp_path, capsys):
    write(tmp_path / "flat", 3, 0)
    error = refused(capsys, tmp_path / "flat", tmp_path / "out", *SIMULATOR)
    assert "holds no list of classes" in error
    (private / "unsure").mkdir()
    error = refused(capsys, private, tmp_path / "out", *SIMULATOR)
    assert "unsure holds no image" in error
    error = refused(capsys, tmp_path / "nowhere", tmp_path / "out", *SIMULATOR)
    assert "nowhere is no folder" in error


def test_images_of_another_shape_than_the_encoders_are_refused(private, tmp_path, capsys):
    error = refused(capsys, private, tmp_path / "out", *SIMULATOR, "--size", "32")
    assert "takes (1, 28, 28)" in error
    write(private / "benign", 1, 5, colour=True)
    error = refused(capsys, private, tmp_path / "out", *SIMULATOR)
    assert "of 1 channel, not 3" in error
    assert run(private, tmp_path / "out", *SIMULATOR, "--grey") == 0


def test_a_simulator_that_there_is_not_is_refused(private, tmp_path, capsys):
    error = refused(capsys, private, tmp_path / "out", "--simulator", "scribbles")
    assert "allowed: strokes, phantoms" in error


def test_a_public_folder_must_be_large_and_apart(private, tmp_path, capsys):
    public = write(tmp_path / "public", 50, 9)
    error = refused(capsys, private, tmp_path / "out", "--public", str(public))
    assert "at least 100" in error
    write(tmp_path / "public", 120, 9)
    Image.open(private / "benign" / "0.png").save(public / "shared.png")
    error = refused(capsys, private, tmp_path / "out", "--public", str(public))
    assert "holds images of the private one" in error
    pixels = np.array(Image.open(private / "benign" / "0.png"))
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(public / "shared.png")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert run(private, tmp_path / "out", "--public", str(public)) == 0
    assert any("near-duplicates" in str(warning.message) for warning in caught)


def test_what_is_made_of_a_public_folder_is_kept(private, tmp_path, monkeypatch):
    """A second release of it trains, embeds and compares nothing, and shows the same library."""
    folder = torch.randint(256, (120, 1, 28, 28), dtype=torch.uint8)
    monkeypatch.setattr(encoders, "_LIBRARY", 300)  # so that copies are among them
    first = encoders.of_folder(folder)
    assert len(first.images) == 240 and first.neighbours.shape == (240, 15)
    assert torch.equal(first.embeddings, first.encoder.embed(first.images))
    for name in ("train_on_images", "nearest"):
        monkeypatch.setattr(encoders, name, lambda *_, **__: pytest.fail("it was made again"))
    monkeypatch.setattr(one_shot.Encoder, "embed", lambda *_: pytest.fail("it was made again"))
    again = encoders.of_folder(folder)
    for kept, made in zip(again[1:], first[1:], strict=True):
        assert torch.equal(kept, made)


def test_nothing_is_replaced_and_nothing_half_written_stays(private, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    assert "exists already" in refused(capsys, private, out, *SIMULATOR)
    out.rmdir()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("helpers.release.files.write_json", full)
    assert "No space left" in refused(capsys, private, out, *SIMULATOR)
    assert not out.exists() and not [p for p in tmp_path.iterdir() if p.name.startswith(".out")]


def test_more_images_than_the_library_holds_are_refused(private, tmp_path, capsys):
    asked = ["release", "--images", str(private), "--epsilon", "3", "--per-class", "999"]
    assert cli.main([*asked, "--out", str(tmp_path / "out"), *SIMULATOR]) == 1
    assert "the library holds 240" in capsys.readouterr().err


# The ledger


def test_a_second_release_is_refused_or_added(private, tmp_path, capsys):
    assert run(private, tmp_path / "one", *SIMULATOR) == 0
    assert "1 release(s) of these images" in capsys.readouterr().out
    kept = json.loads((private / ".releases.json").read_text())
    error = refused(capsys, private, tmp_path / "two", *SIMULATOR, epsilon="2")
    assert "epsilon 3 at delta 0.001 is spent" in error and not (tmp_path / "two").exists()
    assert run(private, tmp_path / "two", *SIMULATOR, "--again", epsilon="2") == 0
    sigmas = [json.loads((tmp_path / n / "certificate.json").read_text()) for n in ("one", "two")]
    expected = release.guarantee(*(c["sigma"] for c in sigmas), delta=1e-3)
    together = sigmas[1]["with earlier releases of the same images"]
    assert together["epsilon"]["one record added or removed"] == expected.epsilon > 3.5
    assert together["earlier sigmas"] == [sigmas[0]["sigma"]] == [kept[0]["sigma"]]
    assert "epsilon" in capsys.readouterr().out
    elsewhere = str(tmp_path / "another.json")
    assert run(private, tmp_path / "three", *SIMULATOR, "--ledger", elsewhere) == 0


def test_the_ledger_knows_noise_alone(private, tmp_path):
    """It says nothing of the images, so that neither does a certificate that follows it."""
    assert run(private, tmp_path / "one", *SIMULATOR) == 0
    (entry,) = json.loads((private / ".releases.json").read_text())
    assert set(entry) == {"sigma", "delta"}


def test_a_ledger_that_cannot_be_read_or_has_changed_is_left_alone(
    private, tmp_path, capsys, monkeypatch
):
    ledger = private / ".releases.json"
    ledger.write_text('[{"noise": 1}]')
    assert "is no ledger of releases" in refused(capsys, private, tmp_path / "out", *SIMULATOR)
    assert ledger.read_text() == '[{"noise": 1}]'
    ledger.unlink()
    original = release.noisy_sums

    def meanwhile(*arguments, **settings):
        ledger.write_text('[{"sigma": 1, "delta": 0.1}]')
        return original(*arguments, **settings)

    monkeypatch.setattr(release, "noisy_sums", meanwhile)
    assert "has changed meanwhile" in refused(capsys, private, tmp_path / "out", *SIMULATOR)
    assert not (tmp_path / "out").exists()


# Taint: what is written depends on private images through the noisy sums alone


@pytest.mark.parametrize("public", [False, True])
def test_no_output_depends_on_private_images_but_through_the_sums(
    private, tmp_path, capsys, monkeypatch, public
):
    side = ("--public", str(write(tmp_path / "public", 100, 9))) if public else SIMULATOR
    fixed = torch.randn(2, one_shot.DIMENSION, dtype=torch.float64)
    monkeypatch.setattr(release, "noisy_sums", lambda *_, **__: fixed)
    monkeypatch.setattr("helpers.release.secrets.randbits", lambda _: 5)
    written = []
    for name in ("one", "two"):
        out, ledger = tmp_path / name / "out", tmp_path / name / "ledger.json"
        assert run(private, out, *side, "--soft-labels", "--ledger", str(ledger)) == 0
        said = capsys.readouterr().out.replace(str(tmp_path / name), "")
        files = {p.relative_to(out): p.read_bytes() for p in sorted(out.rglob("*.*"))}
        written.append((files, said, ledger.read_text()))
        for place in private.iterdir():  # more images, and none that was there
            for path in place.glob("*.png"):
                path.unlink()
            write(place, 13, 77)
    assert written[0] == written[1] and len(written[0][0]) == 10


def test_what_can_be_refused_is_refused_before_a_private_image_is_read(
    private, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("helpers.data.folders.read_image", lambda *_: pytest.fail("it was read"))
    for more, said in {
        ("--simulator", "scribbles"): "allowed: strokes, phantoms",
        (*SIMULATOR, "--size", "32"): "takes (1, 28, 28)",
        (*SIMULATOR, "--size", "27"): "multiple of 4",
        ("--public", str(private / "benign")): "must lie apart",
    }.items():
        assert said in refused(capsys, private, tmp_path / "out", *more)


@pytest.mark.parametrize("classes", [2, 4, 10])
@pytest.mark.parametrize("records", [(0, 0), (10, 10), (5, 100)])  # of the first class, the last
def test_of_noise_the_p_value_of_a_release_is_uniform(classes, records):
    """Calibrated on noise, alone and beside what all classes share, however many records each."""
    drawn = torch.Generator().manual_seed(0)
    common = torch.nn.functional.normalize(torch.randn(32, generator=drawn), dim=0).double()
    shared = torch.outer(torch.linspace(*records, classes, dtype=torch.float64), common)
    noise = torch.randn(500, classes, 32, generator=drawn, dtype=torch.float64)
    p = np.array([release.fit_of(shared + 1.037 * part, 1.037).p_value for part in noise])
    assert 0.46 < p.mean() < 0.56 and (p < 0.01).mean() < 0.025 and 0.05 < (p < 0.1).mean() < 0.13


@pytest.mark.parametrize("classes", [2, 4, 10])
def test_a_release_sees_classes_that_differ(classes):
    """At the noise of epsilon 3, of ten records a class with embeddings of a cosine of a half."""
    drawn = torch.Generator().manual_seed(0)
    apart = 10 * 0.5**0.5 * torch.eye(classes, 32, dtype=torch.float64)
    noise = torch.randn(200, classes, 32, generator=drawn, dtype=torch.float64)
    fits = [release.fit_of(apart + 1.037 * part, 1.037) for part in noise]
    assert np.mean([fit.p_value < 0.01 for fit in fits]) > 0.9
    assert np.mean([fit.common > 0.8 for fit in fits]) < 0.01


@pytest.mark.parametrize("classes", [2, 10])
def test_the_common_share_is_that_of_the_records_whatever_the_noise_and_their_number(classes):
    drawn = torch.Generator().manual_seed(0)
    basis = torch.randn(32, classes + 1, generator=drawn, dtype=torch.float64)
    common, *own = torch.linalg.qr(basis)[0].T
    for counts in (torch.full((classes, 1), 10.0), torch.linspace(5, 40, classes).view(-1, 1)):
        for share in (0.5, 0.95):  # of each record's square
            sums = counts * (share**0.5 * common + (1 - share) ** 0.5 * torch.stack(own))
            noise = torch.randn(50, classes, 32, generator=drawn, dtype=torch.float64)
            found = [release.fit_of(sums + 0.406 * part, 0.406).common for part in noise]
            exact = release.fit_of(sums, 0.0)
            assert exact.p_value == 0 and exact.common == pytest.approx(share)
            assert np.mean(found) == pytest.approx(share, abs=0.03)


def test_classes_whose_sums_cancel_have_nothing_in_common():
    opposite = torch.eye(1, 32, dtype=torch.float64) * torch.tensor([[10.0], [-10.0]])
    assert release.fit_of(opposite, 0.0) == release.Fit(p_value=0.0, common=0.0)


@pytest.mark.filterwarnings("default:what tells the classes")
def test_a_public_side_that_does_not_fit_is_warned_of(private, tmp_path, monkeypatch):
    alike = torch.full((2, 32), 20.0)
    alike[0, 0] = 0  # two classes that a little tells apart
    cases = {
        "may be noise alone": torch.ones(2, 32),
        "look much alike": alike,
        "": 20 * torch.eye(2, 32),
    }
    for number, (said, sums) in enumerate(cases.items()):
        monkeypatch.setattr(release, "noisy_sums", lambda *_, s=sums, **__: s.double())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert run(private, tmp_path / str(number), *SIMULATOR, "--again") == 0
        told = [str(w.message) for w in caught if "epsilon" in str(w.message)]
        assert len(told) == bool(said) and all(said in one for one in told)
