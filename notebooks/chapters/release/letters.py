"""Letters of fonts: the stand-in on which every option is chosen, and a folder without digits.

Glyphs of the fonts that matplotlib ships, in Latin, Greek and Cyrillic and some signs, but for
those that look like a digit; each turned, stretched and warped, then set in MNIST's layout.
"""

from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from helpers.data import files, places
from helpers.randomness import generator as stream
from helpers.training.encoder import augmented

LETTERS = (
    "ABCDEFGHJKLMNPQRTUVWXYabcdefghjkmnpqrtuvwxy"
    "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμνξπρστφχψω"
    "БДЖИЙЛЦЧШЭЮЯбвджийлцчшэюя&@#%?{}+=*"
)
_SIZE, _EM = 96, 56  # of the canvas and the font, before the layout
_BOX, _FRAME = 20, 28
_VERSION = 1


def images(per_letter: int, seed: int, letters: str = LETTERS) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, 1, 28, 28] and the number of each one's letter [N], kept in the store."""
    key = files.content_hash(_VERSION, letters, per_letter, seed)
    path = places.root() / "runs" / "public" / f"letters-{key}.npz"
    kept = files.memo(path, lambda: _drawn(letters, per_letter, seed))
    return torch.from_numpy(kept["images"]), torch.from_numpy(kept["labels"])


def _drawn(letters: str, per_letter: int, seed: int) -> dict[str, np.ndarray]:
    fonts, drawn = _fonts(), stream(seed, "letters")
    labels = torch.arange(len(letters)).repeat_interleave(per_letter)
    which = torch.randint(len(fonts), (len(labels),), generator=drawn).tolist()
    glyphs = [
        _glyph(letters[label], fonts[font])
        for label, font in zip(labels.tolist(), which, strict=True)
    ]
    plain = torch.stack([torch.tensor(glyph) for glyph in glyphs])[:, None] / 255
    moved = torch.cat([augmented(part, generator=drawn) for part in plain.split(200)])
    laid = [layout(image) for image in ((moved - 0.25) / 0.6).clamp(0, 1)[:, 0].numpy()]
    there = np.array([image.any() for image in laid])
    return {"images": np.stack(laid)[there][:, None], "labels": labels.numpy()[there]}


def _fonts() -> list[ImageFont.FreeTypeFont]:
    """Matplotlib's fonts that have letters of all three alphabets."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = (ImageFont.truetype(path, _EM) for path in sorted(folder.glob("*.ttf")))
    return [font for font in fonts if all(_has(font, letter) for letter in "AΩЖ")]


def _has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    """Whether the font draws the letter otherwise than a sign that does not exist."""
    return not np.array_equal(_glyph(letter, font), _glyph("\U0010ffff", font))


def _glyph(letter: str, font: ImageFont.FreeTypeFont) -> np.ndarray:
    canvas = Image.new("L", (_SIZE, _SIZE), 0)
    ImageDraw.Draw(canvas).text((_SIZE / 2, _SIZE / 2), letter, fill=255, font=font, anchor="mm")
    return np.asarray(canvas)


def layout(image: np.ndarray) -> np.ndarray:
    """Ink in a box of 20 of 28 pixels, its centre of mass in the middle, as MNIST's is."""
    rows, columns = (np.flatnonzero((image > 0.3).any(axis)) for axis in (1, 0))
    frame = np.zeros((_FRAME, _FRAME), np.uint8)
    if len(rows) < 2 or len(columns) < 2:
        return frame
    ink = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _BOX / max(ink.shape)
    width, height = (max(1, round(side * scale)) for side in ink.shape[::-1])
    small = Image.fromarray((255 * ink).astype(np.uint8)).resize((width, height), Image.BOX)
    small = np.asarray(small)
    mass = small.sum() + 1e-6
    top, left = (
        int(np.clip(round(_FRAME / 2 - (part @ (np.arange(n) + 0.5)) / mass), 0, _FRAME - n))
        for part, n in ((small.sum(1), height), (small.sum(0), width))
    )
    frame[top : top + height, left : left + width] = small
    return frame


def laid_out(images: Tensor) -> Tensor:
    """Digits [N, 1, S, S] in the simulator's published layout, each for itself."""
    large = F.interpolate(images, size=(96, 96), mode="bilinear")[:, 0].clamp(0, 1)
    laid = np.stack([layout(image) for image in large.numpy()])
    return torch.from_numpy(laid)[:, None].float() / 255
