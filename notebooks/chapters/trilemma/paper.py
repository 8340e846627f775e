"""TRI's Tables 1 to 4 as they are printed, and what one run can say.

TRI trains each model and each classifier once and gives no interval. For an accuracy the size of
the test set alone leaves one (binomial, test images independent of each other, two accuracies as
if on two test sets); for the other measures nothing is known, and the printed number is taken at
its word.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from chapters.quantities import Quantity, Setting
from chapters.verdicts import ALPHA, Part, bracketed
from helpers.metrics.statistics import Interval

from . import MODELS, SETTINGS, accuracy

DATA = {
    "kvasir": "Kvasir",
    "chexpert": "CheXpert",
    "corn": "Corn",
    "plantvillage": "PlantVillage",
}
MEDICAL = ("kvasir", "chexpert")
TABLE_1 = {"kvasir": 8_000, "chexpert": 40_447, "corn": 3_852, "plantvillage": 54_309}  # images
TESTED = {name: round(0.1 * images) for name, images in TABLE_1.items()}  # a tenth (section 3)

METRICS = ("precision", "recall", "fid", "max_ssim", "images_per_second")  # columns of Table 2
TABLE_2 = {
    ("kvasir", "vae"): (0.0150, 0.0, 266.32, 0.720, 12.80),
    ("kvasir", "gan"): (0.267, 0.0002, 159.76, 0.527, 8.00),
    ("kvasir", "dm"): (0.449, 0.144, 37.61, 0.539, 0.16),
    ("chexpert", "vae"): (0.0630, 0.0, 383.92, 0.649, 12.80),
    ("chexpert", "gan"): (0.301, 0.0004, 50.87, 0.413, 8.00),
    ("chexpert", "dm"): (0.389, 0.0895, 20.65, 0.459, 0.16),
    ("corn", "vae"): (0.0074, 0.0, 338.64, 0.713, 12.80),
    ("corn", "gan"): (0.341, 0.0003, 83.37, 0.368, 8.00),
    ("corn", "dm"): (0.571, 0.106, 38.28, 0.393, 0.16),
    ("plantvillage", "vae"): (0.0002, 0.0, 286.31, 0.727, 12.80),
    ("plantvillage", "gan"): (0.562, 0.351, 26.88, 0.327, 7.10),
    ("plantvillage", "dm"): (0.476, 0.157, 39.9, 0.379, 0.16),
}
AVERAGES = {  # the last three rows of Table 2
    "vae": (0.0214, 0.0, 318.80, 0.702, 12.80),
    "gan": (0.368, 0.0879, 80.22, 0.409, 8.00),
    "dm": (0.472, 0.112, 34.11, 0.442, 0.16),
}
# Tables 3 and 4: utility and robustness per data set, all at 1x; of CheXpert both are top-3.
TABLES_3_4 = {
    ("real", ""): ((0.804, 0.243), (0.687, 0.684), (0.917, 0.670), (0.918, 0.160)),
    ("geometric", ""): ((0.814, 0.225), (0.672, 0.669), (0.901, 0.538), (0.967, 0.161)),
    ("synthetic", "vae"): ((0.522, 0.260), (0.334, 0.322), (0.536, 0.525), (0.145, 0.105)),
    ("synthetic", "gan"): ((0.319, 0.190), (0.298, 0.282), (0.746, 0.644), (0.619, 0.208)),
    ("synthetic", "dm"): ((0.559, 0.253), (0.519, 0.515), (0.756, 0.413), (0.482, 0.214)),
    ("real_synthetic", "vae"): ((0.756, 0.255), (0.616, 0.601), (0.912, 0.767), (0.866, 0.178)),
    ("real_synthetic", "gan"): ((0.759, 0.267), (0.457, 0.431), (0.909, 0.765), (0.877, 0.205)),
    ("real_synthetic", "dm"): ((0.860, 0.195), (0.689, 0.688), (0.925, 0.657), (0.887, 0.189)),
    ("combined", "vae"): ((0.789, 0.226), (0.605, 0.599), (0.894, 0.536), (0.920, 0.172)),
    ("combined", "gan"): ((0.801, 0.227), (0.453, 0.440), (0.880, 0.705), (0.952, 0.238)),
    ("combined", "dm"): ((0.875, 0.154), (0.720, 0.718), (0.961, 0.429), (0.949, 0.225)),
}

Term = tuple[str, str, str]  # data set, model ("" for what needs none) and metric


def robustness(setting: str) -> str:
    """The name of the robustness in one of TRI's settings, at 1x."""
    return accuracy(setting).replace("accuracy", "robustness")


def _printed() -> dict[Term, float]:
    found = {
        (*key, metric): value
        for key, values in TABLE_2.items()
        for metric, value in zip(METRICS, values, strict=True)
    }
    for (setting, model), pairs in TABLES_3_4.items():
        for dataset, (utility, robust) in zip(DATA, pairs, strict=True):
            found[dataset, model, accuracy(setting)] = utility
            found[dataset, model, robustness(setting)] = robust
    return found


PRINTED = _printed()  # every number of Tables 2 to 4 but the averages


def utility(dataset: str, model: str) -> float:
    """The mean accuracy over the three settings with a model's images."""
    return float(np.mean([PRINTED[dataset, model, accuracy(s)] for s in SETTINGS]))


def robust(dataset: str, model: str) -> float:
    """The mean robustness over the three settings with a model's images."""
    return float(np.mean([PRINTED[dataset, model, robustness(s)] for s in SETTINGS]))


# Evidence for the claims


@dataclass(frozen=True)
class Printed(Part):
    """A part of one run; its interval is what the size of the test set alone leaves open."""

    error: float = 0.0  # standard error; 0 where none is known

    def interval(self, confidence: float = 1 - ALPHA) -> Interval | None:
        """The printed value with a normal interval, of no width where no error is known."""
        (value,) = self.quantity.values.values()
        half = norm.ppf((1 + confidence) / 2) * self.error
        return Interval(value, value - half, value + half, 1)

    def text(self) -> str:
        """The value, with its interval where there is one."""
        found = self.interval()
        if self.error == 0:
            return f"{found.mean:.{self.digits}f}".replace("-", "−")
        return bracketed(found, self.digits).replace("-", "−")


@dataclass(frozen=True)
class Paper:
    """What TRI's tables say, in the form that claims are judged by."""

    printed = True
    datasets = DATA
    medical = MEDICAL

    def part(
        self, label: str, function: Callable[..., float], *terms: Term, **region: float
    ) -> Part:
        """`function` of the printed numbers of the terms, and where the claim puts it."""
        values = np.array([PRINTED[term] for term in terms])
        needs = frozenset(Setting(DATA[d], MODELS.get(m, ""), "as printed") for d, m, _ in terms)
        found = Quantity({0: float(function(*values))}, needs)
        return Printed(label, found, **region, error=_error(function, values, terms))

    def multiples(self, dataset: str) -> Sequence[int]:
        """The multiples of which numbers are printed; Figs. 5 and 6 have none."""
        return (1,)

    robustness = staticmethod(robustness)


def _error(function: Callable[..., float], values: np.ndarray, terms: Sequence[Term]) -> float:
    """The standard error by the delta method, from the test sets' sizes alone."""
    deviations = [_deviation(term, value) for term, value in zip(terms, values, strict=True)]
    steps = np.diag(np.full(len(values), 1e-6))
    slopes = [(function(*(values + s)) - function(*(values - s))) / 2e-6 for s in steps]
    return float(np.sqrt(np.sum((np.array(slopes) * deviations) ** 2)))


def _deviation(term: Term, value: float) -> float:
    dataset, _, metric = term
    if not metric.startswith(("accuracy", "robustness")):
        return 0.0
    return float(np.sqrt(value * (1 - value) / TESTED[dataset]))
