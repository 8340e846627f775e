"""What the page of samples shows: a picture and the numbers of every collected cell.

Written into the built book from `data/results`: one lossless WebP per cell, and one script that
holds the numbers, because a page that is opened from disk may not fetch anything.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from sphinx.application import Sphinx

from helpers.data import datasets
from helpers.metrics.records import METRICS
from helpers.models.families import REFERENCES
from helpers.report import style
from helpers.study import collected, store

DATASETS = ("mnist", "octmnist", "organamnist")
SHOWN = (
    *("accuracy", "conditional_consistency", "fid", "copy_rate", "mia_auc"),
    *("epsilon_hat", "epsilon_1e-3"),
)
CEILING = "accuracy_real"  # the same classifier, trained on the private images


def sheet(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """A row per class: its first samples, then the one nearest to a private image, and that."""
    rows = np.concatenate([arrays["samples"], arrays["gallery"]], axis=1)
    classes, columns, height, width, *colours = rows.shape
    tiles = rows.swapaxes(1, 2) if not colours else rows.transpose(0, 2, 1, 3, 4)
    return tiles.reshape(classes * height, columns * width, *colours)


def write(dataset: str, folder: Path) -> dict:
    """The pictures of a data set's cells in `folder`, and what the page's script needs of them."""
    about, kept = datasets.about(dataset), collected.read(collected.root("compact"), dataset)
    cells: dict = {}
    for cell, record in kept.records().items():
        with np.load(kept.arrays_path(cell)) as arrays:
            if "samples" not in arrays or "gallery" not in arrays:
                continue  # measured in part
            pixels = sheet({name: arrays[name] for name in ("samples", "gallery")})
        path = folder / f"{dataset}-{cell.model}-{cell.level}-{cell.seed}.webp"
        Image.fromarray(pixels).save(path, lossless=True, method=2)
        metrics = store.current(record)
        told = {name: float(f"{metrics[name]:.6g}") for name in SHOWN if name in metrics}
        told["ceiling"] = metrics.get(CEILING)
        cells.setdefault(cell.model, {}).setdefault(cell.level, {})[cell.seed] = told
    models = style.ordered(cells)
    titles = style.TITLES | REFERENCES
    return {
        "title": about.title,
        "classes": list(about.classes),
        "models": {model: titles.get(model, model) for model in models},
        "cells": {model: _by_level(cells[model]) for model in models},
    }


def _by_level(levels: dict) -> dict:
    """Levels as pairs, from none to most noise; a script's object would put numbers first."""
    order = {"none": -3.0, "sgd": -2.0, "clipped": -1.0}
    return sorted(levels.items(), key=lambda pair: order.get(pair[0]) or float(pair[0]))


def write_all(app: Sphinx, failed: Exception | None) -> None:
    """Write the pictures and the script beside the built page."""
    if failed or app.builder.format != "html":
        return
    folder = Path(app.outdir, "_static", "explorer")
    folder.mkdir(parents=True, exist_ok=True)
    metrics = {
        name: {"title": METRICS[name].title, "digits": METRICS[name].digits} for name in SHOWN
    }
    data = {"metrics": metrics, "datasets": {name: write(name, folder) for name in DATASETS}}
    (folder / "cells.js").write_text(f"window.EXPLORER = {json.dumps(data, ensure_ascii=False)};\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", write_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
