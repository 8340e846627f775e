"""Estimators of the log density ratio at one point, beside the nearest neighbours of `privacy`.

NFL section 4.1 compares several and keeps the k-nearest-neighbour one. All have one interface:
`estimate(victim_points [N, d], ablated_points [M, d], query [d], setting) -> float`, the signed
ln p_victim(query) - ln p_ablated(query) in nats, and one number as their setting. Swapping the sets
flips the sign; shift and scale of the plane do not matter, because points are standardized.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import PolynomialFeatures

from helpers.data.checks import Array, check_array, check_same_width
from helpers.metrics.plane import log_density_ratio

Estimate = Callable[[Array, Array, Array, float], float]
CANDIDATES = (0.05, 0.1, 0.2, 0.4, 0.8)  # bandwidths that cross-validation chooses from


def _standardized(
    victim: Array, ablated: Array, query: Array
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both sets and the query [1, d], centred and scaled by the pooled root-mean-square spread."""
    victim, ablated = check_array(victim, "victim points"), check_array(ablated, "ablated points")
    query = check_array(np.asarray(query, dtype=float).reshape(1, -1), "query")
    check_same_width(victim, ablated, "victim and ablated points")
    check_same_width(victim, query, "points and query")
    pooled = np.concatenate([victim, ablated])
    spread = math.sqrt(pooled.var(axis=0).mean())
    centre, scale = pooled.mean(axis=0), spread if spread > 0 else 1.0
    return (victim - centre) / scale, (ablated - centre) / scale, (query - centre) / scale


def knn(victim: Array, ablated: Array, query: Array, k: float) -> float:
    """`plane.log_density_ratio`: distances to the k-th neighbours (Mack and Rosenblatt 1979)."""
    return log_density_ratio(victim, ablated, query, int(k))


def kde(victim: Array, ablated: Array, query: Array, bandwidth: float) -> float:
    """Gaussian kernel density estimates with one bandwidth for both sets.

    `bandwidth` is in units of the pooled root-mean-square spread per dimension. Bounded only by
    (distance / bandwidth)^2 / 2 where a set has no point near the query.
    """
    if not bandwidth > 0:
        raise ValueError(f"bandwidth is {bandwidth}; it must be > 0")
    victim, ablated, query = _standardized(victim, ablated, query)
    logs = [
        logsumexp(-0.5 * cdist(points, query, "sqeuclidean") / bandwidth**2) - math.log(len(points))
        for points in (victim, ablated)
    ]
    return float(logs[0] - logs[1])


def kde_cross_validated(
    victim: Array, ablated: Array, query: Array, rows: float = math.inf
) -> float:
    """`kde` with the bandwidth of `CANDIDATES` under which left-out points are likeliest.

    Leave-one-out log-likelihood, summed over both sets; only the first `rows` points of each are
    left out, which is as good a choice at a fraction of the cost.
    """
    sets = _standardized(victim, ablated, query)[:2]
    if min(map(len, sets)) < 2:
        raise ValueError("cross-validation needs at least two points in each set")
    best = max(CANDIDATES, key=lambda h: sum(_left_out(points, h, rows) for points in sets))
    return kde(victim, ablated, query, best)


def _left_out(points: np.ndarray, bandwidth: float, rows: float) -> float:
    chosen = points[: int(min(rows, len(points)))]
    exponents = -0.5 * cdist(chosen, points, "sqeuclidean") / bandwidth**2
    exponents[np.arange(len(chosen)), np.arange(len(chosen))] = -np.inf
    logs = logsumexp(exponents, axis=1) - points.shape[1] * math.log(bandwidth)
    return float(logs.mean())


def logistic(victim: Array, ablated: Array, query: Array, degree: float) -> float:
    """A logistic regression that tells the sets apart, on polynomials of the points.

    By Bayes' rule its log odds at the query, less the log odds of the set sizes, are the log ratio
    (Kanamori et al. 2010). scikit-learn's default penalty, C = 1.
    """
    features = PolynomialFeatures(int(degree), include_bias=False)
    return _from_classifier(LogisticRegression(max_iter=1000), features, victim, ablated, query)


def neural(victim: Array, ablated: Array, query: Array, width: float) -> float:
    """A neural classifier with one hidden layer of `width` units, as `logistic` otherwise.

    At most 60 steps of L-BFGS and a weight decay of 0.01: trained to the end, a wide net learns
    the sample by heart.
    """
    classifier = MLPClassifier(
        (int(width),), solver="lbfgs", alpha=0.01, max_iter=60, random_state=0
    )
    features = PolynomialFeatures(1, include_bias=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped early
        return _from_classifier(classifier, features, victim, ablated, query)


def _from_classifier(classifier, features, victim: Array, ablated: Array, query: Array) -> float:
    victim, ablated, query = _standardized(victim, ablated, query)
    labels = np.repeat([1, 0], [len(victim), len(ablated)])
    classifier.fit(features.fit_transform(np.concatenate([victim, ablated])), labels)
    chances = classifier.predict_proba(features.transform(query))[0]
    tiny = np.finfo(float).tiny
    odds = math.log(max(chances[1], tiny)) - math.log(max(chances[0], tiny))
    return odds - math.log(len(victim) / len(ablated))


@dataclass(frozen=True)
class Estimator:
    """An estimator with the values of its one setting that are compared."""

    estimate: Estimate
    setting: str  # what the number is
    values: tuple[float, ...]
    default: float  # the one that tables show
    slow: bool  # more than a few milliseconds: fewer simulations


# The bandwidths reach as far as the k: in the middle of a round Gaussian cloud of N = 1,000 points
# the k-th neighbour lies at r = sqrt(2 k / N) spreads, and a disc of radius r has the same variance
# as a Gaussian kernel of bandwidth r / 2.
ESTIMATORS: dict[str, Estimator] = {
    "knn": Estimator(knn, "neighbours k", (5, 10, 20, 50, 100), 20, False),
    "kde": Estimator(kde, "bandwidth / spread", (0.05, 0.07, 0.1, 0.16, 0.22), 0.1, False),
    "kde-cv": Estimator(kde_cross_validated, "points left out", (250,), 250, True),
    "logistic": Estimator(logistic, "degree", (1, 2, 3), 2, True),
    "neural": Estimator(neural, "hidden units", (4, 16, 64), 16, True),
}
