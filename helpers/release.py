"""`python -m helpers release`: synthetic images of one's own private ones, with a guarantee.

The noise comes from the operating system's cryptographic source and is forgotten: no seed is taken,
kept or printed, and every run is another release, whose cost adds to that of the others: a ledger
beside the images counts them, by their noise alone. Written are images by class, their
probabilities if asked for, and a certificate. Nothing else that was computed from private images
is: no sum, norm, count, or choice of settings by them.
"""

import argparse
import hashlib
import math
import os
import platform
import secrets
import shutil
import sys
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .data import files, folders, sources
from .data.conversion import SIZES
from .models.presets import COMMITTED

_NEAR = 0.02  # root mean square difference of pixels in [0, 1] that looks like one image twice
_UNTOLD = 0.01  # p-value above which classes are said to differ by noise alone
_ALIKE = 0.8  # share of all sums in common, above which the public side is said not to fit
_NOT_TOLD = (
    "what tells the classes of this release apart may be noise alone. The public folder or the "
    "simulator does not fit these images, or they are too few for this epsilon. It is spent"
)
_NO_FIT = (
    "to the public folder or simulator these images look much alike: {:.0%} of what the release "
    "shows is common to all classes. So do images of another kind: look at what was written, and "
    "give public images of the same kind. The epsilon is spent all the same"
)
_LEDGER = ".releases.json"  # hidden, so that it is read as no image
_MECHANISM = (
    "Gaussian noise on the sums, by class, of embeddings of norm at most 1 (float64); one release"
)


def add(commands: Any) -> None:
    """Add the command and its options to the command line's `commands`."""
    command = commands.add_parser(
        "release",
        help="release synthetic images of private ones of your own, with a guarantee",
        description=(
            "One private step, then public images chosen by it. Each run is a release of its own: "
            "two of the same images cost more than one. Read the chapter on guarantees first."
        ),
    )
    command.add_argument(
        "--images", type=Path, required=True, help="private images: one folder for each class"
    )
    command.add_argument(
        "--epsilon", type=float, required=True, help="for one image added or removed"
    )
    command.add_argument("--delta", type=float, default=1e-3, help="default: 0.001")
    public = command.add_mutually_exclusive_group(required=True)
    public.add_argument(
        "--public",
        type=Path,
        help="a folder of 100 or more images of the same kind that anyone may have; these, some "
        "of them warped, are what is written. What its folders are called is not read",
    )
    public.add_argument("--simulator", help="strokes or phantoms, for grey images of 28 pixels")
    command.add_argument(
        "--per-class", type=int, required=True, metavar="N", help="synthetic images of each class"
    )
    command.add_argument("--soft-labels", action="store_true", help="write probabilities beside")
    command.add_argument(
        "--size",
        type=int,
        help=f"pixels a side; default: the public images', to {folders.USUAL}; of a simulator 28",
    )
    command.add_argument("--grey", action="store_true", help="read colour images in grey")
    command.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    command.add_argument(
        "--ledger",
        type=Path,
        help=f"the file that counts releases of the images; default: {_LEDGER} among them. Another "
        "one counts from its own start: then the adding up is yours",
    )
    command.add_argument(
        "--again",
        action="store_true",
        help="release the same images once more: the costs add up, and the certificate says so",
    )
    command.add_argument("--seed", help=argparse.SUPPRESS)
    command.set_defaults(run=release, parser=command)


def release(arguments: argparse.Namespace) -> int:
    """Make a release, or say in one line why not; the exit code."""
    try:
        make(arguments)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _check(asked: argparse.Namespace) -> None:
    """Raise `ValueError` for what can be told before any image is read."""
    if asked.seed is not None:
        raise ValueError(
            "a release takes no seed: whoever knows it subtracts the noise. Leave it out; for "
            "experiments that can be repeated there is `study`"
        )
    if not 0 < asked.epsilon < math.inf:
        raise ValueError(f"epsilon is {asked.epsilon}; it must be finite and > 0, such as 3")
    if not 0 < asked.delta < 1:
        raise ValueError(f"delta is {asked.delta}; it must lie in (0, 1), such as 0.001")
    if asked.per_class < 1:
        raise ValueError(f"--per-class is {asked.per_class}; it must be at least 1")
    if asked.size is not None and asked.size not in SIZES:
        raise ValueError(
            f"--size is {asked.size}; it must be a multiple of 4 from {SIZES[0]} to {SIZES[-1]}"
        )
    if asked.simulator is not None and asked.simulator not in COMMITTED:
        raise ValueError(
            f"simulator {asked.simulator!r} is unknown; allowed: {', '.join(COMMITTED)}"
        )
    for folder in filter(None, (asked.images, asked.public)):
        if not folder.is_dir():
            raise ValueError(f"{folder} is no folder; give one with images")
    if asked.out.exists():
        raise ValueError(
            f"{asked.out} exists already; give a folder that does not, none is replaced"
        )
    if asked.public and asked.public.resolve().is_relative_to(asked.images.resolve()):
        raise ValueError(
            f"--public ({asked.public}) lies in --images; public images must lie apart"
        )


# The ledger


def _spent(asked: argparse.Namespace) -> tuple[Path, list[dict[str, float]]]:
    """The ledger, and what earlier releases of the folder's images cost: sigma, delta each.

    All of the folder count, whatever lay in it then: to look for an image in common would tell of
    it. Raises `ValueError` if there are any and `--again` is not given, or the ledger cannot be
    read or written.
    """
    path = asked.ledger or asked.images / _LEDGER
    releases = files.read_json(path) if path.exists() else []
    try:
        earlier = [{key: float(one[key]) for key in ("sigma", "delta")} for one in releases]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no ledger of releases; give another --ledger") from error
    if earlier and not asked.again:
        from .training.release import guarantee

        cost = guarantee(*(one["sigma"] for one in earlier), delta=asked.delta)
        raise ValueError(
            f"{len(earlier)} release(s) of these images are in {path}: epsilon {cost.epsilon:.3g} "
            f"at delta {asked.delta:g} is spent. With --again one more adds to it, and the "
            "certificate says so"
        )
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not os.access(there, os.W_OK):  # better refused now than after the noise is drawn
        raise ValueError(f"{path} cannot be written: give another --ledger, and keep it")
    return path, earlier


def _record(path: Path, earlier: list[dict[str, float]], sigma: float, delta: float) -> None:
    """Count a release, before anything of it is to be seen."""
    if (files.read_json(path) or []) != earlier:
        raise ValueError(f"{path} has changed meanwhile: another release was made. Run it again")
    files.write_json(path, [*earlier, {"sigma": sigma, "delta": delta}])


# The release


def make(asked: argparse.Namespace, *, noise: Any = None, seed: int | None = None) -> None:
    """Make the release that is asked for, and say what it cost.

    `noise` and `seed` are for pages on public images alone: whoever knows them subtracts the noise.
    Raises `ValueError` for what is wrong, before an image is read where that can be told.
    """
    _check(asked)
    import torch  # what can be refused without it is

    from .models import one_shot
    from .study import host
    from .training import release as private

    ledger, earlier = _spent(asked)
    if asked.simulator:
        size = asked.size or one_shot.COMMITTED_SHAPE[1]
        one_shot.check_committed(asked.simulator, (1, size, size))
    channels, others = 1 if asked.grey else None, None
    if asked.public:  # it says whether images are grey: one private image in colour must not
        size = asked.size or folders.usual_side(asked.public)
        others = folders.read_unlabelled(asked.public, size=size, channels=channels)
        channels = 3 if others.ndim == 4 else 1
    pixels, labels, classes = folders.read_classes(asked.images, size=size, channels=channels)
    images, labels = sources.from_bytes(pixels), torch.from_numpy(labels)
    with host.one_thread():
        public, told = _public_side(asked, pixels, others)
        if asked.public and channels == 1 and not asked.grey:
            print(f"{asked.public} is grey, so all images are read in grey", file=sys.stderr)
        sigma = private.noise_multiplier_for(asked.epsilon, delta=asked.delta)
        sums = private.noisy_sums(
            public.encoder.embed_exactly(images),
            labels,
            classes=len(classes),
            sigma=sigma,
            noise=noise or private.system_normal,
        )
        # From here on nothing reads a private image.
        fit = private.fit_of(sums, sigma)
        if fit.p_value > _UNTOLD:
            warnings.warn(_NOT_TOLD, stacklevel=2)
        elif fit.common > _ALIKE:
            warnings.warn(_NO_FIT.format(fit.common), stacklevel=2)
        drawn = torch.Generator().manual_seed(secrets.randbits(63) if seed is None else seed)
        counts, decoder = [asked.per_class] * len(classes), one_shot.Decoder()
        rows = one_shot.choose(sums, sigma, public, counts, decoder=decoder, generator=drawn)
        odds = one_shot.probabilities(sums, sigma, public, decoder)[rows]
    certificate = _certificate(asked, private.guarantee(sigma, delta=asked.delta), classes, told)
    together = private.guarantee(
        *(one["sigma"] for one in earlier), certificate["sigma"], delta=asked.delta
    )
    if earlier:
        certificate["with earlier releases of the same images"] = {
            "earlier sigmas": [one["sigma"] for one in earlier],
            "epsilon": _epsilons(together),
            "delta": together.delta,
        }
    _record(ledger, earlier, sigma, asked.delta)
    chosen = sources.to_bytes(public.images[rows] / 255)
    _write(asked.out, chosen, classes, odds.numpy() if asked.soft_labels else None, certificate)
    _say(asked, certificate, len(classes), ledger, len(earlier) + 1, together)


def _say(
    asked: argparse.Namespace,
    certificate: dict[str, Any],
    classes: int,
    ledger: Path,
    count: int,
    together: Any,
) -> None:
    """Say what was written, what it cost, and what all `count` releases cost together."""
    print(
        f"{asked.out}: {asked.per_class} images of each of {classes} classes, epsilon "
        f"{certificate['epsilon']['one record added or removed']:.3g} (one record replaced: "
        f"{certificate['epsilon']['one record replaced']:.3g}) at delta {asked.delta:g}"
    )
    print(
        f"{ledger}: {count} release(s) of these images, epsilon {together.epsilon:.3g} "
        f"at delta {asked.delta:g} together; if you copy the images, copy it with them"
    )
    if asked.public:
        print(
            "The images shown are those of the public folder, or warped copies: their licence and "
            "the privacy of those they show are not covered by the guarantee"
        )


def _public_side(
    asked: argparse.Namespace, private: np.ndarray, images: np.ndarray | None
) -> tuple[Any, dict[str, Any]]:
    """The public side, of the images of a folder if they are given, and what the certificate tells
    of it."""
    from .models import one_shot

    if images is None:
        shape = (3 if private.ndim == 4 else 1, *private.shape[1:3])
        if private.ndim == 4:
            raise ValueError(
                f"the images are in colour, and the simulator {asked.simulator} draws those of 1 "
                "channel, not 3: --grey reads them in grey, --public takes a folder in colour"
            )
        encoder = one_shot.COMMITTED[asked.simulator]
        told = {"simulator": asked.simulator, "encoder": encoder, "images shown": "simulated"}
        return one_shot.simulated(asked.simulator, shape), told
    from .training import encoder as encoders

    check_apart(private, images)
    told = {
        "folder": hashlib.sha256(images.tobytes()).hexdigest(),
        "images": len(images),
        "images shown": (
            "the folder's own, or warped copies: their licence and the privacy of those they show "
            "are not covered"
        ),
    }
    return encoders.of_folder(sources.channels_first(images)), told


def check_apart(private: np.ndarray, public: np.ndarray) -> None:
    """Raise `ValueError` if an image is in both, uint8 [n, S, S(, 3)]; warn of near ones.

    An image on both sides would be released without any noise.
    """
    known = {hashlib.sha256(image.tobytes()).digest() for image in public}
    if any(hashlib.sha256(image.tobytes()).digest() in known for image in private):
        raise ValueError(
            "the public folder holds images of the private one: remove them from it, and whatever "
            "else shows the same people or things"
        )
    flat, others = (part.reshape(len(part), -1) / np.float32(255) for part in (private, public))
    lengths = np.einsum("ij,ij->i", others, others)
    for part in np.array_split(flat, len(flat) // 500 + 1):
        apart = lengths - 2 * part @ others.T + np.einsum("ij,ij->i", part, part)[:, None]
        if apart.min() < _NEAR**2 * flat.shape[1]:
            warnings.warn(
                "the public folder holds near-duplicates of private images; what it shows of them "
                "is not protected",
                stacklevel=2,
            )
            return


def _certificate(
    asked: argparse.Namespace, guarantee: Any, classes: Sequence[str], told: dict[str, Any]
) -> dict[str, Any]:
    packages = {name: metadata.version(name) for name in ("torch", "numpy", "scipy")}
    return {
        "mechanism": _MECHANISM,
        "sensitivity": {"one record added or removed": 1, "one record replaced": 2},
        "sigma": guarantee.sigma,
        "delta": guarantee.delta,
        "epsilon": _epsilons(guarantee),
        "advantage of the best attacker": guarantee.advantage,
        "unit of privacy": "one image; a person with m of them has sensitivity m",
        "composition": "each further release of the same images adds 1 / sigma^2 to this one's",
        "public": {"classes": list(classes), **told},
        "images per class": asked.per_class,
        "noise": "the operating system's cryptographic source, double precision; no seed",
        "versions": packages | {"python": platform.python_version()},
    }


def _epsilons(cost: Any) -> dict[str, float]:
    return {
        "one record added or removed": cost.epsilon,
        "one record replaced": cost.epsilon_replaced,
    }


def _write(
    out: Path,
    images: np.ndarray,
    classes: Sequence[str],
    odds: np.ndarray | None,
    certificate: dict[str, Any],
) -> None:
    """Everything, in a folder that takes its name when it is whole."""
    each = len(images) // len(classes)
    fresh = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        names = []
        for place, image in enumerate(images):
            name = f"{classes[place // each]}/{place % each + 1:05d}.png"
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(fresh / name)
            names.append(name)
        if odds is not None:
            lines = [",".join(("image", *(f'"{c}"' for c in classes)))]
            lines += [
                f'"{name}",' + ",".join(f"{p:.4g}" for p in row)
                for name, row in zip(names, odds, strict=True)
            ]
            (fresh / "probabilities.csv").write_text("\n".join(lines) + "\n")
        files.write_json(fresh / "certificate.json", certificate)
        fresh.rename(out)
    except OSError as error:
        raise files.unwritable(out, error, images.nbytes) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
