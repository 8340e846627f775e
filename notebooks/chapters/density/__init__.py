"""From images to the plane on which densities are compared (NFL, section 4.1).

Nearest-neighbour densities are hopeless in 784 dimensions, so images are mapped to two first. The
paper selects Isomap for keeping the order of densities; here it stands beside its rivals, each
fitted by `fit(name, images, generator=...)` and used by `transform(images)`. Unlike the authors'
code, a map is fitted on clean public images that no generator was trained on (D12): the map itself
then says nothing about a private image. How well a map does is measured in `preservation`.
"""

import warnings
from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor

from helpers.data.checks import check_images
from helpers.metrics.plane import Reducer, check_public, flatten, isomap

from . import encoders

PERPLEXITY = 30.0  # of t-SNE, where there are images enough


def pca(images: Tensor, n_components: int = 2) -> Reducer:
    """Principal components of the pixels: the linear baseline that the paper lacks.

    Raises `ValueError` unless N > `n_components`, or if all images are equal.
    """
    images = check_public(images, "PCA", n_components=n_components)
    # The full solver is exact and not random.
    reducer = PCA(n_components, svd_solver="full").fit(flatten(images))
    return Reducer(lambda new: reducer.transform(flatten(new)), images.shape[1:])


def umap(images: Tensor, *, generator: torch.Generator, n_neighbors: int = 15) -> Reducer:
    """Fit UMAP (McInnes et al. 2018) to two dimensions, with the authors' 15 neighbours.

    New images are placed by random steps among the fitted ones: the same call gives the same
    points, but an image's point depends on the others in the call. Raises `ValueError` unless
    N > `n_neighbors`, or if all images are equal.
    """
    images = check_public(images, "UMAP", n_neighbors=n_neighbors)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Tensorflow not installed")
        from umap import UMAP  # compiles for seconds: only who uses it waits
    reducer = UMAP(
        n_neighbors=n_neighbors, n_jobs=1, random_state=_seed(generator), transform_seed=0
    )
    reducer.fit(images.flatten(1).numpy())

    def project(new: Tensor) -> np.ndarray:
        return reducer.transform(new.flatten(1).numpy())

    return Reducer(project, images.shape[1:])


def tsne(images: Tensor, *, generator: torch.Generator) -> Reducer:
    """Fit t-SNE (van der Maaten and Hinton 2008), extended to new images by a weighted mean.

    t-SNE has no map: it moves points, not images. A new image is put at the mean of the fitted
    points, weighted by t-SNE's own neighbour probabilities p_{j|new} at the same perplexity. So
    new images never leave the hull of the fitted points, and those between two clusters lie
    between them, where t-SNE itself would choose one. `tsne_joint` is the other honest way.
    """
    images = check_public(images, "t-SNE", n_neighbors=2)
    perplexity = _perplexity(len(images))
    fitted, flat = _tsne(images, perplexity, generator), flatten(images)

    def project(new: Tensor) -> np.ndarray:
        pieces = [
            neighbour_probabilities(cdist(flatten(piece), flat, "sqeuclidean"), perplexity) @ fitted
            for piece in new.split(1000)
        ]
        return np.concatenate(pieces)

    return Reducer(project, images.shape[1:])


def tsne_joint(images: Tensor, new: Tensor, *, generator: torch.Generator) -> np.ndarray:
    """Points [M, 2] of `new` [M, 1, H, W] from one t-SNE of public and new images together.

    Nothing is extended, but there is no fixed map either: other new images get another plane, so
    two synthetic sets measured at different times cannot be compared on it.
    """
    images = check_public(images, "t-SNE", n_neighbors=2)
    together = torch.cat([images, check_images(new)])
    return _tsne(together, _perplexity(len(images)), generator)[len(images) :]


def _tsne(images: Tensor, perplexity: float, generator: torch.Generator) -> np.ndarray:
    fitted = TSNE(perplexity=perplexity, random_state=_seed(generator), n_jobs=1)
    return fitted.fit_transform(flatten(images)).astype(np.float64)


def _perplexity(n: int) -> float:
    """30, less for few images: a perplexity near their number weighs all of them alike."""
    return min(PERPLEXITY, (n - 1) / 3)


def neighbour_probabilities(squares: np.ndarray, perplexity: float) -> np.ndarray:
    """t-SNE's p_{j|i} [M, N], rows of sum 1, from squared distances [M, N] to the N fitted images.

    Gaussian in the distance, with a width per row such that exp(entropy) is `perplexity`.
    """
    squares = squares - squares.min(axis=1, keepdims=True)
    scale = np.maximum(squares.mean(axis=1, keepdims=True), np.finfo(float).tiny)
    low, high = np.full((len(squares), 1), -20.0), np.full((len(squares), 1), 20.0)
    for _ in range(50):  # bisection on the logarithm of the precision
        middle = (low + high) / 2
        weights = np.exp(-squares * np.exp(middle) / scale)
        weights /= weights.sum(axis=1, keepdims=True)
        entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum(axis=1, keepdims=True)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return weights


def autoencoder(
    images: Tensor, *, generator: torch.Generator, convolutional: bool = False
) -> Reducer:
    """The two-dimensional code of an autoencoder, fully connected or convolutional."""
    images = check_public(images, "an autoencoder", n_components=2)
    encode = encoders.train_autoencoder(images, generator=generator, convolutional=convolutional)
    return Reducer(encode, images.shape[1:])


def beta_vae(images: Tensor, *, generator: torch.Generator, beta: float = 4.0) -> Reducer:
    """The posterior mean in two dimensions of a beta-VAE (Higgins et al. 2017), fully connected."""
    images = check_public(images, "a beta-VAE", n_components=2)
    encode = encoders.train_autoencoder(images, generator=generator, beta=beta)
    return Reducer(encode, images.shape[1:])


def flow(images: Tensor, *, generator: torch.Generator, n_components: int = 2) -> Reducer:
    """A neural spline flow (Durkan et al. 2019) on the first, whitened principal components.

    `transform` gives the flow's latent, in which the fitted images are near to a standard normal:
    an invertible image of the principal plane, in which ratios of densities are the same but the
    densities are not. `log_density` is that of the principal components, up to a constant.
    """
    images = check_public(images, "a flow", n_components=n_components)
    reducer = PCA(n_components, svd_solver="full", whiten=True).fit(flatten(images))

    def coefficients(new: Tensor) -> Tensor:
        return torch.from_numpy(reducer.transform(flatten(new))).float()

    project, log_density = encoders.train_flow(coefficients(images), generator=generator)
    return Reducer(
        lambda new: project(coefficients(new)),
        images.shape[1:],
        lambda new: log_density(coefficients(new)),
    )


# Name -> fit(images, generator=...); those that are not random take no generator.
REDUCERS: dict[str, Callable[..., Reducer]] = {
    "isomap": lambda images, generator: isomap(images),
    "pca": lambda images, generator: pca(images),
    "umap": umap,
    "tsne": tsne,
    "autoencoder": autoencoder,
    "autoencoder-conv": lambda images, generator: autoencoder(
        images, generator=generator, convolutional=True
    ),
    "beta-vae": beta_vae,
    "flow": flow,
}


def fit(name: str, images: Tensor, *, generator: torch.Generator) -> Reducer:
    """Fit the reducer `name`, one of `REDUCERS`, to public images [N, 1, H, W] in [0, 1].

    Its settings are the authors' where they have one. The same generator state gives the same map.
    Raises `ValueError` for an unknown name, too few images, or images that are all equal.
    """
    if name not in REDUCERS:
        raise ValueError(f"reducer {name!r} is unknown; allowed: {', '.join(REDUCERS)}")
    return REDUCERS[name](images, generator=generator)


def _seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**31 - 1, (1,), generator=generator))
