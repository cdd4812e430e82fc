"""``Fitting``: which part of a photo a network sees, and at which size.  This module does not import NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fit = Literal["squash", "crop"]
Filter = Literal["antialias", "tf2015"]


@dataclass(frozen=True)
class Fitting:
    """How a photo is fitted to the network's square input; see ``Preprocess``, which adds the scaling of its values."""

    size: int = 299
    fit: Fit = "squash"
    filter: Filter = "antialias"

    def box(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) of the part of a (width, height) photo that is used."""
        width, height = size
        if self.fit == "squash":
            return 0, 0, width, height
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return left, top, left + side, top + side
