"""`python -m helpers study`: compute a slice of the grid, or say how far it is."""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data import assets, datasets, files, places
from ..metrics.evaluation import MEASURES, ON_DEMAND
from ..models.families import FAMILIES, REFERENCES, VARIANTS
from ..models.presets import SCALES
from . import collected, status
from .cell import LEVELS, MODELS, SEEDS, Cell, grid
from .status import STATES, Images, Standing

_DESCRIPTION = (
    "Train and measure the missing cells of a slice of the grid, then collect the results in "
    "data/results; what is collected there already is not missing. A cell is one data set, model, "
    "level of noise and seed. Finished work is kept: stop at any time and run the same command "
    "again, on as many machines as see the same folder. A cell that has failed is named and left "
    "alone until --retry-failed is given or the program changes; one that failed of a full disk, "
    "or for want of memory or a network, is tried again."
)


def add(commands: Any) -> None:
    """Add the command and its options to the command line's `commands`."""
    command = commands.add_parser(
        "study",
        help="train and measure a slice of the grid, and collect its results",
        description=_DESCRIPTION,
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
        help="where networks run: auto is cuda if there is one, else cpu; default: auto",
    )
    how.add_argument(
        "--train-only",
        action="store_true",
        help="measure nothing, as on a machine with torch, numpy and scipy alone; the same command "
        "without this measures what is trained, there or where data/runs is copied to",
    )
    how.add_argument(
        "--retry-failed", action="store_true", help="try all failed cells again, not only some"
    )
    how.add_argument(
        "--recompute",
        action="store_true",
        help="compute those cells too that are collected in data/results but not in the store",
    )
    how.add_argument(
        "--measures",
        nargs="+",
        default=[],
        choices=list(MEASURES),
        metavar="MEASURE",
        help="take these alone, of collected cells too; what else a cell holds stays. "
        f"Of {', '.join(MEASURES)}; default: all but {', '.join(ON_DEMAND)}",
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
        help=f"{', '.join(datasets.DATASETS)}, or one of your own: its name in $NFL_DATA or "
        "data/raw, or the folder of its class folders. Results of your own stay in data/runs",
    )
    references = ", ".join(f"{title} ({name})" for name, title in REFERENCES.items())
    group.add_argument(
        "--models",
        nargs="+",
        metavar="MODEL",
        help=f"{', '.join(FAMILIES)}; to compare with, not trained: {references}; default: "
        f"{' '.join([*MODELS, *REFERENCES])}. For one question each: {', '.join(VARIANTS)}",
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
    group.add_argument("--scale", default="compact", help=f"{', '.join(SCALES)}; default: compact")


def study(arguments: argparse.Namespace) -> int:
    """Run a slice of the grid and collect it, or answer a question about it; the exit code."""
    try:
        return _answer(arguments)
    except (ValueError, OSError, assets.Unavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        needs = "install requirements.txt, or train alone, in one process: --train-only"
        print(f"error: {error}; {needs}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept: run the same command again", file=sys.stderr)
        return 130


def _answer(arguments: argparse.Namespace) -> int:
    if arguments.workers < 1:
        arguments.parser.error(f"workers is {arguments.workers}; it must be at least 1")
    arguments.dataset = [_named(name) for name in arguments.dataset]
    cells = _cells(arguments)
    found = _images(arguments, fetch=False)
    standings = _standings(cells, found, arguments)
    if arguments.status:
        print((_status_json if arguments.json else _status)(standings, found, arguments.measures))
        return 0
    if arguments.dry_run:
        wanted = [each for each in standings if _wanted(each, arguments)]
        print((_dry_run_json if arguments.json else _dry_run)(wanted, found, arguments.measures))
        return 0
    if any(_wanted(each, arguments) for each in standings):
        found = _images(arguments, fetch=True)
        standings = _standings(cells, found, arguments)
    in_store = status.standings(cells, found, arguments.measures)
    collected_now = arguments.train_only or status.is_collected(in_store, found)
    if any(_wanted(each, arguments) for each in standings) or not collected_now:
        return _compute(standings, found, arguments)
    failed = [(each.cell.full_name, each.detail) for each in standings if each.lasting]
    return _report(cells, found, failed, arguments, peak_memory=0)


def _named(dataset: str) -> str:
    """The name of a data set, which may be given as a folder of one's own.

    The folder it lies in then is this process's, and its workers', $NFL_DATA.
    """
    folder = Path(dataset).expanduser()
    if os.sep not in dataset and not dataset.startswith("~"):
        return dataset
    if not folder.is_dir():
        raise ValueError(f"{dataset} is no folder; give one with a folder of images for each class")
    folder, given = folder.resolve(), places.given()
    if given and given.resolve() != folder.parent:
        raise ValueError(
            f"{folder} does not lie in NFL_DATA ({given}): unset NFL_DATA, or move the folder there"
        )
    if folder.name in datasets.DATASETS or not folder.name.replace("_", "").isalnum():
        raise ValueError(
            f"{folder}: results are kept by the folder's name, which must be letters, digits and _ "
            "and not that of a known data set. Rename it"
        )
    os.environ["NFL_DATA"] = str(folder.parent)
    return folder.name


def _cells(arguments: argparse.Namespace) -> list[Cell]:
    axes = arguments.sigmas, arguments.seeds, arguments.scale
    models = {name: arguments.models or _default_models(name) for name in arguments.dataset}
    try:
        return sorted({cell for name in models for cell in grid(name, models[name], *axes)})
    except ValueError as error:
        arguments.parser.error(str(error))


def _default_models(name: str) -> list[str]:
    """The three models and all references; `real` only where there are real images to spare."""
    models = [*MODELS, *REFERENCES]
    if name in datasets.DATASETS or not datasets.ready(name):
        return models
    if datasets.about(name).public_per_class >= 100:  # known without reading the images
        return models
    fewest = [min(datasets.load(name).counts(split)) for split in datasets.SPLITS]
    return models if datasets.has_others(*fewest) else [m for m in models if m != "real"]


def _images(arguments: argparse.Namespace, *, fetch: bool) -> dict[str, Images]:
    """The images that are spoken of, by data set; wrong usage if there is none of a name."""
    found = {}
    for name in dict.fromkeys(arguments.dataset):
        try:
            found[name] = status.images(name, arguments.scale, fetch=fetch)
        except ValueError as error:
            if name in datasets.DATASETS or datasets.ready(name):
                raise
            arguments.parser.error(str(error))
    return found


def _standings(
    cells: Sequence[Cell], found: Mapping[str, Images], arguments: argparse.Namespace
) -> list[Standing]:
    in_store = status.standings(cells, found, arguments.measures)
    if arguments.recompute:
        return in_store
    return status.with_collected(in_store, found, arguments.measures)


def _wanted(standing: Standing, arguments: argparse.Namespace) -> bool:
    """Whether a run would compute the cell."""
    needed = standing.cell.roles_for(arguments.measures or MEASURES)
    if arguments.train_only and set(needed) <= set(standing.roles):
        return False
    return standing.state != "done" and (arguments.retry_failed or not standing.lasting)


def _compute(
    standings: Sequence[Standing], found: Mapping[str, Images], arguments: argparse.Namespace
) -> int:
    """Say on which images, compute what is not done of the slice, collect it and report."""
    from . import execute

    for images in found.values():
        print(f"images of {images}", file=sys.stderr)
        note = datasets.about(images.dataset).note
        if note and images.dataset not in datasets.DATASETS:
            print(f"{images.dataset}: {note}", file=sys.stderr)
    cells = [each.cell for each in standings]
    failed, peak = [], 0
    for outcome in execute.outcomes(
        [each.cell for each in standings if each.state != "done"],
        workers=arguments.workers,
        scheduler=arguments.scheduler,
        device=arguments.device,
        measures=arguments.measures,
        train_only=arguments.train_only,
        retry_failed=arguments.retry_failed,
        progress=True,
    ):
        peak = max(peak, outcome.peak_memory)
        if outcome.state not in ("done", "trained"):
            failed.append((outcome.cell.full_name, outcome.cause))
    for name in [] if arguments.train_only else found:
        from . import results

        results.collect([cell for cell in cells if cell.dataset == name])
    return _report(cells, found, sorted(failed), arguments, peak_memory=peak)


def _report(
    cells: Sequence[Cell],
    found: Mapping[str, Images],
    failed: Sequence[tuple[str, str]],
    arguments: argparse.Namespace,
    *,
    peak_memory: int,
) -> int:
    """Say what has been done; failed cells with their causes, in one line each, on stderr."""
    roots = {name: collected.root(arguments.scale, name) for name in found}
    tables = sorted(
        str(collected.read(roots[name], name, images.checksum).table)
        for name, images in found.items()
    )
    done = len(cells) - len(failed)
    for name, cause in failed:
        print(f"failed: {name}: {' '.join(cause.split())}", file=sys.stderr)
    if arguments.json:
        about = [{"cell": name, "cause": cause} for name, cause in failed]
        content = {"cells": len(cells), "done": done, "failed": about, "tables": tables}
        print(json.dumps(content | {"peak_memory_bytes": peak_memory}, indent=2))
    else:
        memory = f"; peak memory of a worker: {files.megabytes(peak_memory)}" if peak_memory else ""
        results = f"done; results: {', '.join(tables)}"
        what = "trained, not measured" if arguments.train_only else results
        print(f"{done} of {len(cells)} cells {what}{memory}")
    if failed:
        print("try failed cells again with --retry-failed", file=sys.stderr)
    return int(bool(failed))


# Status


def _status(
    standings: Sequence[Standing], found: Mapping[str, Images], measures: Sequence[str]
) -> str:
    """The images; a line per data set, model and level; what runs, what failed, the time left."""
    lines = [("dataset", "model", "level", *STATES, "roles kept")]
    groups: dict[tuple[str, ...], list[Standing]] = {}
    for each in standings:
        groups.setdefault((each.cell.dataset, each.cell.model, each.cell.level), []).append(each)
    for group, members in groups.items():
        counts = Counter(each.state for each in members)
        kept = sum(len(each.roles) for each in members if each.state != "done")
        numbers = [str(counts[state] or "-") for state in STATES]
        lines.append((*group, *numbers, str(kept or "-")))
    total = Counter(each.state for each in standings)
    lines.append(("all", "", "", *(str(total[state]) for state in STATES), ""))
    details = [
        f"{each.state}: {each.cell.full_name}: {' '.join(each.detail.split())}"
        for each in standings
        if each.detail not in ("", "collected")
    ]
    about = [f"images of {images}" for images in found.values()]
    left = _time_left(standings, measures)
    return "\n".join([*about, aligned(lines, numbers_from=3), *details, left])


def aligned(lines: Sequence[Sequence[str]], numbers_from: int = 99) -> str:
    """Lines of cells with columns padded to equal widths; from a column on to the right."""
    n_columns = max(map(len, lines))
    widths = [max(len(line[c]) for line in lines if c < len(line)) for c in range(n_columns)]
    padded = (
        "  ".join(
            cell.rjust(width) if column >= numbers_from else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=False))
        )
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def _time_left(standings: Iterable[Standing], measures: Sequence[str]) -> str:
    left, work = status.remaining(standings, measures), "training" if measures else "core"
    known = f"about {status.duration(left.core_seconds)} of {work} time left"
    why = f"for {', '.join(left.unknown)}: none is finished to estimate it from"
    if left.core_seconds and left.unknown:
        return f"{known}, and more {why}"
    return f"{work} time left is not known {why}" if left.unknown else known


def _status_json(
    standings: Sequence[Standing], found: Mapping[str, Images], measures: Sequence[str]
) -> str:
    cells = [
        {
            "dataset": each.cell.dataset,
            "model": each.cell.model,
            "level": each.cell.level,
            "seed": each.cell.seed,
            "scale": each.cell.scale,
            "state": each.state,
            "detail": each.detail,
            "roles": list(each.roles),
        }
        for each in standings
    ]
    counts = Counter(each.state for each in standings)
    content = {"cells": cells, "counts": {state: counts[state] for state in STATES}}
    return json.dumps(content | _left_json(standings, found, measures), indent=2)


def _left_json(
    standings: Iterable[Standing], found: Mapping[str, Images], measures: Sequence[str]
) -> dict[str, Any]:
    left = status.remaining(standings, measures)
    return {
        "images": [images._asdict() for images in found.values()],
        "core_seconds_left": round(left.core_seconds, 1),
        "no_estimate_for": left.unknown,
    }


def _dry_run(
    wanted: Sequence[Standing], found: Mapping[str, Images], measures: Sequence[str]
) -> str:
    names = [each.cell.full_name for each in wanted]
    about = [f"images of {images}" for images in found.values()]
    left = _time_left(wanted, measures)
    return "\n".join([*about, *names, f"{len(names)} cells to compute; {left}"])


def _dry_run_json(
    wanted: Sequence[Standing], found: Mapping[str, Images], measures: Sequence[str]
) -> str:
    names = [each.cell.full_name for each in wanted]
    return json.dumps({"cells": names} | _left_json(wanted, found, measures), indent=2)
