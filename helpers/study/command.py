"""`python -m helpers study`: compute a slice of the grid, or say how far it is."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..data import assets, files
from ..models import presets
from ..models.families import REFERENCES, VARIANTS
from . import status
from .cell import LEVELS, MODELS, SEEDS
from .status import STATES, Plan, Slice, Standing

_DESCRIPTION = (
    "Train and measure the missing cells of a slice of the grid, then collect the results in "
    "data/results; what is collected there already is not missing. A cell is one data set, model, "
    "level of noise and seed. Finished work is kept: stop at any time and run the same command "
    "again, on as many machines as see the same folder. A cell that has failed is named and left "
    "alone until --retry-failed is given or the program changes; one that failed of a full disk, "
    "or for want of memory or a network, is tried again."
)


def add(commands: Any, exit_codes: str) -> None:
    """Add the command and its options to the command line's `commands`."""
    command = commands.add_parser(
        "study",
        help="train and measure a slice of the grid, and collect its results",
        description=_DESCRIPTION,
        epilog=f"{exit_codes} For study, 1 also says that a cell has failed.",
    )
    _add_slice(command.add_argument_group("which cells (default: all of a data set)"))
    how = command.add_argument_group("how to compute")
    how.add_argument(
        "--workers", type=int, default=1, help="processes on this machine, of one thread each"
    )
    how.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="let the workers of this Dask scheduler compute instead, e.g. tcp://host:8786",
    )
    how.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda"),
        help="where to train: auto is cuda if there is one, else cpu; default: auto",
    )
    how.add_argument(
        "--retry-failed", action="store_true", help="try all failed cells again, not only some"
    )
    how.add_argument(
        "--recompute",
        action="store_true",
        help="compute those cells too that are collected in data/results but not in the store",
    )
    ask = command.add_argument_group("only ask")
    only = ask.add_mutually_exclusive_group()
    only.add_argument(
        "--status", action="store_true", help="what is done, running, failed (why) and missing"
    )
    only.add_argument(
        "--dry-run", action="store_true", help="name the cells that would be computed"
    )
    command.add_argument("--json", action="store_true", help="print JSON, for a program to read")
    command.set_defaults(run=study, parser=command)


def _add_slice(group: Any) -> None:
    group.add_argument(
        "--dataset",
        required=True,
        nargs="+",
        metavar="DATASET",
        help="digits, mnist, octmnist, organamnist or bloodmnist",
    )
    models = [*MODELS, *REFERENCES]
    group.add_argument(
        "--models",
        nargs="+",
        default=models,
        metavar="MODEL",
        help=f"{', '.join(MODELS)}, and to compare them with, not trained: other real "
        "images (real), copies of the training images (copies), class means (means); default: all "
        f"these. Variants for one question each: {', '.join(VARIANTS)}",
    )
    group.add_argument(
        "--sigmas",
        nargs="+",
        default=[str(level) for level in LEVELS],
        metavar="SIGMA",
        help="levels of noise: sgd (no clipping), clipped (no noise), or noise multipliers > 0; "
        f"default: {' '.join(map(str, LEVELS))}",
    )
    group.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        default=list(SEEDS),
        metavar="SEED",
        help="default: 0 1 2",
    )
    group.add_argument(
        "--scale", default="compact", help=f"{', '.join(presets.SCALES)}; default: compact"
    )


def study(arguments: argparse.Namespace) -> int:
    """Run a slice of the grid and collect it, or answer a question about it; the exit code."""
    asked = Slice(
        tuple(arguments.dataset),
        tuple(arguments.models),
        tuple(arguments.sigmas),
        tuple(arguments.seeds),
        arguments.scale,
    )
    try:
        return _answer(asked, arguments)
    except (ValueError, OSError, assets.Unavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept: run the same command again", file=sys.stderr)
        return 130


def _answer(asked: Slice, arguments: argparse.Namespace) -> int:
    if arguments.workers < 1:
        arguments.parser.error(f"workers is {arguments.workers}; it must be at least 1")
    try:
        plan = status.plan(asked)
    except ValueError as error:
        arguments.parser.error(str(error))
    in_store = [status.standing(place) for place in plan.places]
    standings = in_store if arguments.recompute else status.with_collected(plan, in_store)
    if arguments.status:
        print(_status_json(standings) if arguments.json else _status(standings))
        return 0
    left = [each for each in standings if each.state != "done"]
    wanted = [each for each in left if arguments.retry_failed or not each.lasting]
    if arguments.dry_run:
        print(_dry_run_json(wanted) if arguments.json else _dry_run(wanted))
        return 0
    if wanted or not status.collected(plan, in_store):
        return _compute(asked, plan, standings, arguments)
    failed = [(_full_name(each), each.detail) for each in left]
    return _report(plan, failed, arguments, peak_memory=0)


def _compute(
    asked: Slice, plan: Plan, standings: Sequence[Standing], arguments: argparse.Namespace
) -> int:
    """Compute what is not done of the slice, collect it and report."""
    from . import execute, results

    cells = asked.cells()  # in the order of the plan
    left = [cell for cell, now in zip(cells, standings, strict=True) if now.state != "done"]
    failed, peak = [], 0
    for outcome in execute.outcomes(
        left,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
        device=arguments.device,
        retry_failed=arguments.retry_failed,
        progress=True,
    ):
        peak = max(peak, outcome.peak_memory)
        if outcome.state != "done":
            failed.append((f"{outcome.cell.dataset} {outcome.cell.name}", outcome.cause))
    for name in asked.datasets:
        results.collect([cell for cell in cells if cell.dataset == name])
    return _report(plan, sorted(failed), arguments, peak_memory=peak)


def _report(
    plan: Plan,
    failed: Sequence[tuple[str, str]],
    arguments: argparse.Namespace,
    *,
    peak_memory: int,
) -> int:
    """Say what has been done; failed cells with their causes, in one line each, on stderr."""
    tables = sorted({str(plan.results / f"{place.dataset}.csv") for place in plan.places})
    n_cells = len(plan.places)
    done = n_cells - len(failed)
    for name, cause in failed:
        print(f"failed: {name}: {' '.join(cause.split())}", file=sys.stderr)
    if arguments.json:
        about = [{"cell": name, "cause": cause} for name, cause in failed]
        content = {"cells": n_cells, "done": done, "failed": about, "tables": tables}
        print(json.dumps(content | {"peak_memory_bytes": peak_memory}, indent=2))
    else:
        memory = f"; peak memory of a worker: {files.megabytes(peak_memory)}" if peak_memory else ""
        print(f"{done} of {n_cells} cells done; results: {', '.join(tables)}{memory}")
    if failed:
        print("try failed cells again with --retry-failed", file=sys.stderr)
    return int(bool(failed))


# Status


def _status(standings: Sequence[Standing]) -> str:
    """A line per data set, model and level; then what runs, what failed, and the time left."""
    lines = [("dataset", "model", "level", *STATES, "roles kept")]
    groups: dict[tuple[str, ...], list[Standing]] = {}
    for each in standings:
        place = each.place
        groups.setdefault((place.dataset, place.model, place.level), []).append(each)
    for group, members in groups.items():
        counts = Counter(each.state for each in members)
        kept = sum(len(each.roles) for each in members if each.state != "done")
        numbers = [str(counts[state] or "-") for state in STATES]
        lines.append((*group, *numbers, str(kept or "-")))
    total = Counter(each.state for each in standings)
    lines.append(("all", "", "", *(str(total[state]) for state in STATES), ""))
    details = [
        f"{each.state}: {_full_name(each)}: {' '.join(each.detail.split())}"
        for each in standings
        if each.state in ("running", "failed")
    ]
    return "\n".join([_aligned(lines), *details, _time_left(standings)])


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns padded to equal widths, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _time_left(standings: Iterable[Standing]) -> str:
    left = status.remaining(standings)
    text = f"about {_duration(left.core_seconds)} of core time left"
    if left.unknown:
        text += f", and more for {', '.join(left.unknown)}: none is finished to estimate it from"
    return text


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _full_name(standing: Standing) -> str:
    return f"{standing.place.dataset} {standing.place.name}"


def _status_json(standings: Sequence[Standing]) -> str:
    left = status.remaining(standings)
    cells = [
        {
            "dataset": each.place.dataset,
            "model": each.place.model,
            "level": each.place.level,
            "seed": each.place.seed,
            "scale": each.place.scale,
            "state": each.state,
            "detail": each.detail,
            "roles": list(each.roles),
        }
        for each in standings
    ]
    counts = Counter(each.state for each in standings)
    content = {
        "cells": cells,
        "counts": {state: counts[state] for state in STATES},
        "core_seconds_left": round(left.core_seconds, 1),
        "no_estimate_for": left.unknown,
    }
    return json.dumps(content, indent=2)


def _dry_run(wanted: Sequence[Standing]) -> str:
    names = [_full_name(each) for each in wanted]
    return "\n".join([*names, f"{len(names)} cells to compute; {_time_left(wanted)}"])


def _dry_run_json(wanted: Sequence[Standing]) -> str:
    left = status.remaining(wanted)
    content = {
        "cells": [_full_name(each) for each in wanted],
        "core_seconds_left": round(left.core_seconds, 1),
        "no_estimate_for": left.unknown,
    }
    return json.dumps(content, indent=2)
