"""``Field``: the receptive field of the cells of a tensor, and how each operation widens it.

Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks" (Distill, 2019).  Height
and width are separate, because a 1x7 kernel widens only one of them.  ``sites`` computes the field of every site.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def behind_window(self, kernel: tuple[int, int], stride: int, border: tuple[int, int]) -> Field:
        """The field of the outputs of a convolution or pool over these cells.

        ``border``: the cells of padding above and to the left.

        >>> Field().behind_window((3, 3), 2, (0, 0)).behind_window((1, 7), 1, (0, 3))
        Field(size=(3, 15), jump=2, padding=(0, 6))
        """
        return Field(
            (self.size[0] + (kernel[0] - 1) * self.jump, self.size[1] + (kernel[1] - 1) * self.jump),
            self.jump * stride,
            (self.padding[0] + border[0] * self.jump, self.padding[1] + border[1] * self.jump),
        )

    def of_grid(self, grid: tuple[int, int]) -> Field:
        """The field of all cells of a grid (height, width) together."""
        height, width = grid
        size = self.size[0] + (height - 1) * self.jump, self.size[1] + (width - 1) * self.jump
        return Field(size, self.jump, self.padding)


def largest(fields: Sequence[Field]) -> Field:
    """The largest of the fields that a concatenation joins."""
    size = max(field.size[0] for field in fields), max(field.size[1] for field in fields)
    padding = max(field.padding[0] for field in fields), max(field.padding[1] for field in fields)
    return Field(size, fields[0].jump, padding)
