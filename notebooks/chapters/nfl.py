"""What the chapters on No Free Lunch speak of: its data sets, models, levels of noise and seeds."""

from collections.abc import Iterable, Sequence

from helpers.data.records import DATASETS
from helpers.models.families import FAMILIES, REFERENCES
from helpers.study import results
from helpers.study.results import Results

DATA = ("mnist", "octmnist", "organamnist")
MODELS = ("vae", "gan", "ddpm")
LEVELS = ("sgd", "clipped", 0.1, 0.2, 0.3, 0.4)
SEEDS = (0, 1, 2)

DATA_TITLES = {name: DATASETS[name].title for name in DATA}
MODEL_TITLES = {name: FAMILIES[name].title for name in MODELS}
DENSITY_TITLES = {  # of reducers and of estimators of a density ratio
    "isomap": "Isomap",
    "pca": "PCA",
    "umap": "UMAP",
    "tsne": "t-SNE",
    "tsne-joint": "t-SNE, joint",
    "autoencoder-conv": "autoencoder, conv.",
    "beta-vae": "β-VAE",
    "flow-density": "density of a flow",
    "knn": "kNN",
    "kde": "KDE",
    "kde-cv": "KDE, tuned",
}


def collected(
    names: Iterable[str] = DATA,
    scale: str = "compact",
    models: Sequence[str] = (*MODELS, *REFERENCES),
) -> dict[str, Results]:
    """What is collected of the study on each of the data sets; those without anything are left out.

    Nothing is computed. `models` may be others, such as variants.
    """
    axes = {"models": models, "levels": LEVELS, "seeds": SEEDS, "scale": scale}
    found = {name: results.available(name, **axes) for name in names}
    return {name: part for name, part in found.items() if part is not None}
