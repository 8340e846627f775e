"""The numbers of the experiments: means over seeds with their 90 % intervals."""

import math
from collections.abc import Sequence

import pandas as pd

from helpers.data import datasets
from helpers.metrics.statistics import Interval, mean_interval
from helpers.report.style import number, text
from helpers.training import release

from . import experiment
from .experiment import DELTA
from .plan import FOLDERS, SIMULATED

_SETTING = ["dataset", "mechanism", "public", "private", "synthetic", "soft", "encoder"]
DATASETS = ("mnist", "organamnist", "bloodmnist", "corn", "octmnist")  # in this order
MECHANISMS = {  # in this order, as they are written
    "private": "the private images",
    "release": "one release",
    "means": "class means",
    "evolution": "Private Evolution",
    "prior": "DP-SGD, public VAE",
    "vae": "DP-SGD, VAE",
    "gan": "DP-SGD, GAN",
    "ddpm": "DP-SGD, DDPM",
    "labelled": "labels leaked",
}
PUBLIC = {
    "": "none",
    "strokes": "strokes",
    "phantoms": "phantoms",
    "letters": "font letters",
    "validation": "other scans",
    "training": "same source",
    "octmnist": "retinal scans",
    "scikit-learn": "pen digits",
    "fonts": "font digits",
}


def accuracies(metric: str = "accuracy") -> pd.DataFrame:
    """A row per setting and epsilon of what is collected: `interval` over seeds."""
    frame = experiment.frame()
    frame = frame[frame["metric"] == metric]
    grouped = frame.groupby([*_SETTING, "epsilon"])["value"]
    return grouped.apply(lambda values: mean_interval(values.tolist())).rename("interval")


def of(
    dataset: str,
    mechanism: str,
    public: str,
    epsilon: float,
    *,
    private: int = 10,
    synthetic: int = 100,
    soft: bool = False,
    encoder: int = 0,
) -> Interval:
    """One setting's accuracy; `KeyError` if it was not measured."""
    key = dataset, mechanism, public, private, synthetic, soft, encoder, epsilon
    return accuracies().loc[key]


def ceiling(dataset: str, private: int = 10) -> Interval:
    """The accuracy that the private images themselves give."""
    return of(dataset, "private", "", float("inf"), private=private)


def answer(epsilons: Sequence[float], private: int = 10) -> pd.DataFrame:
    """A row per setting: the mean accuracy at each epsilon over the seeds there are."""
    found, rows = accuracies(), []
    for setting, part in found.groupby(level=_SETTING, sort=False):
        dataset, mechanism, public, held, synthetic, soft, encoder = setting
        values = part.droplevel(_SETTING)
        there = [epsilon for epsilon in epsilons if epsilon in values.index]
        if held != private or encoder or not there:
            continue
        more = f", {synthetic:,} soft" if soft else ""
        order = DATASETS.index(dataset), list(MECHANISMS).index(mechanism), soft
        row = {
            "order": (*order, list(PUBLIC).index(public)),
            "private": datasets.about(dataset).title,
            "mechanism": MECHANISMS[mechanism] + more,
            "public": PUBLIC[public],
        }
        row |= {_at(e): text(values[e], 2) if e in there else "–" for e in epsilons}
        rows.append(row | {"seeds": max(values[e].n for e in there)})
    frame = pd.DataFrame(rows).sort_values("order", kind="stable").drop(columns="order")
    return frame.set_index(["private", "mechanism"])


def _at(epsilon: float) -> str:
    return "ε = ∞" if epsilon == math.inf else f"ε = {epsilon:g}"


def by_encoder(dataset: str, epsilon: float) -> pd.DataFrame:
    """Accuracies of releases with a simulator: a row per private draw, a column per encoder."""
    frame = experiment.frame()
    is_release = (frame["metric"] == "accuracy") & (frame["mechanism"] == "release")
    simple = (frame["private"] == 10) & (frame["synthetic"] == 100)
    where = (frame["dataset"] == dataset) & (frame["public"] == SIMULATED[dataset])
    part = frame[is_release & simple & where & (frame["epsilon"] == epsilon)]
    return part.pivot(index="seed", columns="encoder", values="value").dropna()


def encoders(epsilons: Sequence[float]) -> pd.DataFrame:
    """Accuracies by encoder on the same private draws, and how far encoders and draws scatter.

    The two deviations are of the means over draws and over encoders.
    """
    rows = []
    for dataset in SIMULATED:
        for epsilon in epsilons:
            table = by_encoder(dataset, epsilon)
            row = {"private": datasets.about(dataset).title, "ε": f"{epsilon:g}"}
            row |= {f"encoder {k}": number(table[k].mean(), 2) for k in table.columns}
            row |= {"sd, encoders": number(table.mean(0).std(), 3)}
            row |= {"sd, draws": number(table.mean(1).std(), 3), "draws": len(table)}
            rows.append(row)
    return pd.DataFrame(rows).set_index(["private", "ε"])


def kept(dataset: str, public: str, epsilon: float) -> float:
    """The share of the private images' accuracy that a release keeps, on the same private draws.

    `KeyError` if it was not measured.
    """
    frame = experiment.frame()
    simple = (frame["private"] == 10) & (frame["synthetic"] == 100) & (frame["encoder"] == 0)
    frame = frame[simple & (frame["metric"] == "accuracy") & (frame["dataset"] == dataset)]
    index = ["mechanism", "public", "epsilon", "seed"]
    values = frame.set_index(index)["value"]
    released = values.loc["release", public, epsilon]
    own = values.loc["private", "", math.inf][released.index]
    return float(released.mean() / own.mean())


def shares(epsilons: Sequence[float]) -> pd.DataFrame:
    """The same where the public side is a folder of images, a row each."""
    rows = []
    for dataset, public in ((name, side) for name in DATASETS for side in FOLDERS.get(name, ())):
        row = {"private": datasets.about(dataset).title, "public": PUBLIC[public]}
        row |= {_at(e): f"{number(100 * kept(dataset, public, e), 0)} %" for e in epsilons}
        seeds = min(of(dataset, "release", public, e).n for e in epsilons)
        rows.append(row | {"seeds": seeds})
    return pd.DataFrame(rows).set_index(["private", "public"])


def brought(epsilon: float, counts: Sequence[int] = (10, 20, 50)) -> pd.DataFrame:
    """Accuracies at an epsilon by how many private images per class are brought."""
    found, rows = accuracies(), []
    for dataset, public in SIMULATED.items():
        row = {"private": datasets.about(dataset).title}
        for count in counts:
            key = dataset, "release", public, count, 100, False, 0, epsilon
            row[f"{count} a class"] = text(found[key], 2) if key in found.index else "–"
        rows.append(row)
    return pd.DataFrame(rows).set_index("private")


def allowed(epsilons: Sequence[float]) -> pd.DataFrame:
    """What each epsilon still allows: other units of privacy, and the best attacker's advantage."""
    rows = []
    for epsilon in epsilons:
        sigma = release.noise_multiplier_for(epsilon, delta=DELTA)
        one, ten = (release.guarantee(sigma, delta=DELTA, records=n) for n in (1, 10))
        rows.append(
            {
                "ε": f"{epsilon:g}",
                "σ": f"{sigma:.3f}",
                "ε, one replaced": f"{one.epsilon_replaced:.1f}",
                "ε, ten of one person": f"{ten.epsilon:.0f}",
                "advantage": f"{one.advantage:.2f}",
            }
        )
    return pd.DataFrame(rows).set_index("ε")
