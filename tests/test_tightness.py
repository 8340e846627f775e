"""The attacks prove nearly what is claimed, never more, and more where noise is missing."""

from dataclasses import asdict

import pytest
from scipy.stats import norm

from chapters import tightness
from chapters.tightness import attack
from chapters.tightness.attack import Attack
from helpers.training import accounting


@pytest.fixture(scope="module")
def committed():
    rows = tightness.obtain()
    assert len(rows) == len(tightness.ATTACKS), "python -m helpers chapter tightness"
    return tightness.table(rows)


def test_the_committed_attacks_prove_much_and_never_more_than_is_claimed(committed):
    honest = committed[committed["noise"] == 1]
    assert not honest["caught"].any()
    assert (honest["proven"] > 0).all()
    assert (honest.query("claimed == 10")["proven"] > 7.5).all()


def test_every_committed_control_with_too_little_noise_is_caught(committed):
    """At a claim of 1 that takes more than 5,000 trials: there it is only seen to prove more."""
    controls = committed[committed["noise"] < 1]
    assert set(controls["family"]) == set(tightness.FAMILIES)
    assert controls.query("claimed > 1")["caught"].all()
    by_noise = committed.query("claimed == 1").pivot(
        index=["target", "family"], columns="noise", values="proven"
    )
    assert (by_noise[tightness.CHEAT] > by_noise[1.0]).all()


def test_a_part_of_the_committed_counts_comes_out_again():
    """To two guesses, as sums are rounded in another way on another machine."""
    for row in tightness.obtain():
        if row["target"] == "step" and row["claimed"] == 10:
            fields = ("target", "family", "claimed", "trials", "noise")
            again = attack.correct(Attack(*(row[f] for f in fields)), range(tightness.PART))
            assert again == pytest.approx(row["first"], abs=2)


@pytest.mark.parametrize("family", tightness.FAMILIES)
@pytest.mark.parametrize("target", tightness.TITLES)
def test_guesses_are_right_as_often_as_the_committed_rates_say(target, family):
    [row] = [
        row
        for row in tightness.obtain()
        if (row["target"], row["family"], row["noise"], row["claimed"]) == (target, family, 1, 10)
    ]
    right = attack.correct(Attack(target, family, 10.0, 0), range(30))
    for count, total in zip(right, row["right"], strict=True):
        assert abs(count / 30 - total / row["trials"]) < 0.24  # four standard deviations


def test_guesses_are_right_as_often_as_the_noise_allows():
    """A Gaussian of deviation sigma lies beyond half the record's share with a known chance."""
    rates = {}
    for noise in (1.0, 0.3):
        tried = Attack("step", "gan", 10.0, 0, noise)
        rates[noise] = sum(attack.correct(tried, range(60))) / 120
    assert rates[1.0] == pytest.approx(0.891, abs=0.09)
    assert rates[0.3] > 0.99


@pytest.mark.parametrize("claimed", [1.0, 3.0, 10.0])
def test_the_bound_approaches_the_claim_with_the_number_of_trials(claimed):
    mu = 1 / accounting.noise_multiplier_for(claimed, steps=1, delta=attack.DELTA)
    bounds = [
        attack.proven((round(n * norm.cdf(mu / 2)),) * 2, n) for n in (100, 1_000, 10_000, 10**6)
    ]
    assert bounds == sorted(bounds)
    assert 0.97 * claimed < bounds[-1] < claimed
    assert attack.proven((500, 500), 1000) == 0.0


def test_collecting_goes_on_where_it_was_interrupted(tmp_path, monkeypatch):
    path, asked = tmp_path / "tightness.json", []

    def counted(each, trials):
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append((each.family, trials))
        return len(trials), 0

    monkeypatch.setattr(tightness, "path_of", lambda: path)
    monkeypatch.setattr(
        tightness, "ATTACKS", [Attack("step", f, 10.0, 250) for f in ("vae", "gan")]
    )
    monkeypatch.setattr(tightness, "PART", 100)
    monkeypatch.setattr(tightness, "MORE", 100)
    monkeypatch.setattr(attack, "correct", counted)
    with pytest.raises(KeyboardInterrupt):
        tightness.collect()
    assert [row["trials"] for row in tightness.obtain()] == [200, 100]
    assert [row["first"] for row in tightness.obtain()] == [[100, 0], [100, 0]]
    asked.clear()
    tightness.collect()
    assert asked == [("vae", range(200, 250)), ("gan", range(100, 200)), ("gan", range(200, 250))]
    assert tightness.obtain() == [
        asdict(each) | {"right": [250, 0], "first": [100, 0]} for each in tightness.ATTACKS
    ]
    monkeypatch.setattr(attack, "correct", None)
    tightness.collect()  # nothing is missing
    monkeypatch.setattr(tightness, "key", lambda: "other attacks")
    assert tightness.obtain() == []
