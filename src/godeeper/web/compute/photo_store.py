"""The stored photos, in memory only, with the network's input and a picture to display.

A photo's id is the first half of its SHA-256.  A photo that is uploaded again therefore has the same URLs, and
nobody can guess them without the photo.  The least recently used photos are evicted first.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ...errors import PhotoError
from ...lru import LruCache
from ...photos.decode import Photo, decode
from ...photos.formats import identify
from ...photos.opening import open_photo
from ...photos.pillow_warnings import warnings_as_notes
from ...photos.preprocess import Preprocess
from ..http.errors import not_kept
from ..http.root import at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..record_types import PhotoRecord

DEMO, DEMO_NAME = "demo", "chelsea.jpg"
ID_DIGITS = 32
LONGEST_SIDE = 1600
QUALITY = 90
MAX_PHOTOS = 64
MAX_BYTES = 256 << 20
MAX_JPEG2000_PIXELS, MAX_JPEG2000_BYTES = 8_000_000, 8 << 20
"""Limits for JPEG 2000, which Pillow decodes in one call; no other thread runs for about a second at these limits."""
WHOLE_PHOTO = ("jpeg", "decode", "cast", "expand")
"""Preprocessing steps whose values are as large as the photo; they are not stored."""


@dataclass(frozen=True)
class StoredPhoto:
    """One photo: its metadata, the network's input before scaling, and a picture to display.

    ``size``: (width, height) of the upright photo.  ``used``: (left, top, right, bottom) of the part that the network sees,
    in pixels of the upright photo.  ``resized``: (1, S, S, 3) float32 from 0 to 255.  ``display``: a JPEG with sides of at
    most ``LONGEST_SIDE`` pixels.  ``display_size``: (width, height) of this JPEG.
    """

    id: str
    name: str
    sha256: str
    notes: tuple[str, ...]
    size: tuple[int, int]
    used: tuple[int, int, int, int]
    resized: NDArray[np.float32] = field(repr=False)
    display: bytes = field(repr=False)
    display_size: tuple[int, int]

    @property
    def nbytes(self) -> int:
        return self.resized.nbytes + len(self.display)

    @cached_property
    def photo(self) -> Photo:
        """The photo for a peek's provenance, with the network's input as its image."""
        return Photo(self.name, self.sha256, self.input_image, self.notes)

    @property
    def input_image(self) -> Image.Image:
        """The network's input as a picture."""
        return Image.fromarray(np.rint(self.resized[0]).clip(0, 255).astype(np.uint8))

    @property
    def display_image(self) -> Image.Image:
        """The displayed picture."""
        return Image.open(io.BytesIO(self.display)).convert("RGB")

    def record(self) -> PhotoRecord:
        """The photo as JSON."""
        return {
            "photo": self.id,
            "name": self.name,
            "sha256": self.sha256,
            "width": self.size[0],
            "height": self.size[1],
            "used": list(self.used),
            "display": list(self.display_size),
            "notes": list(self.notes),
            "url": at(f"/photo/{self.id}"),
        }


def ingest(data: bytes, name: str, preprocess: Preprocess, photo_id: str | None = None) -> StoredPhoto:
    """Decode a file and make the stored photo; raises ``PhotoError``."""
    check_jpeg2000(data, name)
    photo = decode(data, name=name)
    displayed = photo.image.copy()
    displayed.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    displayed.save(buffer, "JPEG", quality=QUALITY)
    return StoredPhoto(
        id=photo_id or photo.sha256[:ID_DIGITS],
        name=name,
        sha256=photo.sha256,
        notes=photo.notes,
        size=photo.size,
        used=preprocess.box(photo.size),
        resized=preprocess.resized(photo),
        display=buffer.getvalue(),
        display_size=displayed.size,
    )


def check_jpeg2000(data: bytes, name: str) -> None:
    """Raise ``PhotoError`` for a JPEG 2000 that would hold up every other request while it is decoded."""
    if identify(data) != "JPEG2000":
        return
    with warnings_as_notes():
        width, height = open_photo(data, name).size
    if width * height > MAX_JPEG2000_PIXELS or len(data) > MAX_JPEG2000_BYTES:
        raise PhotoError(
            f"{name}: is a JPEG 2000 of {width} x {height} pixels and {len(data) / 2**20:.1f} MiB; the page takes at most "
            f"{MAX_JPEG2000_PIXELS // 10**6} megapixels and {MAX_JPEG2000_BYTES >> 20} MiB; save it as JPEG or PNG"
        )


def demo_bytes() -> bytes:
    """The bytes of the demo photo, which is part of the package."""
    return files("godeeper.web").joinpath("demo.jpg").read_bytes()


class PhotoStore:
    """The photos in memory, with limits on their number and total size."""

    def __init__(self, max_photos: int = MAX_PHOTOS, max_bytes: int = MAX_BYTES) -> None:
        self.cache = LruCache[str, StoredPhoto](max_photos, max_bytes, lambda photo: photo.nbytes)

    def __contains__(self, photo_id: object) -> bool:
        return photo_id in self.cache

    def add(self, photo: StoredPhoto) -> None:
        """Store ``photo``; if it is already stored, only its name changes."""
        stored = self.cache.peek(photo.id) or photo
        self.cache.put(photo.id, stored if stored.name == photo.name else replace(stored, name=photo.name))
        self.cache.evict()

    def get(self, photo_id: str) -> StoredPhoto:
        """The photo of that id; raises ``RequestError`` if it is not in memory."""
        photo = self.cache.get(photo_id)
        if photo is None:
            raise not_kept(photo_id)
        return photo
