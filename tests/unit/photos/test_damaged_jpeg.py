"""JPEGs whose data does not cover every pixel are refused; other flaws give at most a note."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.unit.photos.scenes import scene

from godeeper.errors import PhotoError
from godeeper.photos.decode import decode

END = b"\xff\xd9"
NOISE = np.random.default_rng(0).integers(-30, 30, (120, 160, 3))
PIXELS = Image.fromarray((np.asarray(scene(1)) + NOISE).clip(0, 255).astype(np.uint8))
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("RGB", {}),
    "progressive": ("RGB", {"progressive": True}),
    "restarts": ("RGB", {"restart_marker_blocks": 4}),
    "grey": ("L", {}),
    "full colour": ("RGB", {"subsampling": 0}),
    "stored as RGB": ("RGB", {"keep_rgb": True}),
    "CMYK": ("CMYK", {}),
}


def jpeg(kind: str, **options: Any) -> bytes:
    mode, more = KINDS[kind]
    buffer = io.BytesIO()
    PIXELS.convert(mode).save(buffer, "JPEG", quality=85, **more, **options)
    return buffer.getvalue()


def scans(data: bytes) -> list[int]:
    """Return the offset of each scan in a JPEG."""
    return [found.start() for found in re.finditer(rb"\xff\xda", data)]


def refused(data: bytes) -> None:
    with pytest.raises(
        PhotoError, match=r"x\.jpg: the photo is damaged or cut short \(.+\); copy or download it again"
    ) as raised:
        decode(data, name="x.jpg")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_ones_equal_pillow_s(kind: str) -> None:
    """Intact JPEGs are decoded as by Pillow, at full and at reduced size, without a note of damage."""
    data = jpeg(kind)
    for least_side in (None, 60, 30, 15):
        photo = decode(data, least_side=least_side)
        with Image.open(io.BytesIO(data)) as opened:
            if least_side:
                opened.draft(None, (least_side, least_side))
            np.testing.assert_array_equal(photo.pixels, np.asarray(opened.convert("RGB")))
        assert not [note for note in photo.notes if "decoded at" not in note and "CMYK" not in note]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("tail", [b"", END, bytes(40) + END, bytes(9000), bytes(9000) + END, b"hello" * 50 + END])
def test_cut_ones_are_refused(kind: str, share: float, tail: bytes) -> None:
    """A truncated JPEG is refused, whether nothing, an end marker, zeros or other bytes follow."""
    data = jpeg(kind)
    start = scans(data)[0]
    refused(data[: start + int((len(data) - start) * share)] + tail)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hole_is_refused(kind: str) -> None:
    """A JPEG is refused if a part in the middle is missing or was never written."""
    data = jpeg(kind)
    middle = (scans(data)[0] + len(data)) // 2
    refused(data[:middle] + data[middle + 300 :])
    refused(data[:middle] + bytes(1000) + data[middle + 1000 :])


@pytest.mark.parametrize("count", [1, 3, 8])
def test_lost_restart_intervals_are_refused(count: int) -> None:
    """Even eight lost restart intervals are detected, although the marker numbers match again after them."""
    data = jpeg("restarts")
    markers = [found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", data)]
    refused(data[: markers[2]] + data[markers[2 + count] :])
    refused(data[: markers[2] + 12] + data[markers[2 + count] :])


def test_missing_scans_are_refused() -> None:
    """A progressive JPEG that ends after any scan but its last is refused."""
    data = jpeg("progressive")
    starts = scans(data)
    assert len(starts) > 5
    for start in starts[1:]:
        refused(
            data[: data.rfind(b"\xff\xc4", 0, start) if data[start - 200 : start].count(b"\xff\xc4") else start] + END
        )


def test_a_whole_thumbnail_hides_nothing() -> None:
    """The end marker of a JPEG thumbnail in the EXIF block does not count as the photo's."""
    small = io.BytesIO()
    PIXELS.resize((40, 30)).save(small, "JPEG")
    exif = Image.Exif()
    exif[0x927C] = small.getvalue()
    data = jpeg("baseline", exif=exif.tobytes())
    assert data.count(END) == 2
    assert decode(data).notes == ()
    start = scans(data)[-1]
    for tail in (b"", END, small.getvalue()):
        refused(data[: start + (len(data) - start) // 2] + tail)


@pytest.mark.parametrize("tail", [b"", END])
def test_the_first_picture_of_several(tail: bytes) -> None:
    """The first picture of an MPO file must be complete; the bytes after it do not matter."""
    buffer = io.BytesIO()
    PIXELS.save(buffer, "MPO", save_all=True, append_images=[PIXELS.rotate(90)])
    data = buffer.getvalue()
    first = data.index(END)
    np.testing.assert_array_equal(decode(data).pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    decode(data[: (first + len(data)) // 2] + END)
    hole = data[: first - 900] + data[first - 300 :]
    refused(hole + tail)


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_after_the_pixels_are_harmless(kind: str) -> None:
    """Extra bytes after the end marker give no note; extra bytes before the marker give a note, and the pixels are the same."""
    data = jpeg(kind)
    good = decode(data)
    after = decode(data + b"hello" * 100)
    assert after.notes == good.notes
    for extra in (bytes(100), b"hello" * 8):
        photo = decode(data[:-2] + extra + END)
        np.testing.assert_array_equal(photo.pixels, good.pixels)
        assert photo.notes[0].startswith("extra bytes after its pixels: ")


def test_an_odd_header_hides_no_damage() -> None:
    """An unknown value in Adobe's segment gives a note; damage is still found, although libjpeg hides warnings after the first."""
    data = jpeg("stored as RGB")
    place = data.index(b"Adobe") + 11
    odd = data[:place] + b"\x07" + data[place + 1 :]
    assert any("odd JPEG header ignored" in note for note in decode(odd).notes)
    refused(odd[: len(odd) // 2] + END)
    left_over = data[: len(data) * 2 // 3] + END
    refused(left_over[:2] + data[2:4] + left_over[4:])


def test_opened_images_are_judged_too() -> None:
    """A Pillow image is checked if its pixels are not loaded yet; loaded pixels are used as they are."""
    data = jpeg("baseline")
    with Image.open(io.BytesIO(data)) as opened:
        np.testing.assert_array_equal(decode(opened).pixels, decode(data).pixels)
    with Image.open(io.BytesIO(data[: len(data) // 2] + END)) as opened, pytest.raises(PhotoError, match="cut short"):
        decode(opened)


def test_a_flipped_bit_gives_an_error_a_note_or_valid_codes() -> None:
    """A flipped bit gives an error, a note, or different pixels without a note; some flipped bits are detected."""
    data = jpeg("baseline")
    start = scans(data)[0] + 14
    found = 0
    for place in range(start, len(data) - 2, 97):
        flipped = bytearray(data)
        flipped[place] ^= 0x10
        try:
            found += bool(decode(bytes(flipped)).notes)
        except PhotoError:
            found += 1
    assert found > 10


@pytest.mark.parametrize("end", [b"\xff\xd9", b""])
def test_a_file_of_endless_scans_is_refused(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with too many scans is refused before decoding, because each scan takes a few bytes but visits all pixels."""
    data = jpeg("progressive")
    start = scans(data)[-1]
    bomb = data[:start] + data[start:-2] * 100 + end
    monkeypatch.setattr("simplejpeg.decode_jpeg", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(PhotoError, match=r"x\.jpg: a JPEG of more than 64 scans; expected .+"):
        decode(bomb, name="x.jpg")
    with pytest.raises(PhotoError, match="scans"), Image.open(io.BytesIO(bomb)) as opened:
        decode(opened, name="x.jpg")
