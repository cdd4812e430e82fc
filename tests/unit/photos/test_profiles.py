"""Colours converted through embedded profiles, compared with matrix and curve in NumPy."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from tests.unit.photos import profiles
from tests.unit.photos.profiles import ADOBE, DISPLAY_P3, SRGB, SRGB_CURVE, gamma_tag, parametric_tag
from tests.unit.photos.test_decode import encoded

from godeeper.photos import colour
from godeeper.photos.decode import decode
from godeeper.photos.embedded import TEXT_NOTE

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
GREYS = np.arange(256, dtype=np.uint8)[None]
ROUNDING = 1.0
"""Tolerance in levels of 255.  It is needed because the colour engine computes with integers."""
IGNORED = "unusable colour profile ignored (a part of it is missing or damaged)"
P3 = profiles.rgb_profile(DISPLAY_P3, parametric_tag(SRGB_CURVE), version=4, name="Display P3")
ADOBE_GAMMA = 563 / 256


def power(gamma: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    return lambda levels: levels**gamma


@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("primaries", "curve", "to_light"),
    [
        (DISPLAY_P3, parametric_tag(SRGB_CURVE), profiles.srgb_light),
        (ADOBE, gamma_tag(ADOBE_GAMMA), power(ADOBE_GAMMA)),
        (SRGB, gamma_tag(1.0), power(1.0)),
    ],
    ids=["Display P3", "Adobe RGB (1998)", "linear sRGB"],
)
def test_matrix_and_curve(
    version: int,
    format: str,
    primaries: tuple[tuple[float, float], ...],
    curve: bytes,
    to_light: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> None:
    """Random colours are converted correctly, and colours outside sRGB are clipped."""
    embedded = profiles.rgb_profile(primaries, curve, version=version, name="sRGB")
    options = {"lossless": True} if format == "WEBP" else {}
    photo = decode(encoded(Image.fromarray(NOISE), format, icc_profile=embedded, **options))
    expected = profiles.expected(NOISE, to_light, profiles.matrix(primaries))
    assert photo.notes == ("colours converted from sRGB",)
    assert np.abs(photo.pixels - expected).max() <= ROUNDING


def test_srgb_of_one_s_own_making_changes_nothing() -> None:
    """An sRGB profile that the test builds changes nothing, whatever the profile's name is."""
    embedded = profiles.rgb_profile(SRGB, parametric_tag(SRGB_CURVE), version=4, name="Adobe RGB (1998)")
    photo = decode(encoded(Image.fromarray(NOISE), "PNG", icc_profile=embedded))
    assert photo.notes == ()
    np.testing.assert_array_equal(photo.pixels, NOISE)


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_curves(gamma: float, mode: str) -> None:
    """A grey profile with one curve is applied, even if the photo is transparent."""
    embedded = profiles.profile({b"kTRC": gamma_tag(gamma)}, b"GRAY")
    photo = decode(encoded(Image.fromarray(GREYS).convert(mode), "PNG", icc_profile=embedded))
    stored = round(gamma * 256) / 256
    expected = profiles.srgb_levels((GREYS / 255.0) ** stored)
    assert np.abs(photo.pixels[..., 0] - expected).max() <= ROUNDING


def press() -> NDArray[np.float64]:
    """Return (2, 2, 2, 2, 3): Lab colours of paper with and without each ink."""
    nodes = np.empty((2, 2, 2, 2, 3))
    for c, m, y, k in np.ndindex(2, 2, 2, 2):
        light = (1 - k) * np.array([1.0, 1.0, 1.0])
        nodes[c, m, y, k] = light * (
            100 * (1 - 0.3 * c) * (1 - 0.35 * m) * (1 - 0.1 * y),
            45 * m - 30 * c,
            50 * y - 35 * c,
        )
    return nodes


@pytest.mark.parametrize("format", ["TIFF", "JPEG"])
def test_four_inks_through_a_table(format: str) -> None:
    """Each of the 16 combinations of four inks is converted correctly, also in JPEGs, which store inks inverted."""
    inks = np.array(list(np.ndindex(2, 2, 2, 2)), np.uint8).reshape(4, 4, 4) * np.uint8(255)
    image = Image.frombytes("CMYK", (4, 4), inks.tobytes()).resize((64, 64), Image.Resampling.NEAREST)
    options = {"quality": 100} if format == "JPEG" else {}
    embedded = profiles.table_profile(b"CMYK", press(), name="press")
    photo = decode(encoded(image, format, icc_profile=embedded, **options))
    expected = profiles.lab_levels(press()).reshape(4, 4, 3)
    assert photo.notes == ("colours converted from press",)
    assert np.abs(photo.pixels[8::16, 8::16] - expected).max() <= 2


def test_a_table_of_lab_colours_for_red_green_and_blue() -> None:
    """A profile with a table of Lab colours instead of a matrix, as for a printer or scanner, is applied."""
    nodes = press()[::-1, ::-1, ::-1, 0].copy()
    nodes[0, 0, 0] = 0
    corners = np.array(list(np.ndindex(2, 2, 2)), np.uint8).reshape(2, 4, 3) * np.uint8(255)
    embedded = profiles.table_profile(b"RGB ", nodes, name="scanner")
    photo = decode(encoded(Image.fromarray(corners), "PNG", icc_profile=embedded))
    assert np.abs(photo.pixels.reshape(2, 2, 2, 3) - profiles.lab_levels(nodes)).max() <= ROUNDING


@pytest.mark.parametrize("kind", [b"link", b"abst", b"nmcl"])
@pytest.mark.parametrize("space", [b"RGB ", b"CMYK", b"Lab ", b"HSV ", b"6CLR", b"GRAY", b"\0\0\0\0", b"\xff\n\x1b["])
def test_unusable_profiles(kind: bytes, space: bytes) -> None:
    """Device links, named colours and other spaces are ignored, with one note of one line."""
    embedded = profiles.profile({}, space, kind=kind)
    photo = decode(encoded(Image.fromarray(NOISE), "PNG", icc_profile=embedded))
    (note,) = photo.notes
    assert "colour profile ignored" in note
    assert note.isprintable()
    np.testing.assert_array_equal(photo.pixels, NOISE)


def test_a_name_is_shown_without_what_a_terminal_would_obey() -> None:
    """Control characters in a profile's name are escaped, and its length is limited."""
    embedded = profiles.rgb_profile(ADOBE, gamma_tag(2.2), version=4, name="\x1b[31m\nred\u202e" + "n" * 500)
    (note,) = decode(encoded(Image.fromarray(NOISE), "PNG", icc_profile=embedded)).notes
    assert note.isprintable()
    assert len(note) < 120


def padded(size: int) -> bytes:
    """Return a Display P3 profile that is padded to ``size`` bytes, because printers' profiles are as large."""
    return P3 + bytes(size)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_a_large_profile_is_used(format: str) -> None:
    """A profile of 3 MB is used, although Pillow refuses PNG profiles above 1 MB; the conversion is not cached."""
    colour.cached_conversion.cache_clear()
    options = {"lossless": True} if format == "WEBP" else {}
    photo = decode(encoded(Image.fromarray(NOISE), format, icc_profile=padded(3_000_000), **options))
    assert photo.notes == ("colours converted from Display P3",)
    np.testing.assert_array_equal(photo.pixels, decode(encoded(Image.fromarray(NOISE), "PNG", icc_profile=P3)).pixels)
    assert colour.cached_conversion.cache_info().currsize == 1


def with_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG with these chunks after its header."""
    data = encoded(Image.fromarray(NOISE), "PNG")
    parts = (struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks)
    return data[:33] + b"".join(parts) + data[33:]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"x\0",
        b"x\0\0",
        b"x\0\0damaged",
        b"x\0\1" + zlib.compress(P3),
        b"x\0\0" + zlib.compress(bytes(20 << 20)),
    ],
    ids=["empty", "name", "no method", "nothing", "damaged", "unknown method", "bomb"],
)
def test_damaged_profile_chunks_are_ignored(content: bytes) -> None:
    """A damaged profile chunk is ignored: the photo is decoded completely, and a note names the chunk."""
    photo = decode(with_chunks((b"iCCP", content)))
    assert photo.notes == (IGNORED,)
    np.testing.assert_array_equal(photo.pixels, NOISE)


def test_a_jpeg_that_lacks_a_part_of_its_profile() -> None:
    """A profile in several segments is ignored with a note if one segment is missing."""
    data = encoded(Image.fromarray(NOISE), "JPEG", icc_profile=padded(200_000))
    second = data.index(b"ICC_PROFILE\0\2") - 4
    length = int.from_bytes(data[second + 2 : second + 4])
    assert IGNORED in decode(data[:second] + data[second + 2 + length :]).notes


@pytest.mark.parametrize("zip", [True, False])
@pytest.mark.parametrize("behind", [True, False], ids=["behind the pixels", "before the pixels"])
def test_large_texts_do_not_stop_a_png(*, zip: bool, behind: bool) -> None:
    """A PNG with megabytes of text, as some editors write it, is decoded, although Pillow refuses large compressed texts."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "history " * 300_000, zip=zip)
    info.add_text("Comment", "a word " * 300_000, zip=zip)
    data = encoded(Image.fromarray(NOISE), "PNG", pnginfo=info)
    if behind:
        pixels = encoded(Image.fromarray(NOISE), "PNG")
        texts = data[33 : len(data) - len(pixels) + 33]
        data = pixels[:-12] + texts + pixels[-12:]
    photo = decode(data)
    assert photo.notes == ((TEXT_NOTE,) if zip else ())
    np.testing.assert_array_equal(photo.pixels, NOISE)


def test_many_bombs_are_unpacked_once() -> None:
    """All texts of a file together are unpacked up to one megabyte, so a thousand bombs cost no more than one."""
    bomb = (b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000)))
    photo = decode(with_chunks(*[bomb] * 1000))
    assert photo.notes == (TEXT_NOTE,)


def test_a_profile_in_jpeg_2000() -> None:
    """Godeeper reads the profile from the file's header, because Pillow does not."""
    plain = encoded(Image.fromarray(NOISE), "JPEG2000")
    content = b"\2\0\0" + P3
    box = struct.pack(">I", 8 + len(content)) + b"colr" + content
    start, end = plain.index(b"jp2h") - 4, plain.index(b"colr") - 4
    old = int.from_bytes(plain[end : end + 4])
    size = int.from_bytes(plain[start : start + 4]) - old + len(box)
    data = plain[:start] + struct.pack(">I", size) + plain[start + 4 : end] + box + plain[end + old :]
    photo = decode(data)
    assert photo.notes == ("colours converted from Display P3",)
    expected = profiles.expected(NOISE, profiles.srgb_light, profiles.matrix(DISPLAY_P3))
    assert np.abs(photo.pixels - expected).max() <= ROUNDING


def avif_of(points: tuple[int, int]) -> bytes:
    """Return an AVIF that states its colour space by these code points."""
    data = encoded(Image.fromarray(NOISE), "AVIF", speed=10)
    place = data.index(b"colrnclx") + 8
    return data[:place] + struct.pack(">2H", *points) + data[place + 4 :]


@pytest.mark.parametrize(("points", "noted"), [((1, 13), False), ((9, 16), True), ((12, 16), True), ((9, 14), True)])
def test_spaces_named_by_numbers(points: tuple[int, int], *, noted: bool) -> None:
    """PNG (cICP) and AVIF (nclx) files that name an HDR space or other primaries are not converted, with a note."""
    for data in (with_chunks((b"cICP", bytes([*points, 0, 1]))), avif_of(points)):
        photo = decode(data)
        assert [note.startswith("colour space ignored") for note in photo.notes] == [True] * noted
    followed = with_chunks((b"iCCP", b"x\0\0" + zlib.compress(P3)), (b"cICP", bytes([*points, 0, 1])))
    assert decode(followed).notes == ("colours converted from Display P3",)


def test_display_p3_named_by_numbers() -> None:
    """PNG (cICP) and AVIF (nclx) files that name Display P3 are converted as with its profile."""
    avif = avif_of((12, 13))
    for data, stored in (
        (with_chunks((b"cICP", bytes([12, 13, 0, 1]))), NOISE),
        (avif, np.asarray(Image.open(io.BytesIO(avif)))),
    ):
        photo = decode(data)
        expected = profiles.expected(stored, profiles.srgb_light, profiles.matrix(DISPLAY_P3))
        assert photo.notes == ("colours converted from Display P3",)
        assert np.abs(photo.pixels - expected).max() <= ROUNDING


def test_greys_of_display_p3_stay() -> None:
    """A grey photo has the same levels in Display P3 and in sRGB."""
    plain = encoded(Image.fromarray(GREYS), "PNG")
    kind = b"cICP" + bytes([12, 13, 0, 1])
    photo = decode(plain[:33] + struct.pack(">I", 4) + kind + struct.pack(">I", zlib.crc32(kind)) + plain[33:])
    assert photo.notes == ()
    np.testing.assert_array_equal(photo.pixels[..., 0], GREYS)


def test_damaged_profiles_never_stop_a_photo() -> None:
    """After any of 300 changes to matrix, curves and tables the photo is decoded, and every note is one line."""
    chance = np.random.default_rng(7)
    kinds = [P3, profiles.table_profile(b"RGB ", press()[..., 0, :]), profiles.rgb_profile(ADOBE, gamma_tag(2.2))]
    for number in range(300):
        bad = bytearray(kinds[number % 3])
        for place in chance.integers(0, len(bad), 1 + number % 4):
            bad[place] = chance.choice([0, 1, 127, 128, 255, int(chance.integers(256))])
        photo = decode(encoded(Image.fromarray(NOISE[:4, :4]), "PNG", icc_profile=bytes(bad)))
        assert all(note.isprintable() for note in photo.notes)


def test_a_palette_and_an_open_file_keep_their_profile() -> None:
    """Palette colours are converted too, even in an image that the caller opened."""
    data = encoded(Image.fromarray(NOISE).quantize(16), "PNG", icc_profile=P3)
    photo = decode(data)
    assert photo.notes == ("colours converted from Display P3",)
    with Image.open(io.BytesIO(data)) as opened:
        np.testing.assert_array_equal(decode(opened).pixels, photo.pixels)
