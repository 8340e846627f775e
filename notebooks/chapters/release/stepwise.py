"""Generators trained step by step by DP-SGD, tuned for a guarantee.

The presets of the study are the best without noise. Under an epsilon of 10 or less fewer steps and
the smallest networks lose less: which was chosen on the stand-in, see `tuning`. Smallest of all is
the prior of a public generator.
"""

from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from helpers.data.draws import Sample
from helpers.models import networks
from helpers.models.families import FAMILIES, Preset
from helpers.models.interface import Generative
from helpers.models.presets import CompactUNet, Training
from helpers.randomness import generator as stream
from helpers.training import accounting
from helpers.training.fit import fit

from . import prior

SIZES = {  # of the noised network, beside the compact one's
    "vae": {
        "quarter": {"encoder": (8, 8, 4), "hidden": 12, "decoder": (4, 8, 8, 4), "groups": 4},
        "tiny": {
            "encoder": (4, 4, 4), "hidden": 8, "decoder": (4, 4, 4, 4), "groups": 4, "latent": 2
        },
    },
    "gan": {
        "quarter": {"discriminator": ((8, 2), (24, 2), (24, 2))},
        "tiny": {"discriminator": ((8, 2), (8, 2))},
    },
    "ddpm": {
        "quarter": {"network": CompactUNet(8, 8, narrow=4, wide=4, width=14)},
        "tiny": {"network": CompactUNet(4, 4, narrow=2, wide=4, width=8, groups=4)},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """What of a family's compact preset, or of `prior.TRAINING`, is changed."""

    size: str  # of `SIZES`; "" for the prior, which has one
    steps: int
    learning_rate: float
    max_grad_norm: float = 1.0  # C
    opponent_learning_rate: float = 2e-3  # of the GAN's generator, which reads no record
    ema_decay: float = 0.9


CHOSEN = {  # on the stand-in, see `tuning`
    "vae": Setting("quarter", 100, 5e-3),
    "gan": Setting("tiny", 100, 5e-3),
    "ddpm": Setting("tiny", 60, 2e-2),
    "prior": Setting("", 60, 0.05, max_grad_norm=3.0),
}


def trained(
    mechanism: str,
    private: Sample,
    classes: int,
    epsilon: float,
    delta: float,
    count: int,
    seed: int,
    *,
    setting: Setting,
    simulator: str = "",
) -> tuple[Tensor, Tensor]:
    """Images [classes * count, C, S, S] of a generator trained at `epsilon`, and their labels.

    A `simulator` is the public side of the prior alone.
    """
    if mechanism == "prior":
        training = _changed(prior.TRAINING, setting)
        generator: Generative = prior.Prior(classes, prior.drawer(simulator))
    else:
        made = preset(mechanism, setting)
        training, shape = made.training, tuple(private.images.shape[1:])
        generator = networks.build(
            mechanism,
            "compact",
            classes=classes,
            shape=shape,
            generator=stream(seed, "weights"),
            preset=made,
        )
    slots = len(private.images)
    fitted = fit(
        generator,
        private,
        arm="dp",
        sigma=accounting.noise_multiplier_for(epsilon, steps=setting.steps, delta=delta),
        training=training,
        slots=slots,
        seed=seed,
        places=torch.arange(slots),
    )
    labels = torch.arange(classes).repeat_interleave(count)
    return fitted.model.sample(labels, generator=stream(seed, "samples")), labels


def preset(model: str, setting: Setting) -> Preset:
    """The family's compact preset with these changes."""
    compact = FAMILIES[model].presets["compact"]
    training = _changed(compact.training, setting)
    if model != "gan":
        training = replace(training, opponent_learning_rate=0.0)
    return replace(compact, training=training, **SIZES[model][setting.size])


def _changed(training: Training, setting: Setting) -> Training:
    changes = asdict(setting)
    del changes["size"]
    return replace(training, **changes)
