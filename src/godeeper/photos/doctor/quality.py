"""Quality checks: dark, blurred, empty and tiny photos get a remark, but are used.

``docs/reference/photos.md`` documents how the thresholds were chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

LEAST_SIDE, SHARP_SIDE = 32, 64
MEASURED_SIDE = 128  # the shorter side is scaled down to 128 to 255 pixels, about the input size of a network
NEAREST = 0  # Image.Resampling.NEAREST, without importing Pillow
DARK_PERCENTILE = 99
BLOCK, CONTRAST = 16, 48  # sharpness is measured in blocks of 16 x 16 pixels whose greys differ by 48 levels or more


@dataclass(frozen=True)
class Kind:
    """A kind of remark: its name, the description of its measure, and the threshold below which a photo gets it."""

    name: str
    measure: str
    least: float

    @property
    def rule(self) -> str:
        """The rule on one line."""
        return f"{self.name}: {self.measure} is below {self.least:g}"

    def remark(self, value: float) -> str:
        """The remark on a photo with this value."""
        return f"{self.name}: {self.measure} is {value:.3g}, below {self.least:g}"

    def matches(self, remark: str) -> bool:
        """Whether a remark is of this kind."""
        return remark.startswith(f"{self.name}: ")


TINY = Kind("tiny", "the shorter side in pixels", LEAST_SIDE)
EMPTY = Kind("empty", "the standard deviation of its colours, in levels of 255,", 2)
DARK = Kind("dark", f"the level of 255 that {DARK_PERCENTILE} % of its pixels do not exceed", 40)
BLURRED = Kind(
    "blurred",
    "the steepest step between neighbouring pixels as a share of the contrast around it",
    0.33,
)
KINDS = (TINY, EMPTY, DARK, BLURRED)


def remarks(image: Image.Image) -> tuple[str, ...]:
    """The remarks on an RGB photo; most photos get none.

    >>> from PIL import Image
    >>> remarks(Image.new("RGB", (8, 200), "white"))[0]
    'tiny: the shorter side in pixels is 8, below 32'
    """
    return tuple(kind.remark(value) for kind, value in measures(image) if value < kind.least)


def measures(image: Image.Image) -> list[tuple[Kind, float]]:
    """The measured values of a photo.

    Darkness and sharpness are not measured for an empty photo.  Sharpness is not measured for a small photo or one without
    edges.  A value above its threshold may be a lower bound, since only values below the threshold are reported.
    """
    side = min(image.size)
    small = averaged(image)
    grey = small.convert("L")
    counts = np.array(grey.histogram())
    values = [(TINY, float(side)), (EMPTY, spread(small, counts))]
    if values[-1][1] < EMPTY.least:
        return values
    reached = np.cumsum(counts) >= grey.width * grey.height * DARK_PERCENTILE / 100
    values.append((DARK, float(reached.argmax())))
    sharpest = sharpness(np.asarray(grey)) if side >= SHARP_SIDE else None
    return values if sharpest is None else [*values, (BLURRED, sharpest)]


def averaged(image: Image.Image) -> Image.Image:
    """The image scaled down to a shorter side of 128 to 255 pixels; each pixel is the mean of four source pixels.

    Images with a shorter side of up to 255 pixels are returned unchanged.
    """
    factor = 1 << max(0, (min(image.size) // MEASURED_SIDE).bit_length() - 1)
    if factor > 2:
        image = image.resize((image.width * 2 // factor, image.height * 2 // factor), NEAREST)
    return image.reduce(2) if factor > 1 else image


def spread(image: Image.Image, grey: NDArray[np.int64]) -> float:
    """The largest standard deviation of a channel's levels, or a lower bound of it that is not below the threshold.

    ``grey`` is the histogram of grey levels.  Grey is a weighted mean of the channels, so its deviation exceeds their
    largest deviation by at most half a level of rounding.
    """
    least = float(deviations(grey[None])[0]) - 0.5
    return least if least >= EMPTY.least else float(deviations(np.reshape(image.histogram(), (-1, 256))).max())


def deviations(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The standard deviations of levels, (C,), for histograms (C, 256)."""
    levels = np.arange(256)
    pixels = counts.sum(axis=1)
    mean, square = counts @ levels / pixels, counts @ levels**2 / pixels
    deviation: NDArray[np.float64] = np.sqrt(np.maximum(square - mean**2, 0))
    return deviation


def sharpness(grey: NDArray[np.uint8]) -> float | None:
    """The steepest step between neighbouring pixels, as a share of their block's contrast; None if every contrast is too low.

    The maximum over blocks is taken, because a sharp photo can have a blurred background or a clear sky.  The search stops
    at the first row of blocks above the threshold.
    """
    sharpest = None
    for top in range(0, grey.shape[0] - BLOCK + 1, BLOCK):
        row = row_sharpness(grey[top : top + BLOCK])
        if row is not None:
            sharpest = max(row, sharpest or 0.0)
            if sharpest >= BLURRED.least:
                break
    return sharpest


def row_sharpness(grey: NDArray[np.uint8]) -> float | None:
    """``sharpness`` of one row of blocks, (BLOCK, W)."""
    columns = grey.shape[1] // BLOCK
    blocks = grey[:, : columns * BLOCK].astype(np.int16).reshape(BLOCK, columns, BLOCK)
    contrast = (blocks.max(axis=0) - blocks.min(axis=0).min(axis=1, keepdims=True)).max(axis=1)  # (columns,)
    judged = contrast >= CONTRAST
    if not judged.any():
        return None
    down = np.abs(blocks[1:] - blocks[:-1]).max(axis=0).max(axis=1)
    along = np.abs(blocks[..., 1:] - blocks[..., :-1]).max(axis=0).max(axis=1)
    return float((np.maximum(down, along)[judged] / contrast[judged]).max())
