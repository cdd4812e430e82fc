"""What a photo's looks say against it: dark, blurred, empty, tiny.  Remarks, not faults: the photo is used.

How the thresholds were chosen is in ``docs/reference/photos.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

LEAST_SIDE, SHARP_SIDE = 32, 64
MEASURED_SIDE = 128  # the lesser side is averaged down to 128 to 255 pixels: about what a network sees
DARK_PERCENTILE = 99
BLOCK, CONTRAST = 16, 48  # a block of 16 x 16 pixels whose greys differ by 48 levels has an edge that can be judged


@dataclass(frozen=True)
class Kind:
    """One remark: its name, what is measured, and the least value that gets none."""

    name: str
    measure: str
    least: float

    @property
    def rule(self) -> str:
        """What it is said of, in one line."""
        return f"{self.name}: {self.measure} is below {self.least:g}"

    def remark(self, value: float) -> str:
        """The same of one photo."""
        return f"{self.name}: {self.measure} is {value:.3g}, below {self.least:g}"

    def says(self, remark: str) -> bool:
        """A remark is of this kind."""
        return remark.startswith(f"{self.name}: ")


TINY = Kind("tiny", "the lesser side in pixels", LEAST_SIDE)
EMPTY = Kind("empty", "the standard deviation of its colours, in levels of 255,", 2)
DARK = Kind("dark", f"the level of 255 that {DARK_PERCENTILE} % of its pixels do not exceed", 40)
BLURRED = Kind("blurred", "the steepest step between neighbouring pixels as a share of the contrast around it", 0.33)
KINDS = (TINY, EMPTY, DARK, BLURRED)


def remarks(image: Image.Image) -> tuple[str, ...]:
    """What is to be said of an RGB photo; nothing of most.

    >>> from PIL import Image
    >>> remarks(Image.new("RGB", (8, 200), "white"))[0]
    'tiny: the lesser side in pixels is 8, below 32'
    """
    return tuple(kind.remark(value) for kind, value in measures(image) if value < kind.least)


def measures(image: Image.Image) -> list[tuple[Kind, float]]:
    """The values that are judged; an empty photo is not also dark or blurred; a small one, or one without edges, is not blurred."""
    side = min(image.size)
    factor = max(1, side // MEASURED_SIDE)
    small = np.asarray(image.reduce(factor) if factor > 1 else image, np.float32)  # (h, w, 3)
    found = [(TINY, float(side)), (EMPTY, float(small.std(axis=(0, 1)).max()))]
    if found[-1][1] < EMPTY.least:
        return found
    grey = small @ np.array([0.299, 0.587, 0.114], np.float32)
    found.append((DARK, float(np.percentile(grey, DARK_PERCENTILE))))
    sharpest = sharpness(grey) if side >= SHARP_SIDE else None
    return found if sharpest is None else [*found, (BLURRED, sharpest)]


def sharpness(grey: NDArray[np.float32]) -> float | None:
    """The steepest step between neighbours within a block as a share of the block's contrast; None where no block has any.

    The sharpest block counts: a face before a soft background is a sharp photo, and a clear sky has no edge to judge.
    """
    rows, columns = grey.shape[0] // BLOCK, grey.shape[1] // BLOCK
    blocks = grey[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    contrast = blocks.max(axis=(1, 3)) - blocks.min(axis=(1, 3))
    steps = (np.abs(np.diff(blocks, axis=axis)).max(axis=(1, 3)) for axis in (1, 3))
    judged = contrast >= CONTRAST
    if not judged.any():
        return None
    return float((np.maximum(*steps)[judged] / contrast[judged]).max())
