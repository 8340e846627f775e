"""Stored benchmarks as tables and a figure: bars that must hold, and ratios to named rivals."""

import json
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from helpers.report.style import TITLES, panels

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
RIVALS = {"opacus hooks": "Opacus, hooks", "opacus ghost": "Opacus, ghost clipping"}


def stored(name: str) -> dict:
    """A stored benchmark; `FileNotFoundError` if `make bench` never ran."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"benchmarks/results/{name}.json is missing; run `make bench`")
    return json.loads(path.read_text())


def bars(name: str) -> pd.DataFrame:
    """The bars of a stored benchmark: what was measured, the value, the bar and whether it holds.

    Raises `FileNotFoundError` if `make bench` never ran.
    """
    found = stored(name)
    table = pd.DataFrame(found["bars"])[["name", "value", "bar", "holds"]]
    table["name"] = table["name"].str.replace("fd_lite0", "Fréchet distance (Lite0)")
    table["bar"] = table["bar"].str.replace("<=", "≤").str.replace(">=", "≥")
    table["holds"] = table["holds"].map({True: "yes", False: "no"})
    host = found["host"]
    return table.set_index("name").rename_axis(f"{host['processor']}, {found['date']}")


def ratios(scale: str) -> pd.DataFrame:
    """By what is computed and the rival: the core time that the rival takes, over ours.

    Of the private step what was measured at the scale "compact" or "paper"; the rest is compact.
    """
    rows = []
    for one in stored("dp_step")["measured"]:
        what = f"private step, {TITLES[one['model']]}, threads: {one['threads']}"
        rows += [
            (what, rival, one[f"{name} / ours"]["cpu"])
            for name, rival in RIVALS.items()
            if one["scale"] == scale and f"{name} / ours" in one
        ]
    for one in stored("training")["measured"]:
        what = f"training, {TITLES[one['model']]}, {one['steps']} steps"
        rows.append((what, "Opacus, hooks (extrapolated)", one["Opacus hooks / ours"]))
    for one in stored("paper_scale")["measured"]:
        if ratio := one.get("dp, one by one / ours"):
            what = f"step at the authors' widths, {TITLES[one['model']]}"
            rows.append((what, "upsampling and convolution one by one", ratio))
    speed = stored("fidelity")["features"]["images_per_core_second"]
    rows.append(("Inception features", "torch-fidelity", speed["ours"] / speed["rival"]))
    sampled = stored("sampling")["measured"]
    slow, fast = (sum(one[way]["core_seconds"] for one in sampled) for way in ("ancestral", "ddim"))
    rows.append(("1,000 DDPM images", "ancestral sampling, same weights", slow / fast))
    table = pd.DataFrame(rows, columns=["what", "rival", "rival's time / ours"])
    return table.set_index(["what", "rival"]).round(2)


def paper_scale() -> pd.DataFrame:
    """By model: what a training at the authors' widths and length takes on one core, in each arm.

    Hours are extrapolated from the seconds of a step; the noise is part of the steps with noise.
    """
    found = pd.DataFrame(stored("paper_scale")["measured"]).set_index("model")
    columns = {
        "sgd, core_seconds a step": "seconds a step, no noise",
        "sgd, extrapolated core_hours": "core-hours, no noise",
        "dp, core_seconds a step": "seconds a step, noise",
        "dp, extrapolated core_hours": "core-hours, noise",
        "noise core_seconds": "seconds of noise",
        "peak GB": "peak memory, GB",
        "state MB": "kept state, MB",
    }
    return found.rename(index=TITLES, columns=columns)[list(columns.values())]


def figure(table: pd.DataFrame) -> Figure:
    """The ratios on a logarithmic axis; right of 1 the rival takes longer."""
    drawn, ((axis,),) = panels(size=(8.6, 0.27 * len(table) + 0.8))
    values = table["rival's time / ours"]
    axis.plot(values, range(len(table)), "o", color="tab:blue")
    axis.axvline(1, color="0.3", linewidth=1)
    axis.set_yticks(range(len(table)), [f"{what}: {rival}" for what, rival in table.index])
    axis.tick_params(axis="y", labelsize=8)
    ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20) if tick <= 2 * values.max()]
    axis.set(xscale="log", xlabel="the rival's core time over ours", ylim=(len(table) - 0.5, -0.5))
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    return drawn
