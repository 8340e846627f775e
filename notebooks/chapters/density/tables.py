"""The tables of the experiment, from its tidy frame; C14 and C15 are judged in `claims`."""

import math

import numpy as np
import pandas as pd

from chapters.nfl import DENSITY_TITLES
from helpers.metrics.statistics import Interval, mean_interval
from helpers.report.style import text

from . import grid, ratios, truth

SCORE_K = 10  # neighbours of the score that tables and C14 use
STUDY = ("isomap", "knn", 20.0)  # the study's reducer, estimator and setting
FOUND = 2.0  # a leak is found if the mean response exceeds the null's by so many deviations of it
TOLERANCE = math.sqrt(2 / STUDY[2])  # the sampling deviation of one estimate of the study's: 0.32
FRACTIONS = grid.FULL.slow_fractions  # those that every estimator was tried at
SMALL, LARGE = 0.01, 0.05  # fractions at which tables show responses
HOW = {  # how a reducer places an image that it was not fitted to
    "isomap": "shortest paths through the fitted graph",
    "pca": "linear map",
    "umap": "random steps among the fitted points",
    "tsne": "weighted mean of the fitted points",
    "tsne-joint": "not at all: all fitted together",
    "autoencoder": "encoder",
    "autoencoder-conv": "encoder",
    "beta-vae": "encoder's mean",
    "flow": "flow on 2 principal components",
    "flow-density": "no plane: density of a flow",
}


def real(frame: pd.DataFrame) -> list[str]:
    """The real data sets of a frame, those of the study first."""
    return [name for name in names(frame) if name != truth.BLOBS]


def names(frame: pd.DataFrame) -> list[str]:
    """The data sets of a frame: the blobs, those of the study, others."""
    there = set(frame["dataset"])
    return [*(d for d in grid.DATASETS if d in there), *sorted(there - {*grid.DATASETS})]


# Reducers


def scores(frame: pd.DataFrame, per_class: int, k: int = SCORE_K) -> pd.DataFrame:
    """Per reducer "mean ± half-width" of the score on each data set, and how it places images."""
    table = _select(frame, metric="density_spearman", per_class=per_class, setting=float(k))
    columns = {name: _texts(table, name) for name in names(frame)}
    result = pd.DataFrame(columns).reindex([name for name in HOW if name in set(table["reducer"])])
    how = {"places new images by": [HOW[name] for name in result.index]}
    return result.rename_axis("reducer").assign(**how)


def paper_scores(frame: pd.DataFrame, per_class: int) -> pd.DataFrame:
    """The authors' form, by data set and reducer: distance and angle terms, their weighted sum."""
    parts = {}
    for name in real(frame):
        terms = {}
        for term in ("distance", "angle", "combined"):
            table = _select(frame, metric=f"{term}_paper", per_class=per_class)
            terms[term] = _texts(table, name, digits=2)
        part = pd.DataFrame(terms)
        parts[name] = part.reindex([reducer for reducer in HOW if reducer in part.index])
    return pd.concat(parts, names=["data set", "reducer"])


def by_seed(frame: pd.DataFrame, dataset: str, per_class: int, k: int = SCORE_K) -> pd.DataFrame:
    """The score of every reducer on a data set: a row per seed, a column per reducer."""
    where = {"metric": "density_spearman", "per_class": per_class, "setting": float(k)}
    table = _select(frame, dataset=dataset, **where)
    return table.pivot(index="seed", columns="reducer", values="value")


# Estimators


def spread(frame: pd.DataFrame, dataset: str, reducer: str, estimator: str) -> dict[int, float]:
    """By seed: the range over the settings of the mean estimate, averaged over fractions and leaks.

    In nats; raises `ValueError` for an estimator with one setting only.
    """
    table = _select(frame, metric="mean", dataset=dataset, reducer=reducer, estimator=estimator)
    table = table[table["fraction"].isin(FRACTIONS) & (table["leak"] != "none")]
    if table["setting"].nunique() < 2:
        raise ValueError(f"{estimator} has one setting; a spread needs at least two")
    ranges = table.groupby(["seed", "leak", "fraction"])["value"].agg(np.ptp)
    return ranges.groupby("seed").mean().to_dict()


def separation(
    frame: pd.DataFrame, dataset: str, reducer: str, estimator: str, fraction: float
) -> float:
    """How far a leak moves the mean estimate, in deviations of the estimate without a leak.

    At the estimator's default setting; the deviation is pooled over seeds.
    """
    table = _default(frame, reducer, estimator)
    table = table[(table["dataset"] == dataset) & (table["leak"] != "none")]
    means = table[table["metric"] == "mean"].groupby("fraction")["value"].mean()
    noise = table[(table["metric"] == "sd") & (table["fraction"] == 0)]["value"]
    return float((means[fraction] - means[0.0]) / math.sqrt((noise**2).mean()))


def error(frame: pd.DataFrame, reducer: str, estimator: str) -> tuple[float, float]:
    """Bias and root-mean-square error of an estimate on the blobs, in nats, at the default setting.

    Over both leaks, the fractions above 0 and the seeds; the error holds bias and variance.
    """
    table = _default(frame, reducer, estimator)
    table = table[
        (table["dataset"] == truth.BLOBS) & table["fraction"].isin([f for f in FRACTIONS if f > 0])
    ]
    wide = table.pivot(index=["seed", "leak", "fraction"], columns="metric", values="value")
    exact = [truth.blob_log_ratio(f, leak) for _, leak, f in wide.index]
    bias = wide["mean"] - exact
    return float(bias.mean()), float(np.sqrt((bias**2 + wide["sd"] ** 2).mean()))


def pairs(frame: pd.DataFrame) -> pd.DataFrame:
    """Every pair of reducer and estimator, at the estimator's default, on truth and on real images.

    Columns: bias and error on the blobs; on the real data sets, averaged, the 95 % quantile of the
    absolute estimate without a leak and the separations of leaks of 1 % and 5 %.
    """
    present, rows = real(frame), {}
    groups = dict(list(frame[frame["estimator"] != ""].groupby(["reducer", "estimator"])))
    for reducer in grid.MAPS:
        for estimator in ratios.ESTIMATORS:
            pair = reducer, estimator
            if pair not in groups:
                continue
            own = _default(groups[pair], *pair)
            null = own[(own["metric"] == "abs_q95") & (own["leak"] == "copies")]["value"].mean()
            found = [
                float(np.mean([separation(own, name, *pair, f) for name in present]))
                for f in (SMALL, LARGE)
            ]
            rows[pair] = (*error(own, *pair), null, *found)
    columns = ["bias", "error", "null_q95", "at_1_percent", "at_5_percent"]
    result = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    result.index = pd.MultiIndex.from_tuples(result.index, names=["reducer", "estimator"])
    return result


def advice(frame: pd.DataFrame) -> pd.DataFrame:
    """Which pair to use when: the best pair for each purpose, beside the study's own."""
    table, own = pairs(frame), STUDY[:2]
    loud = table[table["at_5_percent"] >= FOUND]
    purposes = {
        "smallest error where the truth is exact (nats)": table["error"].idxmin(),
        "finding 1 % of near-copies (deviations)": table["at_1_percent"].idxmax(),
        "finding 5 % of near-copies (deviations)": table["at_5_percent"].idxmax(),
        "least alarm without a leak, of those that find 5 % (nats)": loud["null_q95"].idxmin(),
    }
    columns = ["error", "at_1_percent", "at_5_percent", "null_q95"]
    rows = {
        purpose: {
            "pair": " + ".join(DENSITY_TITLES.get(name, name) for name in pair),
            "its value": f"{table.loc[pair, column]:.2f}",
            "Isomap + kNN": f"{table.loc[own, column]:.2f}",
        }
        for (purpose, pair), column in zip(purposes.items(), columns, strict=True)
    }
    return pd.DataFrame(rows).T.rename_axis("purpose")


def study_choice(frame: pd.DataFrame) -> pd.DataFrame:
    """Isomap and kNN with k = 20 on each data set: its null, and its response to planted leaks.

    Numbers are means over seeds, in nats. "in the ball": the exact growth of mass at the resolution
    k / N in the space of images.
    """
    table = frame[frame["reducer"] == STUDY[0]]
    table = table[(table["estimator"] == STUDY[1]) & (table["setting"] == STUDY[2])]
    rows = []
    for name in real(frame):
        at = table[table["dataset"] == name]
        for size in sorted(at["size"].unique()):
            some = at[at["size"] == size].groupby(["metric", "fraction"])["value"].mean()
            row = {
                "data set": name,
                "N": size,
                "null mean": some["mean", 0.0],
                "null deviation": some["sd", 0.0],
                "null 95 % of |ε̂|": some["abs_q95", 0.0],
            }
            for fraction in (SMALL, LARGE, 0.2):
                known = mass_truth(frame, name, fraction)
                text = f"{some['mean', fraction]:.2f}" if ("mean", fraction) in some else "–"
                row[f"leak {fraction:.0%} (in the ball)"] = f"{text} ({known:.2f})"
            rows.append(row)
    result = pd.DataFrame(rows).set_index(["data set", "N"])
    return result.round(2)


def kept(frame: pd.DataFrame) -> pd.DataFrame:
    """Share of near-copies that a map leaves among the 2 % of points nearest to the query.

    Mean over seeds per reducer and real data set. In the space of images all or nearly all are.
    """
    table = _select(frame, metric="inside_plane", leak="copies")
    wide = table.pivot_table(index="reducer", columns="dataset", values="value")
    wide = wide.reindex(index=[r for r in grid.MAPS if r in wide.index], columns=real(frame))
    return wide.map("{:.0%}".format).rename_axis(columns=None)


def mass_truth(frame: pd.DataFrame, dataset: str, fraction: float) -> float:
    """Mean over seeds of the exact growth of mass around the query in the space of images, nats."""
    inside = _select(frame, metric="inside_images", dataset=dataset, reducer=STUDY[0])
    return float(
        np.mean(
            [
                truth.mass_log_ratio(fraction, share, mass)
                for share, mass in zip(inside["value"], inside["setting"], strict=True)
            ]
        )
    )


def detection_limit(frame: pd.DataFrame, dataset: str) -> float:
    """The smallest fraction tried whose mean response the study's choice tells from no leak.

    Infinite if none is.
    """
    tried = sorted(set(_default(frame, *STUDY[:2])["fraction"]) - {0.0})
    limits = (f for f in tried if separation(frame, dataset, *STUDY[:2], f) >= FOUND)
    return next(limits, math.inf)


def answers(frame: pd.DataFrame) -> dict[str, str | float]:
    """The numbers of the page's prose, by name."""
    table = study_choice(frame)
    inside = frame[(frame["metric"] == "inside_images") & (frame["dataset"] != truth.BLOBS)]
    bias, rmse = error(frame, *STUDY[:2])
    limits = {name: detection_limit(frame, name) for name in real(frame)}
    return {
        "inside": float(inside["value"].mean()),
        "null_q95": float(table["null 95 % of |ε̂|"].max()),
        "study_bias": bias,
        "study_error": rmse,
        **{f"limit_{d}": f"{v:.1%}" if math.isfinite(v) else "none" for d, v in limits.items()},
    }


def _default(frame: pd.DataFrame, reducer: str, estimator: str) -> pd.DataFrame:
    setting = ratios.ESTIMATORS[estimator].default
    return _select(frame, reducer=reducer, estimator=estimator, setting=float(setting))


def _select(frame: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Rows with these values; columns not named are free."""
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return frame


def _texts(table: pd.DataFrame, dataset: str, digits: int = 3) -> pd.Series:
    groups = table[table["dataset"] == dataset].groupby("reducer")["value"]
    return pd.Series({name: text(mean_interval(list(v)), digits) for name, v in groups})


def intervals(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """The 90 % t interval over seeds of the rows' values for each `by`: mean, low, high, n."""
    groups = table.groupby(by)["value"]
    rows = {key: mean_interval(list(values)) for key, values in groups}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(Interval._fields))
