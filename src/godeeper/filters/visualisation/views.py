"""Random views of a picture, so that what is found does not depend on its exact place, scale and angle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SCALES = (0.9, 1.1)
ANGLE = np.pi / 24  # to both sides


@dataclass(frozen=True)
class View:
    """A square of ``side`` x ``side`` pixels, cut out of a picture of ``size`` x ``size`` that repeats itself, by bilinear interpolation.

    ``corner``: (row, column).  ``scale``: picture pixels per pixel.  ``angle``: in radians.
    """

    size: int
    side: int
    corner: tuple[int, int]
    scale: float
    angle: float

    @cached_property
    def taps(self) -> list[tuple[NDArray[np.intp], Floats]]:
        """(Places in a flat picture, weights) of the four neighbours of each pixel, each (side²,)."""
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
        """The view of each picture (B, C, size, size), (B, C, side, side)."""
        flat = pictures.reshape(-1, self.size * self.size)
        total = np.zeros((len(flat), self.side * self.side), np.float32)
        for places, weights in self.taps:
            total += flat[:, places] * weights
        return total.reshape(*pictures.shape[:2], self.side, self.side)

    def gradient(self, given: Floats) -> Floats:
        """The gradient with respect to the pictures, from that with respect to their views."""
        flat = given.reshape(-1, self.side * self.side)
        total = np.zeros((len(flat), self.size * self.size), np.float32)
        places = np.concatenate([each for each, _ in self.taps])
        weights = np.concatenate([each for _, each in self.taps])
        for row, values in enumerate(flat):
            total[row] = np.bincount(places, np.tile(values, 4) * weights, minlength=self.size * self.size)
        return total.reshape(*given.shape[:2], self.size, self.size)


def random_view(random: np.random.Generator, size: int, side: int) -> View:
    """A view at a random place, slightly scaled and turned."""
    row, column = random.integers(0, size, 2)
    return View(size, side, (int(row), int(column)), random.uniform(*SCALES), random.uniform(-ANGLE, ANGLE))
