"""What each corrected defect of the authors' code, D1 to D21, changes in numbers.

Every row has a function that measures it: from the collected results, from a closed form, or from
a seeded simulation of seconds; what is empty could not be measured. The numbers are collected in
`effects.json` beside the results they are of, and read from there as long as nothing that decides
them has changed. `words` writes them. The page "What we changed" quotes them.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import HTML

from chapters import benchmarks
from helpers.data import files
from helpers.study import host
from helpers.study.collected import root as results_root

from ..ledger import text_table
from . import cells, measures, training
from .cells import Study, collected, gather
from .words import WORDS, text_of

__all__ = ["EFFECTS", "SECTIONS", "Study", "collect", "collected", "gather", "obtain", "shown"]

VERSION = 1  # raise when a number changes for a reason outside this folder: see `key`
EFFECTS: dict[str, Callable[[Study], dict[str, Any]]] = {  # by row: "D1" is measured by `d1`
    effect.__name__.upper(): effect
    for effect in sorted(
        (*training.EFFECTS, *measures.EFFECTS), key=lambda effect: int(effect.__name__[1:])
    )
}
SECTIONS = {
    "accounting": ("D1", "D6", "D7", "D8"),
    "training": ("D2", "D3", "D4", "D5", "D20"),
    "privacy": ("D9", "D10", "D11", "D12", "D13", "D14"),
    "fidelity": ("D15", "D16", "D17"),
    "utility": ("D18", "D19", "D21"),
}


def measured(study: Study) -> dict[str, Any]:
    """Every number by its name in `WORDS`, e.g. "D15 models", measured now: half a minute."""
    with host.one_thread():
        return {
            f"{row} {name}": found
            for row, effect in EFFECTS.items()
            for name, found in effect(study).items()
        }


def key(study: Study) -> str:
    """Changes with what decides the numbers: results, their arrays, and the code in this folder.

    Of the code, white space aside, that of `cells`, `measures` and `training`; what these call
    elsewhere counts by `VERSION` alone, and a test measures all numbers again.
    """
    sources = [Path(module.__file__).read_text() for module in (cells, measures, training)]
    arrays = {
        f"{name}/{kept}": files.file_hash(result.folder / f"{kept}.npz")
        for name, result in study.found.items()
        for kept in ("reference", *(cell.name for cell in result.cells))
    }
    benchmark = benchmarks.bars("sampling")["value"].to_dict()  # of D20
    code = ["".join(source.split()) for source in sources]
    values = [study.wide.to_csv(), len(study.frame)]
    return files.content_hash(VERSION, code, values, arrays, benchmark)


def obtain(study: Study | None = None, scale: str = "compact") -> dict[str, Any]:
    """Every number by its name: as collected if that is current, else measured now and kept.

    `study` is what is collected at the scale, if it has been read already. Raises `ValueError` if
    the collected file cannot be read.
    """
    study = collected(scale) if study is None else study
    path, now = path_of(scale), key(study)
    kept = files.read_json(path)
    if kept is None or kept["key"] != now:
        with files.atomic(path, "w") as file:  # in the order of the page
            json.dump({"key": now, "numbers": measured(study)}, file, indent=1)
            file.write("\n")
        kept = files.read_json(path)
    return {name: kept["numbers"][name] for name in WORDS}


def path_of(scale: str = "compact") -> Path:
    """Where the numbers of a scale are collected."""
    return results_root(scale) / "effects.json"


def collect() -> Path:
    """Bring the collected numbers up to date; their file."""
    obtain()
    return path_of()


def glue_name(name: str) -> str:
    """The name under which the page quotes a number: "D15 models" -> "effect_d15_models"."""
    return "effect_" + name.lower().replace(" ", "_")


def texts(numbers: dict[str, Any]) -> dict[str, str]:
    """The numbers in words, by name."""
    return {name: text_of(name, found) for name, found in numbers.items()}


def table(numbers: dict[str, Any], section: str) -> pd.DataFrame:
    """One row per number of a section: defect, what is measured, effect."""
    rows = [
        {"row": row, "what": WORDS[name].what.replace("`", ""), "effect": text}
        for row in SECTIONS[section]
        for name, text in texts(numbers).items()
        if name.split()[0] == row
    ]
    return pd.DataFrame(rows)


def shown(numbers: dict[str, Any], section: str) -> HTML:
    """The same with lines that wrap."""
    return text_table(table(numbers, section), f"effects{section}", (8, 42, 50))
