"""The photo store keeps a limited number of photos in memory, with ids derived from their content."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from godeeper.network import Network
from godeeper.photos.decode import decode
from godeeper.web.compute.photo_store import PhotoStore, StoredPhoto, ingest
from godeeper.web.http.errors import RequestError


@pytest.fixture(scope="module")
def photo(net: Network, chelsea: Path) -> StoredPhoto:
    """The demonstration photo as the server stores it after an upload."""
    return ingest(chelsea.read_bytes(), "cat.jpg", net.preprocess)


def with_id(photo: StoredPhoto, photo_id: str) -> StoredPhoto:
    """Return the same photo under another id."""
    return replace(photo, id=photo_id)


def test_the_id_follows_from_the_content(photo: StoredPhoto, chelsea: Path) -> None:
    """The id is the first half of the SHA-256 of the file."""
    assert photo.id == hashlib.sha256(chelsea.read_bytes()).hexdigest()[:32]


def test_the_resized_pixels_are_stored(photo: StoredPhoto, net: Network, chelsea: Path) -> None:
    """The stored pixels equal those that a peek feeds to the network."""
    np.testing.assert_array_equal(photo.resized, net.preprocess.resized(decode(chelsea)))


def test_large_photos_are_shown_smaller(net: Network) -> None:
    """The displayed picture has at most 1600 pixels per side; sizes and boxes are in pixels of the photo."""
    buffer = io.BytesIO()
    Image.new("RGB", (4000, 1000), "red").save(buffer, "PNG")
    kept = ingest(buffer.getvalue(), "wide.png", net.preprocess)
    assert (kept.size, kept.display_size, kept.used) == ((4000, 1000), (1600, 400), (0, 0, 4000, 1000))
    assert kept.display_image.size == kept.display_size


def test_the_same_photo_is_stored_once_under_its_latest_name(photo: StoredPhoto) -> None:
    """A photo that is uploaded again keeps its id and takes the new name."""
    photos = PhotoStore()
    photos.add(photo)
    photos.add(replace(photo, name="again.jpg"))
    assert len(photos.cache) == 1
    assert photos.get(photo.id).name == "again.jpg"


def test_the_least_recently_used_photo_is_evicted(photo: StoredPhoto) -> None:
    """If the store is full, the least recently used photo is evicted, and a photo that was read recently stays."""
    photos = PhotoStore(max_photos=2)
    for name in "ab":
        photos.add(with_id(photo, name))
    photos.get("a")
    photos.add(with_id(photo, "c"))
    assert list(photos.cache) == ["a", "c"]
    with pytest.raises(RequestError, match="upload the photo again"):
        photos.get("b")


def test_bytes_are_limited_too(photo: StoredPhoto) -> None:
    """Photos are evicted when together they need too many bytes; the last photo always stays."""
    photos = PhotoStore(max_bytes=photo.nbytes)
    for name in "abc":
        photos.add(with_id(photo, name))
    assert list(photos.cache) == ["c"]
