"""Colour maps: from levels 0 … 255 to red, green and blue.

A map is a list of colours at equal distances, with linear interpolation between them.  ``viridis`` and ``magma`` are
matplotlib's maps of these names (CC0, by Nathaniel Smith, Stéfan van der Walt and Eric Firing).  They are sampled at 33
points, with an error of at most 2 levels in any channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import UnknownName

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOURS = {
    "grey": "000000 ffffff",
    "viridis": (
        "440154 470d60 48186a 482374 472d7b 453681 424086 3f4989 3b528b 375a8d 33638d "
        "2f6a8e 2c728e 297a8e 26818e 23898e 21908c 1f988b 1f9f88 21a685 28ae80 31b57b "
        "3ebc74 4cc26c 5dc963 6ece58 82d34c 96d83f abdc32 c0df24 d5e21a eae51a fde725"
    ),
    "magma": (
        "000004 030311 0a0822 130d33 1d1146 28115a 36106a 430f76 50127c 5d177f 691c81 "
        "762181 822681 8f2a81 9c2e7f a9327d b63779 c33b75 cf4170 db486a e65163 ee5c5e "
        "f5695c f9785d fb8761 fd9668 fea571 feb47b fec387 fed194 fde0a2 fceeb0 fcfdbf"
    ),
    "blue-orange": "8fd3ff 3f9be0 1f5a9a 10294a 000000 4a2408 9a4f12 e08a2e ffd08f",
    "blue-red": "2166ac 67a9cf d1e5f0 f7f7f7 fddbc7 ef8a62 b2182b",
}

DIVERGING = ("blue-orange", "blue-red")
"""Diverging maps for the scale ``signed``, where the middle colour stands for zero."""


def default_colour(scale: str) -> str:
    """The default colour map of a scale."""
    return "blue-orange" if scale == "signed" else "grey"


def table(name: str) -> NDArray[np.uint8]:
    """The colour of each level, (256, 3) uint8; raises ``UnknownName``."""
    if name not in COLOURS:
        raise UnknownName("colour", name, COLOURS)
    stops = np.array([list(bytes.fromhex(stop)) for stop in COLOURS[name].split()], float)
    levels = np.linspace(0, len(stops) - 1, 256)
    channels = [np.interp(levels, np.arange(len(stops)), channel) for channel in stops.T]
    colours: NDArray[np.uint8] = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    return colours
