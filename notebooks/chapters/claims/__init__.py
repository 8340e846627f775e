"""The claims of No Free Lunch, C1 to C22 in the paper's order, judged by the collected results.

The claims on MNIST are in `mnist`, those on density estimation in `estimators`, the others in
`beyond`; `evidence` holds what they are judged by, and `chapters.verdicts` the machine.
"""

import itertools
from collections.abc import Iterable

import pandas as pd

from helpers.study import results

from .. import nfl
from ..density import experiment
from ..verdicts import Judged
from ..verdicts import judge as _judge
from . import beyond, estimators, mnist
from .evidence import PLAIN, gather, matched_levels, matched_noise

OPEN = ("C8", "C10", "C11", "C12", "C13", "C14", "C19", "C20", "C21")  # after the first seeds
SEEDS = range(10)  # of these; their number was fixed before the others were looked at
CLAIMS = (*mnist.CLAIMS, *estimators.CLAIMS, *beyond.CLAIMS)


def judge(study: pd.DataFrame, density: pd.DataFrame | None = None) -> list[Judged]:
    """All claims, judged by a tidy frame of the study (one scale, any data sets) and, for C14 and
    C15, the frame of the experiment on density estimators.

    By the levels whose noise-to-signal is the authors'; beside it by those of their sigma.
    """
    matched = {"lens": matched_noise}
    ours, theirs = (gather(study, density, authors=form, **matched) for form in (False, True))
    return _judge(CLAIMS, ours, theirs, gather(study, density))


def unpooled(study: pd.DataFrame, density: pd.DataFrame | None = None) -> list[Judged]:
    """The same with every interval from a quantity's own seeds alone, as the first rules had it."""
    return _judge(
        CLAIMS,
        gather(study, density, lens=matched_noise, pooled=False),
        beside=gather(study, density, pooled=False),
    )


def study(names: Iterable[str] = nfl.DATA, scale: str = "compact") -> pd.DataFrame:
    """All that is collected of what the claims need: both grids of noise, and all their seeds."""
    levels = {*nfl.LEVELS, *itertools.chain(*map(matched_levels, names))}
    axes = {"models": (*nfl.MODELS, PLAIN), "levels": sorted(levels, key=str), "seeds": SEEDS}
    found = [results.available(name, scale=scale, **axes) for name in names]
    return pd.concat([part.frame for part in found if part is not None], ignore_index=True)


def density_frame() -> pd.DataFrame | None:
    """What is collected of the experiment on density estimators; `None` if there is nothing."""
    return experiment.collected()
