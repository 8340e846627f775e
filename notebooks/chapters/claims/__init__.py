"""The claims of No Free Lunch, C1 to C22 in the paper's order, judged by the collected results.

The claims on MNIST are in `mnist`, those on density estimation in `estimators`, the others in
`beyond`; `evidence` holds what they are judged by, and `chapters.verdicts` the machine.
"""

import pandas as pd

from ..density import experiment
from ..verdicts import Judged
from ..verdicts import judge as _judge
from . import beyond, estimators, mnist
from .evidence import gather

CLAIMS = (*mnist.CLAIMS, *estimators.CLAIMS, *beyond.CLAIMS)


def judge(study: pd.DataFrame, density: pd.DataFrame | None = None) -> list[Judged]:
    """All claims, judged by a tidy frame of the study (one scale, any data sets) and, for C14 and
    C15, the frame of the experiment on density estimators."""
    return _judge(CLAIMS, *(gather(study, density, authors=form) for form in (False, True)))


def density_frame() -> pd.DataFrame | None:
    """What is collected of the experiment on density estimators; `None` if there is nothing."""
    return experiment.collected()
