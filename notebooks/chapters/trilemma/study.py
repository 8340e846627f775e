"""What is collected here, in TRI's terms: a frame with two more measures of speed and two means.

`images_per_second` and `training_core_seconds` depend on the machine and stand in the JSON beside
the results; `utility`, `robustness` (the distance to a wrong class) and `robustness_paper` (TRI's
form) are means over the three settings with synthetic images, at 1x.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass

import pandas as pd

from chapters import nfl
from chapters.claims.evidence import Evidence, gather
from chapters.quantities import combine
from chapters.verdicts import Part
from helpers.metrics.evaluation import MULTIPLES
from helpers.report.style import with_level
from helpers.study.collected import COLUMNS
from helpers.study.results import Results

from . import SETTINGS
from .paper import Term

FAMILIES = {"vae": "vae", "gan": "gan", "dm": "ddpm"}  # TRI's models, and ours
FORMS = {"robustness": "relative_distance", "robustness_paper": "adversarial_accuracy_paper"}
_TIMES = ("images_per_second", "training_core_seconds")
_AXES = [*COLUMNS[:-2]]  # the fields of a cell


def frame(results: Results) -> pd.DataFrame:
    """The tidy frame of a data set with the measures named above."""
    about = results.provenance["cells"]
    times = [
        (*astuple(cell), name, float(about[cell.name][name]))
        for cell in results.cells
        if not cell.is_reference
        for name in _TIMES
    ]
    found = results.frame
    means = {"utility": "accuracy", **FORMS}
    extra = [_mean(found, [f"{of}_{s}_1x" for s in SETTINGS], name) for name, of in means.items()]
    tables = [found, pd.DataFrame(times, columns=list(COLUMNS)), *extra]
    return with_level(pd.concat(tables, ignore_index=True)).astype({"level": str})


def _mean(found: pd.DataFrame, metrics: Sequence[str], name: str) -> pd.DataFrame:
    """Rows of the mean of several metrics of each cell that has them all."""
    wide = found[found["metric"].isin(metrics)].pivot(index=_AXES, columns="metric", values="value")
    mean = wide.reindex(columns=metrics).mean(axis=1, skipna=False).dropna()
    return mean.rename("value").reset_index().assign(metric=name)[list(COLUMNS)]


def frames(datasets: Sequence[str], scale: str) -> dict[str, pd.DataFrame]:
    """What is collected of the study on each data set; those without anything are left out.

    Raises `ValueError` for a data set that the chapter does not speak of, and if nothing is there.
    """
    others = [name for name in datasets if name not in nfl.DATA]
    if others or not datasets:
        given = ", ".join(map(repr, others)) or "empty"
        raise ValueError(f"datasets: {given}; this page has results on {', '.join(nfl.DATA)}")
    found = {name: frame(part) for name, part in nfl.collected(datasets, scale).items()}
    if not found:
        raise ValueError(
            f"nothing is collected of {', '.join(datasets)} at scale {scale!r}; "
            f"`python -m helpers study --dataset {datasets[0]} --scale {scale}` computes it"
        )
    return found


# Evidence for the claims


@dataclass(frozen=True)
class Study:
    """What the seeds say, in the form that claims are judged by."""

    evidence: Evidence
    datasets: Mapping[str, str]
    form: str  # of robustness, one of FORMS
    level: str = "sgd"

    printed = False
    medical = ("octmnist", "organamnist")

    def part(
        self, label: str, function: Callable[..., float], *terms: Term, **region: float
    ) -> Part:
        """`function` of the terms, seed by seed, and where the claim puts it."""
        found = [
            self.evidence.at(dataset, FAMILIES[model or "vae"], self.level, metric)
            for dataset, model, metric in terms
        ]
        return Part(label, combine(function, *found, smooth=False), **region)  # maxima among them

    def multiples(self, dataset: str) -> Sequence[int]:
        """The multiples that are collected."""
        return tuple(
            k
            for k in MULTIPLES
            if self.evidence.at(dataset, "vae", self.level, f"accuracy_combined_{k}x").values
        )

    def robustness(self, setting: str) -> str:
        """The name of the robustness in one of TRI's settings, at 1x."""
        suffix = f"{setting}_1x" if setting in SETTINGS else setting
        return f"{FORMS[self.form]}_{suffix}"


def evidence(found: Mapping[str, pd.DataFrame]) -> tuple[Study, Study]:
    """Evidence from frames by data set: in our form of robustness, and in TRI's."""
    gathered = gather(pd.concat(found.values(), ignore_index=True))
    titles = {name: nfl.DATA_TITLES[name] for name in found}
    ours, theirs = (Study(gathered, titles, form) for form in FORMS)
    return ours, theirs
