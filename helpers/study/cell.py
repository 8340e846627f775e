"""The cells of the grid: data set, model, arm, sigma, seed, scale, and the keys that name them.

No Free Lunch, section 4: each cell trains its model on the full, the victim and the ablated set,
and on the full set without the query (the roles), and measures the synthetic sets. A cell is the
unit of parallel work, a role the unit of resumption. Nothing here needs PyTorch or a data set.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..data import files
from ..metrics.evaluation import (
    DELTAS,
    MEASURED,
    MEASURES,
    PRIVATE_PER_CLASS,
    ROLES,
    Evaluation,
    evaluation,
)
from ..models import families
from ..models.families import REFERENCES, Preset
from ..randomness import check_seed
from ..training import accounting

# What the study of No Free Lunch is made of; other studies name their own.
MODELS = ("vae", "gan", "ddpm")
LEVELS = ("sgd", "clipped", 0.1, 0.2, 0.3, 0.4)  # of noise
SEEDS = (0, 1, 2)

NO_ARM = "none"  # of the reference generators, which are not trained
VERSION = 1  # raise when training changes its meaning: trained cells are then trained again


@dataclass(frozen=True, order=True)
class Cell:
    """One point of the grid; sigma is 0 in the arms `sgd` and `clipped`.

    A sigma has six significant digits, as in the cell's name: 0.1 + 0.2 is 0.3. Raises `ValueError`
    for an element that is not allowed; whether there are images of that name is not asked.
    """

    dataset: str
    model: str
    arm: str
    sigma: float
    seed: int
    scale: str

    def __post_init__(self):
        if not isinstance(self.dataset, str) or not re.fullmatch(r"[\w-]+", self.dataset):
            raise ValueError(
                f"data set {self.dataset!r} is no name; give letters, digits, '-' and '_'"
            )
        object.__setattr__(self, "sigma", _spelt(self.sigma))
        if self.is_reference:
            if (self.arm, self.sigma) != (NO_ARM, 0.0):
                raise ValueError(f"{self.model} is not trained: its arm is {NO_ARM!r}, its sigma 0")
        else:
            families.preset(self.model, self.scale)
            accounting.check_arm(self.arm, self.sigma)
            families.check_arm(self.model, self.arm)
        check_seed(self.seed)

    @property
    def level(self) -> str:
        """The arm, or in the arm `dp` the noise multiplier."""
        return level(self.arm, self.sigma)

    @property
    def name(self) -> str:
        """The cell without its data set, e.g. `vae-0.1-s0-compact`."""
        return f"{self.model}-{self.level}-s{self.seed}-{self.scale}"

    @property
    def full_name(self) -> str:
        """The cell as messages name it, e.g. `mnist vae-0.1-s0-compact`."""
        return f"{self.dataset} {self.name}"

    @property
    def is_reference(self) -> bool:
        """Whether the images come from a reference generator instead of a trained model."""
        return self.model in REFERENCES

    @property
    def roles(self) -> tuple[str, ...]:
        """What the cell trains, or draws, and measures."""
        return ROLES if self.evaluation.one_of_ten else ROLES[:-1]

    def roles_for(self, measures: Iterable[str]) -> tuple[str, ...]:
        """Those of its roles that these measures need."""
        both, taken = self.evaluation.one_of_ten, [MEASURES[name] for name in measures]
        needed = {role for m in taken for role in m.roles + (m.one_of_ten if both else ())}
        return tuple(role for role in self.roles if role in needed)

    @property
    def preset(self) -> Preset | None:
        """The model's hyper-parameters; `None` for a reference generator."""
        return None if self.is_reference else families.preset(self.model, self.scale)

    @property
    def evaluation(self) -> Evaluation:
        """How the cell is measured."""
        return evaluation(self.scale, self.dataset, self.model)

    def training_key(self, checksum: str) -> str:
        """Changes with anything that decides the cell's trainings; `checksum` is the data's."""
        return files.content_hash(
            VERSION, self, self.preset, self.evaluation.per_class, PRIVATE_PER_CLASS, checksum
        )

    def measurement_key(self, checksum: str) -> str:
        """Changes with anything that decides all of the cell's metrics; each measure has a version
        of its own beside it (`metrics.evaluation.MEASURES`)."""
        return files.content_hash(MEASURED, self.training_key(checksum), self.evaluation)


def level(arm: str, sigma: float) -> str:
    """How a level is written: "sgd", "clipped", "none" or the noise multiplier."""
    return f"{sigma:g}" if arm == "dp" else arm


def _spelt(sigma: float) -> float:
    """The sigma in the only spelling it has; anything that is no number as it is."""
    return float(f"{sigma:g}") if isinstance(sigma, int | float) else sigma


def grid(
    dataset: str,
    model_names: Sequence[str],
    sigmas: Sequence[str | float],
    seeds: Sequence[int],
    scale: str,
) -> list[Cell]:
    """All cells of a slice, sorted. `sigmas` holds "sgd", "clipped" and noise multipliers > 0.

    Reference generators may be named among the models; they have one cell per seed. Raises
    `ValueError` for an empty axis or an element that is not allowed.
    """
    for axis, values in {"models": model_names, "sigmas": sigmas, "seeds": seeds}.items():
        if isinstance(values, str) or not values:
            raise ValueError(f"{axis} is {values!r}; it must be a list with at least one element")
    levels = [parse_sigma(s) for s in sigmas]
    cells = {
        Cell(dataset, model, *at, seed, scale)
        for model in model_names
        for at in ([(NO_ARM, 0.0)] if model in REFERENCES else levels)
        for seed in seeds
    }
    return sorted(cells)


def parse_sigma(value: str | float) -> tuple[str, float]:
    """An element of the axis `sigmas` as (arm, sigma): "sgd", "clipped" or a number > 0."""
    if value in ("sgd", "clipped"):
        return str(value), 0.0
    try:
        sigma = float(value)
    except (TypeError, ValueError):
        sigma = math.nan
    if not 0 < sigma < math.inf:
        raise ValueError(f"sigma {value!r} is not allowed; give 'sgd', 'clipped' or a number > 0")
    return "dp", _spelt(sigma)


def guaranteed(
    dataset: str,
    model_names: Sequence[str],
    epsilons: Sequence[float],
    seeds: Sequence[int],
    scale: str,
) -> list[Cell]:
    """Cells whose accountant's epsilon at delta 1e-3 is at most each target, sorted.

    The noise multiplier is the smallest of three digits that keeps it: another one for each model,
    since they differ in their number of steps. Raises `ValueError` for a model of which no noise
    keeps any.
    """
    cells = [
        cell
        for model in model_names
        for epsilon in epsilons
        for cell in grid(dataset, [model], [_noise_for(model, scale, epsilon)], seeds, scale)
    ]
    return sorted(set(cells))


def _noise_for(model: str, scale: str, epsilon: float) -> float:
    families.check_arm(model, "dp")
    preset = families.preset(model, scale)
    if leaks := families.unaccounted(preset):
        raise ValueError(
            f"{model} has no finite epsilon, whatever the noise: of private records {leaks} reach "
            "its generator beside the noised gradients; ask for a model without that"
        )
    run = preset.training
    sigma = accounting.noise_multiplier_for(
        epsilon, steps=run.steps, sample_rate=run.sample_rate, delta=DELTAS[0]
    )
    unit = 10 ** (math.floor(math.log10(sigma)) - 2)
    return float(f"{math.ceil(sigma / unit) * unit:.3g}")
