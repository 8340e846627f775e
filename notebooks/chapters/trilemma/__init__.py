"""The second paper, "Beyond the Generative Learning Trilemma" (TRI, arXiv 2504.10555).

What its chapter speaks of: six criteria, five ways to train a classifier, three families. Its own
Tables 1 to 4 are in `paper`, what can be computed from them in `audit`, what is collected here in
`study`; `claims` judges T1 to T20 by one rule on both, with the machine of `chapters.verdicts`.
"""

from typing import NamedTuple

MODELS = {"vae": "VAE", "gan": "GAN", "dm": "DM"}  # TRI's; its DM is latent, ours is a DDPM
BASELINES = {"real": "private images", "geometric": "with turned and flipped copies"}
SETTINGS = {  # with synthetic images
    "synthetic": "synthetic images alone",
    "real_synthetic": "private and synthetic",
    "combined": "both, turned and flipped",
}


class Criterion(NamedTuple):
    """One of the six, and the measure that stands for it."""

    title: str
    measure: str
    better: int  # +1: more is better, -1: less is
    digits: int


# TRI's section 4.1; the mean over the three settings at 1x stands for utility and robustness, since
# the paper does not say which of them its radar (Fig. 7) shows.
CRITERIA = {
    "precision": Criterion("fidelity", "precision", +1, 3),
    "recall": Criterion("diversity", "recall", +1, 3),
    "images_per_second": Criterion("sampling speed", "images per second", +1, 0),
    "utility": Criterion("utility", "accuracy", +1, 3),
    "robustness_paper": Criterion("robustness", "accuracy after DeepFool", +1, 3),
    "max_ssim": Criterion("privacy", "max-SSIM", -1, 3),
}


def accuracy(setting: str, multiple: int = 1) -> str:
    """The name of the accuracy in one of TRI's settings."""
    return f"accuracy_{setting}" if setting in BASELINES else f"accuracy_{setting}_{multiple}x"
