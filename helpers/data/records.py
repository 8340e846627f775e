"""A record for each data set: what is known of it before its files are opened.

The data sets of "No Free Lunch for Synthetic Images" (arXiv 2606.07640), section 4: MNIST, OCTMNIST
and OrganAMNIST; scikit-learn's digits for quick runs; BloodMNIST, in colour; and those of "Beyond
the Generative Learning Trilemma" (TRI, arXiv 2504.10555), section 3. Images of one's own need no
record. Adding one here is all it takes: no other module knows a data set's name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import sources
from .conversion import KEYS, Content
from .listed import CHEXPERT, IN_FOLDERS, LEAVES, Layout


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
    layout: Layout | None = None  # of a folder that is listed and cut 80/10/10
    address: str = ""  # where a person gets it, if it is not fetched

    def lacks(self, folder: Path) -> list[str]:
        """What the folder must hold to be this data set, and does not; nothing without a layout."""
        needed = self.layout.holds or self.class_folders or self.classes if self.layout else ()
        return [name for name in needed if not (folder / name).exists()]


# PlantVillage's class folders are `<crop>___<disease>`.
_PLANTS = {
    "Apple": "Apple_scab|Black_rot|Cedar_apple_rust|healthy",
    "Blueberry": "healthy",
    "Cherry_(including_sour)": "Powdery_mildew|healthy",
    "Corn_(maize)": (
        "Cercospora_leaf_spot Gray_leaf_spot|Common_rust_|Northern_Leaf_Blight|healthy"
    ),
    "Grape": "Black_rot|Esca_(Black_Measles)|Leaf_blight_(Isariopsis_Leaf_Spot)|healthy",
    "Orange": "Haunglongbing_(Citrus_greening)",
    "Peach": "Bacterial_spot|healthy",
    "Pepper,_bell": "Bacterial_spot|healthy",
    "Potato": "Early_blight|Late_blight|healthy",
    "Raspberry": "healthy",
    "Soybean": "healthy",
    "Squash": "Powdery_mildew",
    "Strawberry": "Leaf_scorch|healthy",
    "Tomato": (
        "Bacterial_spot|Early_blight|Late_blight|Leaf_Mold|Septoria_leaf_spot|"
        "Spider_mites Two-spotted_spider_mite|Target_Spot|Tomato_Yellow_Leaf_Curl_Virus|"
        "Tomato_mosaic_virus|healthy"
    ),
}


def _plants(title: str, *crops: str, note: str = "") -> About:
    """PlantVillage, or some crops of it."""
    pairs = [(crop, disease) for crop in crops for disease in _PLANTS[crop].split("|")]
    words = (f"{crop}: {disease}".replace("_", " ").strip() for crop, disease in pairs)
    return About(
        title=title,
        classes=tuple(words),
        licence="CC BY-SA 3.0",
        note=note,
        shape=(3, 32, 32),
        folder="PlantVillage/raw/color",
        class_folders=tuple(f"{crop}___{disease}" for crop, disease in pairs),
        layout=LEAVES,
        address="https://github.com/spMohanty/PlantVillage-Dataset",
    )


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
    "kvasir": About(
        title="Kvasir",
        classes=(
            "dyed-lifted-polyps",
            "dyed-resection-margins",
            "esophagitis",
            "normal-cecum",
            "normal-pylorus",
            "normal-z-line",
            "polyps",
            "ulcerative-colitis",
        ),
        licence="research and education",
        shape=(3, 32, 32),
        folder="kvasir-dataset-v2",
        layout=IN_FOLDERS,
        address="https://datasets.simula.no/kvasir/",
    ),
    "chexpert": About(
        title="CheXpert",
        classes=(
            "No Finding",
            "Enlarged Cardiomediastinum",
            "Cardiomegaly",
            "Lung Opacity",
            "Lung Lesion",
            "Edema",
            "Consolidation",
            "Pneumonia",
            "Atelectasis",
            "Pneumothorax",
            "Pleural Effusion",
            "Pleural Other",
            "Fracture",
            "Support Devices",
        ),
        licence="Stanford University Dataset Research Use Agreement",
        shape=(1, 32, 32),
        folder="CheXpert-v1.0-small",
        layout=CHEXPERT,
        address="https://stanfordmlgroup.github.io/competitions/chexpert/",
    ),
    "corn": _plants("Corn", "Corn_(maize)", note="The maize of PlantVillage."),
    "plantvillage": _plants("PlantVillage", *_PLANTS),
}
NAMES = tuple(DATASETS)
