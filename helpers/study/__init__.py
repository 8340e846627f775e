"""The grid of cells: what it is, where it is kept, how it is computed, what is collected of it."""

from .cell import Cell, grid, guaranteed

__all__ = ["Cell", "grid", "guaranteed"]
