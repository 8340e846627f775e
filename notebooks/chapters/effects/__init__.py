"""What each corrected defect of the authors' code, D1 to D21, changes in numbers.

Every row has a function that measures it: from the collected results, from a closed form, or from
a seeded simulation of seconds. It returns short texts by name, "not measured: ..." where results
are missing. The page "What we changed" quotes them.
"""

from collections.abc import Callable

import pandas as pd
from IPython.display import HTML

from ..claims.ledger import text_table
from . import measures, training
from .cells import Study, collected, gather

__all__ = ["EFFECTS", "SECTIONS", "Study", "collected", "gather", "measured", "shown", "table"]

NO_NUMBER = "none: no number here depends on it"


def no_number(study: Study) -> dict[str, str]:
    """A row that makes runs fail, and moves no number of those that do not."""
    return {"number": NO_NUMBER}


EFFECTS: dict[str, Callable[[Study], dict[str, str]]] = {
    "D1": training.d1,
    "D2": training.d2,
    "D3": training.d3,
    "D4": training.d4,
    "D5": no_number,
    "D6": training.d6,
    "D7": training.d7,
    "D8": training.d8,
    "D9": measures.d9,
    "D10": measures.d10,
    "D11": measures.d11,
    "D12": measures.d12,
    "D13": measures.d13,
    "D14": measures.d14,
    "D15": measures.d15,
    "D16": measures.d16,
    "D17": measures.d17,
    "D18": measures.d18,
    "D19": measures.d19,
    "D20": training.d20,
    "D21": measures.d21,
}
SECTIONS = {
    "accounting": ("D1", "D6", "D7", "D8"),
    "training": ("D2", "D3", "D4", "D5", "D20"),
    "privacy": ("D9", "D10", "D11", "D12", "D13", "D14"),
    "fidelity": ("D15", "D16", "D17"),
    "utility": ("D18", "D19", "D21"),
}
WHAT = {  # each number in words, for the tables
    "D1 epsilon": "ε in the authors' setting, at δ = 0.5 against 10⁻³",
    "D2 fid": "FID, `clipped` minus `sgd`",
    "D2 accuracy": "Accuracy, `clipped` minus `sgd`",
    "D2 epsilon_hat": "Empirical ε, `clipped` minus `sgd`",
    "D3 leak": 'Generator moved its weights of the query\'s class, at σ = 1000, `labels="batch"`',
    "D3 variant": "Authors' GAN (D3 and D4) minus ours on MNIST, by level of noise",
    "D4 share": "Steps at which the authors' schedule would move the generator",
    "D5 number": "Effect on numbers",
    "D6 epsilon": "ε at σ = 0.1 by the sampling rate",
    "D6 divisor": "Divisor of the gradients' sum, victim and ablated",
    "D6 one": "The same for 100 and 99 images",
    "D7 authors": "Noise over signal at σ = 0.1, the authors' networks",
    "D7 ours": "The same, our networks",
    "D7 width": "FID at σ = 0.2 (times the noised parameters of the compact network)",
    "D8 authors": "ε at δ = 10⁻³ and σ = 0.1, 0.2, 0.3, 0.4, the authors' setting",
    "D8 ours": "The same, the collected cells, over models",
    "D9 simulated": "Simulated log density ratio, the authors' form and ours",
    "D9 cells": "Our form over theirs, summed over cells",
    "D10 spread": "Log density ratio, runs of different seeds against runs with a shared start",
    "D11 difference": "Log density ratio, presence of a class minus one of ten",
    "D12 shift": "Shift of a log density ratio by the authors' map, root mean square",
    "D13 models": "Kolmogorov-Smirnov distance, the authors' minus ours",
    "D14 area": "Authors' area with and without a fifth exact copies, simulated",
    "D14 wasserstein": "Our distance, the same images",
    "D14 order": "Rank correlation of the two over cells",
    "D15 models": "FID, the authors' minus ours, models",
    "D15 copies": "The same, exact copies",
    "D16 lpips": "LPIPS, range over levels of the span from real images to means; authors', ours",
    "D16 psnr": "The same, PSNR",
    "D16 ssim": "The same, SSIM",
    "D17 models": "Inception Score in ten splits minus one, models",
    "D17 real": "The same, real images",
    "D18 models": "Accuracy with rescaling minus without",
    "D19 deviations": "Standard deviation of the accuracy",
    "D20 start": "Share of the image in the authors' last step",
    "D20 sampler": "Fréchet distance of our 20 steps over that of 400, same weights",
    "D21 failed": "Values that are not finite",
}


def measured(study: Study) -> dict[str, str]:
    """Every number as text, by its name in `WHAT`, e.g. "D15 models"."""
    return {
        f"{row} {key}": text
        for row, effect in EFFECTS.items()
        for key, text in effect(study).items()
    }


def glue_name(name: str) -> str:
    """The name under which the page quotes a number: "D15 models" -> "effect_d15_models"."""
    return "effect_" + name.lower().replace(" ", "_")


def table(numbers: dict[str, str], section: str) -> pd.DataFrame:
    """One row per number of a section: defect, what is measured, effect."""
    rows = [
        {"row": row, "what": WHAT[name].replace("`", ""), "effect": text}
        for row in SECTIONS[section]
        for name, text in numbers.items()
        if name.split()[0] == row
    ]
    return pd.DataFrame(rows)


def shown(numbers: dict[str, str], section: str) -> HTML:
    """The same with lines that wrap."""
    return text_table(table(numbers, section), f"effects{section}", (8, 42, 50))
