"""Streams of features keep the order of the photos, equal the features of single photos, and need bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from godeeper.errors import AddressError
from godeeper.features.batch import Batch
from godeeper.features.pipeline import BATCH_SIZE, Decode, Entry
from godeeper.features.stream import KEPT, least_side, stream, whole_tensors
from godeeper.network import Network, load
from godeeper.photos.decode import PhotoSource, decode
from godeeper.prefetch import AHEAD

ADDRESSES = ["mixed/join", "pool_3"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twenty small, different photos; the fourth is damaged and the last is missing."""
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 12 * number + 9, (40, 50, 3), dtype=np.uint8)
        paths.append(folder / f"{number:02}.png")
        Image.fromarray(pixels).save(paths[-1])
    paths[3].write_bytes(b"hello")
    paths[19].unlink()
    return paths


def rows(batches: list[Batch], address: str) -> np.ndarray:
    return np.concatenate([batch.features[address] for batch in batches if batch.features])


def test_each_photo_has_its_own_row(net: Network, photos: list[Path]) -> None:
    """Each photo has its own row of features, equal to the features computed alone; errors are at the positions of their photos."""
    batches = list(stream(net, photos, ADDRESSES))
    assert [name for batch in batches for name in batch.names] == [str(path) for path in photos]
    readable = [batch.names[place] for batch in batches for place in batch.readable]
    assert readable == [str(path) for path in photos if path.stem not in ("03", "19")]
    errors = {batch.names[place]: error for batch in batches for place, error in batch.errors.items()}
    assert set(errors) == {str(photos[3]), str(photos[19])}
    assert "not a photo" in errors[str(photos[3])]
    single = [[peek.activations.mean((2, 3))[0] for peek in net.peeks(photo, ADDRESSES)] for photo in readable]
    for address, expected in zip(ADDRESSES, zip(*single, strict=True), strict=True):
        np.testing.assert_allclose(rows(batches, address), expected, rtol=1e-4, atol=1e-5)


def test_only_errors(net: Network, tmp_path: Path) -> None:
    """Without a readable photo there are no features, and no exception."""
    [batch] = stream(net, [tmp_path / "none.jpg"], ADDRESSES)
    assert (batch.readable, dict(batch.features), len(batch.errors)) == ((), {}, 1)
    assert list(stream(net, [], ADDRESSES)) == []


def test_photos_are_taken_as_they_are_needed(net: Network, photos: list[Path]) -> None:
    """From an endless source, a bounded number of photos is decoded ahead of the consumer."""
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield photos[0]

    batches = stream(net, endless(), ADDRESSES)
    for number in range(1, 4):
        next(batches)
        assert taken <= (number + 1) * BATCH_SIZE + AHEAD
    batches.close()  # type: ignore[attr-defined]  # ``batches`` is a generator


def test_every_kind_of_photo(net: Network, chelsea: Path) -> None:
    """Paths, bytes, images, arrays and decoded photos give the same features."""
    image = Image.open(chelsea)
    kinds: list[PhotoSource] = [str(chelsea), chelsea.read_bytes(), image, np.asarray(image), decode(chelsea)]
    [batch] = stream(net, kinds, ["mixed/join"])
    np.testing.assert_allclose(batch.features["mixed/join"], batch.features["mixed/join"][:1].repeat(5, 0), rtol=1e-5)
    assert batch.names[0] == str(chelsea)
    assert batch.names[4] == "chelsea.jpg"


@pytest.mark.parametrize("address", ["mixed/join[3]", "Mul", "DecodeJpeg"])
def test_addresses_without_features(net: Network, address: str) -> None:
    """Channels and the photo's own steps are refused; a tensor is returned under its 2015 name."""
    with pytest.raises(AddressError):
        whole_tensors(net, [address])
    assert whole_tensors(net, ["Mixed_5b"]) == {"mixed/join": 256}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, chelsea: Path) -> Path:
    """The demonstration photo as a JPEG of 5 megapixels, rotated by EXIF."""
    path = tmp_path_factory.mktemp("large") / "large.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(chelsea).resize((2706, 1800), Image.Resampling.BICUBIC).save(path, quality=95, exif=exif)
    return path


def test_large_jpegs_are_reduced(net: Network, large: Path) -> None:
    """Decoded at half its size, a large JPEG gives nearly the same input; decoded at full size, exactly the same."""
    size = net.preprocess.size
    whole = net.preprocess(decode(large))
    _, exact = Decode(net.preprocess, None)(Entry(0, large))
    _, reduced = Decode(net.preprocess, KEPT * size)(Entry(0, large))
    assert isinstance(exact, np.ndarray)
    assert isinstance(reduced, np.ndarray)
    np.testing.assert_array_equal(exact, whole)
    difference = np.abs(reduced - whole) * 127.5
    assert 0 < difference.mean() < 0.5


def test_eight_bits_keep_less(net: Network, large: Path) -> None:
    """In int8 a JPEG's shorter side stays at least twice as long as the network's input; the mean difference is below one level."""
    small = load(engine="onnxruntime", precision="int8")
    assert (least_side(net), least_side(small)) == (3 * 299, 2 * 299)
    medium = Image.open(large).resize((1196, 1794), Image.Resampling.BICUBIC)
    path = large.with_name("medium.jpg")
    medium.save(path, quality=95)
    whole = net.preprocess(decode(path))
    _, untouched = Decode(net.preprocess, least_side(net))(Entry(0, path))
    _, reduced = Decode(net.preprocess, least_side(small))(Entry(0, path))
    assert isinstance(reduced, np.ndarray)
    np.testing.assert_array_equal(untouched, whole)
    assert 0 < np.abs(reduced - whole).mean() * 127.5 < 1


@pytest.mark.parametrize(
    ("least", "expected"),
    [(None, (1800, 2706)), (901, (1800, 2706)), (900, (900, 1353)), (450, (450, 677)), (1, (225, 339))],
)
def test_the_least_side_is_kept(large: Path, least: int | None, expected: tuple[int, int]) -> None:
    """A JPEG is reduced by the largest factor of 2, 4 and 8 that its shorter side allows, and the photo has a note."""
    photo = decode(large, least_side=least)
    assert photo.size == expected
    assert any(note.startswith("decoded at 1/") for note in photo.notes) == (expected != (1800, 2706))


def test_other_formats_are_not_reduced(tmp_path: Path) -> None:
    """A PNG is decoded at full size."""
    Image.new("RGB", (1000, 1000)).save(tmp_path / "large.png")
    assert decode(tmp_path / "large.png", least_side=100).size == (1000, 1000)
