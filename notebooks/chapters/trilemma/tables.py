"""TRI's tables from what is collected here: means over seeds with 90 % intervals, and yardsticks.

Beside every number of privacy, and of utility, stands the same of unseen real images in the place
of the synthetic ones (the reference `real`). Functions take frames by data set, as `study.frames`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from chapters import ledger, nfl
from helpers.metrics.evaluation import MULTIPLES
from helpers.metrics.statistics import Interval, mean_interval
from helpers.report.style import levels, number, text, trained

from . import BASELINES, CRITERIA, MODELS, SETTINGS, accuracy, paper
from .claims import Decided
from .study import FAMILIES

SHOWN = {**nfl.MODEL_TITLES, "real": "unseen real"}  # ours, and the yardstick
REFERENCES = {"real": "unseen real", "copies": "copies", "means": "class means"}

Frames = Mapping[str, pd.DataFrame]
_TABLE_2 = {  # title and digits
    "precision": ("precision ↑", 3),
    "recall": ("recall ↑", 3),
    "fid": ("FID ↓", 1),
    "max_ssim": ("max-SSIM ↓", 3),
    "images_per_second": ("images / s ↑", 0),
}


def values(frame: pd.DataFrame, model: str, level: str, metric: str) -> pd.Series:
    """A metric of a model at a level, by seed; empty if there is none."""
    chosen = (frame["model"] == model) & (frame["metric"] == metric) & (frame["level"] == level)
    return frame[chosen].set_index("seed")["value"].sort_index()


def at(model: str, level: str) -> str:
    """The level of a model; reference generators have their own."""
    return "none" if model in REFERENCES else level


def interval(found: pd.Series) -> Interval | None:
    """Of values by seed, those of seeds without one left out; `None` if there are none."""
    found = found.dropna()
    return mean_interval(list(found)) if len(found) else None


def written(found: pd.Series, digits: int, *, signed: bool = False, absent: str = "–") -> str:
    """Values by seed as a mean with the half-width of its interval."""
    here = interval(found)
    return absent if here is None else text(here, digits, signed=signed).replace("-", "−")


def basis(frames: Frames) -> pd.DataFrame:
    """What the page rests on: seeds, levels and trained cells per data set."""
    rows = {}
    for name, frame in frames.items():
        cells = frame[frame["model"].isin(nfl.MODELS)][["model", "level", "seed"]].drop_duplicates()
        rows[nfl.DATA_TITLES[name]] = {
            "models": cells["model"].nunique(),
            "levels": cells["level"].nunique(),
            "seeds": cells["seed"].nunique(),
            "cells": len(cells),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("data set")


def table_2(frames: Frames, level: str = "sgd") -> pd.DataFrame:
    """TRI's Table 2, and what max-SSIM is beyond that of unseen real images, seed by seed."""
    rows = {}
    for name, frame in frames.items():
        unseen = values(frame, "real", "none", "max_ssim")
        for model, title in {**nfl.MODEL_TITLES, **REFERENCES}.items():
            found = {m: values(frame, model, at(model, level), m) for m in _TABLE_2}
            row = {shown: written(found[m], digits) for m, (shown, digits) in _TABLE_2.items()}
            beyond = found["max_ssim"] - unseen
            row["max-SSIM − unseen"] = "0" if model == "real" else written(beyond, 3, signed=True)
            rows[nfl.DATA_TITLES[name], title] = row
    columns = [shown for shown, _ in _TABLE_2.values()]
    columns.insert(4, "max-SSIM − unseen")
    table = pd.DataFrame.from_dict(rows, orient="index")[columns]
    return table.rename_axis(["data set", "images of"])


# What a classifier is trained on in a setting if its synthetic images are left out.
_WITHOUT = {
    "synthetic": "real",
    "real_synthetic": "real",
    "combined": "geometric",
    "combined_unflipped": "geometric_unflipped",
}


def settings(frames: Frames, form: str, level: str = "sgd") -> pd.DataFrame:
    """A metric (its stem) in TRI's settings at 1x, beside the same without synthetic images.

    Of synthetic images alone that is the private ones alone.
    """
    rows = {}
    for name, frame in frames.items():
        for setting, title in {**SETTINGS, "combined_unflipped": "both, turned"}.items():
            own = values(frame, nfl.MODELS[0], level, f"{form}_{_WITHOUT[setting]}")
            row = {"no synthetic images": written(own, 3)}
            for model, shown in SHOWN.items():
                found = values(frame, model, at(model, level), f"{form}_{setting}_1x")
                row[shown] = written(found, 3)
            rows[nfl.DATA_TITLES[name], title] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["data set", "trained on"])


def multiples(frames: Frames, level: str = "sgd") -> pd.DataFrame:
    """The accuracy at 1x, 2x and 3x where these are collected, and what the third adds to one."""
    rows = {}
    for name, frame in frames.items():
        for setting, what in SETTINGS.items():
            for model, shown in SHOWN.items():
                found = {
                    k: values(frame, model, at(model, level), accuracy(setting, k))
                    for k in MULTIPLES
                }
                row = {f"{k}x": written(v, 3) for k, v in found.items()}
                row["3x − 1x"] = written(found[3] - found[1], 3, signed=True)
                rows[nfl.DATA_TITLES[name], what, shown] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["data set", "trained on", "images of"])


def survivors(frames: Frames, level: str = "sgd") -> pd.DataFrame:
    """Who is right after DeepFool: shares of attacked images, means over all classifiers.

    A classifier per setting, model and seed. The last column is the share of those right after the
    attack that were wrong before it.
    """
    rows = {nfl.DATA_TITLES[name]: survival(frame, level) for name, frame in frames.items()}
    shown = {
        title: {
            "classifiers": f"{found['classifiers']:.0f}",
            "right after the attack": f"{found['after']:.3f}",
            "right before and after": f"{found['both']:.4f}",
            "of those right after, wrong before": f"{found['wrong_before']:.1%}",
        }
        for title, found in rows.items()
    }
    return pd.DataFrame.from_dict(shown, orient="index").rename_axis("data set")


def survival(frame: pd.DataFrame, level: str = "sgd") -> dict[str, float]:
    """The numbers of `survivors` for one data set."""
    names = [*BASELINES, *(f"{s}_1x" for s in SETTINGS)]
    sums = {}
    for form in ("adversarial_accuracy_paper", "adversarial_accuracy"):
        parts = [
            values(frame, m, level, f"{form}_{s}")
            for s in names
            for m in (nfl.MODELS[:1] if s in BASELINES else nfl.MODELS)
        ]
        sums[form] = pd.concat(parts)
    after, both = sums["adversarial_accuracy_paper"], sums["adversarial_accuracy"]
    return {
        "classifiers": float(len(after)),
        "after": float(after.mean()),
        "both": float(both.mean()),
        "wrong_before": float(1 - both.sum() / after.sum()),
    }


def noise(frames: Frames) -> pd.DataFrame:
    """What each criterion is without clipping, and how it changes to the most noise, as text.

    The change is formed seed by seed.
    """
    rows = {}
    for name, frame in frames.items():
        last = levels(trained(frame))[-1]
        for metric, criterion in CRITERIA.items():
            row = {}
            for model, title in nfl.MODEL_TITLES.items():
                ends = [values(frame, model, level, metric) for level in ("sgd", last)]
                first = written(ends[0], criterion.digits).partition(" ")[0]
                change = written(ends[1] - ends[0], criterion.digits, signed=True)
                row[title] = f"{first} ({change})"
            rows[nfl.DATA_TITLES[name], criterion.title] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["data set", "criterion"])


# The radar (Fig. 7)


def on_paper() -> pd.DataFrame:
    """The six criteria from TRI's tables: a row per data set and model."""
    rows = {
        (d, m): {
            "precision": paper.PRINTED[d, m, "precision"],
            "recall": paper.PRINTED[d, m, "recall"],
            "images_per_second": paper.PRINTED[d, m, "images_per_second"],
            "utility": paper.utility(d, m),
            "robustness_paper": paper.robust(d, m),
            "max_ssim": paper.PRINTED[d, m, "max_ssim"],
        }
        for d in paper.DATA
        for m in MODELS
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["data set", "model"])


def here(frames: Frames, level: str, models: Sequence[str] = nfl.MODELS) -> pd.DataFrame:
    """The same from what is collected, means over seeds."""
    rows = {
        (d, m): {metric: values(frame, m, at(m, level), metric).mean() for metric in CRITERIA}
        for d, frame in frames.items()
        for m in models
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["data set", "model"])


def radar(points: pd.DataFrame, scale: pd.DataFrame | None = None) -> pd.DataFrame:
    """TRI's radar: means over data sets between the least and largest value of `scale`.

    `scale` (default: the points themselves) has a row per data set and model; privacy is turned
    round. A row per model, in [0, 1] for the points of the scale itself; NaN where all are equal.
    """
    scale = points if scale is None else scale
    low, high = scale.min(), scale.max()
    found = (points.groupby("model", sort=False).mean() - low) / (high - low).replace(0, np.nan)
    for metric, criterion in CRITERIA.items():
        found[metric] = found[metric] if criterion.better > 0 else 1 - found[metric]
    return found


def beside_radar(frames: Frames, level: str = "sgd") -> pd.DataFrame:
    """The radar's numbers in their units: means over data sets, the interval over seeds.

    The last columns are the values at the centre and at the rim of the radar.
    """
    printed, ours = on_paper(), here(frames, level)
    rows = {}
    for source, points in (("TRI", printed), ("here", ours)):
        for metric, criterion in CRITERIA.items():
            if source == "TRI":
                means = points[metric].groupby("model", sort=False).mean()
                digits = 2 if metric == "images_per_second" else criterion.digits
                row = {MODELS[m]: f"{v:.{digits}f}" for m, v in means.items()}
                row["unseen real"] = "not measured"
            else:
                digits = criterion.digits
                row = {
                    MODELS[m]: written(over_data(frames, f, level, metric), digits)
                    for m, f in FAMILIES.items()
                }
                row["unseen real"] = written(over_data(frames, "real", level, metric), digits)
            ends = [points[metric].min(), points[metric].max()][:: criterion.better]
            row["centre"], row["rim"] = (number(end, digits) for end in ends)
            rows[source, f"{criterion.title}: {criterion.measure}"] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["from", "criterion"])


def over_data(frames: Frames, model: str, level: str, metric: str) -> pd.Series:
    """The mean over data sets of a metric, by the seeds that all of them have."""
    parts = [values(frame, model, at(model, level), metric) for frame in frames.values()]
    return pd.concat(parts, axis=1, join="inner").mean(axis=1)


# The claims


def rules(decided: Sequence[Decided]) -> pd.DataFrame:
    """Every claim in our words, the section it stands in, and the rule that decides it."""
    return ledger.rules([found.claim for found in decided])


def verdicts(decided: Sequence[Decided]) -> pd.DataFrame:
    """Every claim with its verdict on TRI's own tables and on ours, each with number and reason."""
    return pd.DataFrame(
        [
            {
                "claim": f"{found.claim.id}. {found.claim.statement}",
                "on TRI's own tables": _verdict(found.on_paper, found.paper),
                "here": _verdict(found.ours, found.here) + _their_form(found),
            }
            for found in decided
        ]
    )


_SIGNS = {
    "holds": "●",
    "reproduced": "●",
    "does not hold": "✕",
    "contradicted at compact scale": "✕",
    "cannot be decided": "○",
    "not testable here": "–",
}


def _verdict(words: str, found) -> str:
    reason = found.reason[0].upper() + found.reason[1:]
    deciding = "" if found.number == "–" else f" ({found.number})"
    return f"{_SIGNS[words]} {words}. {reason}{deciding}."


def _their_form(found: Decided) -> str:
    theirs = found.here_by_their_form
    if theirs is None or theirs.outcome == found.here.outcome:
        return ""
    return f" In TRI's form of robustness: {theirs.outcome}."
