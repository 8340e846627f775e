"""What is known of each metric: how it is written, which direction is better, where it is scored.

One record per name of the results table. A name without a record cannot be shown, and a record
whose metric is nowhere collected changes no page: chapters name the metrics they speak of.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace

DIMENSIONS = ("fidelity", "utility", "privacy")


@dataclass(frozen=True)
class Metric:
    """A metric's record. `zero` and `one` are the anchors of its score, where it has one: a
    reference generator, "chance", "ceiling" (the classifier on the private images) or a number."""

    title: str  # as it is written in figures
    better: int  # +1: more is better, -1: less is, 0: neither says anything
    digits: int = 3  # decimals shown
    dimension: str = ""  # one of `DIMENSIONS`, or none
    zero: str | float | None = None  # where the score is 0
    one: str | float | None = None  # and 1
    power: float = 1.0  # the score is linear in this power of the metric
    authors: str = ""  # the metric that is the authors' form of it, where that is another
    measure: str = ""  # what computes it, together with others: see `evaluation.MEASURES`


def _of(measure: str, dimension: str, records: Mapping[str, Metric]) -> dict[str, Metric]:
    """Records of the metrics that one measure computes."""
    return {n: replace(m, measure=measure, dimension=dimension) for n, m in records.items()}


# The hold-out images against as many synthetic ones
_FIDELITY = {
    "fd_lite0": Metric("Fréchet distance (Lite0) ↓", -1, 1, zero="means", one="real"),
    "kid_lite0": Metric("kernel distance (Lite0) ↓", -1),
    "is_lite0": Metric("Inception Score (by Lite0) ↑", +1, 2, authors="is_lite0_paper"),
    "is_lite0_paper": Metric("Inception Score (by Lite0), authors' form ↑", +1, 2),
    "psnr": Metric("PSNR ↑", +1, 2, authors="psnr_paper"),
    "ssim": Metric("SSIM ↑", +1, authors="ssim_paper"),
    "precision": Metric("precision ↑", +1),
    "recall": Metric("recall ↑", +1, zero="means", one="real"),
    "density": Metric("density ↑", +1),
    "coverage": Metric("coverage ↑", +1),
}

# The same by networks whose weights are fetched, and the authors' pairs
_INCEPTION = {
    "fid": Metric("FID (Inception) ↓", -1, 1, zero="means", one="real", authors="fid_paper"),
    "fid_inf": Metric("FID, less biased ↓", -1, 1),
    "fid_paper": Metric("FID, authors' form ↓", -1, 1),
    "kid": Metric("KID (Inception) ↓", -1),
    "lpips": Metric("LPIPS ↓", -1, authors="lpips_paper"),
    "lpips_paper": Metric("LPIPS, authors' form ↓", -1),
    "psnr_paper": Metric("PSNR, authors' form ↑", +1, 2),
    "ssim_paper": Metric("SSIM, authors' form ↑", +1),
}

# How near synthetic images come to private ones
_DISTANCES = {
    "ecdf_ks": Metric("KS distance of the ECDFs ↓", -1, authors="ecdf_ks_paper"),
    "ecdf_ks_directed": Metric("KS distance, nearer than hold-out ↓", -1),
    "ecdf_w1": Metric("W₁ / median hold-out distance ↓", -1, authors="ecdf_area_paper"),
    "ecdf_ks_paper": Metric("KS distance, authors' form ↓", -1),
    "ecdf_area_paper": Metric("area, authors' form ↓", -1),
    "copy_rate": Metric("copy rate ↓", -1),
    "max_ssim": Metric("greatest SSIM to a private image ↓", -1),
}

# Telling private images from others, by their distance to the synthetic ones
_MEMBERSHIP = {
    "mia_auc": Metric("membership AUC ↓", -1, zero="copies", one="real"),
    "mia_tpr": Metric("membership TPR ↓", -1),
    "mia_tpr_low": Metric("membership TPR, lower end", 0),
    "mia_tpr_high": Metric("membership TPR, upper end", 0),
    "epsilon_lower": Metric("proved ε ↓", -1, 2, zero="copies", one="real"),
}

# And by the model's loss. References have none to attack: the anchors are an attack that always
# succeeds and one that guesses.
_LOSS_ATTACK = {
    "mia_loss_auc": Metric("loss attack AUC ↓", -1, zero=1.0, one=0.5),
    "mia_loss_tpr": Metric("loss attack TPR ↓", -1),
    "mia_loss_tpr_low": Metric("loss attack TPR, lower end", 0),
    "mia_loss_tpr_high": Metric("loss attack TPR, upper end", 0),
    "epsilon_lower_loss": Metric("proved ε, by the loss ↓", -1, 2),
}

# At the query, for the presence of a class; it leaks in both directions
_RATIOS = {
    "epsilon_hat": Metric(
        "leak at one image, nats ↓", -1, 2, zero="copies", one="real", authors="epsilon_hat_paper"
    ),
    "epsilon_hat_paper": Metric("leak at one image, authors' form ↓", -1, 2),
    "log_density_ratio": Metric(
        "log density ratio at one image", 0, 2, authors="epsilon_hat_paper"
    ),
    "log_density_ratio_low": Metric("log density ratio, lower end", 0),
    "log_density_ratio_high": Metric("log density ratio, upper end", 0),
}

# And for one record of ten
_ONE_OF_TEN = {
    f"{name}_one_of_ten": replace(
        ratio,
        title=f"{ratio.title.removesuffix(' ↓')}, one of ten{' ↓' * (ratio.better < 0)}",
        digits=3,
        authors=f"{ratio.authors}_one_of_ten" if ratio.authors else "",
        zero=None,
        one=None,
    )
    for name, ratio in _RATIOS.items()
}

# What a classifier learns from the images
_WORTH = {
    "accuracy": Metric(
        "TSTR accuracy ↑", +1, zero="chance", one="ceiling", authors="accuracy_paper"
    ),
    "accuracy_paper": Metric("TSTR accuracy, authors' form ↑", +1),
    "balanced_accuracy": Metric("TSTR balanced accuracy ↑", +1),
    "accuracy_deviation": Metric("deviation over classifiers", 0),
    "accuracy_deviation_real": Metric("deviation over classifiers, private", 0),
}

_UNDER_ATTACK = {
    "adversarial_accuracy": Metric(
        "accuracy under attack ↑", +1, authors="adversarial_accuracy_paper"
    ),
    "adversarial_accuracy_paper": Metric("accuracy under attack, authors' form ↑", +1),
    "relative_distance": Metric("distance to a wrong class ↑", +1),
}

# The sets of private images alone: how well these do says nothing of a generator
_BASELINES = {
    "real": "private images",
    "geometric": "turned and flipped copies",
    "geometric_unflipped": "turned copies",
}


def _mixtures(multiple: int) -> dict[str, str]:
    """TRI's settings with so many synthetic images for each private one."""
    titles = {
        "synthetic": "synthetic images",
        "real_synthetic": "private and synthetic images",
        "combined": "both, turned and flipped",
    }
    if multiple == 1:
        titles["combined_unflipped"] = "both, turned"
    return {f"{name}_{multiple}x": f"{title}, {multiple}x" for name, title in titles.items()}


def _settings(settings: Mapping[str, str], better: int) -> dict[str, Metric]:
    """Records of what classifiers learn in TRI's settings; only those of 1x are attacked."""
    arrow, records = " ↑" if better > 0 else "", {}
    for setting, title in settings.items():
        records[f"accuracy_{setting}"] = Metric(f"accuracy, {title}{arrow}", better)
        for name, metric in ({} if setting.endswith(("2x", "3x")) else _UNDER_ATTACK).items():
            records[f"{name}_{setting}"] = replace(
                metric,
                title=f"{metric.title.removesuffix(' ↑')}, {title}{arrow}",
                better=better,
                authors=f"{metric.authors}_{setting}" if metric.authors else "",
            )
    return records


METRICS: dict[str, Metric] = {
    **_of("fidelity", "fidelity", _FIDELITY),
    **_of("inception", "fidelity", _INCEPTION),
    **_of("distances", "privacy", _DISTANCES),
    **_of("membership", "privacy", _MEMBERSHIP),
    **_of("loss_attack", "privacy", _LOSS_ATTACK),
    **_of("density_ratios", "privacy", _RATIOS | _ONE_OF_TEN),
    **_of(
        "worth",
        "utility",
        _WORTH | _UNDER_ATTACK | _settings(_BASELINES, 0) | _settings(_mixtures(1), +1),
    ),
    **_of("multiples", "utility", _settings(_mixtures(2) | _mixtures(3), +1)),
    "conditional_consistency": Metric(
        "shows the asked class ↑", +1, dimension="utility", measure="consistency"
    ),
    # The accountant, and what the noise meets
    **_of(
        "accountant",
        "privacy",
        {
            "epsilon_1e-3": Metric("accountant's ε at δ = 10⁻³ ↓", -1, 0),
            "epsilon_1e-5": Metric("accountant's ε at δ = 10⁻⁵ ↓", -1, 0),
        },
    ),
    "noised_parameters": Metric("noised parameters", 0, 0, measure="accountant"),
    "noise_to_signal": Metric("noise-to-signal ratio", 0, 2, measure="accountant"),
}


def record(name: str) -> Metric:
    """The record of a metric; `ValueError` naming near ones for a name without one."""
    if name not in METRICS:
        near = difflib.get_close_matches(name, METRICS, n=3) or METRICS
        raise ValueError(f"metric {name!r} has no record; there are {', '.join(near)}")
    return METRICS[name]


def direction(name: str) -> int:
    """+1 if more of a metric is better, -1 if less is; `ValueError` if neither says anything."""
    if not (better := record(name).better):
        raise ValueError(f"metric {name!r} has no better direction; name one that has")
    return better
