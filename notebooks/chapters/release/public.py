"""The public sides of the experiments: simulators, and folders of unlabelled images."""

import functools

import numpy as np
import torch
from torch import Tensor

from helpers.data import datasets, draws, files, places
from helpers.data.datasets import Dataset
from helpers.data.sources import channels_first
from helpers.models import one_shot
from helpers.models.one_shot import COMMITTED, COMMITTED_SHAPE, Public
from helpers.randomness import generator as stream
from helpers.training import encoder as encoders

from . import letters

SEEDS = tuple(range(10, 20))  # of the private draws, none of which was looked at in choosing
MOST_PRIVATE = 50  # images per class that a draw may hold
FOLDERS = ("letters", "validation", "training", "octmnist")


@functools.lru_cache(maxsize=1)
def side(name: str, dataset: str, encoder: int = 0) -> Public:
    """The public side `name` for private images of `dataset`, with the encoder of a seed.

    A simulator; `letters` of fonts; of the data set's official file the `validation` split, which
    for OrganAMNIST are other scans; the `training` images that no draw of `SEEDS` holds; or the
    training images of another data set, by its name.
    """
    if name in COMMITTED:
        if encoder == 0:
            return one_shot.simulated(name)
        return _other_encoder(name, encoder)
    return encoders.of_folder(folder(name, dataset), seed=encoder)


def _other_encoder(name: str, seed: int) -> Public:
    key = files.content_hash(encoders.VERSION, name, encoders.SIMULATED[name], seed)
    path = places.root() / "runs" / "public" / f"{name}-encoder-{key}.npz"
    arrays = files.memo(
        path,
        lambda: one_shot.to_arrays(encoders.train_on_simulator(name, COMMITTED_SHAPE, seed=seed)),
    )
    return one_shot.with_library(name, COMMITTED_SHAPE, one_shot.from_arrays(arrays), key)


def folder(name: str, dataset: str) -> Tensor:
    """Unlabelled public images, uint8 [N, C, S, S]."""
    if name == "letters":
        return letters.images(60, 0)[0]
    if name == "validation":
        return channels_first(_validation(dataset))
    if name != "training":
        return _bytes(datasets.load(name).train_images)
    data = datasets.load(dataset)
    return _bytes(data.train_images[unheld(data)])


def unheld(data: Dataset) -> Tensor:
    """Which training images no draw of `SEEDS` holds, bool [N]."""
    free = torch.ones(len(data.train_labels), dtype=torch.bool)
    for seed in SEEDS:
        most = min(MOST_PRIVATE, min(data.counts("train")) - data.public_per_class)
        free[draws.few_shot(data, most, generator=stream(seed, "few-shot")).index] = False
    return free


def _validation(dataset: str) -> np.ndarray:
    """The images of the validation split, which no study reads."""
    for path in datasets.files_of(dataset):
        with np.load(path) as archive:
            if "val_images" in archive.files:
                return archive["val_images"]
    raise ValueError(f"the file of {dataset} has no validation split; give its official archive")


def _bytes(images: Tensor) -> Tensor:
    return (255 * images).round().to(torch.uint8)
