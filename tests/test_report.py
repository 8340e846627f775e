"""Any synthetic images beside private ones: planted cases, and what the page says and refuses."""

import json
import re
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from helpers import cli
from helpers.data import datasets, draws, folders, simulators
from helpers.data.sources import to_bytes
from helpers.metrics import copies, features, fidelity, two_samples
from helpers.randomness import generator as stream
from helpers.report import judging, verdicts
from helpers.report.judging import ALPHA, Sets, Side
from helpers.study import host

CLASSES = tuple("0123456789")


def coarse(images):
    """In place of the feature network: 7 x 7 pixels, so that a case takes a second."""
    return 8 * F.adaptive_avg_pool2d(images.mean(1, keepdim=True), 7).flatten(1)


@pytest.fixture(scope="module")
def digits():
    """Three disjoint sets of ten real digits of each class."""
    sample = draws.few_shot(datasets.load("digits"), 30, generator=stream(0, "planted"))
    images = sample.images.view(10, 30, 1, 28, 28)
    labels = torch.arange(10).repeat_interleave(10)
    return [Side(images[:, k : k + 10].flatten(0, 1).contiguous(), labels) for k in (0, 10, 20)]


def planted(digits):
    private, _, unseen = digits
    drawn, labels = stream(1, "planted"), private.labels
    grain = torch.randn(private.images.shape, generator=drawn)
    means = torch.stack([private.images[labels == c].mean(0) for c in range(10)])
    blurred = (means.repeat_interleave(10, 0) + 0.03 * grain).clamp(0, 1)
    phantoms = simulators.simulate("phantoms", 10, 10, shape=(1, 28, 28), generator=drawn)
    leaked = torch.where((labels == 3).view(-1, 1, 1, 1), private.images, unseen.images)
    return {
        "unseen": unseen.images,
        "copies": private.images,
        "noisy copies": (private.images + 0.1 * grain).clamp(0, 1),
        "mirrored copies": private.images.flip(3),
        "class means": blurred,
        "another data set": phantoms.view(-1, 1, 28, 28).float() / 255,
        "a leaked class": leaked,
    }


def judged(private, images, holdout, classes=CLASSES, taught=False):
    synthetic = Side(images.contiguous(), private.labels if classes else None)
    with pytest.MonkeyPatch.context() as patch, host.one_thread():
        patch.setattr(features, "lite0", coarse)
        patch.setattr(judging, "_TRAININGS", 1)
        if not taught:
            patch.setattr(judging, "_use", lambda *_: None)
        patch.setattr(judging, "_RESAMPLES", 300)
        found = judging.judge(Sets(private, synthetic, holdout, None, classes))
    return found, {a.question.split()[2]: a for a in verdicts.answers(found, classes)}


@pytest.fixture(scope="module")
def cases(digits):
    taught = ("unseen", "another data set")
    return {
        name: judged(digits[0], images, digits[1], taught=name in taught)
        for name, images in planted(digits).items()
    }


def test_unseen_real_images_look_right_are_useful_and_give_nothing_away(cases):
    found, answers = cases["unseen"]
    assert answers["look"].tone == "good" and answers["useful?"].verdict == "Yes"
    assert answers["they"].verdict == "Nothing found" and not found.exact.any()
    assert "no proof of privacy" in answers["they"].said[0]


@pytest.mark.parametrize("case", ["copies", "noisy copies", "mirrored copies", "a leaked class"])
def test_copies_are_found(cases, case):
    found, answers = cases[case]
    assert answers["they"].tone == "bad"
    assert found.copies["pixels"].p_value < ALPHA
    assert int(found.exact.sum()) == {"noisy copies": 0, "a leaked class": 10}.get(case, 100)
    if case != "noisy copies":
        assert "pixel by pixel" in answers["they"].said[0]


def test_the_leaked_class_is_named(cases):
    found, answers = cases["a leaked class"]
    assert found.by_class == [10 * (c == 3) for c in range(10)]
    assert "Copies by class: 3 (10)." in answers["they"].said


def test_an_attack_proves_that_copies_give_images_away(cases):
    for case in ("copies", "mirrored copies"):
        attack = cases[case][0].attacks["pixels"]
        assert attack.auc == 1 and attack.epsilon == attack.ceiling > 1
    assert all(attack.epsilon == 0 for attack in cases["unseen"][0].attacks.values())


def test_the_pairs_are_copies_and_the_private_images_they_copy(cases):
    for case in ("copies", "mirrored copies"):
        for pair in cases[case][0].pairs:
            assert pair.synthetic == pair.private and pair.score < 1e-6
            assert case != "copies" or not pair.mirrored


def test_class_means_are_called_no_copies_and_do_not_look_right(cases):
    found, answers = cases["class means"]
    assert found.copies["pixels"].near == 0 and not found.exact.any()
    assert answers["look"].tone != "good"


def test_another_data_set_does_not_look_right_and_gives_nothing_away(cases):
    found, answers = cases["another data set"]
    assert answers["look"].verdict == "No" and found.looks.among.precision < 0.1
    assert answers["useful?"].verdict in ("No", "No verdict", "In part")
    assert answers["useful?"].verdict != "Yes" and answers["they"].verdict == "Nothing found"


def test_without_a_holdout_copies_are_found_and_what_is_missing_is_said(digits):
    found, answers = judged(digits[0], digits[0].images, None)
    assert answers["they"].tone == "bad" and found.attacks == {}
    missing = " ".join(line for answer in answers.values() for line in answer.missing)
    assert "--holdout" in missing and "fifth of the private images is the test" in missing
    assert judged(digits[0], digits[2].images, None)[1]["they"].verdict == "Nothing found"


def test_a_few_images_allow_no_verdict(digits):
    rows = torch.arange(0, 60, 10)
    few = [Side(side.images[rows], side.labels[rows]) for side in digits]
    found, answers = judged(few[0], few[2].images, few[1], CLASSES[:6], taught=True)
    assert [answer.verdict for answer in answers.values()] == ["No verdict"] * 3
    assert all(attack.ceiling == 0 for attack in found.attacks.values())
    assert judged(few[0], few[0].images, few[1], CLASSES[:6])[1]["they"].tone == "bad"


def test_a_holdout_of_another_kind_does_not_pass_for_an_attack(digits):
    private, _, unseen = digits
    phantoms = Side(planted(digits)["another data set"], private.labels)
    found, answers = judged(private, unseen.images, phantoms)
    assert max(attack.epsilon for attack in found.attacks.values()) > 0.5  # which says nothing
    assert answers["they"].tone != "bad"
    assert any("differs from the private images" in line for line in answers["they"].missing)


def test_private_images_in_the_holdout_and_repeated_ones_are_left_out(digits):
    private, holdout, unseen = digits
    mixed = Side(torch.cat([holdout.images, private.images[:5]]), None)
    twice = Side(torch.cat([private.images] * 2), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "lite0", coarse)
        found = judging.judge(Sets(twice, Side(unseen.images, None), mixed, private.images, ()))
    assert found.repeated == {"private": 100, "hold-out": 5} and found.public["private"] == 100
    assert any("there twice" in line for line in verdicts.remarks(found, {}, ()))


def test_ranks_of_exchangeable_scores_accuse_as_seldom_as_they_say():
    numbers, wrong = np.random.default_rng(0), 0
    for _ in range(4000):
        scores = numbers.random(60)
        near = int((scores[:40] < scores[40:].min()).sum())
        wrong += copies.rank_p_value(near, 40, 20) < 0.05
    told = copies.rank_p_value(copies.fewest_noticed(40, 20, 0.05), 40, 20)
    assert 0.02 < told < 0.05 and abs(wrong / 4000 - told) < 0.012
    assert copies.rank_p_value(2, 3, 1) == pytest.approx(3 / 4 * 2 / 3)
    assert copies.fewest_noticed(3, 1, 0.2) is None and copies.fewest_noticed(50, 50, 0.6) == 1


def test_a_permutation_of_nothing_is_the_distance_itself_and_equal_sets_are_seldom_told():
    numbers, drawn = np.random.default_rng(0), stream(0, "permuted")
    a, b = numbers.normal(size=(12, 5)), numbers.normal(size=(9, 5))
    both = np.concatenate([a, b])
    kernel = (both @ both.T / 5 + 1) ** 3
    np.fill_diagonal(kernel, 0)
    order = torch.randperm(21, generator=stream(1, "order"))
    same = two_samples._permuted(
        kernel[np.ix_(order.argsort(), order.argsort())], 12, stream(1, "order")
    )
    assert same == pytest.approx(fidelity.kid(a, b))
    sets = numbers.normal(size=(60, 2, 15, 5))
    p = [two_samples.kernel_distance(*pair, generator=drawn).p_value for pair in sets]
    assert 0.35 < np.mean(p) < 0.65 and np.mean(np.array(p) < 0.05) < 0.15
    far = two_samples.kernel_distance(a, b + 2, generator=drawn)
    assert far.p_value < 0.01 and far.low > 0


# The command


def write(folder, side, suffix="png"):
    for image, label in zip(to_bytes(side.images), side.labels.tolist(), strict=True):
        place = folder / f"Klasse {label} ü"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"a b {len(list(place.iterdir()))}.{suffix}")
    return folder


@pytest.fixture
def given(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("NFL_HOME", str(tmp_path / "home"))
    names = ("private", "holdout", "synthetic")
    return {n: write(tmp_path / n, side) for n, side in zip(names, digits, strict=True)}


def run(given, out, *more, **other):
    asked = ["report"]
    for name, folder in {**given, **other}.items():
        asked += [f"--{name}", str(folder)] if folder else []
    return cli.main([*asked, "--out", str(out), *more])


def refused(capsys, *arguments, **settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders, "read_any", lambda *_, **__: pytest.fail("a folder was read"))
        assert run(*arguments, **settings) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def test_the_page_holds_all_and_asks_nobody(given, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(judging, "MOST", 10)  # of the true feature network
    (given["synthetic"] / "certificate.json").write_text(
        json.dumps(
            {"delta": 1e-3, "epsilon": {"one record added or removed": 3, "one record replaced": 8}}
        )
    )
    out = tmp_path / "new" / "report.html"
    assert run(given, out, "--json") == 0
    printed, said = capsys.readouterr()
    told = json.loads(printed)
    assert [a["question"].split()[0] for a in told["answers"]] == ["Do", "Are", "What"]
    assert "reading" in said and "feature network" in said
    page = out.read_text()
    assert not re.search(r"https?://|<script|<link|url\(|@import", page)
    assert page.count("data:image/png;base64,") == 3 + 2 * judging.SHOWN
    assert "eyes of the private images&#39; owner only" in page or "owner only" in page
    assert "ε = 3 at δ = 0.001" in page and "prefers-color-scheme: dark" in page
    assert "@media print" in page and "SHA-256" in page and "torch" in page
    assert all(answer["verdict"] in page for answer in told["answers"])
    assert out.stat().st_mode & 0o077 == 0
    assert not (tmp_path / "home").exists()  # no feature of a private image is kept
    assert "exists already" in refused(capsys, given, out)


def test_wrong_arguments_are_refused_before_an_image_is_read(given, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert "must be an .html file" in refused(capsys, given, tmp_path / "report.pdf")
    assert "nowhere, which is no folder" in refused(capsys, given, out, holdout="nowhere")
    assert "multiple of 4" in refused(capsys, given, out, "--size", "30")
    error = refused(capsys, given, out, synthetic=given["private"])
    assert "the same folder as" in error
    error = refused(capsys, given, out, holdout=given["private"] / "Klasse 3 ü")
    assert "inside --private" in error
    error = refused(capsys, given, given["synthetic"] / "report.html")
    assert "keep it apart from what is handed out" in error


def test_folders_that_do_not_fit_are_one_error_with_the_path(given, tmp_path, capsys):
    out = tmp_path / "report.html"
    (given["synthetic"] / "Klasse 3 ü").rename(given["synthetic"] / "three")
    assert run(given, out) == 1
    assert "classes that the private ones lack: three" in capsys.readouterr().err
    (given["synthetic"] / "three" / "b.png").write_bytes(b"DICM")
    assert run(given, out) == 1
    assert "three/b.png cannot be read as an image" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run(given, out, synthetic=tmp_path / "empty") == 1
    assert "empty holds no image" in capsys.readouterr().err
    assert not out.exists()


def test_unlabelled_folders_grey_beside_colour(given, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(features, "lite0", coarse)
    flat = tmp_path / "flat"
    flat.mkdir()
    for k, path in enumerate(sorted(given["synthetic"].rglob("*.png"))[::3]):
        with Image.open(path) as image:
            image.convert("RGB").resize((40, 60)).save(flat / f"{k}.jpg")
    Image.new("RGB", (40, 60), "red").save(flat / "red.tif")
    (flat / ".hidden.png").write_bytes(b"")
    (flat / "notes").write_text("no image")
    assert run(given, tmp_path / "report.html", synthetic=flat) == 0
    page = (tmp_path / "report.html").read_text()
    assert "colour, 40 x 40 pixels" in page and "Not measured: not all folders" in page
    assert "synthetic images: Left out: notes (no image)." in page


# Folders


def test_splits_and_stray_images_are_refused_or_said(tmp_path):
    for name in ("train", "test"):
        (tmp_path / "split" / name / "a").mkdir(parents=True)
    with pytest.raises(ValueError, match="which are no classes: give one of them"):
        folders.read_any(tmp_path / "split")
    for name in ("a", "b"):
        (tmp_path / "c" / name).mkdir(parents=True)
        Image.new("L", (30, 30), 99).save(tmp_path / "c" / name / "x.png")
    Image.new("L", (30, 30), 200).save(tmp_path / "c" / "stray.png")
    assert (
        folders.read_any(tmp_path / "c").note == "Left out: stray.png (beside the class folders)."
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        folders.read_classes(tmp_path / "c")
    assert "stray.png (beside the class folders)" in str(said[0].message)


def test_a_folder_too_high_says_what_lies_below(tmp_path):
    for name in ("private/a", "holdout/a"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"holdout holds no image; .* but the folders a: give one"):
        folders.read_any(tmp_path)


def test_a_hidden_folder_above_hides_nothing(tmp_path):
    inside = tmp_path / ".cache" / "images"
    inside.mkdir(parents=True)
    Image.new("L", (28, 28), 7).save(inside / "a.png")
    assert len(folders.read_unlabelled(inside)) == 1
    assert folders.usual_side(inside) == 28
