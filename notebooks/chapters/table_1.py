"""Table 1 of No Free Lunch (arXiv 2606.07640), MNIST: what the paper reports, beside ours.

Means over three seeds. The number of images behind them is not stated, and the networks are wider
than ours at any scale but `paper`: orders and changes can be compared, absolute values cannot.
"""

import itertools
import math
from collections.abc import Iterable, Sequence

import pandas as pd
from scipy.stats import kendalltau

from chapters import matched, nfl
from helpers.metrics.records import record
from helpers.report.style import number
from helpers.report.tables import intervals
from helpers.study import results

MISSING = "–"  # where there is no number

LEVELS = ("sgd", "0.1", "0.2", "0.3", "0.4")  # the first is the paper's sigma = 0

# Our metrics; in the table they have the authors' form. The Inception Score is by another
# network: see `fidelity`.
METRICS = {"FID": "fid", "LPIPS": "lpips", "PSNR": "psnr", "IS": "is_lite0", "SSIM": "ssim"}

TABLE_1 = {
    ("FID", "vae"): (27.97, 108.54, 137.97, 154.86, 169.04),
    ("FID", "gan"): (50.02, 61.86, 81.61, 92.26, 94.91),
    ("FID", "ddpm"): (66.93, 109.02, 139.42, 165.45, 182.84),
    ("LPIPS", "vae"): (0.40, 0.38, 0.38, 0.37, 0.37),
    ("LPIPS", "gan"): (0.40, 0.41, 0.41, 0.41, 0.41),
    ("LPIPS", "ddpm"): (0.42, 0.45, 0.46, 0.46, 0.47),
    ("PSNR", "vae"): (9.89, 10.47, 10.72, 10.90, 11.00),
    ("PSNR", "gan"): (9.79, 9.72, 9.75, 9.64, 9.64),
    ("PSNR", "ddpm"): (9.48, 9.21, 9.31, 9.49, 9.45),
    ("IS", "vae"): (2.13, 1.96, 1.88, 1.85, 1.86),
    ("IS", "gan"): (1.91, 2.09, 2.05, 2.01, 1.98),
    ("IS", "ddpm"): (1.91, 2.02, 2.11, 2.00, 1.91),
    ("SSIM", "vae"): (0.65, 0.65, 0.65, 0.64, 0.62),
    ("SSIM", "gan"): (0.66, 0.64, 0.64, 0.65, 0.65),
    ("SSIM", "ddpm"): (0.53, 0.42, 0.40, 0.38, 0.36),
}


# Whose row it is.
PAPER, SCALE = "the paper", "ours, at its scale"
NOISE, SIGMA = "ours, at its noise", "ours, at its σ"


def at_scale(dataset: str, seeds: Sequence[int]) -> results.Results | None:
    """What is collected of networks of the authors' widths and lengths; `None` if nothing."""
    axes = {"models": nfl.MODELS, "levels": LEVELS, "seeds": seeds, "scale": "paper"}
    return results.available(dataset, **axes)


Frames = dict[str, pd.DataFrame]  # by whose row it is; under the paper's sigmas


def ours(
    frame: pd.DataFrame, tried: pd.DataFrame | None = None, large: results.Results | None = None
) -> Frames:
    """What stands beside the paper's values, as far as it is there.

    Of networks of the authors' widths and lengths (`large`, see `at_scale`), of compact ones at the
    levels of `tried` whose noise is the paper's (see `matched.collected`), and at those of `frame`
    whose sigma is.
    """
    found = {SCALE: large.frame} if large else {}
    found |= {} if tried is None else {NOISE: _renamed(frame, tried)}
    return found | {SIGMA: frame}


def told(frames: Frames, large: results.Results | None) -> dict[str, float | str]:
    """What the text says of the authors' scale, by name: which cells there are, their core-hours,
    how much of the noise of the authors' training ours has at a sigma, and the records of a step by
    which it differs (alike for all models); at their levels the FID of each model, of the paper, at
    the authors' scale and of the compact network at the paper's noise and at its sigma, and of our
    networks at its sigma how many per cent of the images copy a private one, how well the attack on
    the loss tells members, and the coverage.
    """
    if large is None:
        return {"cells": "none"}
    about, cells = large.provenance["cells"], large.cells
    kept = {(c.model, c.level) for c in cells}
    tried = {level for _, level in kept}
    levels = {m: [level for level in LEVELS if (m, level) in kept] for m in nfl.MODELS}
    there = (f"{nfl.MODEL_TITLES[m]} at {', '.join(at)}" for m, at in levels.items() if at)
    run, theirs = matched.ours("vae", scale="paper"), matched.authors("vae")
    said: dict[str, float | str] = {
        "cells": "; ".join(there),
        "seeds": len({cell.seed for cell in cells}),
        "hours": sum(about[cell.name]["core_seconds"] for cell in cells) / 3600,
        "of_noise": run.of_the_run(1) / theirs.of_the_run(1),
        "records": run.records,
        "records_paper": theirs.records,
    }
    tables = {"fid": _tables(frames)["FID"]}
    shares = {"copies": "copy_rate", "auc": "mia_loss_auc", "coverage": "coverage"}
    for name, metric in shares.items():
        tables[name] = {whose: _values(frames[whose], metric) for whose in (SCALE, SIGMA)}
    names = {"paper": PAPER, "large": SCALE, "noise": NOISE, "here": SIGMA}
    for name, (whose, title), model in itertools.product(tables, names.items(), nfl.MODELS):
        for level, value in zip(LEVELS, tables[name].get(title, MISSED)[model], strict=True):
            if level in tried and not math.isnan(value):
                factor = 100 if name == "copies" else 1
                said[f"{name}_{whose}_{model}_{level}"] = factor * float(value)
    return said


def beside_paper(frames: Frames) -> pd.DataFrame:
    """Table 1 of the paper and ours, a row each per metric and model; by the paper's sigma.

    Ours is the authors' form of each metric, as a mean over seeds. Beside the paper's sigma 0
    stands our arm `sgd`. Of the authors' scale a row of which nothing is there is left out.
    """
    rows = {}
    for metric, found in _tables(frames).items():
        digits = 1 if metric == "FID" else 2
        for (model, title), (whose, values) in itertools.product(
            nfl.MODEL_TITLES.items(), found.items()
        ):
            texts = [_text(value, digits) for value in values[model]]
            if _has_place(whose, texts):
                rows[metric, title, whose] = dict(zip(LEVELS, texts, strict=True))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["metric", "model", "whose"])


def orders(frames: Frames) -> pd.DataFrame:
    """Per metric of Table 1: does it order the models, and change with the noise, as in the paper?

    Kendall's tau between our ranking of the three models and the paper's, without noise and at its
    most; then each model's change from the one to the other. Left out is what `beside_paper` does.
    """
    rows = {}
    for metric, found in _tables(frames).items():
        for whose, values in found.items():
            row = {
                f"order at {name}": _tau(values, found[PAPER], place) if whose != PAPER else MISSING
                for name, place in (("0", 0), ("0.4", -1))
            }
            for model, title in nfl.MODEL_TITLES.items():
                change = values[model][-1] - values[model][0]
                row[f"change, {title}"] = _text(change, 2, signed=True)
            if _has_place(whose, row.values()):
                rows[metric, whose] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["metric", "whose"])


def _has_place(whose: str, texts: Iterable[str]) -> bool:
    """Whether a row has a place: an empty one of the authors' scale has none."""
    return whose != SCALE or any(text != MISSING for text in texts)


Values = dict[str, list[float]]  # by model, at `LEVELS`; NaN for what is not collected
MISSED: Values = {model: [math.nan] * len(LEVELS) for model in nfl.MODELS}


def _tables(frames: Frames) -> dict[str, dict[str, Values]]:
    """By metric and whose."""
    return {
        metric: {PAPER: {m: list(TABLE_1[metric, m]) for m in nfl.MODELS}}
        | {whose: _values(rows, record(name).authors) for whose, rows in frames.items()}
        for metric, name in METRICS.items()
    }


def _values(rows: pd.DataFrame, metric: str) -> Values:
    means = intervals(rows, metric).set_index(["model", "level"])["mean"]
    return {m: [means.get((m, level), math.nan) for level in LEVELS] for m in nfl.MODELS}


def _renamed(frame: pd.DataFrame, tried: pd.DataFrame) -> pd.DataFrame:
    """The matched levels under the paper's sigmas, and of `frame` what is without noise."""
    [scale] = tried["scale"].unique()
    named = {
        (model, ours): theirs
        for model in nfl.MODELS
        for ours, theirs in zip(matched.levels(model, scale), matched.SIGMAS, strict=True)
    }
    sigmas = [named[pair] for pair in zip(tried["model"], tried["sigma"], strict=True)]
    return pd.concat([frame[frame["arm"] == "sgd"], tried.assign(sigma=sigmas)])


def _tau(ours: Values, theirs: Values, place: int) -> str:
    pair = [[values[place] for values in each.values()] for each in (ours, theirs)]
    if any(math.isnan(value) for value in pair[0]):
        return MISSING
    return number(kendalltau(*pair).statistic, 2, signed=True)


def _text(value: float, digits: int, *, signed: bool = False) -> str:
    return MISSING if math.isnan(value) else number(value, digits, signed=signed)
