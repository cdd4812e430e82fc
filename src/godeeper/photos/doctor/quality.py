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
MEASURED_SIDE = 128  # the lesser side is scaled down to 128 to 255 pixels: about what a network sees
NEAREST = 0  # Pillow's number: its import can wait
DARK_PERCENTILE = 99
BLOCK, CONTRAST = (
    16,
    48,
)  # a block of 16 x 16 pixels whose greys differ by 48 levels has an edge that can be judged


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
BLURRED = Kind(
    "blurred",
    "the steepest step between neighbouring pixels as a share of the contrast around it",
    0.33,
)
KINDS = (TINY, EMPTY, DARK, BLURRED)


def remarks(image: Image.Image) -> tuple[str, ...]:
    """What is to be said of an RGB photo; nothing of most.

    >>> from PIL import Image
    >>> remarks(Image.new("RGB", (8, 200), "white"))[0]
    'tiny: the lesser side in pixels is 8, below 32'
    """
    return tuple(kind.remark(value) for kind, value in measures(image) if value < kind.least)


def measures(image: Image.Image) -> list[tuple[Kind, float]]:
    """The values that are judged; an empty photo is not also dark or blurred; a small one, or one without edges, is not blurred.

    Above the threshold a value may be a lower bound: what decides nothing more is not computed.
    """
    side = min(image.size)
    small = averaged(image)
    grey = small.convert("L")
    counts = np.array(grey.histogram())
    found = [(TINY, float(side)), (EMPTY, spread(small, counts))]
    if found[-1][1] < EMPTY.least:
        return found
    reached = np.cumsum(counts) >= grey.width * grey.height * DARK_PERCENTILE / 100
    found.append((DARK, float(reached.argmax())))
    sharpest = sharpness(np.asarray(grey)) if side >= SHARP_SIDE else None
    return found if sharpest is None else [*found, (BLURRED, sharpest)]


def averaged(image: Image.Image) -> Image.Image:
    """With a lesser side of 128 to 255 pixels, each the mean of four pixels of the photo, spread over its place."""
    factor = 1 << max(0, (min(image.size) // MEASURED_SIDE).bit_length() - 1)
    if factor > 2:
        image = image.resize((image.width * 2 // factor, image.height * 2 // factor), NEAREST)
    return image.reduce(2) if factor > 1 else image


def spread(image: Image.Image, grey: NDArray[np.int64]) -> float:
    """The standard deviation of the levels of the channel where it is greatest; ``grey``: how many pixels are of each grey.

    Grey is a mean of the channels, so it varies no more than one of them does, its rounding (by half a level) aside.
    """
    least = float(deviations(grey[None])[0]) - 0.5
    return least if least >= EMPTY.least else float(deviations(np.reshape(image.histogram(), (-1, 256))).max())


def deviations(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(C,) standard deviations of levels, for (C, 256) numbers of pixels."""
    levels = np.arange(256)
    pixels = counts.sum(axis=1)
    mean, square = counts @ levels / pixels, counts @ levels**2 / pixels
    found: NDArray[np.float64] = np.sqrt(np.maximum(square - mean**2, 0))
    return found


def sharpness(grey: NDArray[np.uint8]) -> float | None:
    """The steepest step between neighbours within a block as a share of the block's contrast; None where no block has any.

    The sharpest block counts: a face before a soft background is a sharp photo, and a clear sky has no edge to judge.
    Once a block is sharp enough the others are left out.
    """
    sharpest = None
    for top in range(0, grey.shape[0] - BLOCK + 1, BLOCK):
        found = row_sharpness(grey[top : top + BLOCK])
        if found is not None:
            sharpest = max(found, sharpest or 0.0)
            if sharpest >= BLURRED.least:
                break
    return sharpest


def row_sharpness(grey: NDArray[np.uint8]) -> float | None:
    """The same of one row of blocks: (BLOCK, W)."""
    columns = grey.shape[1] // BLOCK
    blocks = grey[:, : columns * BLOCK].astype(np.int16).reshape(BLOCK, columns, BLOCK)
    contrast = (blocks.max(axis=0) - blocks.min(axis=0).min(axis=1, keepdims=True)).max(axis=1)  # (columns,)
    judged = contrast >= CONTRAST
    if not judged.any():
        return None
    down = np.abs(blocks[1:] - blocks[:-1]).max(axis=0).max(axis=1)
    along = np.abs(blocks[..., 1:] - blocks[..., :-1]).max(axis=0).max(axis=1)
    return float((np.maximum(down, along)[judged] / contrast[judged]).max())
