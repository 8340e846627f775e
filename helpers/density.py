"""From images to the plane on which densities are compared (NFL, section 4.1).

Nearest-neighbour densities are hopeless in 784 dimensions, so images are mapped to two by Isomap
first, the reducer the paper selects for keeping the order of densities. Unlike the authors' code,
the map is fitted on clean public images that no generator was trained on (D12): the map itself
then says nothing about a private image.
"""

import warnings

import numpy as np
from sklearn.manifold import Isomap
from torch import Tensor

from .inputs import check_images

_IN_PIECES = ".*number of connected components.*"  # in scikit-learn's warning


class ImageIsomap:
    """A fitted Isomap on flattened pixels; `transform(images)` gives points float64 [N, d]."""

    def __init__(self, reducer: Isomap, image_shape: tuple[int, ...]):
        self.reducer = reducer
        self.image_shape = image_shape

    def transform(self, images: Tensor) -> np.ndarray:
        """Points float64 [N, d] of `images` [N, 1, H, W] in [0, 1]; each independent of the rest.

        Equal images give equal points. Raises `ValueError` for a size other than the fitted one.
        """
        images = check_images(images)
        if images.shape[1:] != self.image_shape:
            raise ValueError(
                f"images of shape {tuple(images.shape[1:])}, but this Isomap was fitted on "
                f"{tuple(self.image_shape)}"
            )
        return self.reducer.transform(_flatten(images))


def _flatten(images: Tensor) -> np.ndarray:
    return images.flatten(1).double().numpy()


def isomap(images: Tensor, n_neighbors: int = 15, n_components: int = 2) -> ImageIsomap:
    """Fit Isomap (Tenenbaum et al. 2000) on public images [N, 1, H, W] in [0, 1].

    Raises `ValueError` unless N > `n_neighbors` and N > `n_components`, or if all images are equal.
    A neighbourhood graph in several pieces is joined at the nearest points, with one warning.
    """
    images = check_images(images, "public images")
    if not 1 <= n_neighbors < len(images) or not 1 <= n_components < len(images):
        raise ValueError(
            f"Isomap with n_neighbors={n_neighbors}, n_components={n_components} on {len(images)} "
            f"images; both must be at least 1 and smaller than the number of images"
        )
    if (images == images[0]).all():
        raise ValueError("all public images are equal; Isomap needs images that differ")
    # A tree's distances are exact; the default's lose digits for near-duplicates.
    reducer = Isomap(
        n_neighbors=n_neighbors, n_components=n_components, neighbors_algorithm="ball_tree"
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", message=_IN_PIECES)
        reducer.fit(_flatten(images))
    if caught:
        warnings.warn(
            f"Isomap's graph with n_neighbors={n_neighbors} falls into pieces, which were joined "
            "at their nearest points; raise n_neighbors for a connected graph",
            stacklevel=2,
        )
    return ImageIsomap(reducer, images.shape[1:])
