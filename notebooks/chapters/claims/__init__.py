"""The claims of No Free Lunch, in our words, each with the rule that decides it.

C1 to C22, in the paper's order. The rules are in `mnist` and `beyond`; `judge` gives
a claim's verdict in the corrected form of the measures and in the authors'.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from ..density import experiment, verdict
from . import beyond, mnist
from .evidence import Evidence, gather
from .judgement import Verdict

GROUPS = {
    "fidelity": "Fidelity",
    "utility": "Utility",
    "privacy": "Privacy",
    "density": "Density estimation",
    "medical": "Medical images",
    "overall": "All dimensions",
}


@dataclass(frozen=True)
class Claim:
    """One claim of the paper."""

    id: str
    group: str  # of `GROUPS`
    section: str  # of the paper
    data: str  # what it is about
    statement: str
    judge: Callable[[Evidence], Verdict]
    two_forms: bool = True  # whether the authors' code computes a measure of it in another way

    @property
    def rule(self) -> str:
        """The rule in words."""
        own = verdict.RULES.get(self.id) or inspect.getdoc(self.judge)
        return " ".join((own or "").replace("*", "").split())


CLAIMS = (
    Claim(
        "C1",
        "fidelity",
        "4.2.3, 4.3, 5",
        "all three",
        "As σ grows, the VAE's FID gets worse faster than the GAN's and the DDPM's.",
        mnist.c1,
    ),
    Claim(
        "C2",
        "fidelity",
        "4.2.3",
        "MNIST",
        "Without noise the VAE has the best FID of the three.",
        mnist.c2,
    ),
    Claim(
        "C3",
        "fidelity",
        "4.2.3",
        "MNIST",
        "From σ = 0 to 0.4 the GAN's FID grows least.",
        mnist.c3,
    ),
    Claim(
        "C4",
        "fidelity",
        "4.2.3",
        "MNIST",
        "The DDPM's SSIM falls markedly with σ; the VAE's and the GAN's hardly move.",
        mnist.c4,
    ),
    Claim(
        "C5",
        "fidelity",
        "4.2.3",
        "MNIST",
        "The VAE's PSNR rises slightly with σ: blur lowers the error per pixel.",
        mnist.c5,
    ),
    Claim(
        "C6",
        "fidelity",
        "4.2.3",
        "MNIST",
        "LPIPS hardly moves for the VAE and the GAN; for the DDPM it rises, and most.",
        mnist.c6,
    ),
    Claim(
        "C7",
        "utility",
        "4.2.3",
        "MNIST",
        "A classifier trained on the VAE's images reaches about 0.6 without noise, and comes close "
        "to chance at high noise.",
        mnist.c7,
    ),
    Claim(
        "C8",
        "utility",
        "4.2.3",
        "MNIST",
        "Under noise the GAN's images train a better classifier than without: DP-SGD regularises.",
        mnist.c8,
    ),
    Claim(
        "C9",
        "utility",
        "4.2.3",
        "MNIST",
        "The DDPM's utility is stable at small noise and then gets worse.",
        mnist.c9,
    ),
    Claim(
        "C10",
        "fidelity",
        "4.2.2",
        "MNIST",
        "Without noise the GAN collapses to a few modes; DP-SGD makes it cover more.",
        mnist.c10,
        two_forms=False,
    ),
    Claim(
        "C11",
        "privacy",
        "4.2.3",
        "MNIST",
        "The empirical ε falls to near 0 by σ = 0.2 for all models: slowest for the DDPM, then the "
        "GAN, fastest for the VAE.",
        mnist.c11,
    ),
    Claim(
        "C12",
        "privacy",
        "4.2.2",
        "MNIST",
        "Without noise all three victims heap synthetic images around the query.",
        mnist.c12,
    ),
    Claim(
        "C13",
        "privacy",
        "4.2.3, 4.3",
        "all three",
        "Distances of synthetic and of hold-out images to the training images agree best at a "
        "small σ of 0.1 to 0.2; there the GAN and the DDPM are better than the VAE.",
        mnist.c13,
    ),
    Claim(
        "C14",
        "density",
        "4.1",
        "all three",
        "Of the reducers Isomap keeps the order of densities best.",
        beyond.c14,
    ),
    Claim(
        "C15",
        "density",
        "4.1",
        "all three",
        "Of the estimators of a density ratio only nearest neighbours do not depend on their "
        "setting.",
        beyond.c15,
        two_forms=False,
    ),
    Claim(
        "C16",
        "medical",
        "4.3.2",
        "OCTMNIST",
        "The VAE has the best FID without noise and the worst under noise; the GAN and the DDPM "
        "start near 100.",
        beyond.c16,
    ),
    Claim(
        "C17",
        "medical",
        "4.3.2",
        "OCTMNIST",
        "Beyond σ = 0.1 the GAN has the highest Inception Score, and it stays between 1.8 and 2.0.",
        beyond.c17,
    ),
    Claim(
        "C18",
        "medical",
        "4.3.2",
        "OCTMNIST",
        "Accuracy is near chance for every model and σ.",
        beyond.c18,
    ),
    Claim(
        "C19",
        "medical",
        "4.3.3",
        "OrganAMNIST",
        "Without noise the VAE and the DDPM reach an accuracy of about 0.6 and the GAN less; under "
        "noise the VAE collapses, the GAN holds and the DDPM lies between.",
        beyond.c19,
    ),
    Claim(
        "C20",
        "medical",
        "4.3.3",
        "OrganAMNIST",
        "By the empirical ε the VAE is private from σ = 0.1 on, the DDPM and the GAN from about "
        "0.2.",
        beyond.c20,
    ),
    Claim(
        "C21",
        "overall",
        "1, 5, 6",
        "all three",
        "Better privacy costs fidelity or utility: no free lunch. The GAN is the best compromise.",
        beyond.c21,
    ),
    Claim(
        "C22",
        "overall",
        "4.2.2",
        "MNIST",
        "Noise also harms the conditioning: the class that is asked for appears less often.",
        beyond.c22,
        two_forms=False,
    ),
)


class Judged(NamedTuple):
    """A claim with its verdict in both forms; the authors' is `None` where there is one form."""

    claim: Claim
    verdict: Verdict
    authors: Verdict | None

    @property
    def changes(self) -> bool:
        """Whether the authors' form of the measures leads to another verdict."""
        return self.authors is not None and self.authors.outcome != self.verdict.outcome


def judge(study: pd.DataFrame, density: pd.DataFrame | None = None) -> list[Judged]:
    """All claims, judged by a tidy frame of the study (one scale, any data sets) and, for C14 and
    C15, the frame of the experiment on density estimators."""
    forms = [gather(study, density, authors=authors) for authors in (False, True)]
    return [
        Judged(claim, claim.judge(forms[0]), claim.judge(forms[1]) if claim.two_forms else None)
        for claim in CLAIMS
    ]


def density_frame() -> pd.DataFrame | None:
    """What is collected of the experiment on density estimators; `None` if there is nothing."""
    path = experiment.results_root("full") / f"{experiment.NAME}.csv"
    return pd.read_csv(path, keep_default_na=False) if path.exists() else None


def count(judged: Sequence[Judged]) -> dict[str, int | str]:
    """Numbers for prose, by name: how many claims have which verdict, and each claim's."""
    outcomes = [found.verdict.outcome for found in judged]
    numbers: dict[str, int | str] = {
        "claims_total": len(judged),
        "claims_reproduced": outcomes.count("reproduced"),
        "claims_not_reproduced": outcomes.count("not reproduced"),
        "claims_undecided": outcomes.count("cannot be decided"),
        "claims_incomplete": sum(found.verdict.incomplete for found in judged),
        "claims_changed": sum(found.changes for found in judged),
    }
    return numbers | {f"claim_{f.claim.id.lower()}": f.verdict.outcome for f in judged}
