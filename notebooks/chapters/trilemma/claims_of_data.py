"""The claims of TRI about single data sets, T11 to T16; see `claims`."""

import numpy as np

from chapters.verdicts import Part, claim

from . import MODELS, SETTINGS, accuracy
from .judging import LITTLE, Evidence, first_minus_rest, gain, minus, unless
from .paper import DATA


@claim("T11", "data sets", "5.2", "each of TRI's", two_forms=False)
@unless(on=list(DATA))
def t11(e: Evidence) -> list[Part]:
    """Geometric augmentation alone adds a point on Kvasir, nothing on CheXpert and Corn, and is the
    best of all on PlantVillage.

    Geometric minus real lies between 0 and 0.02 on Kvasir and below 0.01 on CheXpert and Corn; on
    PlantVillage geometric exceeds every other setting.
    """
    rest = [("plantvillage", m, accuracy(s)) for m in MODELS for s in SETTINGS]
    terms = [("plantvillage", "", accuracy(s)) for s in ("geometric", "real")]
    return [
        gain(e, "kvasir", "geometric", "", "real", high=LITTLE),
        *(
            gain(e, d, "geometric", "", "real", low=-np.inf, high=0.01)
            for d in ("chexpert", "corn")
        ),
        e.part(
            "geometric − best of the rest: PlantVillage", first_minus_rest, *terms, *rest, low=0
        ),
    ]


@claim("T12", "data sets", "5.2", "the two medical sets", two_forms=False)
@unless()
def t12(e: Evidence) -> list[Part]:
    """On both medical sets images of the VAE alone train better than the GAN's, in spite of a worse
    FID: FID does not predict utility.

    On each of two medical sets (TRI: Kvasir and CheXpert; here: OCTMNIST and OrganAMNIST) the VAE
    exceeds the GAN in the accuracy of synthetic images alone, and in FID.
    """
    parts = []
    for d in e.medical:
        for metric, digits in ((accuracy("synthetic"), 3), ("fid", 1)):
            what = "FID" if metric == "fid" else "synthetic alone"
            label = f"{e.datasets.get(d, d)}, {what}: VAE − GAN"
            terms = [(d, m, metric) for m in ("vae", "gan")]
            parts.append(e.part(label, minus, *terms, low=0, digits=digits))
    return parts


@claim("T13", "data sets", "5.2", "Kvasir", two_forms=False)
@unless(on=["kvasir"])
def t13(e: Evidence) -> list[Part]:
    """On Kvasir the diffusion model's images add six points to the real ones, and seven when
    combined with geometric augmentation.

    There the accuracy of real images with the diffusion model's, and that of both combined with
    geometric copies, exceed that of real images alone. (The sizes are in the audit.)
    """
    return [gain(e, "kvasir", s, "dm", "real") for s in ("real_synthetic", "combined")]


@claim("T14", "data sets", "5.2", "CheXpert", two_forms=False)
@unless(on=["chexpert"])
def t14(e: Evidence) -> list[Part]:
    """On CheXpert the diffusion model's images add a trifle to the real ones, and three points when
    combined.

    As T13, on CheXpert, where accuracy is top-3.
    """
    return [gain(e, "chexpert", s, "dm", "real") for s in ("real_synthetic", "combined")]


@claim("T15", "data sets", "5.2, 5.3", "Corn", two_forms=False)
@unless(on=["corn"])
def t15(e: Evidence) -> list[Part]:
    """On Corn the diffusion model's images add one point, four when combined; alone they are the
    best synthetic images, hardly better than the GAN's.

    As T13, on Corn; and of synthetic images alone the diffusion model's accuracy exceeds the GAN's,
    by less than 0.02. (That the VAE leads at 3x is a bar of Fig. 5 without a number.)
    """
    alone = [("corn", m, accuracy("synthetic")) for m in ("dm", "gan")]
    return [
        *(gain(e, "corn", s, "dm", "real") for s in ("real_synthetic", "combined")),
        e.part("Corn, synthetic alone: DM − GAN", minus, *alone, low=0, high=LITTLE),
    ]


@claim("T16", "data sets", "5.2, 5.3", "PlantVillage", two_forms=False)
@unless(on=["plantvillage"])
def t16(e: Evidence) -> list[Part]:
    """On PlantVillage added synthetic images never reach the real ones alone; combined they beat
    these and stay below geometric augmentation; of synthetic images alone the GAN's are far ahead.

    There real exceeds real and synthetic, combined exceeds real, and geometric exceeds combined,
    for each model; and the GAN's synthetic images alone exceed the others' by 0.05 or more.
    """
    d = "plantvillage"
    alone = [(d, m, accuracy("synthetic")) for m in ("gan", "vae", "dm")]
    return [
        *(gain(e, d, "real_synthetic", m, "real", low=-np.inf, high=0) for m in MODELS),
        *(gain(e, d, "combined", m, "real") for m in MODELS),
        *(gain(e, d, "combined", m, "geometric", low=-np.inf, high=0) for m in MODELS),
        e.part(
            "PlantVillage, synthetic alone: GAN − best of the rest",
            first_minus_rest,
            *alone,
            low=0.05,
        ),
    ]
