"""How a trained generator is measured, by scale."""

from dataclasses import dataclass, replace

from ..data.records import DATASETS
from ..models.families import VARIANTS

PRIVATE_PER_CLASS = 10  # images per class a generator is trained on
DELTAS = (1e-3, 1e-5)  # the accountant's epsilon is reported at both
MULTIPLES = (1, 2, 3)  # TRI's: synthetic images for each real one
MEASURED = 5  # raise to measure every cell anew; for a part of it, raise its measure's version


@dataclass(frozen=True)
class Measure:
    """One measure of a cell, by the function of its name in `measures`.

    A cell's record says which version of each measure it holds: a new measure is computed alone and
    added, one with another version again, the rest stays. A cell trains the `roles` alone that the
    measures taken of it need.
    """

    version: int = 1
    inputs: str = "images"  # what it is computed from; "arrays" if what is collected will do
    roles: tuple[str, ...] = ("full",)  # of `ROLES`: the runs whose images it is computed from
    one_of_ten: tuple[str, ...] = ()  # the same, where the evaluation asks for `one_of_ten`
    on_demand: bool = False  # whether it is only taken where it is asked for by its name


# A cell's runs: on the full set, on the two that differ in the query, on the full one without it.
ROLES = ("full", "victim", "ablated", "omitted")  # the last one if the evaluation asks for it
ABSENT, ONE_OF_TEN = ("victim", "ablated"), ("full", "omitted")  # pairs: one has the query

# A record that does not tell a measure's version holds the first one of these.
ORIGINAL = (
    *("fidelity", "inception", "distances", "membership", "loss_attack", "density_ratios"),
    *("worth", "consistency", "accountant", "samples"),
)
MEASURES = {name: Measure() for name in ORIGINAL} | {
    "density_ratios": Measure(roles=ABSENT, one_of_ten=ONE_OF_TEN),
    # Version 2: no epsilon of a model that reads private records beside the noised gradients.
    "accountant": Measure(version=2, inputs="arrays", roles=()),
    "membership": Measure(version=2),  # 1: others from the test split, a bound from counts
    "loss_attack": Measure(version=2),  # the same
    "consistency": Measure(version=2),  # 1: the judge had seen the private images
    "multiples": Measure(on_demand=True),  # of main models on MNIST `worth` holds the same
}
ON_DEMAND = [name for name, measure in MEASURES.items() if measure.on_demand]


@dataclass(frozen=True)
class ClassifierPreset:
    """The classifier of the utility pipeline and its budget, the same for every training set."""

    channels: tuple[int, ...]
    steps: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    pooled: bool = False  # whether the head sees the mean over the plane, as the authors' does


@dataclass(frozen=True)
class Evaluation:
    """How a trained generator is measured."""

    per_class: int  # synthetic images per class, and real ones beside them
    neighbors: int  # k of the density ratio
    classifier: ClassifierPreset
    judge: ClassifierPreset  # trained on the test split, to tell which class an image shows
    classifier_seeds: int = 3  # trainings behind an accuracy
    inception: bool = True  # FID, LPIPS and the authors' pairs: a minute a cell, fetched weights
    isomap_neighbors: int = 15
    one_of_ten: bool = True  # a fourth training, for the second neighbor variant (defect D11)
    multiples: tuple[int, ...] = MULTIPLES  # of TRI's settings, in `worth`
    attacked: int = 10  # test images per class that DeepFool attacks


_SMOKE_CLASSIFIER = ClassifierPreset((8, 16), steps=20, batch_size=32)
_QUICK_CLASSIFIER = ClassifierPreset((16, 32, 32), steps=100)

EVALUATIONS = {
    "smoke": Evaluation(
        per_class=3,
        neighbors=3,
        classifier=_SMOKE_CLASSIFIER,
        judge=_SMOKE_CLASSIFIER,
        classifier_seeds=2,
        inception=False,
        multiples=(),
        attacked=0,
    ),
    "quick": Evaluation(
        per_class=20,
        neighbors=10,
        classifier=_QUICK_CLASSIFIER,
        judge=replace(_QUICK_CLASSIFIER, steps=300),
        classifier_seeds=1,
        inception=False,
        one_of_ten=False,
        multiples=(),
        attacked=0,
    ),
    "compact": Evaluation(
        per_class=100,
        neighbors=20,
        classifier=ClassifierPreset((32, 64, 64), steps=100),  # 200: the same within 0.03
        judge=ClassifierPreset((32, 64, 64), steps=1500),
    ),
    "paper": Evaluation(
        per_class=100,
        neighbors=20,
        classifier=ClassifierPreset((64, 128, 256, 512), steps=1600, pooled=True),
        judge=ClassifierPreset((64, 128, 256, 512), steps=16_000, pooled=True),
    ),
}


def evaluation(scale: str, dataset: str, model: str) -> Evaluation:
    """How cells of a data set and model are measured.

    The second neighbor variant, a fourth training (defect D11), and TRI's doubled and tripled sets
    belong to the main models on MNIST (and the tests' digits); the rest has the paper's roles, and
    larger sets by the measure `multiples`.
    """
    asked = EVALUATIONS[scale]
    if dataset in DATASETS and DATASETS[dataset].probed and model not in VARIANTS:
        return asked
    return replace(asked, one_of_ten=False, multiples=asked.multiples[:1])
