"""Table 1 of No Free Lunch (arXiv 2606.07640), MNIST: what the paper reports, beside ours.

Means over three seeds. The number of images behind them is not stated, and the networks are wider
than ours: orders and changes can be compared, absolute values cannot.
"""

import math
from collections.abc import Sequence

import pandas as pd
from scipy.stats import kendalltau

from chapters import nfl
from helpers.metrics.records import record
from helpers.report.tables import intervals

LEVELS = ("sgd", "0.1", "0.2", "0.3", "0.4")  # the first is the paper's sigma = 0

# Our metrics; they stand beside the paper's in the authors' form. The Inception Score is by another
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


def beside_paper(frame: pd.DataFrame) -> pd.DataFrame:
    """Table 1 of the paper beside ours: "ours | paper" per metric, model and noise multiplier.

    Ours is the authors' form of each metric, as a mean over seeds. The paper's sigma 0 stands
    beside our arm `sgd`. Our networks and number of images differ: compare orders and changes.
    """
    rows = {}
    for (metric, model), theirs in TABLE_1.items():
        ours = _means(frame, metric)
        digits = 1 if metric == "FID" else 2
        rows[metric, nfl.MODEL_TITLES[model]] = {
            name: f"{ours[model, name]:.{digits}f} | {value:.{digits}f}"
            if (model, name) in ours
            else f"– | {value:.{digits}f}"
            for name, value in zip(LEVELS, theirs, strict=True)
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["metric", "model"])


def orders_beside_paper(frame: pd.DataFrame) -> pd.DataFrame:
    """Per metric of Table 1: does it order the models, and change with the noise, as in the paper?

    `order at 0` and `order at 0.4`: Kendall's tau between our ranking of the three models and the
    paper's; then the change from no noise to 0.4 of each model, "ours | paper".
    """
    rows = {}
    for metric in METRICS:
        found = _means(frame, metric)
        theirs = [TABLE_1[metric, model] for model in nfl.MODEL_TITLES]
        ours = [
            [found.get((model, name), math.nan) for name in LEVELS] for model in nfl.MODEL_TITLES
        ]
        rows[metric] = {
            f"order at {at}": _tau([row[i] for row in ours], [row[i] for row in theirs])
            for at, i in (("0", 0), ("0.4", -1))
        }
        for name, our, their in zip(nfl.MODEL_TITLES.values(), ours, theirs, strict=True):
            rows[metric][f"change, {name}"] = f"{_change(our)} | {_change(their)}"
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")


def _means(frame: pd.DataFrame, metric: str) -> pd.Series:
    """Of the authors' form of a metric of the table, by model and level."""
    ours = record(METRICS[metric]).authors
    return intervals(frame, ours).set_index(["model", "level"])["mean"]


def _change(values: Sequence[float]) -> str:
    change = values[-1] - values[0]
    return "–" if math.isnan(change) else f"{change:+.2f}"


def _tau(ours: list[float], theirs: list[float]) -> str:
    if any(math.isnan(value) for value in ours):
        return "–"
    return f"{kendalltau(ours, theirs).statistic:+.2f}"
