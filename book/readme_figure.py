"""Take the README's figure out of the executed MNIST chapter."""

import base64
from pathlib import Path

import nbformat

BOOK = Path(__file__).resolve().parent
FIGURE = "fig-mnist-curves"


def figure() -> bytes:
    """The PNG of the figure named `FIGURE`."""
    notebook = nbformat.read(BOOK.parent / "notebooks" / "mnist.ipynb", as_version=4)
    [cell] = [
        cell
        for cell in notebook.cells
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == FIGURE
    ]
    [image] = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
    return base64.b64decode(image)


if __name__ == "__main__":
    (BOOK / "_static" / "mnist-curves.png").write_bytes(figure())
