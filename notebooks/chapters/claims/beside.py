"""What the page tells beside the verdicts and judges by nothing: what they rest on, and levels."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from chapters.nfl import DATA, MODELS, SEEDS
from chapters.quantities import ENOUGH, Quantity, combine
from chapters.verdicts import Judged, Part, bracketed
from helpers.metrics.statistics import Interval, mean_interval
from helpers.report import style, tables
from helpers.study.results import Results

from . import OPEN, beyond, judge, unpooled
from .estimators import SCARCE
from .evidence import NOISE, PATH, TITLES, Evidence, Lens, equal_sigma, gather, matched_noise, one

TUNED_ON = 0  # the seed on whose private images of MNIST the presets were tuned


def answers(
    judged: Sequence[Judged], study: pd.DataFrame, density: pd.DataFrame
) -> dict[str, float | str]:
    """The numbers of the prose; those of the verdicts themselves are in `verdicts.count`.

    `matched_<model>`: our sigma on MNIST that matches the paper's 0.4. `freedom`: the degrees of
    freedom behind a pooled interval. `seeds_open`, `seeds_c14`: what these claims rest on.
    `<model>_leaks_most`, `..._of`: see `leaks_most`; the GAN's at the matched noise.
    `c12_<model>`: the mean of its part of C12. `tuned_best`, `tuned_worst`: in how many of the
    quantities of `tuned` that seed is so of all. `seeds_alone`: the verdicts that differ with each
    quantity's own seeds alone. And what `_at_most_noise` has. NaN is what the results do not tell.
    """
    scarce = density[density["per_class"] == SCARCE]
    [c12] = [found.verdict for found in judged if found.claim.id == "C12"]
    among = tuned(study)
    places = among["place, 1 is best"]
    told = {
        "tuned_best": int((places == "1").sum()),
        "tuned_worst": int((places == among["seeds"]).sum()),
        "freedom": "{} to {}".format(*freedom(judged)),
        "seeds_open": seeds_of(judged, OPEN),
        "seeds_c14": scarce["seed"].nunique(),
        "seeds_alone": otherwise(judged, unpooled(study, density)),
    } | _at_most_noise(study)
    for model, part in zip(MODELS, c12.parts, strict=True):
        told[f"matched_{model}"] = float(matched_noise("mnist", model, NOISE[-1]))
        found = part.interval()
        told[f"c12_{model}"] = math.nan if found is None else found.mean
    for model, levels in {"ddpm": (), "gan": (NOISE, matched_noise)}.items():
        told[f"{model}_leaks_most"], told[f"{model}_leaks_of"] = leaks_most(study, model, *levels)
    return told


def _at_most_noise(study: pd.DataFrame) -> dict[str, float | str]:
    """Where the noise is that of the paper's 0.4: `gan_fids`, of each seed on MNIST, the least
    first, and `noise_epsilon_least`, `..._most`, the accountant's over data sets and models.
    """
    e, most = gather(study, lens=matched_noise), NOISE[-1]
    fids = e.at("mnist", "gan", most, "fid").values.values()
    bounds = [e.at(d, m, most, "epsilon_1e-3") for d in DATA for m in MODELS]
    epsilons = [epsilon for bound in bounds for epsilon in bound.values.values()]
    return {
        "gan_fids": ", ".join(f"{fid:.0f}" for fid in sorted(fids)) or "none",
        "noise_epsilon_least": min(epsilons, default=math.nan),
        "noise_epsilon_most": max(epsilons, default=math.nan),
    }


def beside(study: pd.DataFrame) -> pd.DataFrame:
    """Quantities that are shown and not judged: what clipping alone does, levels, and wins."""
    columns = {"at matched noise [90 % interval]": matched_noise, "at equal σ": equal_sigma}
    parts = {name: _beside(gather(study, lens=lens)) for name, lens in columns.items()}
    rows = [
        {"quantity": same[0].label} | {name: p.text() for name, p in zip(parts, same, strict=True)}
        for same in zip(*parts.values(), strict=True)
    ]
    return pd.DataFrame(rows)


def _beside(e: Evidence) -> list[Part]:
    parts = []
    for metric in ("accuracy", "recall", "coverage"):  # C8, C10
        clipped = e.at("mnist", "gan", "clipped", metric)
        noise, none = e.over("mnist", "gan", NOISE, metric), e.at("mnist", "gan", "sgd", metric)
        parts.append(one("mnist", "gan", f"{metric}, noise minus clipped", noise - clipped))
        parts.append(one("mnist", "gan", f"{metric}, clipped minus σ = 0", clipped - none))
    for model in ("gan", "ddpm"):  # C16
        level = e.at("octmnist", model, "sgd", "fid")
        parts.append(one("octmnist", model, "FID, σ = 0", level, digits=1))
    score = e.over("octmnist", "gan", NOISE[1:], "is_lite0")  # C17
    parts.append(one("octmnist", "gan", "IS by Lite0, σ ≥ 0.2", score, digits=2))
    parts += [beyond.consistency(e, d, m) for d in DATA[1:] for m in MODELS]  # C22
    return [*parts, *_best(e)]


def _best(e: Evidence) -> list[Part]:
    """In what share of the comparisons of C21 each model is best; by chance, a third."""
    ranks = [beyond.ranks(e, model) for model in MODELS]
    shares = [
        combine(lambda *v: (sum(r == 1 for r in v)) / len(v), *of_one, smooth=False)
        for of_one in ranks
    ]
    return [
        Part(f"share of comparisons won: {TITLES[model]}", share, digits=2)
        for model, share in zip(MODELS, shares, strict=True)
    ]


def coverage(study: pd.DataFrame) -> pd.DataFrame:
    """How many seeds of each data set and model there are: without noise, at the paper's sigmas,
    and at the levels that match them."""
    seeds = style.with_level(study).groupby(["dataset", "model", "level"], observed=True)["seed"]
    counts, rows = seeds.nunique().to_dict(), {}
    for d, m in itertools.product(DATA, MODELS):
        lenses = {f"σ = {level}": level for level in ("sgd", "clipped", *NOISE)}
        lenses |= {f"matched {level}": matched_noise(d, m, level) for level in NOISE}
        row = {name: counts.get((d, m, level), 0) for name, level in lenses.items()}
        rows[TITLES[d], TITLES[m]] = row
    wide = pd.DataFrame(rows).T.rename(columns=lambda name: name.replace("σ = sgd", "sgd"))
    return wide.rename(columns={"σ = clipped": "clipped"}).rename_axis(["data set", "model"])


def seeds_of(judged: Sequence[Judged], names: Iterable[str]) -> str:
    """On how many seeds the verdicts of some claims rest, e.g. "C8 on 10, C13 on 2 to 3"."""
    counts = {
        found.claim.id: [len(part.quantity.values) for part in found.verdict.parts]
        for found in judged
        if found.claim.id in set(names)
    }
    ends = {name: sorted({min(found), max(found)}) for name, found in counts.items() if found}
    return ", ".join(f"{name} on {' to '.join(map(str, end))}" for name, end in ends.items())


def freedom(judged: Sequence[Judged]) -> tuple[int, int]:
    """The fewest and the most degrees of freedom behind a pooled interval of the page."""
    verdicts = [v for found in judged for v in (found.verdict, found.beside) if v is not None]
    errors = [part.quantity.pooled() for verdict in verdicts for part in verdict.parts]
    found = [error.freedom for error in errors if error is not None]
    return math.floor(min(found)), math.ceil(max(found))


def leaks_most(
    study: pd.DataFrame,
    model: str,
    levels: Iterable[str] = PATH,
    lens: Lens = equal_sigma,
) -> tuple[int, int]:
    """Of how many data sets and levels the model's mean log density ratio at the query, over the
    seeds that all three models have, is the highest of the three, and of how many; at the paper's
    sigmas unless `lens` says what stands for them."""
    e, most = gather(study, lens=lens), []
    for d, level in itertools.product(DATA, levels):
        found = {m: e.at(d, m, level, "log_density_ratio").values for m in MODELS}
        if shared := set.intersection(*map(set, found.values())):
            means = {m: np.mean([values[seed] for seed in shared]) for m, values in found.items()}
            most.append(max(means, key=means.get) == model)
    return sum(most), len(most)


def otherwise(judged: Sequence[Judged], others: Sequence[Judged]) -> str:
    """The claims that `others` judge otherwise: at the matched noise with their verdict, which
    stands in brackets, or at equal sigma alone.
    """
    told = []
    for ours, other in zip(judged, others, strict=True):
        if ours.verdict.outcome != other.verdict.outcome:
            told.append(f"{ours.claim.id} ({other.verdict.outcome})")
        elif ours.beside and other.beside and ours.beside.outcome != other.beside.outcome:
            told.append(ours.claim.id)
    return ", ".join(told) or "none"


def as_seeds_came(
    judged: Sequence[Judged], study: pd.DataFrame, density: pd.DataFrame
) -> pd.DataFrame:
    """What the first of the seeds alone judge otherwise, from three of them on, what all but the
    one that the presets were tuned on do, and which verdicts hang on a single one."""
    seeds = sorted(study["seed"].unique())
    ends = seeds[len(SEEDS) - 1 : -1]
    firsts = {last: _judge_by(study, density, lambda s, k=last: s <= k) for last in ends}
    without = {seed: _judge_by(study, density, lambda s, k=seed: s != k) for seed in seeds}
    told = {f"0 to {last}": otherwise(judged, others) for last, others in firsts.items()}
    told[f"all but {TUNED_ON}"] = otherwise(judged, without[TUNED_ON])
    told["all but any one"] = hanging(judged, without)
    return pd.DataFrame({"seeds": list(told), "judged otherwise": list(told.values())})


def _judge_by(
    study: pd.DataFrame, density: pd.DataFrame, chosen: Callable[[pd.Series], pd.Series]
) -> list[Judged]:
    """The verdicts by some of the seeds, of the study and of the density estimators."""
    return judge(*(frame[chosen(frame["seed"])] for frame in (study, density)))


def hanging(judged: Sequence[Judged], without: Mapping[int, Sequence[Judged]]) -> str:
    """The claims with another verdict at the matched noise if a seed were not there, and the seeds
    of which that is so, e.g. "C9 without 5 or 8"; `without` has the verdicts by the seed left out.
    """
    told = []
    for place, ours in enumerate(judged):
        outcomes = {seed: others[place].verdict.outcome for seed, others in without.items()}
        seeds = [str(seed) for seed, one in outcomes.items() if one != ours.verdict.outcome]
        if seeds:
            told.append(f"{ours.claim.id} without {' or '.join(seeds)}")
    return "; ".join(told) or "none"


def tuned(study: pd.DataFrame) -> pd.DataFrame:
    """Where the seed that the presets were tuned on lies among all, on MNIST: two measures of each
    model, averaged over the five σ at the matched noise."""
    e, rows = gather(study, lens=matched_noise), []
    for m in MODELS:
        share, fid = e.share("mnist", m, *PATH), e.over("mnist", m, tuple(PATH), "fid")
        rows.append(_among(f"{TITLES[m]}, share of the ceiling", share, digits=2, sign=-1))
        rows.append(_among(f"{TITLES[m]}, FID", fid, digits=0, sign=1))
    return pd.DataFrame(rows)


def _among(label: str, quantity: Quantity, *, digits: int, sign: int) -> dict[str, str]:
    """A row of `tuned`; `sign` times which less is better. By the mean and scatter of the others,
    90 % of further seeds would lie in the interval (Student's t prediction interval)."""
    others = dict(quantity.values)
    own, told = others.pop(TUNED_ON, None), ("–", "–", "–")
    if own is not None and len(others) >= ENOUGH:
        mean, *ends, n = mean_interval(list(others.values()))
        wide = Interval(mean, *(mean + (end - mean) * math.sqrt(n + 1) for end in ends), n)
        place = 1 + sum(sign * other < sign * own for other in others.values())
        told = f"{own:.{digits}f}", bracketed(wide, digits).replace("-", "−"), f"{place}"
    columns = f"seed {TUNED_ON}", "the others [90 % of further seeds]", "place, 1 is best"
    row = {"mean over σ": label} | dict(zip(columns, told, strict=True))
    return row | {"seeds": str(len(quantity.values))}


def leaks(found: Mapping[str, Results], dataset: str) -> pd.DataFrame:
    """`tables.leaks` of a data set, or a row that says that nothing of it is there."""
    if dataset in found:
        return tables.leaks(found[dataset])
    return pd.DataFrame({"log density ratio": ["–"]}, index=["no results yet"])
