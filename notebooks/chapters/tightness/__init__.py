"""Whether the accountant's epsilon is tight, and whether a code that cheats would be caught.

The attacks are `attack`'s. What they prove is collected in `data/results/tightness.json`, as counts
of right guesses in so many trials: `python -m helpers chapter tightness` runs those that are
missing, some minutes in all, and keeps what is done when it is interrupted.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.data import files
from helpers.report import style
from helpers.study import host
from helpers.study.collected import root as results_root

from . import attack
from .attack import Attack

FAMILIES = ("vae", "gan", "ddpm")
CHEAT = 0.8  # noise of the control, as a share of what is claimed
ATTACKS = [
    Attack(target, family, claimed, trials, noise)
    for target, claimed, trials, noise in (
        *(
            ("step", claimed, 10_000, noise)
            for claimed in (10.0, 3.0, 1.0)
            for noise in (1.0, CHEAT)
        ),
        *(("training", 10.0, 500, noise) for noise in (1.0, CHEAT)),
    )
    for family in FAMILIES
]
TITLES = {"step": "one private step", "training": "one training, its weights alone"}
PART, MORE = 500, 5000  # trials, first and later, after which what is done is kept


def path_of() -> Path:
    """Where the counts are collected."""
    return results_root("compact") / "tightness.json"


def key() -> str:
    """Changes with the attacks' code; what they attack counts by a test that runs some again."""
    return files.content_hash("".join(Path(attack.__file__).read_text().split()))


def obtain() -> list[dict[str, Any]]:
    """The collected rows of the present attacks: their fields, with the trials so far.

    `right` are the right guesses in either world, `first` those of the first `PART` trials.
    """
    kept = files.read_json(path_of()) or {}
    return kept["rows"] if kept.get("key") == key() else []


def collect() -> Path:
    """Run what is missing of the attacks, a part of each in turn; the file."""
    rows = {_name(row): row for row in obtain()}
    with host.one_thread():
        while missing := [a for a in ATTACKS if _done(rows, a) < a.trials]:
            for each in missing:
                done = _done(rows, each)
                part = range(done, min(done + (MORE if done else PART), each.trials))
                right = [*attack.correct(each, part)]
                row = rows.get(
                    _name(asdict(each)), asdict(each) | {"right": [0, 0], "first": right}
                )
                total = [a + b for a, b in zip(row["right"], right, strict=True)]
                rows[_name(asdict(each))] = row | {"trials": part.stop, "right": total}
                _keep(rows)
    return path_of()


def _name(row: dict[str, Any]) -> tuple:
    return tuple(row[field] for field in ("target", "family", "claimed", "noise"))


def _done(rows: dict, each: Attack) -> int:
    return rows.get(_name(asdict(each)), {"trials": 0})["trials"]


def _keep(rows: dict[tuple, dict[str, Any]]) -> None:
    order = [_name(asdict(each)) for each in ATTACKS]
    kept = [rows[name] for name in order if name in rows]
    with files.atomic(path_of(), "w") as file:
        json.dump({"key": key(), "rows": kept}, file, indent=1)
        file.write("\n")


def table(rows: list[dict[str, Any]] | None = None) -> pd.DataFrame:
    """A row per attack: target, family, noise, trials, claimed and proven epsilon at 10^-3.

    `caught`: whether more is proven than is claimed.
    """
    found = pd.DataFrame(obtain() if rows is None else rows)
    found["proven"] = [
        attack.proven(tuple(row.right), row.trials) for row in found.itertuples(index=False)
    ]
    found["caught"] = found["proven"] > found["claimed"]
    return found[["target", "family", "noise", "trials", "claimed", "proven", "caught"]]


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """The table as a page shows it."""
    return pd.DataFrame(
        {
            "attacked": found["target"].map(TITLES),
            "family": found["family"].map(style.TITLES),
            "noise / claimed noise": found["noise"].map("{:g}".format),
            "trials in each world": found["trials"].map("{:,}".format),
            "claimed ε": found["claimed"].map("{:g}".format),
            "proven ε, at least": found["proven"].map("{:.2f}".format),
            "caught": found["caught"].map({True: "yes", False: "no"}),
        }
    )


def figure(found: pd.DataFrame) -> Figure:
    """Proven against claimed epsilon: on the line of its claim it is tight, above it false."""
    drawing, axes = style.panels(size=(6.4, 5))
    axis, ends = axes[0, 0], [0.4, 25]
    axis.plot(ends, ends, color="0.8", linewidth=1, zorder=0)
    for number, claimed in enumerate(found["claimed"].unique()):
        # As wide as its marks, which stand side by side: a step of the diagonal.
        sides = claimed * np.exp([-0.36, 0.36])
        label = None if number else "proven = claimed"
        axis.plot(sides, [claimed] * 2, color="0.4", linewidth=1.5, zorder=1, label=label)
    sets = found.groupby(["target", "family"], sort=False)
    for number, ((target, family), own) in enumerate(sets):
        aside = np.exp(0.12 * (number - (len(sets) - 1) / 2))
        for cheats, marks in own.groupby(own["noise"] < 1):
            axis.scatter(
                marks["claimed"] * aside,
                marks["proven"],
                marker=style.MARKERS[family],
                s=60 if target == "step" else 30,
                facecolors="none" if cheats else style.COLOURS[family],
                edgecolors=style.COLOURS[family],
                label=None if cheats else f"{style.TITLES[family]}, {TITLES[target]}",
            )
    control = f"hollow: control, noise × {CHEAT:g}"
    axis.scatter([], [], marker="o", facecolors="none", edgecolors="0.3", label=control)
    axis.set(xscale="log", yscale="log", xlabel="claimed ε", ylabel="proven ε, at least")
    for of_axis in (axis.xaxis, axis.yaxis):
        of_axis.set_ticks([1, 3, 10], labels=["1", "3", "10"])
        of_axis.set_ticks([], minor=True)
    axis.set(xlim=ends, ylim=ends)
    axis.legend(fontsize=8, loc="upper left")
    return drawing
