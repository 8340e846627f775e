"""The claims ledger: each rule decides made-up studies rightly, and the page says what it finds."""

import dataclasses
import importlib
import itertools
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from chapters import claims, ledger, verdicts
from chapters.claims import CLAIMS, beside, estimators, evidence
from chapters.claims.evidence import PATH, PLAIN, authors_form
from chapters.nfl import DATA, MODELS
from chapters.quantities import Quantity, Setting
from chapters.verdicts import Claim, Judged, Part, Verdict
from helpers.data import datasets
from helpers.models import families

SEEDS = (0, 1, 2)
JITTER = (-1, 1, 0)  # of the seeds
NAMES = {title: name for name, title in evidence.TITLES.items()}
STUDIED = [claim for claim in CLAIMS if claim.group != "density"]
PAGE = Path(__file__).resolve().parent.parent / "notebooks" / "claims.ipynb"

Values = Callable[[str, str, float], float]  # data set, model, sigma -> value


def by(vae: Values, gan: Values, ddpm: Values) -> Values:
    """Values that depend on the model."""
    of = {"vae": vae, "gan": gan, PLAIN: gan, "ddpm": ddpm}
    return lambda d, m, s: of[m](d, m, s)


def line(start: float, rise: float = 0.0) -> Values:
    """From `start` at sigma 0 up by `rise` until sigma 0.4."""
    return lambda d, m, s: start + rise * s / 0.4


def steps(*values: float) -> Values:
    """A value for each of the five levels."""
    return lambda d, m, s: values[round(10 * s)]


# Per claim the measures it needs: as the claim has it, and the opposite.
STUDIES: dict[str, tuple[dict[str, Values], dict[str, Values]]] = {
    "C1": (
        {"fid": by(line(50, 100), line(50, 20), line(50, 40))},
        {"fid": by(line(50, 10), line(50, 20), line(50, 40))},
    ),
    "C2": (
        {"fid": by(line(30), line(60), line(70))},
        {"fid": by(line(90), line(60), line(70))},
    ),
    "C3": (
        {"fid": by(line(30, 90), line(60, 10), line(70, 60))},
        {"fid": by(line(30, 90), line(60, 99), line(70, 60))},
    ),
    "C4": (
        {"ssim": by(line(0.6), line(0.6, 0.02), line(0.5, -0.2))},
        {"ssim": by(line(0.6), line(0.6, 0.02), line(0.5))},
    ),
    "C5": (
        {"psnr": by(line(10, 1), line(9), line(9))},
        {"psnr": by(line(10, -1), line(9), line(9))},
    ),
    "C6": (
        {"lpips": by(line(0.4), line(0.4), line(0.4, 0.08))},
        {"lpips": by(line(0.4, 0.1), line(0.4), line(0.4, 0.08))},
    ),
    "C7": (
        {"accuracy": by(steps(0.6, 0.3, 0.2, 0.15, 0.12), line(0.4), line(0.4))},
        {"accuracy": by(line(0.6), line(0.4), line(0.4))},
    ),
    "C8": (
        {"accuracy": by(line(0.6), steps(0.4, 0.5, 0.5, 0.5, 0.5), line(0.4))},
        {"accuracy": by(line(0.6), steps(0.5, 0.4, 0.4, 0.4, 0.4), line(0.4))},
    ),
    "C9": (
        {"accuracy": by(line(0.6), line(0.4), steps(0.5, 0.5, 0.4, 0.3, 0.2))},
        {"accuracy": by(line(0.6), line(0.4), line(0.5))},
    ),
    "C10": (
        {
            "recall": by(line(0.5), steps(0.1, 0.3, 0.3, 0.3, 0.3), line(0.5)),
            "coverage": by(line(0.5), steps(0.1, 0.3, 0.3, 0.3, 0.3), line(0.5)),
        },
        {
            "recall": by(line(0.2), steps(0.9, 0.3, 0.3, 0.3, 0.3), line(0.5)),
            "coverage": by(line(0.5), steps(0.9, 0.3, 0.3, 0.3, 0.3), line(0.5)),
        },
    ),
    "C11": (
        {
            "epsilon_hat": by(
                steps(9, 0.1, 0.1, 0, 0), steps(5, 3, 0.1, 0, 0), steps(2, 1.5, 0.2, 0, 0)
            )
        },
        {"epsilon_hat": by(line(4), line(4), line(4))},
    ),
    "C12": (
        {"log_density_ratio": line(3)},
        {"log_density_ratio": line(0)},
    ),
    "C13": (
        {"ecdf_ks": by(steps(0.9, 0.5, 0.5, 0.9, 0.9), *2 * (steps(0.9, 0.2, 0.2, 0.9, 0.9),))},
        {"ecdf_ks": by(steps(0.1, 0.5, 0.5, 0.9, 0.9), *2 * (steps(0.9, 0.2, 0.2, 0.9, 0.9),))},
    ),
    "C16": (
        {"fid": by(steps(30, 200, 200, 200, 200), line(100), line(110))},
        {"fid": by(steps(300, 200, 200, 200, 200), line(100), line(110))},
    ),
    "C17": (
        {"is_lite0": by(line(1.5), line(1.9), line(1.6))},
        {"is_lite0": by(line(2.5), line(1.9), line(1.6))},
    ),
    "C18": ({"accuracy": line(0.27)}, {"accuracy": line(0.7)}),
    "C19": (
        {"accuracy": by(steps(0.6, *4 * (0.1,)), line(0.4), steps(0.6, *4 * (0.25,)))},
        {"accuracy": by(line(0.6), line(0.4), line(0.6))},
    ),
    "C20": (
        {
            "epsilon_hat": by(
                steps(5, 0.1, 0.1, 0.1, 0.1), *2 * (steps(5, 3, 0.1, 0.1, 0.1),)
            )
        },
        {"epsilon_hat": line(5)},
    ),
    "C21": (
        {
            "fid": by(line(99, 90), line(10, 80), line(80, 70)),
            "accuracy": by(line(0.4, -0.2), line(0.9, -0.2), line(0.5, -0.2)),
            "epsilon_hat": by(line(5, -2), line(4, -2), line(6, -2)),
        },
        {
            "fid": by(line(99, -90), line(200, 80), line(80, 70)),
            "accuracy": by(line(0.4, 0.2), line(0.1, -0.02), line(0.5, -0.2)),
            "epsilon_hat": by(line(5, -2), line(9, -2), line(6, -2)),
        },
    ),
    "C22": (
        {"conditional_consistency": line(0.9, -0.5)},
        {"conditional_consistency": line(0.5, 0.3)},
    ),
}  # fmt: skip


def study(measures: dict[str, Values], jitter: float = 1e-3, seeds=SEEDS) -> pd.DataFrame:
    """A tidy frame of all settings; `jitter` is what the seeds differ by, relative to the value.

    Each setting has its own share of the jitter, so that it cancels in no comparison.
    """
    random, rows = np.random.default_rng(0), []
    for (metric, values), d, m, s in itertools.product(
        ({"accuracy_real": line(0.8)} | measures).items(), DATA, (*MODELS, PLAIN), PATH.values()
    ):
        share = random.uniform(0.5, 1.5) * random.choice([-1, 1])
        arm = "dp" if s else "sgd"
        for seed in seeds:
            value = values(d, m, s)
            value += jitter * share * JITTER[seed] * max(abs(value), 0.1)
            for name in {metric, authors_form(metric) or metric}:
                rows.append((d, m, arm, s, seed, "compact", name, value))
    columns = ["dataset", "model", "arm", "sigma", "seed", "scale", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def at_matched(frame: pd.DataFrame) -> pd.DataFrame:
    """The same study with its noise at the levels that match the paper's."""
    settings = zip(frame["dataset"], frame["model"], frame["sigma"], strict=True)
    sigmas = [float(evidence.matched_noise(d, m, f"{s:g}")) for d, m, s in settings]
    return frame.assign(sigma=sigmas)


def judged(claim: Claim, frame: pd.DataFrame, *, authors: bool = False) -> Verdict:
    return claim.on(evidence.gather(frame, authors=authors))


def test_every_claim_is_there_once_with_a_rule() -> None:
    assert [claim.id for claim in CLAIMS] == [f"C{i}" for i in range(1, 23)]
    assert all(len(claim.rule) > 40 and claim.statement for claim in CLAIMS)
    source = "".join(cell.source for cell in nbformat.read(PAGE, as_version=4).cells)
    shown = re.findall(r"ledger\.(?:details|elsewhere)\(judged, \"(\w+)\"\)", source)
    assert {claim.group for claim in CLAIMS} == set(shown)
    assert set(STUDIES) == {claim.id for claim in STUDIED}


@pytest.mark.parametrize("authors", [False, True])
@pytest.mark.parametrize("claim", STUDIED, ids=lambda claim: claim.id)
def test_what_the_claim_says_is_reproduced(claim: Claim, authors: bool) -> None:
    found = judged(claim, study(STUDIES[claim.id][0]), authors=authors)
    assert found.outcome == "reproduced", found.reason
    assert set(found.outcomes()) == {"holds"}


@pytest.mark.parametrize("authors", [False, True])
@pytest.mark.parametrize("claim", STUDIED, ids=lambda claim: claim.id)
def test_the_opposite_is_not_reproduced(claim: Claim, authors: bool) -> None:
    found = judged(claim, study(STUDIES[claim.id][1]), authors=authors)
    assert found.outcome == "contradicted at compact scale"
    assert "contradicted" in found.outcomes() and claim.elsewhere in found.reason


@pytest.mark.parametrize("claim", STUDIED, ids=lambda claim: claim.id)
@pytest.mark.parametrize("which", [0, 1], ids=["claim", "opposite"])
def test_noise_decides_nothing(claim: Claim, which: int) -> None:
    jitter = 0.6 if claim.id in ("C4", "C6", "C17") else 20  # ratios must not flip their sign
    found = judged(claim, study(STUDIES[claim.id][which], jitter))
    assert found.outcome == "cannot be decided", found.number
    assert "leave open" in found.reason and not found.incomplete


@pytest.mark.parametrize("claim", STUDIED, ids=lambda claim: claim.id)
@pytest.mark.parametrize("which", [0, 1], ids=["claim", "opposite"])
def test_one_seed_decides_nothing(claim: Claim, which: int) -> None:
    found = judged(claim, study(STUDIES[claim.id][which], seeds=(0,)))
    assert found.outcome == "cannot be decided" and found.incomplete
    assert "fewer than two seeds" in found.reason and found.number == "–"


@pytest.mark.parametrize("claim", STUDIED, ids=lambda claim: claim.id)
def test_nothing_is_reproduced_without_all_it_needs(claim: Claim) -> None:
    frame = study(STUDIES[claim.id][0])
    parts = judged(claim, frame).parts
    needs = frozenset().union(*(part.quantity.needs for part in parts))
    assert needs
    for place in needs:
        gone = (
            (frame["dataset"] == NAMES[place.dataset])
            & (frame["model"] == NAMES[place.model])
            & (frame["sigma"] == PATH[place.level])
            & (frame["seed"] > 0)
        )
        found = judged(claim, frame[~gone])
        assert found.outcome == "cannot be decided" and found.incomplete
        assert place.level in found.reason and place.model in found.reason


@pytest.mark.parametrize("claim", STUDIED, ids=lambda claim: claim.id)
def test_settings_that_a_claim_does_not_need_do_not_matter(claim: Claim) -> None:
    frame = study(STUDIES[claim.id][0])
    whole = judged(claim, frame)
    needs = frozenset().union(*(part.quantity.needs for part in whole.parts))
    keys = zip(frame["dataset"], frame["model"], frame["sigma"], strict=True)
    levels = {sigma: level for level, sigma in PATH.items()}
    title = evidence.TITLES
    kept = [Setting(title[d], title[m], levels[s]) in needs for d, m, s in keys]
    values = [
        [part.quantity.values for part in v.parts] for v in (judged(claim, frame[kept]), whole)
    ]
    assert values[0] == values[1]  # its interval they do move: they tell how seeds scatter


def test_each_form_is_judged_by_its_own_measures() -> None:
    frame = study({"fid": STUDIES["C2"][0]["fid"]})
    other = study({"fid": STUDIES["C2"][1]["fid"]})
    mixed = pd.concat([frame[frame["metric"] == "fid"], other[other["metric"] == "fid_paper"]])
    [found] = [f for f in claims.judge(mixed) if f.claim.id == "C2"]
    assert (found.verdict.found, found.authors.found) == ("holds", "contradicted")
    assert found.changes
    assert verdicts.count(claims.judge(mixed))["claims_changed"] >= 1


def test_a_claim_is_judged_at_the_noise_that_matches_and_beside_it_at_equal_sigma() -> None:
    frame = study(STUDIES["C5"][0])
    against = at_matched(study(STUDIES["C5"][1]))
    there = against[against["sigma"] > 0]
    [found] = [f for f in claims.judge(pd.concat([frame, there])) if f.claim.id == "C5"]
    assert (found.verdict.found, found.beside.found) == ("contradicted", "holds")
    [found] = [f for f in claims.judge(frame) if f.claim.id == "C5"]
    assert found.verdict.incomplete and found.beside.outcome == "reproduced"


def test_what_could_not_fail_is_not_called_reproduced() -> None:
    frame = study(STUDIES["C18"][0] | {"accuracy_real": line(0.3)})
    [c18] = [claim for claim in CLAIMS if claim.id == "C18"]
    found = judged(c18, frame)
    assert (found.outcome, found.found) == ("not testable here", "open")
    assert "could not fail" in found.reason and "0.300" in found.reason


def test_only_what_no_scale_explains_is_plainly_contradicted() -> None:
    assert [claim.id for claim in CLAIMS if not claim.elsewhere] == ["C14", "C15"]


def test_two_values_of_one_cell_are_refused() -> None:
    frame = study({"fid": line(1)})
    with pytest.raises(ValueError, match="one scale"):
        evidence.gather(pd.concat([frame, frame.assign(scale="paper")]))


# The statistics


def quantity(*values: float) -> Quantity:
    return Quantity(dict(enumerate(values)))


def test_seeds_are_paired() -> None:
    gap = quantity(11, 21, 31) - quantity(10, 20, 30)  # the seeds are far apart, the gaps are not
    assert Part("gap", gap, low=0).outcome() == "holds"


def test_only_common_seeds_are_compared() -> None:
    first = Quantity({0: 5.0, 1: 6.0})
    second = Quantity({1: 2.0, 2: 9.0})
    assert (first - second).values == {1: 4.0}


def test_slope_of_a_line_is_its_slope() -> None:
    e = evidence.gather(study({"fid": line(7, 8)}, jitter=0))
    assert e.slope("mnist", "vae", "fid").values == pytest.approx(dict.fromkeys(SEEDS, 2.0))
    short = e.slope("mnist", "vae", "fid", ("sgd", "0.1", "0.2"))  # per 0.1, over any levels
    assert short.values == pytest.approx(dict.fromkeys(SEEDS, 2.0))
    assert e.growth("mnist", "vae", "fid").values == pytest.approx(dict.fromkeys(SEEDS, 800 / 7))


def test_rank_correlation_is_spearmans() -> None:
    rising = [quantity(v, v, 1) for v in (1, 2, 3)]
    falling = [quantity(-v, v**3, v) for v in (1, 2, 3)]
    assert list(evidence.rank_correlation(rising, falling).values.values()) == [-1, 1, 0]


@pytest.mark.parametrize(
    ("values", "region", "outcome"),
    [
        ((1.0, 1.1, 0.9), {"low": 0}, "holds"),
        ((-1.0, -1.1, -0.9), {"low": 0}, "contradicted"),
        ((1.0, -1.0, 0.5), {"low": 0}, "open"),
        ((0.01, -0.01, 0.0), {"low": -1, "high": 1}, "holds"),
        ((2.0, 2.1, 1.9), {"low": -1, "high": 1}, "contradicted"),
        ((5.0, -5.0, 0.0), {"low": -1, "high": 1}, "open"),  # as wide as the region, and more
        ((1.0,), {"low": 0}, "open"),
        ((), {"low": 0}, "open"),
    ],
)
def test_outcomes_of_a_part(values: tuple, region: dict, outcome: str) -> None:
    part = Part("x", quantity(*values), **region)
    assert part.outcome() == outcome
    distance = part.clearance()
    assert {"holds": distance > 1, "contradicted": distance < -1}.get(
        outcome, math.isnan(distance) or abs(distance) <= 1
    )


def test_contradiction_is_harder_among_many_parts_and_holding_is_not() -> None:
    against, with_it = quantity(-1.0, -1.6, -0.6), quantity(1.0, 1.6, 0.6)
    part = Part("x", against, low=0)
    assert (part.outcome(1), part.outcome(16)) == ("contradicted", "open")
    assert Part("x", with_it, low=0).outcome(16) == "holds"


def test_a_contradicted_part_decides_even_if_others_are_missing() -> None:
    parts = [Part("known: a", quantity(-1, -1.01, -0.99), low=0), Part("x: b", quantity(), low=0)]
    found = verdicts.conjunction(parts)
    assert found.outcome == "contradicted" and "known" in found.reason


# Density estimation


@pytest.fixture(scope="module")
def density() -> pd.DataFrame:
    frame = claims.density_frame()
    assert frame is not None
    return frame


def scored(density: pd.DataFrame, metric: str, isomap: float) -> pd.DataFrame:
    """The frame with the scores of a metric rewritten: Isomap's, and all others 0.5."""
    random, rows = np.random.default_rng(0), density["metric"] == metric
    values = np.where(density["reducer"] == "isomap", isomap, 0.5)
    values = values + random.normal(0, 1e-3, len(density))
    return density.assign(value=np.where(rows, values, density["value"]))


@pytest.mark.parametrize(("isomap", "outcome"), [(0.9, "reproduced"), (0.1, "contradicted")])
@pytest.mark.parametrize("authors", [False, True])
def test_reducers_are_judged_by_the_form_that_is_asked_for(
    density: pd.DataFrame, isomap: float, outcome: str, authors: bool
) -> None:
    metric = "combined_paper" if authors else "density_spearman"
    e = evidence.Evidence({}, scored(density, metric, isomap), authors)
    assert estimators.c14.judge(e).outcome == outcome


def test_density_claims_agree_with_their_own_page(density: pd.DataFrame) -> None:
    words = ("holds", "contradicted", "undecided")
    shown = estimators.answers(density, density)
    e = evidence.Evidence({}, density, authors=False)
    for claim in (estimators.c14, estimators.c15):
        found = claim.judge(e).found
        assert shown[claim.id.lower()] == words[verdicts.PART_OUTCOMES.index(found)]


def test_invariance_is_judged_both_ways(density: pd.DataFrame) -> None:
    flat = density["estimator"] == "knn"
    means = flat & (density["metric"] == "mean")
    e = evidence.Evidence({}, density.assign(value=density["value"].where(~means, 1.0)), False)
    assert estimators.c15.judge(e).outcome != "contradicted"
    spread = density["value"].where(~means, density["setting"])
    e = evidence.Evidence({}, density.assign(value=spread), False)
    assert estimators.c15.judge(e).outcome == "contradicted"


@pytest.mark.parametrize("claim", [estimators.c14, estimators.c15], ids=lambda claim: claim.id)
def test_density_claims_need_all_data_sets(density: pd.DataFrame, claim: Claim) -> None:
    for frame in (None, density[density["dataset"] != "octmnist"]):
        found = claim.judge(evidence.Evidence({}, frame, authors=False))
        assert found.outcome == "cannot be decided" and found.incomplete


# The page


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """The study as it is committed."""
    return claims.study()


@pytest.fixture(scope="module")
def found(frame: pd.DataFrame, density: pd.DataFrame) -> list[Judged]:
    """Its verdicts."""
    return claims.judge(frame, density)


def outputs(start: str, kind: str = "text/html") -> str:
    """The stored output of the only cell of the page that starts so."""
    page = nbformat.read(PAGE, as_version=4)
    [cell] = [c for c in page.cells if c.cell_type == "code" and c.source.startswith(start)]
    return cell.outputs[0]["data"][kind]


def test_the_page_shows_the_verdicts_of_the_committed_results(
    found: list[Judged],
) -> None:
    widths, settled = (19, 9, 20, 20, 17, 15), ledger.settled(found)
    shown = outputs(f"widths = {widths}")
    assert shown == ledger.text_table(ledger.ledger(found), "ledger", widths, settled).data
    outcomes = sorted(found[i].verdict.outcome for i in settled)
    assert outcomes == [*["contradicted"] * 2, *["reproduced"] * 4]
    assert all(f"{f.claim.id}. " in shown and f.verdict.outcome in shown for f in found)


def test_the_page_counts_as_the_committed_results_do(
    found: list[Judged], frame: pd.DataFrame, density: pd.DataFrame
) -> None:
    numbers = verdicts.count(found)
    kinds = [f"claims_{k}" for k in ("reproduced", "at_scale", "contradicted", "undecided")]
    kinds.append("claims_untestable")
    assert sum(numbers[kind] for kind in kinds) == numbers["claims_total"] == len(CLAIMS)
    page = nbformat.read(PAGE, as_version=4)
    [cell] = [c for c in page.cells if "verdicts.count(judged)" in c.source]
    stored = {o.metadata["scrapbook"]["name"]: next(iter(o.data.values())) for o in cell.outputs}
    told = numbers | beside.answers(found, frame, density)
    assert {name: repr(value) for name, value in told.items()} == stored
    assert outputs("Markdown(ledger.closing", "text/markdown") == ledger.closing(found)


@pytest.mark.parametrize("dataset", DATA)
def test_the_page_tells_what_it_can_of_one_data_set(
    frame: pd.DataFrame, density: pd.DataFrame, dataset: str
) -> None:
    only = frame[frame["dataset"] == dataset]
    told = beside.answers(claims.judge(only, density), only, density)
    missing = {name for name, value in told.items() if value != value}
    of_mnist = {f"c12_{model}" for model in MODELS}
    assert missing == (set() if dataset == "mnist" else of_mnist)
    noisiest = only.query("model == 'gan' and sigma == 0.749 and scale == 'compact'")
    fids = [f"{fid:.0f}" for fid in sorted(noisiest.query("metric == 'fid'")["value"])]
    assert told["gan_fids"] == (", ".join(fids) or "none")
    assert (told["gan_fids"] == "none") == (dataset != "mnist")


def test_a_reproduced_claim_has_every_part_from_two_seeds_or_more(
    found: list[Judged],
) -> None:
    for one in (f for f in found if f.verdict.outcome == "reproduced"):
        assert all(part.interval() is not None for part in one.verdict.parts)


def test_every_setting_is_counted() -> None:
    counts = beside.coverage(study({"fid": line(1)}, seeds=(0, 1)))
    assert counts.shape == (9, 10)
    assert set(counts["sgd"]) == {2} and set(counts["clipped"]) == {0}
    assert set(counts["σ = 0.4"]) == {2} and set(counts["matched 0.4"]) == {0}


def test_other_verdicts_are_told_by_their_names() -> None:
    yes, no = (Verdict(outcome, "1", "") for outcome in ("reproduced", "cannot be decided"))
    first, second = CLAIMS[:2]
    ours = [Judged(first, yes, beside=yes), Judged(second, yes, beside=yes)]
    assert beside.otherwise(ours, ours) == "none"
    others = [Judged(first, no, beside=no), Judged(second, yes, beside=no)]
    assert beside.otherwise(ours, others) == f"{first.id} (cannot be decided), {second.id}"


def test_verdicts_that_hang_on_a_seed_are_told_with_it() -> None:
    yes, no = (Verdict(outcome, "1", "") for outcome in ("reproduced", "cannot be decided"))
    ours, others = ([Judged(claim, v, beside=yes) for claim in CLAIMS[:2]] for v in (yes, no))
    assert beside.hanging(ours, {0: ours, 1: ours}) == "none"
    told = beside.hanging(ours, {0: others, 1: ours, 2: [ours[0], others[1]]})
    assert told == f"{CLAIMS[0].id} without 0; {CLAIMS[1].id} without 0 or 2"


def _outcome(judged: Judged) -> str:
    return judged.verdict.outcome


def test_what_the_first_seeds_said_otherwise_is_told_seed_by_seed(
    found: list[Judged], frame: pd.DataFrame, density: pd.DataFrame
) -> None:
    assert frame["seed"].max() == max(claims.SEEDS)
    came = beside.as_seeds_came(found, frame, density)
    firsts = [f"0 to {last}" for last in claims.SEEDS[2:-1]]
    assert list(came["seeds"]) == [*firsts, "all but 0", "all but any one"]
    first, *_, before_last, without, one = came["judged otherwise"]
    assert "C21 (cannot be decided)" in first and len(first) > len(before_last)
    last = claims.judge(*(of[of["seed"] < max(claims.SEEDS)] for of in (frame, density)))
    assert before_last == beside.otherwise(found, last)
    all_but_0 = claims.judge(*(of[of["seed"] > 0] for of in (frame, density)))
    assert without == beside.otherwise(found, all_but_0)
    on_0 = [told.split()[0] for told in one.split("; ") if "0" in told.split()[2:]]
    turned = [a for a, b in zip(found, all_but_0, strict=True) if _outcome(a) != _outcome(b)]
    assert on_0 == [judged.claim.id for judged in turned]
    hang = dict(told.split(" without ") for told in one.split("; "))
    assert len(hang["C14"].split(" or ")) == 5  # as the page on density estimators tells
    told = came.set_index("seeds")["judged otherwise"]
    assert "C2 (cannot be decided)" in told["0 to 4"] and "C2 " not in told["0 to 3"]  # as told


def test_where_the_seed_of_the_tuning_lies_among_all() -> None:
    frame = at_matched(study({"accuracy": line(0.5), "fid": line(50)}, jitter=0))
    at = {("accuracy", 0): 0.7, ("fid", 1): 48, ("fid", 2): 54}  # seed 0 trains best
    for (metric, seed), value in at.items():
        chosen = (frame["metric"] == metric) & (frame["seed"] == seed)
        frame.loc[chosen & (frame["model"] == "vae"), "value"] = value
    share, fid, *others = beside.tuned(frame).itertuples(index=False)
    assert share == ("VAE, share of the ceiling", "0.86", "0.57 [0.57, 0.57]", "1", "3")
    # 6.314 (t, one degree of freedom) · 4.243 · √(1 + 1/2) = 32.8 about the mean of 48 and 54
    assert fid == ("VAE, FID", "50", "51 [18, 84]", "2", "3")
    assert {row[3] for row in others} == {"1"}  # all alike
    alone = beside.tuned(frame[frame["seed"] < 2])
    assert set(alone["place, 1 is best"]) == {"–"} and set(alone["seeds"]) == {"2"}


def test_fresh_seeds_do_no_worse_than_the_one_that_was_tuned_on(
    found: list[Judged], frame: pd.DataFrame, density: pd.DataFrame
) -> None:
    told = beside.answers(found, frame, density)
    places = [(int(row[-2]), int(row[-1])) for row in beside.tuned(frame).itertuples()]
    assert told["tuned_best"] == sum(place == 1 for place, _ in places)
    assert told["tuned_worst"] == sum(place == of for place, of in places)
    assert told["tuned_best"] < told["tuned_worst"]  # as told


def test_seeds_are_told_part_by_part() -> None:
    frame = study({"accuracy": line(1), "recall": line(1), "coverage": line(1)}, seeds=(0, 1, 2))
    told = beside.seeds_of(claims.judge(frame), ("C2", "C8", "C10", "C14"))
    assert told == "C2 on 0, C8 on 0, C10 on 0 to 3"  # nothing is there at the matched noise


def test_who_leaks_most_is_counted_where_all_three_are_measured() -> None:
    leaks = {"log_density_ratio": by(line(5, -4), line(4, -1), line(2))}  # crossing at 0.13
    frame = study(leaks)
    assert beside.leaks_most(frame, "vae") == (6, 15)  # of three data sets the levels 0 and 0.1
    assert beside.leaks_most(frame, "gan") == (9, 15)
    matched = evidence.NOISE, evidence.matched_noise
    assert beside.leaks_most(frame, "gan", *matched) == (0, 0)  # nothing is there
    frame = at_matched(frame)
    assert beside.leaks_most(frame, "gan", *matched) == (9, 12)
    one = (frame["model"] == "ddpm") & (frame["seed"] == frame["seed"].min())
    alone = frame[one].assign(seed=99, value=100.0)
    more = pd.concat([frame, alone])  # a seed that the others lack says nothing of which is most
    assert beside.leaks_most(more, "ddpm", *matched) == beside.leaks_most(frame, "ddpm", *matched)


def test_what_is_shown_beside_needs_no_complete_study() -> None:
    assert set(beside.beside(study({"fid": line(100)}))["at equal σ"]) > {"–"}


def test_the_figure_has_a_row_per_claim(found: list[Judged]) -> None:
    [axis] = ledger.forest(found).axes
    names = [text.get_text() for text in axis.get_yticklabels()]
    assert [name.split()[0] for name in names] == [claim.id for claim in CLAIMS]
    words = [text.get_text()[2:] for text in axis.texts]
    assert words == [one.verdict.outcome for one in found]


# What is added


def afresh(monkeypatch: pytest.MonkeyPatch):
    """The chapters as they are imported anew, with whatever records there are now."""
    for name in [name for name in sys.modules if name.split(".")[0] == "chapters"]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module("chapters.claims")


def test_a_record_more_flips_no_verdict(
    frame: pd.DataFrame, density: pd.DataFrame, found: list[Judged], monkeypatch
) -> None:
    """A data set, a family and a metric more: as records, and with results of their own."""
    digits, gan = datasets.DATASETS["digits"], families.FAMILIES["gan"]
    record = dataclasses.replace(digits, title="AAA")  # the first of all titles
    monkeypatch.setitem(datasets.DATASETS, "aaa", record)
    monkeypatch.setitem(families.FAMILIES, "zzz", dataclasses.replace(gan, title="ZZZ"))
    mine, gans = frame["dataset"] == "mnist", frame["model"] == "gan"
    more = [
        frame,
        frame[mine].assign(dataset="aaa"),
        frame[gans].assign(model="zzz", value=frame["value"] / 2),
        frame[frame["metric"] == "fid"].assign(metric="better_fid", value=0.0),
    ]
    of_density = [density, density[density["dataset"] == "mnist"].assign(dataset="aaa")]
    again = afresh(monkeypatch).judge(pd.concat(more), pd.concat(of_density))
    assert again is not found
    assert [(f.claim.id, f.verdict.number, f.verdict.reason) for f in again] == [
        (f.claim.id, f.verdict.number, f.verdict.reason) for f in found
    ]
    for one, other in zip(again, found, strict=True):
        assert one.verdict.outcome == other.verdict.outcome
        assert (one.authors and one.authors.outcome) == (other.authors and other.authors.outcome)


def test_a_claim_needs_its_words_and_its_rule() -> None:
    def judge(evidence: object) -> Verdict:
        """Words alone."""

    with pytest.raises(ValueError, match="docstring of T1 has 1 paragraphs; it must have two"):
        verdicts.claim("T1", "fidelity", "1", "any")(judge)


def test_outcomes_combine_as_all_of_them_and_as_contraries() -> None:
    assert verdicts.together(["holds", "holds"]) == "holds"
    assert verdicts.together(["holds", "open"]) == "open"
    assert verdicts.together(["open", "contradicted", "holds"]) == "contradicted"
    contraries = [verdicts.opposite(outcome) for outcome in verdicts.PART_OUTCOMES]
    assert contraries == ["contradicted", "holds", "open"]
