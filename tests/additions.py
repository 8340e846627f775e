"""What pages show of the committed results, as one hash or text each, printed as JSON.

Run as a script by `test_additions`, because what a module derives from records it derives when it
is imported: with the argument `added`, a family and a metric are added before anything else.
"""

import hashlib
import io
import json
import sys

from chapters import quickstart, yardsticks
from helpers.metrics import records
from helpers.models import families

if sys.argv[1:] == ["added"]:
    extra = {"first": families.Family("First", "#ff0000", "X", families.presets.VAE_PRESETS, "")}
    made_up = {}
    for name, metric in {"aaa": records.METRICS["fid"], "aab": records.METRICS["accuracy"]}.items():
        made_up[name] = records.replace(metric, title=name, authors="")
    for registry, added in ((families.FAMILIES, extra), (records.METRICS, made_up)):
        before = dict(registry)
        registry.clear()
        registry.update(added | before)  # first, where an order would show it

from chapters import criterion, dataset, sizes, table_1
from chapters.criterion import answers, demands
from chapters.criterion import figures as criterion_figures
from chapters.criterion import tables as criterion_tables
from helpers import study
from helpers.models.families import REFERENCES
from helpers.report import figures, scores, style, tables
from helpers.study import results
from helpers.study.cell import LEVELS, MODELS

style.style()
found = results.obtain(study.grid("mnist", [*MODELS, *REFERENCES], LEVELS, [0, 1, 2], "compact"))
named = ["fid", "accuracy", "epsilon_hat", "epsilon_1e-3"]
judged = criterion.judge(["mnist"], "compact")
drawn = {
    "curves": figures.curves(found, named[:3]),
    "ecdf": dataset.ecdf(found, MODELS),
    "trade-off": quickstart.trade_off(found),
    "fronts": criterion_figures.fronts("mnist", judged["mnist"]),
}
shown = {
    "extent": tables.extent(found),
    "summary": tables.summary(found.frame, named),
    "ranking": yardsticks.ranking(
        found.frame[found.frame["arm"].isin(["none", "sgd"])], [*REFERENCES, *MODELS], named[:3]
    ),
    "leaks": tables.leaks(found),
    "answers": dataset.answers(found),
    "table 1": table_1.orders(table_1.ours(found.frame)),
    "basis": criterion_tables.basis(["mnist"], judged),
    "best": criterion_tables.best(judged),
    "agreement": criterion_tables.agreement(judged),
    "advice": demands.advice(judged),
    "criterion": answers.answers(["mnist"], judged),
    "cells": scores.block("mnist", found.frame, 10).cells,
    "sizes": sizes.means(found.frame[found.frame["sigma"] == 0.2], ["noised_parameters", "fid"]),
}


def png(figure) -> str:
    """The hash of a figure's file."""
    figure.savefig(file := io.BytesIO(), format="png")
    return hashlib.sha256(file.getvalue()).hexdigest()


texts = {
    name: some.to_csv() if hasattr(some, "to_csv") else str(some) for name, some in shown.items()
}
print(json.dumps(texts | {name: png(figure) for name, figure in drawn.items()}))
