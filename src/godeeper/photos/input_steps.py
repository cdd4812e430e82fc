"""The steps of the 2015 graph from a photo's bytes to the network's input.  A value can be fed at any of them.

``DecodeJpeg/contents`` → ``DecodeJpeg`` → ``Cast`` → ``ExpandDims`` → ``ResizeBilinear`` → ``Sub`` → ``Mul``.
As in that graph, arrays have their channels last, and a batch axis from ``ExpandDims`` on.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blueprint.sites import PHOTO_KINDS
from ..errors import FeedError
from .decode import Photo, decode
from .preprocess import Preprocess, resize_tf2015

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PhotoSteps:
    """The values of the steps after ``kind``, given the value of the step ``kind``: a photo, or from ``ExpandDims`` on a batch."""

    def __init__(self, preprocess: Preprocess, kind: str, value: Any) -> None:
        self.preprocess = preprocess
        self.kind = kind
        self.fed = value if kind in ("jpeg", "decode") else check_array(kind, value, preprocess.size)

    def value(self, kind: str) -> Any:
        """The output of the step ``kind``; raises ``FeedError`` for a step before the one that was fed."""
        if kind == self.kind:
            return self.pixels if kind == "decode" else self.fed
        if PHOTO_KINDS.index(kind) < PHOTO_KINDS.index(self.kind):
            what = "the file's bytes" if kind == "jpeg" else f"the photo's step {kind!r}"
            raise FeedError(f"{what} cannot be computed from a later step: feed an earlier step, or fetch a later one")
        if kind == "decode":
            return self.pixels
        if kind == "cast":
            return self.pixels.astype(np.float32)
        if kind == "expand":
            return self.value("cast")[None]
        if kind == "resize":
            return self.resized
        if kind == "subtract":
            return self.preprocess.centred(self.value("resize"))
        return self.preprocess.scaled(self.value("subtract"))

    @cached_property
    def photo(self) -> Photo:
        return decode(self.fed)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8: the decoded photo."""
        return np.asarray(self.preprocess.image_of(self.photo))

    @cached_property
    def resized(self) -> NDArray[np.float32]:
        """(B, size, size, 3) float32 from 0 to 255."""
        if self.kind in ("jpeg", "decode"):
            return self.preprocess.resized(self.photo)
        batch = self.fed[None] if self.kind == "cast" else self.fed
        return np.concatenate([self.resize_floats(values) for values in batch])

    def resize_floats(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Resize floats (H, W, 3) to (1, size, size, 3); raises ``FeedError`` if they must be whole numbers from 0 to 255."""
        if self.preprocess.filter == "tf2015" and self.preprocess.fit == "squash":
            return resize_tf2015(values, self.preprocess.size)[None]
        pixels = values.astype(np.uint8)
        if not np.array_equal(pixels, values):
            raise FeedError(
                "Cast and ExpandDims take only whole numbers from 0 to 255, except with the photo filter tf2015 and the fit squash"
            )
        return self.preprocess.resized(decode(pixels))


def check_array(kind: str, value: Any, size: int) -> NDArray[np.float32]:
    """``value`` as float32; raises ``FeedError`` if the shape does not fit the step ``kind``."""
    array = np.asarray(value, np.float32)
    sides = ("H", "W") if kind in ("cast", "expand") else (size, size)
    expected = (*sides, 3) if kind == "cast" else ("B", *sides, 3)
    fits = array.ndim == len(expected) and all(
        isinstance(want, str) or want == got for want, got in zip(expected, array.shape, strict=True)
    )
    if not fits or not array.size:
        wanted = ", ".join(map(str, expected))
        raise FeedError(f"{kind} was fed an array of shape {array.shape}: expected ({wanted}), channels last")
    return array
