"""A record for each data set: what is known of it before its files are opened.

The data sets of "No Free Lunch for Synthetic Images" (arXiv 2606.07640), section 4: MNIST, OCTMNIST
and OrganAMNIST; scikit-learn's digits for quick runs; and BloodMNIST, in colour. Images of one's
own need no record. Adding one here is all it takes: no other module knows a data set's name.
"""

from collections.abc import Callable
from dataclasses import dataclass

from . import sources
from .conversion import KEYS, Content


@dataclass(frozen=True)
class Way:
    """The files that hold a data set for everyone, and how they are read."""

    assets: tuple[str, ...]  # to be fetched; in `assets.ASSETS`
    read: Callable[..., Content]  # of their paths


@dataclass(frozen=True)
class Rows:
    """The images of the whole file that are used: arrays `train_index` and `test_index`."""

    filename: str  # in the checkout's `data/public`
    checksum: str  # of the data set they give; other images are not cut


@dataclass(frozen=True)
class About:
    """What is known of a data set."""

    title: str  # as it is written in tables and figures
    classes: tuple[str, ...]
    query_class: int = 0  # the paper's, as its code has it
    public_per_class: int = 100
    licence: str = "not stated"
    note: str = ""
    probed: bool = False  # whether what costs a cell half as much again is measured too
    shape: tuple[int, int, int] = (1, 28, 28)  # channels, height, width
    ways: tuple[Way, ...] = ()  # if it is in no data folder, in this order
    installed: tuple[str, str] | None = None  # a package and the file in it: the only way
    rows: Rows | None = None
    folder: str = ""  # of class folders, below a data folder; else the data set's name
    class_folders: tuple[str, ...] = ()  # in it, in the order of `classes`; else their names


# What an extra array in a file says about it.
NOTES = {
    "train_source": (
        "Real retinal scans in OCTMNIST's format, but in a split of their own, not the official "
        "one: accuracies cannot be compared with published OCTMNIST figures, and scans of one "
        "patient may be on both sides of the split."
    ),
    "train_index": "A subset of the official file, with the official splits.",
}
DATASETS = {
    "digits": About(
        title="digits",
        classes=tuple("0123456789"),
        public_per_class=40,
        licence="CC BY 4.0",
        note="UCI test digits as scikit-learn ships them, 8x8 pixels enlarged to 28x28; own split.",
        probed=True,
        installed=("scikit-learn", "sklearn/datasets/data/digits.csv.gz"),
        rows=Rows(
            "digits_rows.npz", "192230ab5f97019250c701f9869bf7c7e8f66c027d1850cc81926b194fc2ba5e"
        ),
    ),
    "mnist": About(
        title="MNIST",
        classes=tuple("0123456789"),
        licence="commonly stated CC BY-SA 3.0",
        probed=True,
        ways=(
            Way(tuple(f"mnist-{key.replace('_', '-')}" for key in KEYS), sources.read_mnist_files),
            Way(("mnist-csv",), sources.read_mnist_table),
        ),
    ),
    "octmnist": About(
        title="OCTMNIST",
        classes=("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
        licence="CC BY 4.0",
        ways=(Way(("octmnist",), sources.read_npz),),
    ),
    "organamnist": About(
        title="OrganAMNIST",
        classes=(
            "bladder",
            "femur-left",
            "femur-right",
            "heart",
            "kidney-left",
            "kidney-right",
            "liver",
            "lung-left",
            "lung-right",
            "pancreas",
            "spleen",
        ),
        query_class=3,
        licence="CC BY 4.0",
        ways=(Way(("organamnist",), sources.read_npz),),
        rows=Rows(
            "organamnist_rows.npz",
            "1af295837bcd85241ded233ed00e1e49e7dfd82c2e029294ab74e221c576fb92",
        ),
    ),
    "bloodmnist": About(
        title="BloodMNIST",
        classes=(
            "basophil",
            "eosinophil",
            "erythroblast",
            "immature granulocytes",
            "lymphocyte",
            "monocyte",
            "neutrophil",
            "platelet",
        ),
        licence="CC BY 4.0",
        shape=(3, 28, 28),
        ways=(Way(("bloodmnist",), sources.read_npz),),
    ),
    "corn": About(
        title="Corn",
        classes=("grey leaf spot", "common rust", "northern leaf blight", "healthy"),
        licence="CC BY-SA 3.0",
        note="PlantVillage's photographs of corn leaves; own split, by a hash of the file names.",
        shape=(3, 28, 28),
        folder="PlantVillage/raw/color",
        class_folders=(
            "Corn_(maize)___Cercospora_leaf_spot Gray_leaf_spot",
            "Corn_(maize)___Common_rust_",
            "Corn_(maize)___Northern_Leaf_Blight",
            "Corn_(maize)___healthy",
        ),
    ),
}
NAMES = tuple(DATASETS)
