"""What the measures cost: Inception's features beside torch-fidelity's, and the rest of a cell.

Features: the same images and weights on one thread, by turns, in processor time; torch-fidelity in
its default form (its own network and input, batches of 64). FID is then computed from either.
The rest: all measures of one MNIST cell at scale `compact`, with the features of the two networks,
the judge and the ceiling at hand, which the study computes once and keeps.

    python benchmarks/fidelity.py [--images 256] [--rounds 4]
"""

import argparse
import cProfile
import pstats
import statistics
import tempfile
import time
from pathlib import Path

import report
import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from helpers.data import assets, datasets, draws
from helpers.metrics import attacks, features, fidelity, measures
from helpers.metrics.evaluation import EVALUATIONS, PRIVATE_PER_CLASS
from helpers.models import networks, references
from helpers.randomness import generator as stream

RIVAL_BATCH = 64  # torch-fidelity's default


def rival() -> FeatureExtractorInceptionV3:
    """torch-fidelity's network with the same weights; its last layer is empty and not used."""
    network = features.inception_layers()
    features.load_inception(network, assets.fetch("inception"))
    empty = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save(network.state_dict() | empty, file.name)
        return FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=file.name
        )


def by_rival(network: FeatureExtractorInceptionV3, images: Tensor) -> Tensor:
    """Features [N, 2048] of grey images in [0, 1]."""
    colour = (images * 255).round().byte().expand(-1, 3, -1, -1)
    with torch.no_grad():
        return torch.cat([network(batch)[0] for batch in colour.split(RIVAL_BATCH)])


def compare_features(real: Tensor, fake: Tensor, rounds: int) -> tuple[list[dict], dict]:
    """Bars and figures of the feature extraction."""
    network = rival()
    makers = {"ours": features.inception, "rival": lambda images: by_rival(network, images)}
    seconds = {name: [] for name in makers}
    found = {name: [] for name in makers}
    for part in torch.cat([real, fake]).chunk(rounds):
        for name, make in makers.items():
            began = time.process_time()
            found[name].append(make(part))
            seconds[name].append(time.process_time() - began)
    fids = {
        name: fidelity.frechet_distance(*torch.cat(parts).split(len(real)))
        for name, parts in found.items()
    }
    faster = statistics.median(b / a for a, b in zip(*seconds.values(), strict=True))
    moved = 100 * abs(fids["ours"] / fids["rival"] - 1)
    n = len(real) + len(fake)
    bars = [
        report.bar("torch-fidelity / ours, seconds for Inception features", faster, ">= 1.5"),
        report.bar("difference of FID from torch-fidelity's, per cent", moved, "<= 0.5"),
    ]
    speeds = {name: round(n / sum(times), 2) for name, times in seconds.items()}
    return bars, {"images": n, "images_per_core_second": speeds, "fid": fids}


def cost_of_the_rest() -> tuple[dict, dict]:
    """The bar of all other measures of a cell, and what the dearest of them took.

    The synthetic images are other real ones; a VAE that was not trained is attacked by its loss.
    """
    dataset, preset, seed = datasets.load("mnist"), EVALUATIONS["compact"], 0
    draw, n = stream(seed, "few-shot"), PRIVATE_PER_CLASS
    sets = draws.neighbours(dataset, n, generator=stream(seed, "few-shot"))
    labels = torch.arange(len(dataset.classes)).repeat_interleave(preset.per_class)
    images = references.images("real", dataset, sets.full, labels, n_per_class=n, generator=draw)
    synthetic = measures.Synthetic(images, images, images, images, labels)
    model = networks.build("vae", "compact", classes=10, generator=stream(seed, "weights"))
    holdout = draws.holdout(dataset, preset.per_class)

    def measure() -> measures.Measured:
        losses = measures.Losses(
            *(
                attacks.loss_scores(model, group.images, group.labels, generator=stream(0, "draws"))
                for group in (sets.full, holdout)
            )
        )
        return measures.measure(dataset, sets, synthetic, losses, evaluation=preset, seed=seed)

    measure()  # fills the caches
    profile, began = cProfile.Profile(), time.process_time()
    measure()
    seconds = time.process_time() - began
    profile.runcall(measure)
    bar = report.bar("all other measures of a MNIST cell, core-seconds", seconds, "<= 60")
    return bar, {"dearest": dearest(profile)}


def dearest(profile: cProfile.Profile, count: int = 12) -> dict[str, float]:
    """Seconds spent below the functions of the package that took most; they contain one another."""
    rows = pstats.Stats(profile).stats.items()
    package = Path(features.__file__).parent
    spent = {
        f"{Path(file).stem}.{function}": round(row[3], 1)
        for (file, _, function), row in rows
        if Path(file).parent == package and not function.startswith("<")
    }
    return dict(sorted(spent.items(), key=lambda item: -item[1])[:count])


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=256, help="of each side; default 256")
    parser.add_argument("--rounds", type=int, default=4, help="turns of both; default 4")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = datasets.load("mnist")
    real = draws.holdout(dataset, -(-arguments.images // 10)).images[: arguments.images]
    fake = draws.public(dataset, -(-arguments.images // 10)).images[: arguments.images]
    bars, found = compare_features(real, fake, arguments.rounds)
    bar, profiled = cost_of_the_rest()
    report.write(
        "fidelity", [*bars, bar], packages=("torch", "torch-fidelity"), features=found, **profiled
    )


if __name__ == "__main__":
    main()
