"""The numbers of one unit of the experiment: how well densities keep, and what ratios come out."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from helpers.data import datasets
from helpers.randomness import generator as stream

from .. import density
from . import Reducer, preservation, ratios, truth
from .grid import SCORED_ONLY, Design, Row, Unit
from .truth import Scene

_FLOW_COMPONENTS = 8  # of the flow whose own density is scored


def measure(unit: Unit, design: Design) -> list[Row]:
    """Fit the unit's reducer, and all that is measured with it."""
    scene = truth.scene(
        unit.dataset,
        unit.seed,
        fitted=max(design.per_class),
        unseen=design.unseen,
        clean=design.clean,
        planted=design.planted,
    )
    groups = scene.fitted.split(max(design.per_class))
    public = torch.cat([group[: unit.per_class] for group in groups])
    generator = stream(unit.seed, f"density/{unit.reducer}/{unit.per_class}")
    if unit.reducer in SCORED_ONLY:
        return list(_score_only(unit, public, scene, design, generator))
    reducer = density.fit(unit.reducer, public, generator=generator)
    rows = list(_scores(unit, reducer, public, scene, design))
    if unit.per_class == max(design.per_class):
        rows += _responses(unit, reducer, scene, design)
    return rows


def _row(unit: Unit, metric: str, value: float, **where: Any) -> Row:
    """A row of the unit; columns not given in `where` do not apply."""
    empty = {"estimator": "", "setting": 0.0, "leak": "", "fraction": 0.0, "size": 0}
    return Row(**vars(unit), **(empty | where), metric=metric, value=float(value))


def _scores(
    unit: Unit, reducer: Reducer, public: torch.Tensor, scene: Scene, design: Design
) -> Iterator[Row]:
    points = reducer.transform(scene.unseen)
    for k in design.neighbors:
        value = preservation.density_preservation(scene.unseen, points, k)
        yield _row(unit, "density_spearman", value, setting=float(k))
    paper = preservation.density_preservation_paper(
        public, reducer.transform(public), scene.unseen, points
    )
    for name, value in paper._asdict().items():
        yield _row(unit, f"{name}_paper", value)


def _score_only(
    unit: Unit,
    public: torch.Tensor,
    scene: Scene,
    design: Design,
    generator: torch.Generator,
) -> Iterator[Row]:
    if unit.reducer == "tsne-joint":
        points = density.tsne_joint(public, scene.unseen, generator=generator)

        def score(k: int) -> float:
            return preservation.density_preservation(scene.unseen, points, k)
    else:
        flow = density.flow(public, generator=generator, n_components=_FLOW_COMPONENTS)
        logs = flow.log_density(scene.unseen)

        def score(k: int) -> float:
            return preservation.density_agreement(scene.unseen, logs, k)

    for k in design.neighbors:
        yield _row(unit, "density_spearman", score(k), setting=float(k))


def _responses(unit: Unit, reducer: Reducer, scene: Scene, design: Design) -> Iterator[Row]:
    """Every estimator on pairs of samples on the plane, for each kind and fraction of leak."""
    sizes = [len(part) for part in scene.leaks.values()]
    together = torch.cat([scene.query, scene.clean, *scene.leaks.values()])
    points = reducer.transform(together)
    query, clean, *leaks = np.split(points, np.cumsum([1, len(scene.clean), *sizes[:-1]]))
    for kind, planted in zip(scene.leaks, leaks, strict=True):
        images = scene.query, scene.clean, scene.leaks[kind]
        yield from _shares(unit, kind, images, (query, clean, planted), design)
        for name, estimator in ratios.ESTIMATORS.items():
            fractions = design.slow_fractions if estimator.slow else design.fractions
            pairs = design.slow_pairs if estimator.slow else design.pairs
            for fraction in fractions:
                drawn = [
                    draw_pair(clean, planted, design.size, fraction, unit.seed, number)
                    for number in range(pairs)
                ]
                for setting in _settings(name, unit.reducer):
                    values = [estimator.estimate(*pair, query, setting) for pair in drawn]
                    where = {"leak": kind, "fraction": fraction, "size": design.size}
                    where |= {"estimator": name, "setting": float(setting)}
                    yield from _summary(unit, values, where)
    if unit.dataset != truth.BLOBS:
        yield from _study_null(unit, clean, query, design)


def _settings(name: str, reducer: str) -> tuple[float, ...]:
    """All settings behind the study's reducer; of a slow estimator its default behind the rest."""
    estimator = ratios.ESTIMATORS[name]
    return (estimator.default,) if estimator.slow and reducer != "isomap" else estimator.values


def draw_pair(
    clean: np.ndarray, planted: np.ndarray, size: int, fraction: float, seed: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Two samples [size, d] without a common row, the first with a fraction of planted points.

    Drawn without replacement from one pool: the counts of the two near a point differ exactly as
    much as those of independent samples do. The same `number` gives the same draw at any fraction.
    """
    random = np.random.default_rng([seed, number])
    order, copies = random.permutation(len(clean)), random.permutation(len(planted))
    m = round(fraction * size)
    first = np.concatenate([planted[copies[:m]], clean[order[m:size]]])
    return first, clean[order[size : 2 * size]]


def _summary(unit: Unit, values: Sequence[float], where: dict[str, Any]) -> Iterator[Row]:
    yield _row(unit, "mean", np.mean(values), **where)
    yield _row(unit, "sd", np.std(values, ddof=1), **where)
    if where["fraction"] == 0:
        yield _row(unit, "abs_q95", np.quantile(np.abs(values), 0.95), **where)


def _shares(
    unit: Unit, kind: str, images: Sequence, points: Sequence, design: Design
) -> Iterator[Row]:
    """Which share of planted images is nearer to the query than a share b of clean ones, b = k/N.

    In the space of images, and on the plane: a map that carries near-copies away loses them.
    """
    share = min(ratios.ESTIMATORS["knn"].default / design.size, 1.0)
    flat = [part.flatten(1).double().numpy() for part in images]
    for metric, (query, clean, planted) in {"inside_images": flat, "inside_plane": points}.items():
        radius = np.quantile(np.linalg.norm(clean - query, axis=1), share)
        inside = (np.linalg.norm(planted - query, axis=1) <= radius).mean()
        yield _row(unit, metric, inside, leak=kind, setting=share)


def _study_null(unit: Unit, clean: np.ndarray, query: np.ndarray, design: Design) -> Iterator[Row]:
    """The study's estimator on clean pairs of the study's own size, where that is another."""
    size = design.study_per_class * len(datasets.load(unit.dataset).classes)
    if size == design.size or 2 * size > len(clean):
        return
    k = min(ratios.ESTIMATORS["knn"].default, size)
    drawn = [
        draw_pair(clean, clean, size, 0.0, unit.seed, number) for number in range(design.pairs)
    ]
    values = [ratios.knn(*pair, query, k) for pair in drawn]
    where = {"estimator": "knn", "setting": float(k), "leak": "none", "fraction": 0.0}
    yield from _summary(unit, values, where | {"size": size})
