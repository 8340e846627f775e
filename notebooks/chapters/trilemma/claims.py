"""The claims of "Beyond the Generative Learning Trilemma", T1 to T20, judged on both tables.

Those about one data set of TRI's, T11 to T16, are in `claims_of_data`; how a claim is judged is
told in `judging`.
"""

import functools
from dataclasses import dataclass

import numpy as np

from chapters.verdicts import AT_SCALE, CONTRADICTED, PART_OUTCOMES, Claim, Part, Verdict, claim

from . import BASELINES, MODELS, SETTINGS, accuracy
from .claims_of_data import t11, t12, t13, t14, t15, t16
from .judging import (
    LITTLE,
    SHORT,
    UTILITY,
    Evidence,
    each,
    everywhere,
    leads,
    means,
    minus,
    unless,
)
from .paper import Paper
from .study import Study

ON_PAPER = dict(zip(PART_OUTCOMES, ("holds", "does not hold", "cannot be decided"), strict=True))
HERE = {CONTRADICTED: AT_SCALE}  # the others as they are
NOTHING = 0.005  # a recall that is 0.00 to two decimals
ABOUT = (40.0, 160.0)  # "about 80 times": within a factor of two
FAR = 2.0  # "far fewer", "shorter": by half


@dataclass(frozen=True)
class Decided:
    """A claim with what TRI's tables and what the seeds here say of it."""

    claim: Claim
    paper: Verdict
    here: Verdict
    here_by_their_form: Verdict | None  # of robustness, where the claim is about it

    @property
    def on_paper(self) -> str:
        """The verdict on TRI's own tables, in words."""
        return ON_PAPER[self.paper.found]

    @property
    def ours(self) -> str:
        """The verdict here, in words."""
        return HERE.get(self.here.outcome, self.here.outcome)


def decide(paper: Paper, ours: Study, theirs: Study) -> list[Decided]:
    """All claims: on TRI's tables, and here in both forms of robustness."""
    return [
        Decided(c, c.judge(paper), c.judge(ours), c.judge(theirs) if c.two_forms else None)
        for c in CLAIMS
    ]


# The claims


@claim("T1", "criteria", "5.1, 5.4", "all", two_forms=False)
@unless()
def t1(e: Evidence) -> list[Part]:
    """The diffusion model is best in fidelity, diversity and utility.

    Averaged over the data sets its precision, its recall and its accuracy (mean of the three
    settings at 1x) exceed, and its FID stays below, those of the better of the VAE and the GAN.
    """
    return [
        leads(e, "dm", "precision", ["precision"]),
        leads(e, "dm", "recall", ["recall"]),
        leads(e, "dm", "FID (sign turned)", ["fid"], sign=-1),
        leads(e, "dm", "accuracy", UTILITY),
    ]


@claim("T2", "criteria", "5.1, 5.4", "all", two_forms=False)
@unless()
def t2(e: Evidence) -> list[Part]:
    """The GAN is best in privacy.

    Averaged over the data sets its max-SSIM is lower than that of each other model. What unseen
    real images score is no part of the rule, because TRI does not measure it.
    """
    return [leads(e, "gan", "max-SSIM (sign turned)", ["max_ssim"], sign=-1)]


@claim("T3", "criteria", "5.1", "all", two_forms=False)
@unless()
def t3(e: Evidence) -> list[Part]:
    """The VAE makes images fastest and the diffusion model slowest, by about 80 times.

    Averaged over the data sets the VAE makes more images per second than the GAN and the GAN more
    than the diffusion model, and the VAE 40 to 160 times as many as the diffusion model.
    """
    speed = {m: everywhere(e, m, ["images_per_second"]) for m in MODELS}
    ratio = means(2, np.divide)
    order = means(2, minus)
    return [
        e.part("images per second: VAE − GAN", order, *speed["vae"], *speed["gan"], low=0),
        e.part("images per second: GAN − DM", order, *speed["gan"], *speed["dm"], low=0),
        e.part(
            "images per second: VAE over DM",
            ratio,
            *speed["vae"],
            *speed["dm"],
            low=ABOUT[0],
            high=ABOUT[1],
            digits=1,
        ),
    ]


@claim("T4", "utility", "5.2", "all", two_forms=False)
@unless()
def t4(e: Evidence) -> list[Part]:
    """Training on synthetic images alone never reaches training on the real ones.

    For each data set, model and multiple of which there are numbers, the accuracy of real images
    exceeds that of synthetic images alone.
    """
    return [
        e.part(
            f"{title}, real − synthetic {k}x: {MODELS[m]}",
            minus,
            (d, "", accuracy("real")),
            (d, m, accuracy("synthetic", k)),
            low=0,
        )
        for d, title, m in each(e)
        for k in e.multiples(d)
    ]


@claim("T5", "utility", "5.2, 5.3", "all", two_forms=False)
@unless()
def t5(e: Evidence) -> list[Part]:
    """Synthetic images and geometric augmentation combined are best.

    On each data set the best of the three models' accuracies when combined, at 1x, exceeds the best
    of all other settings (real, geometric, synthetic alone, real and synthetic).
    """

    def best(*values: np.ndarray) -> np.ndarray:
        return np.max(values[:3], axis=0) - np.max(values[3:], axis=0)

    return [
        e.part(
            f"best combined − best of the rest: {title}",
            best,
            *((d, m, accuracy("combined")) for m in MODELS),
            *((d, "", accuracy(s)) for s in BASELINES),
            *((d, m, accuracy(s)) for s in ("synthetic", "real_synthetic") for m in MODELS),
            low=0,
        )
        for d, title in e.datasets.items()
    ]


@claim("T6", "utility", "5.3", "where there are multiples", two_forms=False)
@unless(
    paper="the accuracies at 2x and 3x are bars of Fig. 5 without numbers; the text itself "
    "excepts Kvasir, where more images of the DM bring 'clear improvements'"
)
def t6(e: Evidence) -> list[Part]:
    """Doubling or tripling the synthetic images changes little.

    For each setting and model the accuracy at 2x and at 3x lies within 0.02 of that at 1x.
    """
    return [
        e.part(
            f"{title}, {SHORT[s]} {k}x − 1x: {MODELS[m]}",
            minus,
            (d, m, accuracy(s, k)),
            (d, m, accuracy(s)),
            low=-LITTLE,
            high=LITTLE,
        )
        for d, title, m in each(e)
        for s in SETTINGS
        for k in e.multiples(d)[1:]
    ]


@claim("T7", "robustness", "5.2", "all")
@unless()
def t7(e: Evidence) -> list[Part]:
    """All classifiers trained with synthetic images are more robust than those trained on real
    images alone.

    For each data set, setting and model the robustness at 1x exceeds that of real images alone.
    Ours is the distance to a wrong class; TRI's form is the accuracy after DeepFool.
    """
    return [
        e.part(
            f"{title}, {SHORT[s]} − real: {MODELS[m]}",
            minus,
            (d, m, e.robustness(s)),
            (d, "", e.robustness("real")),
            low=0,
        )
        for d, title, m in each(e)
        for s in SETTINGS
    ]


@claim("T8", "criteria", "5.1", "all", two_forms=False)
@unless()
def t8(e: Evidence) -> list[Part]:
    """The VAE has no diversity at all: its recall is 0 everywhere.

    On each data set the VAE's recall lies below 0.005.
    """
    return [
        e.part(f"{title}, recall: VAE", lambda value: value, (d, "vae", "recall"), high=NOTHING)
        for d, title in e.datasets.items()
    ]


@claim("T9", "criteria", "5.1", "PlantVillage", two_forms=False)
@unless(on=["plantvillage"])
def t9(e: Evidence) -> list[Part]:
    """On PlantVillage, the largest set, the GAN beats the diffusion model in precision, recall and
    FID.

    There its precision and recall exceed those of the diffusion model, and its FID is lower.
    """
    regions = {"precision": {"low": 0}, "recall": {"low": 0}, "fid": {"high": 0, "digits": 2}}
    return [
        e.part(
            f"PlantVillage, {metric}: GAN − DM",
            minus,
            ("plantvillage", "gan", metric),
            ("plantvillage", "dm", metric),
            **region,
        )
        for metric, region in regions.items()
    ]


@claim("T10", "criteria", "5.1", "all", two_forms=False)
@unless()
def t10(e: Evidence) -> list[Part]:
    """On every data set the GAN's images are least like the training images and the VAE's most.

    On each data set max-SSIM is lower for the GAN than for the diffusion model, and lower for that
    than for the VAE.
    """
    return [
        e.part(
            f"{title}, max-SSIM: {MODELS[more]} − {MODELS[less]}",
            minus,
            (d, more, "max_ssim"),
            (d, less, "max_ssim"),
            low=0,
        )
        for d, title in e.datasets.items()
        for more, less in (("dm", "gan"), ("vae", "dm"))
    ]


@claim("T17", "robustness", "5.2, 5.3", "all")
@unless()
def t17(e: Evidence) -> list[Part]:
    """No family's images make clearly more robust classifiers than the others'.

    For each model there is a data set on which another is more robust: the least, over data sets,
    of its robustness minus the better of the others' (means of the three settings) lies below 0.
    """
    metrics = [e.robustness(s) for s in SETTINGS]
    parts = []
    for model in MODELS:
        order = [model, *(m for m in MODELS if m != model)]
        terms = [(d, m, metric) for d in e.datasets for m in order for metric in metrics]
        label = f"robustness where it is worst: {MODELS[model]} − the better of the others"
        parts.append(e.part(label, functools.partial(_worst, len(order)), *terms, high=0))
    return parts


def _worst(models: int, *values: np.ndarray) -> np.ndarray:
    """The least over data sets of the first model's mean minus the best of the others'."""
    each = np.asarray(values)
    each = each.reshape(-1, models, len(SETTINGS), *each.shape[1:]).mean(axis=2)
    return (each[:, 0] - each[:, 1:].max(axis=1)).min(axis=0)


@claim("T18", "robustness", "5.3", "where there are multiples")
@unless(
    paper="the robustness at 2x and 3x are bars of Fig. 6 without numbers",
    here="classifiers are attacked at 1x only",
)
def t18(e: Evidence) -> list[Part]:
    """Doubling or tripling the synthetic images does not change the robustness.

    For each setting and model the robustness at 2x and at 3x lies within 0.02 of that at 1x.
    """
    return []


@claim("T19", "criteria", "5.4", "all", two_forms=False)
@unless()
def t19(e: Evidence) -> list[Part]:
    """In the radar the diffusion model tops utility, diversity and fidelity, the GAN privacy and
    the VAE sampling speed.

    The radar's axes are increasing in the means over data sets, so the same means decide: in each
    of the five the named model leads the better of the others.
    """
    return [
        leads(e, "dm", "accuracy", UTILITY),
        leads(e, "dm", "recall", ["recall"]),
        leads(e, "dm", "precision", ["precision"]),
        leads(e, "gan", "max-SSIM (sign turned)", ["max_ssim"], sign=-1),
        leads(e, "vae", "images per second", ["images_per_second"]),
    ]


@claim("T20", "criteria", "5.4", "all", two_forms=False)
@unless(
    paper="TRI prints no training time, and of the VAE's parameters 'tens of millions' beside "
    "the GAN's 'order of 50 millions'"
)
def t20(e: Evidence) -> list[Part]:
    """The VAE has far fewer parameters and trains in far less time.

    Averaged over the data sets training the GAN, and the diffusion model, takes at least twice as
    long as training the VAE. Parameters are not compared: here they are alike by choice.
    """
    times = {m: everywhere(e, m, ["training_core_seconds"]) for m in MODELS}
    return [
        e.part(
            f"training time: {MODELS[m]} over VAE",
            means(2, np.divide),
            *times[m],
            *times["vae"],
            low=FAR,
            digits=2,
        )
        for m in ("gan", "dm")
    ]


CLAIMS = (t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15, t16, t17, t18, t19, t20)
