"""``Preprocess`` turns a photo into the network's input: it fits the photo to a square, resizes it and scales its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import OptionError, meant, quoted
from .fitting import Filter, Fit, Fitting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .decode import Photo

Shade = float | tuple[float, float, float]
LARGEST_SIDE = 4096  # pixels; larger than the input of any supported network
LARGEST_SHADE = 1e6
FITS: tuple[Fit, ...] = ("squash", "crop")
FILTERS: tuple[Filter, ...] = ("antialias", "tf2015")


@dataclass(frozen=True)
class Preprocess(Fitting):
    """How photos become a network's input.

    ``size``: the side of the input in pixels.  ``fit``: ``squash`` ignores the aspect ratio, ``crop`` takes the central square.
    ``filter``: ``antialias`` is Pillow's bilinear filter, which averages when it shrinks.  ``tf2015`` resizes, and decodes
    JPEGs, like the 2015 graph.  Values x from 0 to 255 become (x - ``subtract``) / ``divide``; ``subtract`` and ``divide``
    are one number, or three for red, green and blue.

    Raises:
        OptionError: a field has an invalid value.

    >>> from godeeper import Preprocess, decode
    >>> Preprocess(fit="crop")(decode("examples/chelsea.jpg")).shape
    (1, 3, 299, 299)
    """

    subtract: Shade = 127.5
    divide: Shade = 127.5

    def __post_init__(self) -> None:
        for what, got, known in (("fit", self.fit, FITS), ("filter", self.filter, FILTERS)):
            if got not in known:
                raise OptionError(
                    f"unknown {what} {quoted(got)}: expected one of {', '.join(known)}{meant(str(got), known)}"
                )
        if type(self.size) is not int or not 1 <= self.size <= LARGEST_SIDE:
            raise OptionError(f"size {quoted(self.size)}: expected pixels from 1 to {LARGEST_SIDE}")
        for name, value in (("subtract", self.subtract), ("divide", self.divide)):
            check_shades(name, value)
        if 0 in shades(self.divide):
            raise OptionError(f"divide {self.divide}: expected no zero")

    @classmethod
    def from_mapping(cls, fields: Mapping[str, Any]) -> Preprocess:
        """A ``Preprocess`` from its fields in the description of a weights file; JSON stores tuples as lists.

        Raises:
            OptionError: a field is unknown or has an invalid value.
        """
        unknown = [name for name in fields if name not in cls.__dataclass_fields__]
        if unknown:
            raise OptionError(
                f"unknown preprocessing {quoted(unknown[0])}: expected {', '.join(cls.__dataclass_fields__)}"
            )
        shades = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        return cls(**{**fields, **shades})

    @property
    def summary(self) -> str:
        """All settings on one line."""
        return f"{self.fit} to {self.size} x {self.size}, {self.filter} filter, (x - {shade(self.subtract)}) / {shade(self.divide)}"

    def __call__(self, photo: Photo) -> NDArray[np.float32]:
        """The network's input for one photo, (1, 3, size, size) float32."""
        return to_planes(self.scaled(self.centred(self.resized(photo))))

    def resized(self, photo: Photo) -> NDArray[np.float32]:
        """The resized photo, (1, size, size, 3) float32 from 0 to 255; the 2015 graph's ``ResizeBilinear``."""
        image = self.image_of(photo)
        left, top, right, bottom = box = self.box(image.size)
        if self.filter == "tf2015":
            return resize_tf2015(np.asarray(image)[top:bottom, left:right], self.size)[None]
        image = image if self.fit == "squash" else image.crop(box)
        return np.asarray(image.resize((self.size, self.size), Image.Resampling.BILINEAR), np.float32)[None]

    def image_of(self, photo: Photo) -> Image.Image:
        """The photo's decoded image; with ``tf2015``, its JPEG decoded as in the 2015 graph."""
        return photo.image_2015 if self.filter == "tf2015" else photo.image

    def centred(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """``values`` (1, size, size, 3) minus ``subtract``; the 2015 graph's ``Sub``."""
        return values - shades(self.subtract)

    def scaled(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """``values`` (1, size, size, 3) divided by ``divide``, about -1 to 1; the 2015 graph's ``Mul``."""
        return values / shades(self.divide)


def check_shades(name: str, value: object) -> None:
    """Raise ``OptionError`` unless a value is one number below ``LARGEST_SHADE`` in magnitude, or three such numbers."""
    numbers = value if isinstance(value, tuple) and len(value) == 3 else (value,)
    if not all(
        type(each) is not bool and isinstance(each, Real) and abs(float(each)) < LARGEST_SHADE for each in numbers
    ):
        raise OptionError(f"{name} {quoted(value)}: expected a number, or three for red, green and blue")


def shades(value: Shade) -> NDArray[np.float32]:
    """One number, or three for red, green and blue, as a float32 array."""
    return np.array(value, dtype=np.float32)


def shade(value: Shade) -> str:
    """The text of one number, or of three in brackets."""
    return f"[{', '.join(f'{each:g}' for each in value)}]" if isinstance(value, tuple) else f"{value:g}"


def resize_tf2015(pixels: NDArray[Any], size: int) -> NDArray[np.float32]:
    """Resize exactly like TensorFlow 1's bilinear resize: corners not aligned, no half-pixel centres, no averaging.

    Args:
        pixels: (H, W, 3), uint8 or float32 from 0 to 255.
        size: the side of the result in pixels.

    Returns:
        (size, size, 3) float32 from 0 to 255.

    Source: tensorflow/core/kernels/image/resize_bilinear_op.cc (legacy scaler), with its precision and order of operations.
    """
    top, bottom, down = interpolation(pixels.shape[0], size)
    left, right, along = interpolation(pixels.shape[1], size)
    along, down = along[None, :, None], down[:, None, None]
    rows_above, rows_below = pixels[top], pixels[bottom]
    above = blend(rows_above[:, left], rows_above[:, right], along)
    below = blend(rows_below[:, left], rows_below[:, right], along)
    return blend(above, below, down)


def interpolation(cells: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The lower source cell, the upper source cell, and the position between them (0 to 1), each (size,)."""
    position = np.arange(size, dtype=np.float32) * (np.float32(cells) / np.float32(size))
    lower = np.floor(position).astype(np.int64)
    return lower, np.minimum(lower + 1, cells - 1), position - lower.astype(np.float32)


def blend(first: NDArray[Any], second: NDArray[Any], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """The linear interpolation first + (second - first) · weight, in single precision."""
    start = first.astype(np.float32)
    return start + (second.astype(np.float32) - start) * weight


def to_planes(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reorder (B, H, W, C) to (B, C, H, W)."""
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def to_pixels(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reorder (B, C, H, W) to (B, H, W, C)."""
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1))
