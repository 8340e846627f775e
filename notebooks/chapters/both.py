"""Both papers' criteria on both papers' data, without noise: which family is best in what.

The generators of "No Free Lunch" on its three data sets, ten images per class, and those of "Beyond
the Generative Learning Trilemma" (TRI) on Corn and on BloodMNIST. Families stand for their kind:
a variational autoencoder, an adversarial network, a diffusion model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from chapters import nfl
from chapters.beyond import experiment, plan, tables
from chapters.trilemma import study
from chapters.trilemma.tables import values
from helpers.data import datasets
from helpers.metrics.statistics import mean_interval
from helpers.models.families import FAMILIES
from helpers.report.style import number, panels

KINDS = {  # of models: those of NFL, and of TRI
    "VAE": ("vae", "cvae"),
    "GAN": ("gan", "stylegan2"),
    "diffusion": ("ddpm", "latent_diffusion"),
}
NONE = "–"


@dataclass(frozen=True)
class Criterion:
    """One criterion, its measure in the study and in the experiments on TRI's data."""

    title: str
    study: str
    beyond: str
    better: int  # +1: more is better, -1: less is
    digits: int = 2
    setting: str = "generator"  # in TRI's experiments; "generator" for measures of the images


CRITERIA = (
    Criterion("precision", "precision", "precision", +1),
    Criterion("recall", "recall", "recall", +1),
    Criterion("Fréchet distance", "fid", "fd_vgg16", -1, 0),
    Criterion("images a core-second", "images_per_second", "images_per_core_second", +1, 0),
    Criterion("accuracy, synthetic alone", "accuracy_synthetic_1x", "accuracy", +1, 3, "synthetic"),
    Criterion(
        "accuracy, with real", "accuracy_real_synthetic_1x", "accuracy", +1, 3, "real+synthetic"
    ),
    Criterion("max-SSIM", "max_ssim", "max_ssim", -1, 3),
    Criterion("copy rate", "copy_rate", "copy_rate", -1, 3),
    Criterion("attack on images, AUC", "mia_auc", "membership_auc", -1),
    Criterion("attack on the model, AUC", "mia_loss_auc", "loss_auc", -1),
)

Found = Callable[[str, Criterion], pd.Series]  # of a kind and a criterion: values by seed


def sets(names: Sequence[str]) -> dict[str, Found]:
    """By title, what is collected of each of NFL's data sets named, of Corn and of blood cells.

    Raises `ValueError` as `study.frames` does.
    """
    found: dict[str, Found] = {}
    for name, frame in study.frames(names, "compact").items():
        found[f"{nfl.DATA_TITLES[name]}, 10 a class"] = _of_study(frame)
    for each in experiment.collected(plan.PLANS):
        title = datasets.DATASETS[each.dataset].title
        much = f"{each.per_class} a class" if each.per_class else "whole"
        found[f"{title}, {much}"] = _of_trilemma(tables.frame(each))
    return found


def _of_study(frame: pd.DataFrame) -> Found:
    return lambda kind, c: values(frame, KINDS[kind][0], "sgd", c.study)


def _of_trilemma(frame: pd.DataFrame) -> Found:
    def of(kind: str, c: Criterion) -> pd.Series:
        alone = c.setting == "generator"
        key = (c.setting, KINDS[kind][1], 0 if alone else 1, c.beyond, "" if alone else "steps")
        return tables.values(frame, *key)

    return of


def _apart(first: pd.Series, second: pd.Series) -> bool:
    """Whether two kinds differ, seed by seed, by more than a 90 % interval."""
    interval = mean_interval(list((first - second).dropna()))
    return interval.low > 0 or interval.high < 0


def best(of: Found, criterion: Criterion) -> tuple[str, ...]:
    """The kind with the best mean in a criterion, and all that are not apart from it; empty where
    one is not collected. Of one seed it is the best value alone, with a question mark."""
    there = {kind: of(kind, criterion) for kind in KINDS}
    if not all(map(len, there.values())):
        return ()
    first = max(there, key=lambda kind: criterion.better * there[kind].mean())
    if min(map(len, there.values())) == 1:
        return (f"{first}?",)
    others = (kind for kind in there if kind != first)
    return (first, *(kind for kind in others if not _apart(there[first], there[kind])))


def winners(found: Mapping[str, Found]) -> pd.DataFrame:
    """The best kind by criterion and data set, with those that its seeds do not tell from it."""
    rows = {
        _title(criterion): {
            title: " = ".join(best(of, criterion)) or NONE for title, of in found.items()
        }
        for criterion in CRITERIA
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("criterion")


def figure(found: Mapping[str, Found]) -> Figure:
    """`winners` as a picture: the colour of the one kind that is best, pale where one seed says so
    and grey where several do not tell."""
    table = winners(found)
    drawn, axes = panels(size=(1.06 * table.shape[1] + 2.0, 0.46 * len(table) + 1.2))
    colours = {kind: FAMILIES[first].colour for kind, (first, _) in KINDS.items()}
    shades = [[_shade(kinds, colours) for kinds in row] for row in table.to_numpy()]
    axis = axes[0, 0]
    axis.imshow(np.array(shades), aspect="auto")
    for (row, column), words in np.ndenumerate(table.to_numpy()):
        tied = words.count("=") + 1 == len(KINDS)
        words = "all alike" if tied else words.replace(" = ", "\n= ")
        axis.text(column, row, words, ha="center", va="center", fontsize=9, linespacing=0.95)
    axis.set_yticks(range(len(table)), table.index)
    columns = [title.replace(", ", "\n") for title in table.columns]
    axis.set_xticks(range(len(columns)), columns)
    axis.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axis.grid(visible=False)
    return drawn


def _shade(words: str, colours: Mapping[str, str]) -> tuple[float, ...]:
    return to_rgba(colours.get(words.rstrip("?"), "0.75"), 0.25 if words.endswith("?") else 0.55)


def numbers(found: Mapping[str, Found]) -> pd.DataFrame:
    """Means over seeds of every kind: a row per data set and kind, a column per criterion."""
    rows = {
        (title, kind): {
            _title(c): number(of(kind, c).mean(), c.digits) if len(of(kind, c)) else NONE
            for c in CRITERIA
        }
        for title, of in found.items()
        for kind in KINDS
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["data set", "generator"])


def seeds(found: Mapping[str, Found]) -> pd.DataFrame:
    """How many seeds of each kind are collected on each data set."""
    rows = {title: {k: len(of(k, CRITERIA[0])) for k in KINDS} for title, of in found.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def counted(found: Mapping[str, Found]) -> dict[str, int]:
    """In how many of the cells of several seeds a kind is best alone, and in how many none is."""
    cells = [best(of, criterion) for of in found.values() for criterion in CRITERIA]
    decided = [kinds for kinds in cells if kinds and not kinds[0].endswith("?")]
    alone = {f"both_{kind.lower()}": decided.count((kind,)) for kind in KINDS}
    tied = len(decided) - sum(alone.values())
    return alone | {"both_cells": len(decided), "both_tied": tied}


def _title(criterion: Criterion) -> str:
    return f"{criterion.title} {'↑' if criterion.better > 0 else '↓'}"
