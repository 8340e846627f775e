"""What figures show of a trained model itself: its reconstructions, and where a classifier looks.

Unlike the arrays of a cell, these are wanted of a few cells only (NFL Fig. 6 and 12), so they are
made when a figure first asks: from the full run in the store, which is trained again if it is not
there. They are kept beside the collected results, and reading them needs no data set.

Where a classifier looks is told by the grad-cam library. Grad-CAM (Selvaraju et al. 2017, arXiv
1610.02391) weighs each channel of the last convolution with its mean gradient. For the authors'
classifier, which takes the mean over the plane, that is exact. For a head that sees the plane the
mean throws places away; HiResCAM (Draelos and Carin 2020, arXiv 2011.08891) multiplies place by
place instead, and equals Grad-CAM where there is a mean: so it is used for both.
"""

import numpy as np
import torch
from pytorch_grad_cam import HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from ..data import datasets, draws, files
from ..data.checks import check_images, check_labels
from ..data.datasets import Dataset
from ..data.sources import from_bytes, to_bytes
from ..metrics import utility
from ..models.vae import VAE
from ..randomness import generator as stream
from ..study import compute
from ..study.compute import Cell
from ..study.results import Results

VERSION = 1  # raise when an exhibit changes its meaning


def obtain(found: Results, cell: Cell) -> dict[str, np.ndarray]:
    """The exhibits of one of the cells in `found`: a row for each of K classes.

    Images are uint8 [K, S, S], or [K, S, S, 3] in colour; maps are uint8 [K, S, S].

    - `private`, `unseen`: one training image and one hold-out image of each class;
    - `private_reconstructed`, `unseen_reconstructed`: what the VAE makes of them (VAE only);
    - `synthetic`: one synthetic image of each class;
    - `synthetic_attention`, `unseen_attention`: where the classifier trained on the cell's
      synthetic images looks for the class of these (`grad_cam`).
    """
    checksum = found.provenance["data"]["checksum"]
    key = files.content_hash(VERSION, cell.training_key(checksum), cell.evaluation.classifier)
    path = found.folder / "exhibits" / f"{cell.name}.npz"
    return files.memo(
        path,
        lambda: _make(cell) | {"key": np.array(key)},
        current=lambda kept: str(kept["key"]) == key,
    )


def _make(cell: Cell) -> dict[str, np.ndarray]:
    dataset = datasets.load(cell.dataset)
    run, sets = compute.full_run(cell)
    model = compute.trained_model(cell, dataset, run)
    first = torch.arange(len(dataset.classes))
    private = sets.full.images[_first_of_each(sets.full.labels)]
    unseen = draws.holdout(dataset, 1).images
    exhibits = {"private": to_bytes(private), "unseen": to_bytes(unseen)}
    if isinstance(model, VAE):
        for name, images in (("private", private), ("unseen", unseen)):
            exhibits[f"{name}_reconstructed"] = to_bytes(model.reconstruct(images, first))
    return exhibits | _attention(cell, dataset, run, unseen)


def _attention(cell: Cell, dataset: Dataset, run, unseen: Tensor) -> dict[str, np.ndarray]:
    """Maps of the first of the classifiers behind the cell's accuracy."""
    images, labels = from_bytes(run["images"]), torch.from_numpy(run["labels"])
    classifier = utility.train_classifier(
        images,
        labels,
        len(dataset.classes),
        preset=cell.evaluation.classifier,
        generator=stream(cell.seed, "evaluation/classifier"),
    )
    classes = torch.arange(len(dataset.classes))
    synthetic = images[_first_of_each(labels)]
    return {
        "synthetic": to_bytes(synthetic),
        "synthetic_attention": to_bytes(grad_cam(classifier, synthetic, classes)[:, None]),
        "unseen_attention": to_bytes(grad_cam(classifier, unseen, classes)[:, None]),
    }


def grad_cam(classifier: utility.Classifier, images: Tensor, classes: Tensor) -> Tensor:
    """What speaks for `classes` [N] in images [N, C, H, W]: float32 [N, H, W], 0 to 1 per image.

    Taken at the last convolution and enlarged to the image. All 0 where nothing speaks for the
    class.
    """
    images = check_images(images)
    classes = check_labels(classes, len(images), "classes")
    with HiResCAM(classifier, [classifier.body[-1]]) as cam:
        maps = cam(images.clone(), [ClassifierOutputTarget(int(c)) for c in classes])
    classifier.zero_grad()
    return torch.from_numpy(maps).float()


def _first_of_each(labels: Tensor) -> list[int]:
    return [int(torch.nonzero(labels == c)[0]) for c in labels.unique()]
