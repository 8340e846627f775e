"""The table of the chapter on yardsticks: how each metric orders generators."""

import itertools
from collections.abc import Sequence

import pandas as pd

from helpers.metrics.records import direction, record
from helpers.metrics.statistics import mean_interval
from helpers.report.style import named


def ranking(frame: pd.DataFrame, models: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """How each of `metrics` orders `models`, and what it says of copies.

    One row per metric that all models have. `order`: by the mean over seeds, as it is shown, best
    first. `copies against real`: worse or better if the 90 % interval of the difference, paired
    over seeds, keeps off 0; else no different. Models may have one level each. `ValueError` for a
    metric of which neither more nor less is better.
    """
    rows = {}
    for metric in metrics:
        sign = -direction(metric)  # less is better
        values = frame[frame["metric"] == metric].pivot(
            index="seed", columns="model", values="value"
        )
        if not set(models) <= set(values):
            continue
        loss = sign * values[list(models)]
        means = loss.mean().round(record(metric).digits)
        order = means.sort_values(kind="stable").index
        signs = [" = " if means[a] == means[b] else ", " for a, b in itertools.pairwise(order)]
        said = "".join(itertools.chain(*zip(map(named, order), [*signs, ""], strict=True)))
        rows[record(metric).title] = (said, _compared(loss["copies"] - loss["real"]))
    columns = ["order, best first", "copies against real"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def praise(ranked: pd.DataFrame, metrics: Sequence[str], trained: Sequence[str]) -> dict[str, int]:
    """Of those of `metrics` that are in a table of `ranking`, counts.

    `praised`: how many there are; `unseen`: on how many copies are not worse than other real
    images; `copies_ahead`: on how many they come before every trained model.
    """
    found = ranked.loc[[t for t in (record(m).title for m in metrics) if t in ranked.index]]
    places = [
        {name: place for place, tied in enumerate(order.split(", ")) for name in tied.split(" = ")}
        for order in found["order, best first"]
    ]
    own, others = named("copies"), [named(model) for model in trained]
    return {
        "praised": len(found),
        "unseen": int((found["copies against real"] != "worse").sum()),
        "copies_ahead": sum(at[own] < min(at[name] for name in others) for at in places),
    }


def _compared(difference: pd.Series) -> str:
    """What a paired difference in loss says: its 90 % interval above 0, below it, or neither."""
    found = mean_interval(list(difference))
    if found.n == 1:
        return "–"
    if found.low > 0:
        return "worse"
    return "better" if found.high < 0 else "no different"
