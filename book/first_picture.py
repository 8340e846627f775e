"""Draw the picture that the book and the README open with, from the collected results."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "notebooks"))

from chapters import front  # noqa: E402
from helpers.report import style  # noqa: E402

if __name__ == "__main__":
    style.style()
    figure = front.strip()
    # Without what changes from run to run, so that the same results give the same bytes.
    out = ROOT / "book" / "_static" / "answer.png"
    figure.savefig(out, dpi=figure.dpi, metadata={"Software": None})
