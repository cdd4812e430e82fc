"""Tests whether a filter depends on colour or on shape.

The test measures how much of the filter's value remains when its top photos are converted to grey, and when patches of its
receptive field are shuffled.  Grey removes colour and keeps shape.  Shuffling removes shape and keeps colour and texture.
Geirhos et al. (ICLR 2019, arXiv:1811.12231) also compare texture and shape.

A filter depends on a property if removing it costs more than half of the value in significantly more than half of the photos.
The sign test is corrected for the two changes, but not for the number of filters, because the user chose this filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.plan import NETWORK_INPUT, output, plan
from ...photos.preprocess import to_planes
from .attributes import LUMA
from .places import Place, seen_box, top_places
from .statistics import sign_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...blueprint.sites import Site
    from ..contributions.decompose import PhotoNetwork
    from .places import IndexedPhotos

    Images = NDArray[np.float32]

ACROSS = 4  # patches in each direction
LEVEL = 0.05
MOST_PHOTOS = 8  # twelve would take longer than 5 s in the last modules
AT_ONCE = 4


@dataclass(frozen=True)
class Kept:
    """The values that remain after a change.

    ``ratios``: value after / value before, one per photo.  ``p``: the p-value for losing more than half of the value.
    """

    ratios: tuple[float, ...]
    p: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Kept:
        """Test ``ratios``; the p-value is corrected for the two changes."""
        lost = sum(each < 0.5 for each in ratios)
        return cls(tuple(ratios), min(1.0, 2 * sign_tail(lost, len(ratios))))

    @property
    def median(self) -> float:
        return float(np.median(self.ratios))

    @property
    def is_needed(self) -> bool:
        """Whether the filter depends on the removed property."""
        return self.p <= LEVEL

    def record(self) -> dict[str, Any]:
        """The data as a JSON object."""
        return {"kept": self.median, "p": self.p, "ratios": list(self.ratios)}


@dataclass(frozen=True)
class ColourOrShape:
    """The remaining values after conversion to grey and after shuffling."""

    greyed: Kept
    shuffled: Kept

    @property
    def verdict(self) -> str:
        """``colour``, ``shape``, ``colour and shape``, or ``neither``."""
        needed = [word for word, kept in (("colour", self.greyed), ("shape", self.shuffled)) if kept.is_needed]
        return " and ".join(needed) or "neither"

    def record(self) -> dict[str, Any]:
        """The data as a JSON object."""
        return {"verdict": self.verdict, "greyed": self.greyed.record(), "shuffled": self.shuffled.record()}


def colour_or_shape(network: PhotoNetwork, photos: IndexedPhotos, site: Site, channel: int) -> ColourOrShape | None:
    """Compute a filter's values on grey and on shuffled copies of its top photos; None if there are no top photos."""
    places = top_places(photos.index, site, channel)[:MOST_PHOTOS]
    if not places:
        return None
    ratios: list[tuple[float, float]] = []
    for start in range(0, len(places), AT_ONCE):
        chosen = places[start : start + AT_ONCE]
        images = [photos.image(each.photo, exact=True) for each in chosen]
        greyed = [grey(image) for image in images]
        mixed = [shuffled(image, site, place) for image, place in zip(images, chosen, strict=True)]
        before, after_grey, after_mixed = (
            values(network, site, channel, each, chosen) for each in (images, greyed, mixed)
        )
        ratios += [(g / b, m / b) for b, g, m in zip(before, after_grey, after_mixed, strict=True) if b > 0]
    if not ratios:
        return None
    return ColourOrShape(Kept.of([each for each, _ in ratios]), Kept.of([each for _, each in ratios]))


def values(
    network: PhotoNetwork, site: Site, channel: int, images: Sequence[Images], places: Sequence[Place]
) -> list[float]:
    """The filter's value for each image, at the place for this image."""
    scaled = network.preprocess.scaled(network.preprocess.centred(np.stack(images).astype(np.float32)))
    maps = network.engine.run(plan(network.blueprint, [output(site)]), {NETWORK_INPUT: to_planes(scaled)})[output(site)]
    return [float(each[channel, place.row, place.column]) for each, place in zip(maps, places, strict=True)]


def grey(image: Images) -> Images:
    """The image (H, W, 3) without colour."""
    return np.repeat((image @ LUMA).astype(np.float32)[..., None], 3, axis=-1)


def shuffled(image: Images, site: Site, place: Place) -> Images:
    """The image with the receptive field of a cell cut into 4 x 4 patches and shuffled in a fixed order."""
    left, top, right, bottom = seen_box(image.shape[0], site, place)
    across = max(1, min(ACROSS, right - left, bottom - top))
    height, width = (bottom - top) // across, (right - left) // across
    changed = image.copy()
    corners = [(top + row * height, left + column * width) for row in range(across) for column in range(across)]
    order = np.random.default_rng(len(corners)).permutation(len(corners))
    for (y, x), source in zip(corners, order, strict=True):
        from_y, from_x = corners[source]
        changed[y : y + height, x : x + width] = image[from_y : from_y + height, from_x : from_x + width]
    return changed
