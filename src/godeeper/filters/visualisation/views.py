"""Random views of a picture, so that the result of the ascent does not depend on exact position, scale and angle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SCALES = (0.9, 1.1)
ANGLE = np.pi / 24  # the largest rotation in radians, in both directions


@dataclass(frozen=True)
class View:
    """A square of ``side`` x ``side`` pixels, cut out of a periodic picture of ``size`` x ``size`` by bilinear interpolation.

    ``corner``: (row, column) before rotation and scaling.  ``scale``: picture pixels per view pixel.  ``angle``: in radians.
    """

    size: int
    side: int
    corner: tuple[int, int]
    scale: float
    angle: float

    @cached_property
    def taps(self) -> list[tuple[NDArray[np.intp], Floats]]:
        """Indices into a flat picture and weights, both (side²,), for each of the four neighbours of the view's pixels."""
        steps = (np.arange(self.side) - (self.side - 1) / 2) * self.scale
        down, right = np.meshgrid(steps, steps, indexing="ij")
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        rows = self.corner[0] + (self.side - 1) / 2 + cosine * down - sine * right
        columns = self.corner[1] + (self.side - 1) / 2 + sine * down + cosine * right
        top, left = np.floor(rows).astype(np.intp), np.floor(columns).astype(np.intp)
        below, beside = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
        return [
            (
                (((top + lower) % self.size) * self.size + (left + later) % self.size).ravel(),
                ((below if lower else 1 - below) * (beside if later else 1 - beside)).ravel(),
            )
            for lower in (0, 1)
            for later in (0, 1)
        ]

    def cut(self, pictures: Floats) -> Floats:
        """Cut the view (B, C, side, side) out of pictures (B, C, size, size)."""
        flat = pictures.reshape(-1, self.size * self.size)
        total = np.zeros((len(flat), self.side * self.side), np.float32)
        for places, weights in self.taps:
            total += flat[:, places] * weights
        return total.reshape(*pictures.shape[:2], self.side, self.side)

    def gradient(self, given: Floats) -> Floats:
        """The gradient with respect to the pictures; ``given``: the gradient with respect to their views."""
        flat = given.reshape(-1, self.side * self.side)
        total = np.zeros((len(flat), self.size * self.size), np.float32)
        places = np.concatenate([each for each, _ in self.taps])
        weights = np.concatenate([each for _, each in self.taps])
        for row, values in enumerate(flat):
            total[row] = np.bincount(places, np.tile(values, 4) * weights, minlength=self.size * self.size)
        return total.reshape(*given.shape[:2], self.size, self.size)


def random_view(random: np.random.Generator, size: int, side: int) -> View:
    """A view at a random place, slightly scaled and rotated."""
    row, column = random.integers(0, size, 2)
    return View(size, side, (int(row), int(column)), random.uniform(*SCALES), random.uniform(-ANGLE, ANGLE))
