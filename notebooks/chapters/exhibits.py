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

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from pytorch_grad_cam import HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from helpers.data import datasets, draws, files
from helpers.data.checks import check_images, check_labels
from helpers.data.datasets import Dataset
from helpers.data.sources import from_bytes, to_bytes
from helpers.metrics import utility
from helpers.models.vae import VAE
from helpers.randomness import generator as stream
from helpers.report.pictures import WIDTH, mosaic, name_rows, show
from helpers.report.style import panels, written
from helpers.study import Cell, trainings
from helpers.study.results import Results

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
    runs, sets = trainings.runs(cell, ["full"])
    model = trainings.trained_model(cell, dataset, runs["full"])
    first = torch.arange(len(dataset.classes))
    private = sets.full.images[_first_of_each(sets.full.labels)]
    unseen = draws.holdout(dataset, 1).images
    exhibits = {"private": to_bytes(private), "unseen": to_bytes(unseen)}
    if isinstance(model, VAE):
        for name, images in (("private", private), ("unseen", unseen)):
            exhibits[f"{name}_reconstructed"] = to_bytes(model.reconstruct(images, first))
    return exhibits | _attention(cell, dataset, runs["full"], unseen)


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


# Figures


def reconstructions(exhibits: dict[str, dict[str, np.ndarray]], *, seed: int = 0) -> Figure:
    """What the VAE makes of a private and of an unseen image per class (NFL Fig. 6).

    `exhibits` by level, of `exhibits.obtain`; the top row holds the images themselves.
    """
    first = next(iter(exhibits.values()))
    height = 0.62 * (1 + len(exhibits)) + 0.3
    figure, axes = panels(2, 1, size=(WIDTH, 2 * height))
    figure.set_dpi(200)
    for axis, part in zip(axes[:, 0], ("private", "unseen"), strict=True):
        rows = [first[part], *(e[f"{part}_reconstructed"] for e in exhibits.values())]
        show(axis, f"{part} images, seed {seed}", mosaic(np.stack(rows)))
        name_rows(axis, ["image", *map(written, exhibits)], height=first["private"].shape[1])
        axis.tick_params(axis="y", labelsize=8, pad=0)
    return figure


def attention(exhibits: dict[str, np.ndarray], classes: Sequence[str], *, seed: int = 0) -> Figure:
    """Where a classifier of synthetic images looks, in synthetic and in real ones (NFL Fig. 12)."""
    size = WIDTH, 4 * WIDTH / (len(classes) + 0.6) + 0.5
    figure, axes = panels(4, len(classes), size=size)
    figure.set_dpi(200)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    figure.suptitle(f"seed {seed}", fontsize=9)
    rows = [("synthetic", "synthetic", None), ("its map", "synthetic", "synthetic_attention")]
    rows += [("unseen", "unseen", None), ("its map", "unseen", "unseen_attention")]
    for row, (name, images, maps) in zip(axes, rows, strict=True):
        for c, axis in enumerate(row):
            show(axis, "", exhibits[images][c])
            if maps:
                axis.imshow(exhibits[maps][c], cmap="inferno", alpha=0.6, vmin=0, vmax=255)
        row[0].set_ylabel(name, fontsize=8)
    for axis, name in zip(axes[0], classes, strict=True):
        axis.set_title(str(name), fontsize=7)
    return figure
