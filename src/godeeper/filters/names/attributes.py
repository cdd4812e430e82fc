"""Attributes of a place in a photo: the colour, lightness, orientation and spatial frequency of the crop, and the position.

Hue and orientation are angles.  Instead of the angle itself, the amount at each of a few fixed angles is tested, because an
exact rank test needs ordinary numbers.  The windows around the fixed angles overlap, so no angle is missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HUES = ("red", "yellow", "green", "cyan", "blue", "magenta")
ANGLES = tuple(22.5 * step for step in range(8))
LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in the lightness (Rec. 601 luma)."""


@dataclass(frozen=True)
class Attribute:
    """A measured attribute.

    ``kind``: a filter gets at most one name of each kind.  ``more`` and ``less``: the names for filters whose places have much
    or little of the attribute; ``less`` is empty if only high values are tested.
    """

    kind: str
    more: str
    less: str = ""


ATTRIBUTES = (
    *(Attribute("hue", each) for each in HUES),
    *(Attribute("orientation", f"edges at {angle:g}°") for angle in ANGLES),
    Attribute("saturation", "colourful", "grey"),
    Attribute("lightness", "light", "dark"),
    Attribute("frequency", "fine", "coarse"),
    Attribute("row", "at the bottom", "at the top"),
    Attribute("column", "at the right", "at the left"),
    Attribute("distance", "at the border", "in the middle"),
)
"""The attributes in the order of ``measured``.  An angle of 0° means horizontal edges; angles count anticlockwise."""

TESTS = sum(2 if each.less else 1 for each in ATTRIBUTES)


def measured(crop: NDArray[np.uint8], place: tuple[float, float]) -> Floats:
    """The attributes (A,) of a crop (H, W, 3).

    ``place``: row and column from 0 to 1.
    """
    pixels = crop.astype(np.float64) / 255
    row, column = place
    distance = max(abs(row - 0.5), abs(column - 0.5))
    values = np.array([*colour(pixels), *texture(pixels @ LUMA), row, column, distance])
    ordered: Floats = values[ORDER]
    return ordered


def colour(pixels: Floats) -> list[float]:
    """The amount of each hue, the mean chroma and the mean lightness.

    Hue and chroma are the angle and radius in the plane of the colour hexagon: red at 0°, green at 120°.
    """
    red, green, blue = np.moveaxis(pixels, -1, 0)
    across, up = red - (green + blue) / 2, (green - blue) * np.sqrt(0.75)
    chroma = np.hypot(across, up)
    centres = np.deg2rad(60 * np.arange(len(HUES)))
    amounts = [float((towards(across, up, angle) ** 2 / np.maximum(chroma, 1e-9)).mean()) for angle in centres]
    return [*amounts, float(chroma.mean()), float((pixels @ LUMA).mean())]


def towards(across: Any, up: Any, angle: float) -> Floats:
    """The components of vectors in the direction ``angle`` (radians); 0 for vectors that point away."""
    projected: Floats = np.maximum(across * np.cos(angle) + up * np.sin(angle), 0)
    return projected


def texture(light: Floats) -> list[float]:
    """The amount of edges at each angle, and the root mean square spatial frequency in cycles per pixel.

    The amount is an energy, so strong edges count more.  The energy of the perpendicular edges is subtracted, so corners and
    discs count as having no orientation.
    """
    nothing = [0.0] * (len(ANGLES) + 1)
    variance = float(light.var())
    if min(light.shape) < 2 or variance < 1e-8:  # a uniform area has no edges
        return nothing
    down, right = np.gradient(light)
    energy = down**2 + right**2
    # Twice the angle, since edges at 0° and 180° are the same; an edge is perpendicular to its gradient.
    across, up = down**2 - right**2, 2 * down * right
    doubled = np.deg2rad(2 * np.array(ANGLES))
    amounts = [float((towards(across, up, angle) ** 2 / np.maximum(energy, 1e-12)).mean()) for angle in doubled]
    opposite = amounts[len(ANGLES) // 2 :] + amounts[: len(ANGLES) // 2]
    selective = [amount - other for amount, other in zip(amounts, opposite, strict=True)]
    return [*selective, float(np.sqrt(energy.mean() / variance) / (2 * np.pi))]


MEASURED = (*HUES, "saturation", "lightness", *ANGLES, "frequency", "row", "column", "distance")
ORDER = np.array(
    [
        MEASURED.index(each)
        for each in (*HUES, *ANGLES, "saturation", "lightness", "frequency", "row", "column", "distance")
    ]
)
