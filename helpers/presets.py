"""Every hyper-parameter, by model and scale.

Scales: `smoke` (seconds, for tests), `compact` (the default on a CPU) and `paper` (the widths and
lengths of No Free Lunch, as its authors' code has them; meant for a GPU).
"""

from dataclasses import dataclass

SCALES = ("smoke", "compact", "paper")
DELTAS = (1e-3, 1e-5)  # the accountant's epsilon is reported at both


@dataclass(frozen=True)
class Training:
    """How long and how privately a model is trained; the same in every arm."""

    steps: int
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    sample_rate: float = 1.0  # 1: full batch; below 1: Poisson sampling
    max_grad_norm: float = 1.0  # C
    draws: int = 1  # noise multiplicity K: draws per record and step, averaged before clipping
    ema_decay: float = 0.0  # 0: no averaging of the released weights


@dataclass(frozen=True)
class VAE:
    """A class-conditional VAE: three encoder and three decoder convolutions around linear maps."""

    training: Training
    encoder: tuple[int, int, int]  # channels at 14x14, 7x7, 7x7
    latent: int
    hidden: int  # width of the decoder's first linear layer
    decoder: tuple[int, int, int, int]  # channels at 7x7, 7x7, 14x14, 28x28
    groups: int = 8
    beta: float = 1.0  # weight of the KL term


@dataclass(frozen=True)
class Classifier:
    """The classifier of the utility pipeline and its budget, the same for every training set."""

    channels: tuple[int, ...]
    steps: int
    batch: int
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class Evaluation:
    """How a trained generator is measured."""

    per_class: int  # synthetic images per class, and real ones beside them
    neighbors: int  # k of the density ratio
    classifier: Classifier
    inception: bool = True  # FID costs a minute per 1,000 images on one core
    isomap_neighbors: int = 15


_SMOKE_TRAINING = Training(steps=4, learning_rate=1e-3)

MODELS = {
    "vae": {
        "smoke": VAE(_SMOKE_TRAINING, (8, 8, 8), 4, 16, (8, 8, 8, 8)),
        "compact": VAE(
            Training(steps=1000, learning_rate=1e-3, ema_decay=0.99),
            encoder=(16, 32, 16),
            latent=16,
            hidden=32,
            decoder=(16, 32, 16, 8),
        ),
        "paper": VAE(
            Training(steps=20_000, learning_rate=1e-4, sample_rate=0.64),
            encoder=(32, 64, 128),
            latent=128,
            hidden=256,
            decoder=(128, 256, 128, 64),
        ),
    },
}

EVALUATIONS = {
    "smoke": Evaluation(10, 5, Classifier((8, 16), steps=20, batch=32), inception=False),
    "compact": Evaluation(100, 20, Classifier((32, 64, 128), steps=300, batch=64)),
    "paper": Evaluation(100, 20, Classifier((64, 128, 256, 512), steps=1600, batch=64)),
}


def preset(model: str, scale: str):
    """The preset of a model at a scale. Raises `ValueError` naming what is allowed."""
    if model not in MODELS:
        raise ValueError(f"model {model!r} is unknown; allowed: {', '.join(MODELS)}")
    if scale not in SCALES:
        raise ValueError(f"scale {scale!r} is unknown; allowed: {', '.join(SCALES)}")
    return MODELS[model][scale]
