"""The album: photos in memory, bounded, called by their content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from godeeper.network import Network
from godeeper.photos.decode import decode
from godeeper.web.compute.photo_store import PhotoStore, StoredPhoto, ingest
from godeeper.web.http.errors import RequestError


@pytest.fixture(scope="module")
def photo(net: Network, chelsea: Path) -> StoredPhoto:
    """The demonstration photo, developed."""
    return ingest(chelsea.read_bytes(), "cat.jpg", net.preprocess)


def named(photo: StoredPhoto, name: str) -> StoredPhoto:
    """Another photo of the same pixels."""
    from dataclasses import replace

    return replace(photo, id=name)


def test_a_photo_is_called_by_its_content(photo: StoredPhoto, chelsea: Path) -> None:
    """Its id is the first half of its SHA-256."""
    assert photo.id == hashlib.sha256(chelsea.read_bytes()).hexdigest()[:32]


def test_what_the_network_sees_is_kept(photo: StoredPhoto, net: Network, chelsea: Path) -> None:
    """The resized pixels are those that a peek starts from."""
    np.testing.assert_array_equal(photo.resized, net.preprocess.resized(decode(chelsea)))


def test_large_photos_are_shown_smaller(net: Network) -> None:
    """The picture to show has at most 1600 pixels a side; sizes and boxes are the photo's own."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (4000, 1000), "red").save(buffer, "PNG")
    kept = ingest(buffer.getvalue(), "wide.png", net.preprocess)
    assert (kept.size, kept.display_size, kept.used) == ((4000, 1000), (1600, 400), (0, 0, 4000, 1000))
    assert kept.display_image.size == kept.display_size


def test_the_same_photo_is_kept_once_under_its_last_name(photo: StoredPhoto) -> None:
    """A photo dropped again keeps its address."""
    from dataclasses import replace

    album = PhotoStore()
    album.add(photo)
    album.add(replace(photo, name="again.jpg"))
    assert len(album.kept) == 1
    assert album.get(photo.id).name == "again.jpg"


def test_the_longest_unused_go_first(photo: StoredPhoto) -> None:
    """What was looked at lately stays."""
    album = PhotoStore(most_photos=2)
    for name in "ab":
        album.add(named(photo, name))
    album.get("a")
    album.add(named(photo, "c"))
    assert list(album.kept) == ["a", "c"]
    with pytest.raises(RequestError, match="drop the photo again"):
        album.get("b")


def test_bytes_are_bounded_too(photo: StoredPhoto) -> None:
    """Photos go when there are too many bytes, but the last one never does."""
    album = PhotoStore(most_bytes=photo.nbytes)
    for name in "abc":
        album.add(named(photo, name))
    assert list(album.kept) == ["c"]
