"""The claims of the paper beyond MNIST, C16 to C22; see `mnist`."""

import itertools

import numpy as np
from scipy.stats import rankdata

from chapters.nfl import DATA, MODELS
from chapters.quantities import Quantity, combine, mean
from chapters.verdicts import Part, all_of, claim

from .evidence import (
    ABOUT,
    FLAT,
    HALF_WAY,
    LARGER,
    LEAK,
    MOVED,
    NOISE,
    OTHER_DDPM,
    PATH,
    TITLES,
    Evidence,
    more,
    one,
    rank_correlation,
)


@claim("C16", "medical", "4.3.2", "OCTMNIST", elsewhere=OTHER_DDPM)
@all_of
def c16(e: Evidence) -> list[Part]:
    """The VAE has the best FID without noise and the worst under noise; the GAN and the DDPM start
    near 100.

    At σ = 0 the FID of the GAN and of the DDPM exceeds the VAE's; averaged over the four noise
    levels the VAE's exceeds theirs. The level of 100 is of other networks and another number of
    images, and not compared.
    """
    d = "octmnist"
    best = [
        more(d, p, "FID, σ = 0", lambda m: e.at(d, m, "sgd", "fid"), 1)
        for p in ("gan vae", "ddpm vae")
    ]
    worst = [
        more(d, p, "FID under noise", lambda m: e.over(d, m, NOISE, "fid"), 1)
        for p in ("vae gan", "vae ddpm")
    ]
    return best + worst


@claim("C17", "medical", "4.3.2", "OCTMNIST", elsewhere=LARGER)
@all_of
def c17(e: Evidence) -> list[Part]:
    """Beyond σ = 0.1 the GAN has the highest Inception Score, and it stays between 1.8 and 2.0.

    Averaged over σ = 0.2, 0.3, 0.4 the GAN's Inception Score exceeds the VAE's and the DDPM's; from
    σ = 0.2 to 0.4 it stays within ± 10 % of itself. It is by EfficientNet-Lite0, so the levels 1.8
    and 2.0 are not compared.
    """
    d, beyond = "octmnist", NOISE[1:]
    growth = e.growth(d, "gan", "is_lite0", beyond[0], beyond[-1])
    return [
        *(
            more(d, p, "IS, σ ≥ 0.2", lambda m: e.over(d, m, beyond, "is_lite0"), 2)
            for p in ("gan vae", "gan ddpm")
        ),
        one(d, "gan", "IS, % from σ = 0.2 to 0.4", growth, low=-FLAT, high=FLAT, digits=1),
    ]


LIMIT = 0.25 + ABOUT  # of "near chance" in C18


def _cannot_fail(e: Evidence) -> str:
    """Why no generator could fail C18; "" if one could."""
    part = one("octmnist", "vae", "accuracy of the private images", e.ceiling("octmnist"))
    found = part.interval()
    if found is None or found.high > LIMIT:
        return ""
    return (
        f"it could not fail: the private images themselves train to {part.text()}, below the "
        f"limit of {LIMIT:g}"
    )


@claim(
    "C18",
    "medical",
    "4.3.2",
    "OCTMNIST",
    elsewhere=LARGER,
    untestable=_cannot_fail,
    revised="not tested where the ceiling itself is below the limit",
)
@all_of
def c18(e: Evidence) -> list[Part]:
    """Accuracy is near chance for every model and σ.

    For each model the accuracy at σ = 0, and its mean over the four noise levels, lies less than
    0.1 above chance, hence below 0.35. Not testable if the private images' own accuracy does.
    """
    d, parts = "octmnist", []
    for m in MODELS:
        start, noise = e.at(d, m, "sgd", "accuracy"), e.over(d, m, NOISE, "accuracy")
        parts.append(one(d, m, "accuracy, σ = 0", start, high=LIMIT))
        parts.append(one(d, m, "accuracy under noise", noise, high=LIMIT))
    return parts


@claim(
    "C19",
    "medical",
    "4.3.3",
    "OrganAMNIST",
    elsewhere=LARGER,
    revised="levels and changes as shares of the ceiling instead of 0.6 and 0.05",
)
@all_of
def c19(e: Evidence) -> list[Part]:
    """Without noise the VAE and the DDPM reach an accuracy of about 0.6 and the GAN less; under
    noise the VAE collapses, the GAN holds and the DDPM lies between.

    As a share of the way from chance to the private images' own accuracy: at σ = 0 the VAE and the
    DDPM come more than half of it and farther than the GAN. Averaged over the four noise levels the
    VAE's share has fallen by more than 0.1 and the GAN's has not, the GAN's exceeds the DDPM's, and
    the DDPM's the VAE's.
    """
    d, what = "organamnist", "share of the ceiling"
    start = {m: e.share(d, m, "sgd") for m in MODELS}
    noise = {m: e.share(d, m, *NOISE) for m in MODELS}
    moved = {m: noise[m] - start[m] for m in MODELS}
    return [
        *(one(d, m, f"{what}, σ = 0", start[m], low=HALF_WAY) for m in ("vae", "ddpm")),
        *(more(d, p, f"{what}, σ = 0", start.get) for p in ("vae gan", "ddpm gan")),
        one(d, "vae", f"{what}, noise minus σ = 0", moved["vae"], high=-MOVED),
        one(d, "gan", f"{what}, noise minus σ = 0", moved["gan"], low=-MOVED),
        *(more(d, p, f"{what} under noise", noise.get) for p in ("gan ddpm", "ddpm vae")),
    ]


@claim("C20", "medical", "4.3.3", "OrganAMNIST", elsewhere=LARGER)
@all_of
def c20(e: Evidence) -> list[Part]:
    """By the leak at one image the VAE is private from σ = 0.1 on, the DDPM and the GAN from about
    0.2.

    The leak at one image lies below ln 2 for the VAE on average over σ = 0.1 to 0.4, for the GAN
    and the DDPM over 0.2 to 0.4; and for these two it lies above ln 2 at σ = 0.1.
    """
    d, metric, what = "organamnist", "epsilon_hat", "leak at one image"
    later = [e.over(d, m, NOISE[1:], metric) for m in ("gan", "ddpm")]
    first = [e.at(d, m, "0.1", metric) for m in ("gan", "ddpm")]
    vae = e.over(d, "vae", NOISE, metric)
    parts = [one(d, "vae", f"{what}, σ = 0.1–0.4", vae, high=LEAK, digits=2)]
    for m, late, early in zip(("gan", "ddpm"), later, first, strict=True):
        parts.append(one(d, m, f"{what}, σ = 0.2–0.4", late, high=LEAK, digits=2))
        parts.append(one(d, m, f"{what}, σ = 0.1", early, low=LEAK, digits=2))
    return parts


@claim(
    "C21",
    "overall",
    "1, 5, 6",
    "all three",
    elsewhere=LARGER,
    revised="the price in fidelity and utility together; a sign of each was asked for and is not "
    "claimed",
)
@all_of
def c21(e: Evidence) -> list[Part]:
    """Better privacy costs fidelity or utility: no free lunch. The GAN is the best compromise.

    A price: for each model, less leakage goes with worse images and training taken together:
    Spearman's correlation over the five σ of the leak at one image with accuracy, less that with
    FID, halved, is above 0 on average over the data sets. The GAN is the best compromise: averaged
    over data sets, noise levels and the three dimensions (FID, leak at one image, accuracy) the
    ranks of the VAE and of the DDPM are higher, hence worse, than the GAN's.
    """
    parts = []
    for m in MODELS:
        fidelity, utility = (_over_data(e, m, metric) for metric in ("fid", "accuracy"))
        price = combine(lambda u, f: (u - f) / 2, utility, fidelity)
        label = f"rank correlation of ε with what is good: {TITLES[m]}"
        parts.append(Part(label, price, low=0, digits=2))
    rank = {m: mean(*ranks(e, m)) for m in MODELS}
    for m in ("vae", "ddpm"):
        label = f"mean rank: {TITLES[m]} − GAN"
        parts.append(Part(label, rank[m] - rank["gan"], low=0, digits=2))
    return parts


def _over_data(e: Evidence, model: str, metric: str) -> Quantity:
    """Per seed, the correlation of the leak at one image with a metric over the levels; the
    mean over data sets.
    """
    found = [
        rank_correlation(
            [e.at(d, model, level, "epsilon_hat") for level in PATH],
            [e.at(d, model, level, metric) for level in PATH],
        )
        for d in DATA
    ]
    return mean(*found)


def ranks(e: Evidence, model: str) -> list[Quantity]:
    """A model's rank among the three, 1 is best, per data set, noise level and dimension."""
    signs = {"fid": 1, "epsilon_hat": 1, "accuracy": -1}  # times which less is better
    place = MODELS.index(model)
    return [
        combine(
            lambda *values, sign=sign: rankdata(sign * np.array(values), axis=0)[place],
            *(e.at(d, m, level, metric) for m in MODELS),
            smooth=False,
        )
        for d, level, (metric, sign) in itertools.product(DATA, NOISE, signs.items())
    ]


@claim(
    "C22",
    "overall",
    "4.2.2",
    "MNIST",
    two_forms=False,
    elsewhere=LARGER,
    revised="all noise levels against none, as the paper words it, instead of a slope",
)
@all_of
def c22(e: Evidence) -> list[Part]:
    """Noise also harms the conditioning: the class that is asked for appears less often.

    The share of images that a classifier of real images assigns to the class that was asked for,
    averaged over the four noise levels, lies below that at σ = 0, for each model.
    """
    return [consistency(e, "mnist", m) for m in MODELS]


def consistency(e: Evidence, dataset: str, model: str) -> Part:
    """What noise does to conditional consistency."""
    metric = "conditional_consistency"
    fall = e.over(dataset, model, NOISE, metric) - e.at(dataset, model, "sgd", metric)
    return one(dataset, model, "consistency, noise minus σ = 0", fall, high=0)


CLAIMS = (c16, c17, c18, c19, c20, c21, c22)
