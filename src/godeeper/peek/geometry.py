"""Geometry: the areas of the network's input, and of the photo, that belong to a cell of a feature map.

There are two kinds of area.  A cell's *field*, its receptive field, contains all pixels that can change its value.  Fields
overlap, and from the middle of the network on they are larger than the photo.  A cell's *square* represents it in a
picture: ``jump`` x ``jump`` pixels of the input around the centre of its field.  Squares tile the input without gaps, so a
tensor's map can be laid over the photo.

Coordinates are edges of pixels, not centres: pixel n is between n and n + 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..errors import OptionError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray
    from PIL import Image

    from ..blueprint.receptive_field import Field
    from ..blueprint.sites import Site
    from ..photos.fitting import Fitting

GLOBAL_KINDS = ("average", "reshape", "dense", "softmax")
"""Kinds of sites without a grid; their single cell represents the whole input."""


class Box(NamedTuple):
    """A rectangle (left, top, right, bottom), as in Pillow."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def is_empty(self) -> bool:
        return self.right <= self.left or self.bottom <= self.top

    def within(self, other: Box) -> Box:
        """The intersection with ``other``."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def outward(self) -> tuple[int, int, int, int]:
        """The smallest rectangle of whole pixels that contains this one."""
        return math.floor(self.left), math.floor(self.top), math.ceil(self.right), math.ceil(self.bottom)


class Cell(NamedTuple):
    """One cell of a feature map, and its value."""

    row: int
    column: int
    value: float


@dataclass(frozen=True)
class Placement:
    """Maps the network's input to one photo: the input's edge ``x`` is at ``start + x * step`` of the photo.

    ``photo``: (width, height) in pixels.  ``used``: the part of the photo that is the network's input.
    ``start`` and ``step``: (across, down).

    The mapping is exact for the centres of pixels.  Resizing also blends neighbours, so a pixel of the input can depend
    on the photo beyond its mapped area.  The margin is one input pixel or two photo pixels, whichever is larger.
    """

    input_size: int
    photo: tuple[int, int]
    used: Box
    start: tuple[float, float]
    step: tuple[float, float]

    @classmethod
    def of(cls, fitting: Fitting, photo: tuple[int, int]) -> Placement:
        """The placement on a photo of (width, height) pixels."""
        used = Box(*map(float, fitting.box(photo)))
        across, down = (used.right - used.left) / fitting.size, (used.bottom - used.top) / fitting.size
        shift = (0.0, 0.0)
        if fitting.filter == "tf2015":  # without half-pixel centres, input pixel n samples photo pixel n * step
            shift = 0.5 - across / 2, 0.5 - down / 2
        return cls(fitting.size, photo, used, (used.left + shift[0], used.top + shift[1]), (across, down))

    @property
    def whole(self) -> Box:
        """The network's input, in its own pixels."""
        return Box(0.0, 0.0, float(self.input_size), float(self.input_size))

    def on_photo(self, box: Box) -> Box:
        """An area of the input in pixels of the photo; if it extends beyond the input, so does the result."""
        (left, top), (across, down) = self.start, self.step
        return Box(left + box.left * across, top + box.top * down, left + box.right * across, top + box.bottom * down)

    def clipped(self, box: Box) -> Box:
        """``on_photo``, clipped to the part of the photo that is the network's input."""
        return self.on_photo(box).within(self.used)


def field_box(field: Field, row: int, column: int) -> Box:
    """The receptive field of cell (row, column), in pixels of the input; it can extend beyond the border."""
    top, left, bottom, right = field.box(row, column)
    return Box(float(left), float(top), float(right), float(bottom))


def square(field: Field, row: int, column: int) -> Box:
    """The square of the input that represents cell (row, column) in a picture."""
    (y, x), half = field.centre, field.jump / 2
    middle_x, middle_y = x + 0.5 + column * field.jump, y + 0.5 + row * field.jump
    return Box(middle_x - half, middle_y - half, middle_x + half, middle_y + half)


def extent(site: Site, input_size: int) -> Box:
    """The area of the input that a whole map represents: the squares of its cells side by side.

    The cells of a map of H x W divide this area into H equal rows and W equal columns.  The area can extend beyond the
    border of the input by less than one square, as in GoogLeNet.

    >>> from godeeper.blueprint.address import resolve_one
    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> extent(resolve_one(INCEPTION_V3, "mixed/tower_2/conv").site, 299)
    Box(left=9.5, top=9.5, right=289.5, bottom=289.5)
    """
    if site.kind in GLOBAL_KINDS:
        return Box(0.0, 0.0, float(input_size), float(input_size))
    _, rows, columns = site.shape
    first, last = square(site.field, 0, 0), square(site.field, rows - 1, columns - 1)
    return Box(first.left, first.top, last.right, last.bottom)


def strongest(plane: NDArray[Any]) -> Cell | None:
    """The first cell with the maximum value of a map (H, W); None if several cells all have the same value.

    >>> import numpy as np
    >>> strongest(np.array([[0.0, 1.0], [3.0, 2.0]]))
    Cell(row=1, column=0, value=3.0)
    """
    if plane.size > 1 and plane.min() == plane.max():
        return None
    row, column = divmod(int(plane.argmax()), plane.shape[1])
    return Cell(row, column, float(plane[row, column]))


def patch(image: Image.Image, placement: Placement, box: Box) -> Image.Image:
    """The photo cropped to ``box``, an area of the input, rounded outward to whole pixels and clipped at the border.

    ``image`` is the photo, possibly scaled.

    Raises:
        OptionError: the area is outside the photo.
    """
    seen = placement.clipped(box)
    if seen.is_empty:
        raise OptionError(f"the area {tuple(box)} of the input lies outside the photo: there is nothing to crop")
    across, down = image.width / placement.photo[0], image.height / placement.photo[1]
    scaled = Box(seen.left * across, seen.top * down, seen.right * across, seen.bottom * down)
    whole = Box(0, 0, image.width, image.height)
    return image.crop(scaled.within(whole).outward())
