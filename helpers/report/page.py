"""One self-contained page for the owner of private images: answers, numbers and pictures.

Nothing is loaded from elsewhere, and no script runs: images are part of the file.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from .judging import Judged
from .pictures import mosaic
from .verdicts import Answer

_TEMPLATE = Path(__file__).with_name("page.html")
_STRIP = 12  # images of each set that are shown


def html(
    judged: Judged,
    answers: Sequence[Answer],
    pixels: Mapping[str, np.ndarray],
    names: Mapping[str, Sequence[str]],
    *,
    date: str,
    promise: str,
    remarks: Sequence[str],
    facts: Mapping[str, str],
) -> str:
    """The page. `pixels` uint8 [N, S, S] or [N, S, S, 3] and the files' `names` [N], by set.

    `promise` is what a certificate says, "" without one; `facts` stand at the end.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    one = pixels["private"]
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        answers=answers,
        counts=", ".join(f"{len(images):,} {name} images" for name, images in pixels.items()),
        shape=f"{'colour' if one.ndim == 4 else 'grey'}, {one.shape[1]} x {one.shape[2]} pixels",
        date=date,
        promise=promise,
        remarks=remarks,
        strips=[_strip(name, images) for name, images in pixels.items()],
        pairs=_pairs(judged, names),
        least=f"{judged.least:.2f}",
        facts=facts,
    )


def _strip(name: str, images: np.ndarray) -> dict[str, str]:
    rows = np.linspace(0, len(images) - 1, min(_STRIP, len(images))).round().astype(int)
    caption = f"{len(rows)} {name} images, evenly through the folder."
    return {
        "picture": picture(mosaic(images[rows][None])),
        "caption": caption,
        "alt": f"a row of {caption}",
    }


def _pairs(judged: Judged, names: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    return [
        {
            "synthetic": picture(pair.pictures[0]),
            "private": picture(pair.pictures[1]),
            "synthetic_name": names["synthetic"][pair.synthetic],
            "private_name": names["private"][pair.private],
            "score": f"{pair.score:.2f}",
            "mirrored": pair.mirrored,
        }
        for pair in judged.pairs
    ]


def picture(pixels: np.ndarray) -> str:
    """An image uint8 [H, W] or [H, W, 3] as the address of its own PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
