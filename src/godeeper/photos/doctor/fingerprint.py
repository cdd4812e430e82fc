"""What stays of a photo to know it again: the hash of its pixels, 64 bits of its looks, a small picture, when and where taken.

Two photos are near-duplicates if their difference hashes differ in few bits *and* their small pictures are
much alike, at the best of 19 slight crops.  The hash alone finds candidates fast; the small picture refuses
what only shares a composition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..pillow_warnings import warnings_as_notes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..decode import Photo

EXIF_IFD, MAKE, MODEL, TAKEN = 0x8769, 0x010F, 0x0110, 0x9003
SIDE, VIEW_SIDE = 16, 8  # of the small picture that is kept, and of the views that are compared
CROPS = (0.04, 0.08)
UNIT = 2048  # a view's length: its numbers are whole and their products small, so that float32 adds them exactly


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One photo, as far as it matters whether another is nearly the same."""

    pixels_sha256: str
    fingerprint: int
    small: bytes  # SIDE x SIDE x 3
    size: tuple[int, int]
    camera: str | None = None
    taken: int | None = None  # seconds, by the camera's own clock


STRIP = 512  # rows hashed at once


def fingerprint_of(photo: Photo) -> Fingerprint:
    """What stays of a decoded photo."""
    image = photo.image
    camera, taken = shot(image)
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX).tobytes()
    return Fingerprint(pixel_hash(photo), fingerprint(image), small, photo.size, camera, taken)


def edges(one: Fingerprint) -> NDArray[np.float32]:
    """(6,) the colours along the photo's four edges: means of red, green and blue from 0 to 255, then standard deviations."""
    small = smalls([one])[0].astype(np.float32)
    along = np.concatenate([small[0], small[-1], small[1:-1, 0], small[1:-1, -1]])  # (4 * SIDE - 4, 3)
    return np.concatenate([along.mean(0), along.std(0)])


def pixel_hash(photo: Photo) -> str:
    """SHA-256 of size and decoded pixels: the same for the same picture in another file, format or folder."""
    width, height = photo.size
    digest = hashlib.sha256(f"{width}x{height} RGB\n".encode())
    for top in range(0, height, STRIP):  # the same bytes as of the whole, without a copy of the whole
        digest.update(photo.image.crop((0, top, width, min(top + STRIP, height))).tobytes())
    return digest.hexdigest()


def fingerprint(image: Image.Image) -> int:
    """The difference hash: 64 bits, each whether one of 9x8 cells is darker than its right neighbour."""
    grey = np.asarray(image.resize((9, 8), Image.Resampling.BOX).convert("L"), np.int16)  # (8, 9)
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes())


def shot(image: Image.Image) -> tuple[str | None, int | None]:
    """The camera and the second it took the photo in, where EXIF says both."""
    try:
        with warnings_as_notes():
            exif = image.getexif()
            taken_at = exif.get_ifd(EXIF_IFD)[TAKEN]
        camera = " ".join(str(exif[tag]).strip("\0 ") for tag in (MAKE, MODEL) if tag in exif)
        taken = datetime.strptime(str(taken_at).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        return camera or None, int(taken.replace(tzinfo=UTC).timestamp())
    except Exception:  # a damaged EXIF block fails in many ways, and says nothing of the pixels
        return None, None


def views(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The small picture (SIDE, SIDE, 3) whole and slightly cropped, each as a vector of length ``UNIT`` about its mean.

    Returns:
        (19, VIEW_SIDE * VIEW_SIDE * 3) float32 of whole numbers; vectors of flat pictures are shorter.
    """
    rows, columns = crops()
    cut = rows @ small.reshape(SIDE, -1).astype(np.float32)  # (19 * VIEW_SIDE, SIDE * 3)
    cut = columns @ cut.reshape(-1, VIEW_SIDE, SIDE, 3)  # (19, VIEW_SIDE, VIEW_SIDE, 3)
    cut = cut.reshape(len(columns), -1)
    cut -= cut.mean(axis=1, keepdims=True)
    length = np.linalg.norm(cut, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = np.rint(cut * (UNIT / np.maximum(length, np.sqrt(cut.shape[1])))).astype(np.float32)
    return scaled


@cache
def crops() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The averages over rows, (19 * VIEW_SIDE, SIDE), and columns, (19, 1, VIEW_SIDE, SIDE): the whole, then nine of each crop."""
    places = [(0.0, 0.0, 0.0)] + [(crop, y, x) for crop in CROPS for y in (0, 0.5, 1) for x in (0, 0.5, 1)]
    rows = [averages(crop * y, 1 - crop * (1 - y)) for crop, y, _ in places]
    columns = [averages(crop * x, 1 - crop * (1 - x)) for crop, _, x in places]
    return np.concatenate(rows), np.stack(columns)[:, None]


def averages(start: float, stop: float) -> NDArray[np.float32]:
    """(VIEW_SIDE, SIDE): which share of which cell lies in each of the equal parts from ``start`` to ``stop``, 0 to 1."""
    edges = np.linspace(start * SIDE, stop * SIDE, VIEW_SIDE + 1)
    cells = np.arange(SIDE)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    shares = np.maximum(overlap, 0)
    weights: NDArray[np.float32] = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights


def smalls(looks: Sequence[Fingerprint]) -> NDArray[Any]:
    """(N, SIDE, SIDE, 3) uint8."""
    joined = b"".join(each.small for each in looks)
    return np.frombuffer(joined, np.uint8).reshape(len(looks), SIDE, SIDE, 3)
