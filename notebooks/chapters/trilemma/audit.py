"""What can be computed from TRI's own tables, and does its text say the same?"""

import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers.report.style import number

from . import BASELINES, MODELS, SETTINGS, accuracy
from .paper import AVERAGES, DATA, METRICS, PRINTED, TABLE_2, TABLES_3_4, TESTED, robustness

CONFIDENCE = 0.95  # of the half-widths in the table of test sets
_DIGITS = {"precision": 4, "recall": 4, "fid": 2, "max_ssim": 3, "images_per_second": 3}
TITLES = {  # TRI's words
    "real": "Baseline Real",
    "geometric": "Geometric DA",
    "synthetic": "Data Anonymization",
    "real_synthetic": "Synthetic DA",
    "combined": "Combined DA",
}
_SYNTHETIC = [(s, m) for s in SETTINGS for m in MODELS]  # nine rows per data set


def table_2() -> pd.DataFrame:
    """Table 2, with the averages as printed and as its own rows give them; "✕": they differ."""
    columns = ["precision ↑", "recall ↑", "FID ↓", "max-SSIM ↓", "images per second ↑"]
    rows = {(DATA[d], MODELS[m]): [f"{v:g}" for v in values] for (d, m), values in TABLE_2.items()}
    for model, printed in AVERAGES.items():
        rows["average, as printed", MODELS[model]] = [f"{v:g}" for v in printed]
    for model, printed in AVERAGES.items():
        found = [mean(model, metric) for metric in METRICS]
        rows["average of the rows", MODELS[model]] = [
            _shown(value, _DIGITS[metric]) + ("" if agrees(was, value) else " ✕")
            for metric, value, was in zip(METRICS, found, printed, strict=True)
        ]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table.index = pd.MultiIndex.from_tuples(table.index, names=["data set", "model"])
    return table


def _shown(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def tables_3_4() -> pd.DataFrame:
    """Tables 3 and 4, "utility / robustness" per data set; of CheXpert both are top-3."""
    rows = {
        (TITLES[setting], MODELS.get(model, "–")): {
            title: f"{utility:.3f} / {robust:.3f}"
            for title, (utility, robust) in zip(DATA.values(), pairs, strict=True)
        }
        for (setting, model), pairs in TABLES_3_4.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["trained on", "model"])


def mean(model: str, metric: str) -> float:
    """The mean over the data sets of a measure of Table 2."""
    return float(np.mean([TABLE_2[d, model][METRICS.index(metric)] for d in DATA]))


def agrees(printed: float, found: float) -> bool:
    """Whether a number is printed right to three significant digits, or one unit off."""
    unit = 10.0 ** (np.floor(np.log10(printed)) - 2) if printed else 1e-4
    return bool(abs(printed - found) <= 1.5 * unit)


def better(dataset: str, of: str, setting: str, model: str, *, than: str = "real") -> bool:
    """Whether a row of Tables 3 and 4 beats real images, or ("best") geometric ones too.

    `of` is "accuracy" or "robustness".
    """
    names = {"accuracy": accuracy, "robustness": robustness}[of]
    baselines = BASELINES if than == "best" else ["real"]
    value = PRINTED[dataset, model, names(setting)]
    return value > max(PRINTED[dataset, "", names(b)] for b in baselines)


def counts() -> pd.DataFrame:
    """Of nine rows with synthetic images per data set, how many beat the baselines."""
    asked = {
        "more robust than real": ("robustness", "real"),
        "more accurate than real": ("accuracy", "real"),
        "more accurate than real and geometric": ("accuracy", "best"),
    }
    rows = {}
    for title, (of, than) in asked.items():
        found = {
            name: [row for row in _SYNTHETIC if better(d, of, *row, than=than)]
            for d, name in DATA.items()
        }
        total = [model for rows_ in found.values() for _, model in rows_]
        rows[title] = {name: f"{len(those)} of {len(_SYNTHETIC)}" for name, those in found.items()}
        rows[title] |= {
            "all": f"{len(total)} of {len(DATA) * len(_SYNTHETIC)}",
            "by": ", ".join(f"{MODELS[m]} {total.count(m)}" for m in MODELS if m in total),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def beaten(of: str, than: str = "real") -> list[tuple[str, str, str]]:
    """The rows (data set, setting, model) that beat the baselines."""
    return [(d, *row) for d in DATA for row in _SYNTHETIC if better(d, of, *row, than=than)]


def half_width(first: float, second: float, tested: int) -> float:
    """Of the 95 % interval of a difference of two accuracies, on as many test images each."""
    variance = (first * (1 - first) + second * (1 - second)) / tested
    return float(norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(variance))


def test_sets() -> pd.DataFrame:
    """What the size of the test set leaves open, beside the gain that TRI reports.

    Points of accuracy. The gain is the best row's over real images.
    """
    rows = {}
    for d, name in DATA.items():
        real = PRINTED[d, "", accuracy("real")]
        best = max(PRINTED[d, m, accuracy(s)] for s, m in _SYNTHETIC)
        rows[name] = {
            "test images": number(TESTED[d], 0),
            "real": f"{real:.3f}",
            "best with synthetic images": f"{best:.3f}",
            "gain": f"{100 * (best - real):+.1f} points",
            "95 % half-width of a gain": f"± {100 * half_width(best, real, TESTED[d]):.1f}",
            "rows with a gain beyond it": f"{len(clear(d))} of {len(_SYNTHETIC)}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def clear(dataset: str) -> list[tuple[str, str]]:
    """The rows whose gain in accuracy over real images exceeds its 95 % half-width."""
    real = PRINTED[dataset, "", accuracy("real")]
    found = {row: PRINTED[dataset, row[1], accuracy(row[0])] for row in _SYNTHETIC}
    tested = TESTED[dataset]
    return [row for row, v in found.items() if v - real > half_width(v, real, tested)]


def text_beside_tables() -> pd.DataFrame:
    """Sentences of section 5 beside what Tables 2 to 4 give."""
    gains = {
        (d, s): 100 * (PRINTED[d, "dm", accuracy(s)] - PRINTED[d, "", accuracy("real")])
        for d in DATA
        for s in ("real_synthetic", "combined")
    }
    robust, all_rows = len(beaten("robustness")), len(DATA) * len(_SYNTHETIC)
    speeds = mean("vae", "images_per_second") / mean("dm", "images_per_second")
    said = {
        "Kvasir: + DM adds “up to 6%”": f"{gains['kvasir', 'real_synthetic']:+.1f} points",
        "Kvasir: combined DM “7%”": f"{gains['kvasir', 'combined']:+.1f} points",
        "CheXpert: + DM “0.02%”": f"{gains['chexpert', 'real_synthetic']:+.1f} points",
        "CheXpert: combined DM “3%”": f"{gains['chexpert', 'combined']:+.1f} points",
        "Corn: + DM “1%”": f"{gains['corn', 'real_synthetic']:+.1f} points",
        "Corn: combined DM “4%”": f"{gains['corn', 'combined']:+.1f} points",
        "“all classifiers trained with synthetic images exhibited greater robustness”": (
            f"{robust} of {all_rows} rows"
        ),
        "DMs “require substantially more time”": f"1/{speeds:.0f} of the VAE's images per second",
        "CheXpert: robustness, beside utility": f"correlation {follows('chexpert'):.4f}",
    }
    return pd.DataFrame({"the tables": said}).rename_axis("the text")


def follows(dataset: str) -> float:
    """The correlation of robustness with utility over the eleven rows of a data set."""
    rows = [(s, "") for s in BASELINES] + _SYNTHETIC
    pairs = [
        (PRINTED[dataset, m, accuracy(s)], PRINTED[dataset, m, robustness(s)]) for s, m in rows
    ]
    return float(np.corrcoef(np.array(pairs).T)[0, 1])


def answers() -> dict[str, float | int]:
    """Numbers for prose, by name."""
    wrong = [
        (m, metric)
        for m, printed in AVERAGES.items()
        for metric, value in zip(METRICS, printed, strict=True)
        if not agrees(value, mean(m, metric))
    ]
    best = beaten("accuracy", "best")
    gains = {
        s: max(
            PRINTED[d, m, accuracy(s)] - PRINTED[d, "", accuracy("real")]
            for d in DATA
            for m in MODELS
        )
        for s in ("real_synthetic", "combined")
    }
    return {
        "rows": len(DATA) * len(_SYNTHETIC),
        "robust": len(beaten("robustness")),
        "accurate": len(beaten("accuracy")),
        "best": len(best),
        "best_dm": sum(model == "dm" for _, _, model in best),
        "clear": sum(len(clear(d)) for d in DATA),
        "averages": len(MODELS) * len(METRICS),
        "wrong": len(wrong),
        "dm_recall": mean("dm", "recall"),
        "dm_recall_printed": AVERAGES["dm"][1],
        "gan_speed": mean("gan", "images_per_second"),
        "gan_speed_printed": AVERAGES["gan"][4],
        "corn_tested": TESTED["corn"],
        "chexpert_follows": follows("chexpert"),
        **{f"most_{setting}": 100 * gain for setting, gain in gains.items()},
    }
