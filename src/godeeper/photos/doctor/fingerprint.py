"""Fingerprints of photos for finding duplicates: pixel hash, difference hash (64 bits), thumbnail, camera and time.

Two photos are near-duplicates if their difference hashes differ in few bits *and* their thumbnails correlate
strongly at the best of 19 slight crops.  The hash finds candidates fast; the thumbnail rejects photos that
only have the same composition.
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
SIDE, VIEW_SIDE = 16, 8  # sides of the stored thumbnail and of the compared views, in pixels
CROPS = (0.04, 0.08)
UNIT = 2048  # norm of a view; its values are small integers, so that float32 sums of products are exact


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The values of one photo that are compared with those of others."""

    pixels_sha256: str
    fingerprint: int
    small: bytes  # SIDE x SIDE x 3
    size: tuple[int, int]
    camera: str | None = None
    taken: int | None = None  # seconds, by the camera's clock


STRIP = 512  # rows hashed at once


def fingerprint_of(photo: Photo) -> Fingerprint:
    """The fingerprint of a decoded photo."""
    image = photo.image
    camera, taken = camera_and_time(image)
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX).tobytes()
    return Fingerprint(pixel_hash(photo), fingerprint(image), small, photo.size, camera, taken)


def edges(photo: Fingerprint) -> NDArray[np.float32]:
    """Colour statistics along the photo's four edges, (6,): means, then standard deviations, of red, green and blue (0 to 255)."""
    small = thumbnails([photo])[0].astype(np.float32)
    along = np.concatenate([small[0], small[-1], small[1:-1, 0], small[1:-1, -1]])  # (4 * SIDE - 4, 3)
    return np.concatenate([along.mean(0), along.std(0)])


def pixel_hash(photo: Photo) -> str:
    """SHA-256 of size and decoded pixels; a copy in another file, folder or lossless format has the same hash."""
    width, height = photo.size
    digest = hashlib.sha256(f"{width}x{height} RGB\n".encode())
    for top in range(0, height, STRIP):  # in strips, to avoid a copy of the whole image
        digest.update(photo.image.crop((0, top, width, min(top + STRIP, height))).tobytes())
    return digest.hexdigest()


def fingerprint(image: Image.Image) -> int:
    """The difference hash (dHash) of 64 bits: in a grid of 9 x 8 cells, a bit is 1 if a cell is darker than its right neighbour."""
    grey = np.asarray(image.resize((9, 8), Image.Resampling.BOX).convert("L"), np.int16)  # (8, 9)
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes())


def camera_and_time(image: Image.Image) -> tuple[str | None, int | None]:
    """The camera and the time in seconds from EXIF; (None, None) if there is no time."""
    try:
        with warnings_as_notes():
            exif = image.getexif()
            taken_at = exif.get_ifd(EXIF_IFD)[TAKEN]
        camera = " ".join(str(exif[tag]).strip("\0 ") for tag in (MAKE, MODEL) if tag in exif)
        taken = datetime.strptime(str(taken_at).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        return camera or None, int(taken.replace(tzinfo=UTC).timestamp())
    except Exception:  # damaged EXIF raises various exceptions, and does not affect the pixels
        return None, None


def views(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The thumbnail (SIDE, SIDE, 3) and slight crops of it, each as a vector with mean 0 and norm ``UNIT``.

    Returns:
        (19, VIEW_SIDE * VIEW_SIDE * 3) float32 of integers; the norm is lower for pictures without contrast.
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
    """The averaging matrices of all views: for rows (19 * VIEW_SIDE, SIDE), for columns (19, 1, VIEW_SIDE, SIDE).

    The first view is the whole thumbnail.  Nine views follow for each size in ``CROPS``.
    """
    places = [(0.0, 0.0, 0.0)] + [(crop, y, x) for crop in CROPS for y in (0, 0.5, 1) for x in (0, 0.5, 1)]
    rows = [averages(crop * y, 1 - crop * (1 - y)) for crop, y, _ in places]
    columns = [averages(crop * x, 1 - crop * (1 - x)) for crop, _, x in places]
    return np.concatenate(rows), np.stack(columns)[:, None]


def averages(start: float, stop: float) -> NDArray[np.float32]:
    """The matrix (VIEW_SIDE, SIDE) that averages thumbnail cells into equal parts from ``start`` to ``stop``, both 0 to 1."""
    edges = np.linspace(start * SIDE, stop * SIDE, VIEW_SIDE + 1)
    cells = np.arange(SIDE)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    shares = np.maximum(overlap, 0)
    weights: NDArray[np.float32] = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights


def thumbnails(fingerprints: Sequence[Fingerprint]) -> NDArray[Any]:
    """The stored thumbnails, (N, SIDE, SIDE, 3) uint8."""
    joined = b"".join(each.small for each in fingerprints)
    return np.frombuffer(joined, np.uint8).reshape(len(fingerprints), SIDE, SIDE, 3)
