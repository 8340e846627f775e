"""The numbers of the effects in words, as the page shows them and "What we changed" quotes them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from chapters.nfl import DATA_TITLES, MODEL_TITLES
from helpers.metrics.statistics import Interval
from helpers.report.style import number, text

_BOTH = "no cells are collected that have both"
_METRICS = {"fid": ("FID", 1), "accuracy": ("accuracy", 3), "epsilon_hat": ("leak at one image", 1)}


class Words(NamedTuple):
    """How one number is shown: what it is, as Markdown, itself, and why it can be missing."""

    what: str
    write: Callable[[Any], str]
    missing: str = _BOTH


def _mean(found: Mapping, digits: int) -> str:
    """ "+1.0 ± 0.2", with true minus signs and without an interval if there is one seed."""
    interval = Interval(*(found[name] for name in Interval._fields))
    return text(interval, digits, signed=True).replace("-", "−")


def _with_cells(found: Mapping, digits: int) -> str:
    cells = f"{found['cells']} cell{'s' * (found['cells'] > 1)}"
    return f"{_mean(found, digits)} ({cells}{', one seed' * (found['n'] == 1)})"


def over_data(digits: int) -> Callable[[Mapping], str]:
    """ "MNIST +1.0 ± 0.2 (9 cells); ..." of means by data set."""
    return lambda means: "; ".join(
        f"{DATA_TITLES[d]} {_with_cells(found, digits)}" for d, found in means.items()
    )


def over_models(digits: int) -> Callable[[Mapping], str]:
    """The same by data set and model: "MNIST: VAE +1.0 ± 0.2 (3 cells), ..."."""

    def write(by_data: Mapping) -> str:
        texts = {
            d: _titled(means, lambda m: _with_cells(m, digits)) for d, means in by_data.items()
        }
        return "; ".join(f"{DATA_TITLES[d]}: {found}" for d, found in texts.items())

    return write


def _titled(by_model: Mapping[str, Any], write: Callable[[Any], str]) -> str:
    return ", ".join(f"{MODEL_TITLES[m]} {write(value)}" for m, value in by_model.items())


def _epsilons(values: list[float]) -> list[str]:
    return [number(value, 0) for value in values]


def _variant(found: Mapping) -> str:
    texts = []
    for metric, means in found.items():
        title, digits = _METRICS[metric]
        parts = [f"{_mean(mean, digits)} at {level}" for level, mean in means.items()]
        texts.append(f"{title} {', '.join(parts)}")
    return "; ".join(texts)


def _widths(found: Mapping) -> str:
    return "; ".join(
        f"{MODEL_TITLES[m]} {', '.join(f'{fid:.0f} ({factor})' for factor, fid in sizes.items())}"
        for m, sizes in found.items()
    )


def _spans(found: Mapping) -> str:
    texts = {level: " to ".join(dict.fromkeys(_epsilons(ends))) for level, ends in found.items()}
    return ", ".join(f"{ends} at {level}" for level, ends in texts.items())


def _ranks(found: Mapping) -> str:
    return "; ".join(
        f"{DATA_TITLES[d]} {number(rank, 2).replace('-', '−')} ({cells} cells)"
        for d, (rank, cells) in found.items()
    )


def _ranges(what: str, digits: int) -> Words:
    def write(forms: list[list[float]]) -> str:
        return " against ".join(f"{r:.{digits}f} of {span:.{digits}f}" for r, span in forms)

    return Words(what, write, "levels or references are missing")


def _deviations(found: Mapping) -> str:
    return "; ".join(
        f"{DATA_TITLES[d]} {seeds:.4f} over seeds against {within:.4f} over classifiers, "
        f"{seeds / within:.1f} times as much (settings: {settings})"
        for d, (seeds, within, settings) in found.items()
    )


def _copies(pair: list[float]) -> str:
    return "{:.2f} with and {:.2f} without".format(*pair)


WORDS = {
    "D1 epsilon": Words(
        "ε in the authors' setting, at δ = 0.5 against 10⁻³",
        lambda rows: "; ".join(
            f"{number(lax, 0)} against {number(strict, 0)} at σ = {s:g}" for s, lax, strict in rows
        ),
    ),
    "D2 fid": Words("FID, `clipped` minus `sgd`", over_models(1)),
    "D2 accuracy": Words("Accuracy, `clipped` minus `sgd`", over_models(3)),
    "D2 epsilon_hat": Words("Leak at one image, `clipped` minus `sgd`", over_models(1)),
    "D3 leak": Words(
        'Generator moved its weights of the query\'s class, at σ = 1000, `labels="batch"`',
        lambda n: f"{n[0]} of {n[2]} victim runs, {n[1]} of {n[2]} ablated runs",
    ),
    "D3 variant": Words(
        "Authors' GAN (D3 and D4) minus ours on MNIST, by level of noise",
        _variant,
        "the variant's cells are not collected",
    ),
    "D4 share": Words(
        "Steps at which the authors' schedule would move the generator",
        lambda shares: ", ".join(f"{share:.0f} % at {at}" for at, share in shares.items()),
        "no cells of the GAN",
    ),
    "D5 number": Words("Effect on numbers", lambda moved: "none: no number here depends on it"),
    "D6 epsilon": Words(
        "ε at σ = 0.1 by the sampling rate",
        lambda pair: "{} at 1/2 against {} at 0.64".format(*_epsilons(pair)),
    ),
    "D6 divisor": Words(
        "Divisor of the gradients' sum, victim and ablated",
        lambda pairs: ", ".join(f"{DATA_TITLES[d]} {a} and {b}" for d, (a, b) in pairs.items()),
    ),
    "D6 one": Words("The same for 100 and 99 images", lambda pair: "{} and {}".format(*pair)),
    "D7 authors": Words(
        "Noise over signal at σ = 0.1, the authors' networks",
        lambda found: _titled(found, "{:.1f}".format),
    ),
    "D7 ours": Words(
        "The same, our networks",
        lambda found: _titled(found, "{:.2f}".format),
        "no cells at σ = 0.1 on MNIST",
    ),
    "D7 width": Words(
        "FID at σ = 0.2 (times the noised parameters of the compact network)",
        _widths,
        "no other size is collected",
    ),
    "D8 authors": Words(
        "ε at δ = 10⁻³ and σ = 0.1, 0.2, 0.3, 0.4, the authors' setting",
        lambda values: ", ".join(_epsilons(values)),
    ),
    "D8 ours": Words(
        "The same, the collected cells, over models", _spans, "no cells with noise on MNIST"
    ),
    "D9 simulated": Words(
        "Simulated log density ratio, the authors' form and ours",
        lambda n: "{theirs:.2f} instead of {ours:.2f}; the truth is {truth:.2f}".format(**n),
    ),
    "D9 cells": Words(
        "Our form over theirs, summed over cells",
        lambda found: ", ".join(f"{DATA_TITLES[d]} {ratio:.1f}" for d, ratio in found.items()),
        "no cells",
    ),
    "D10 spread": Words(
        "Log density ratio, runs of different seeds against runs with a shared start",
        lambda n: "MNIST {:.2f} nats ({} pairs) against {:.2f} ({} pairs)".format(
            *n["apart"], *n["shared"]
        ),
        "no setting has two seeds of the variant one of ten",
    ),
    "D11 difference": Words(
        "Log density ratio, presence of a class minus one of ten", over_models(1)
    ),
    "D12 shift": Words(
        "Shift of a log density ratio by the authors' map, root mean square",
        lambda n: "{:.2f} nats ({} pairs of runs)".format(*n),
        "no pair of runs with and without noise",
    ),
    "D13 models": Words("Kolmogorov-Smirnov distance, the authors' minus ours", over_data(2)),
    "D14 area": Words("Authors' area with and without a fifth exact copies, simulated", _copies),
    "D14 wasserstein": Words("Our distance, the same images", _copies),
    "D14 order": Words("Rank correlation of the two over cells", _ranks, "fewer than three cells"),
    "D15 models": Words("FID, the authors' minus ours, models", over_data(1)),
    "D15 copies": Words("The same, exact copies", over_data(1)),
    "D16 lpips": _ranges(
        "LPIPS, range over levels of the span from real images to means; authors', ours", 3
    ),
    "D16 psnr": _ranges("The same, PSNR", 2),
    "D16 ssim": _ranges("The same, SSIM", 3),
    "D17 models": Words("Inception Score in ten splits minus one, models", over_data(2)),
    "D17 real": Words("The same, real images", over_data(2)),
    "D18 models": Words("Accuracy with rescaling minus without", over_models(3)),
    "D19 deviations": Words(
        "Standard deviation of the accuracy", _deviations, "no setting has two seeds"
    ),
    "D20 start": Words("Share of the image in the authors' last step", "{:.2f}".format),
    "D20 sampler": Words(
        "Fréchet distance of our 20 steps over that of 400, same weights", "{:.2f}".format
    ),
    "D21 failed": Words("Values that are not finite", lambda n: "{} of {:,} values".format(*n)),
}


def text_of(name: str, found: Any) -> str:
    """The number of this name, e.g. "D15 models", in words, or that it is not measured and why."""
    words = WORDS[name]
    return words.write(found) if found not in ({}, []) else f"not measured: {words.missing}"
