"""The receptive field of the cells of a tensor; ``sites`` computes it for each operation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """The receptive field of a tensor's cells, in pixels of the network's input.

    ``size``: (height, width) of one cell's field.  ``jump``: the distance between the centres of neighbouring fields.
    ``padding``: (height, width) by which the field of cell (0, 0) extends beyond the upper and left border.
    """

    size: tuple[int, int] = (1, 1)
    jump: int = 1
    padding: tuple[int, int] = (0, 0)

    @property
    def centre(self) -> tuple[float, float]:
        """(y, x) of the centre of the field of cell (0, 0)."""
        y, x = ((size - 1) / 2 - padding for size, padding in zip(self.size, self.padding, strict=True))
        return y, x

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) of the field of cell (row, column); it may extend beyond the border."""
        top, left = (cell * self.jump - padding for cell, padding in zip((row, column), self.padding, strict=True))
        return top, left, top + self.size[0], left + self.size[1]
