"""Photos with unusual profiles, transparency, end markers or metadata are decoded by their content, with notes."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin
from tests.conftest import ROOT
from tests.unit.photos.test_decode import SIZE, encoded, gradient, linear_profile

from godeeper.errors import PhotoError
from godeeper.photos.colour import SAME_LEVELS
from godeeper.photos.decode import decode
from godeeper.photos.jpeg import END_NOTE, all_scans

DATA = ROOT / "tests" / "data" / "photos"
MIDDLE = Image.new("RGB", SIZE, (128, 128, 128))


def test_a_linear_profile_is_converted_whatever_it_is_called() -> None:
    """A profile with a straight curve is converted even if its name begins with "sRGB"."""
    photo = decode(DATA / "linear_sRGB-elle-V2-g10.png")
    assert photo.notes == ("colours converted from sRGB-elle-V2-g10.icc",)
    assert abs(photo.pixels.mean() - 115.3) < 0.05


@pytest.mark.parametrize("name", ["flat", "Display P3", "sRGB"])
def test_a_profile_that_is_srgb_in_effect_changes_nothing(name: str) -> None:
    """A profile equivalent to sRGB changes no pixel and gives no note, whatever the profile's name is."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    renamed = profile.replace("sRGB".encode("utf-16-be"), name[:4].encode("utf-16-be"))
    photo = decode(encoded(gradient(), "PNG", icc_profile=renamed))
    assert photo.notes == ()
    np.testing.assert_array_equal(photo.pixels, np.asarray(gradient()))


def test_a_named_srgb_with_a_straight_curve_is_converted() -> None:
    """A linear profile that is named sRGB is converted."""
    renamed = linear_profile().replace("flat".encode("utf-16-be"), "sRGB".encode("utf-16-be"))
    photo = decode(encoded(MIDDLE, "JPEG", icc_profile=renamed))
    assert photo.notes[0].startswith("colours converted from sRGB")
    assert abs(int(photo.pixels[0, 0, 0]) - 188) <= SAME_LEVELS


def test_profiles_and_modes_that_do_not_belong_together() -> None:
    """An RGB profile on a grey photo is used; a profile of another colour space is ignored with a note."""
    grey = decode(encoded(MIDDLE.convert("L"), "PNG", icc_profile=linear_profile()))
    assert abs(int(grey.pixels[0, 0, 0]) - 188) <= SAME_LEVELS
    cmyk = decode(encoded(gradient("CMYK"), "JPEG", icc_profile=linear_profile()))
    assert cmyk.notes[0] == "colour profile ignored: it is for RGB, the photo is CMYK"
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    photo = decode(encoded(gradient(), "PNG", icc_profile=lab))
    assert "ignored" in photo.notes[0]
    np.testing.assert_array_equal(photo.pixels, np.asarray(gradient()))


def test_broken_profiles() -> None:
    """A profile that is truncated or changed anywhere is used or ignored, and never raises an error."""
    good = linear_profile()
    chance = np.random.default_rng(0)
    for number in range(60):
        bad = bytearray(good[: len(good) if number % 2 else number * len(good) // 60])
        for place in chance.integers(0, max(1, len(bad)), 4):
            bad[place : place + 1] = bytes([chance.integers(256)])
        assert decode(encoded(MIDDLE, "PNG", icc_profile=bytes(bad))).size == SIZE


def test_transparency_is_kept_through_a_profile() -> None:
    """A transparent photo with a profile is converted, and then composited onto white."""
    image = MIDDLE.convert("RGBA")
    image.putalpha(Image.new("L", SIZE, 0))
    photo = decode(encoded(image, "PNG", icc_profile=linear_profile()))
    assert (photo.pixels == 255).all()
    assert len(photo.notes) == 2


def chunked(image: Image.Image, *chunks: tuple[bytes, bytes]) -> bytes:
    info = PngImagePlugin.PngInfo()
    for chunk in chunks:
        info.add(*chunk)
    return encoded(image, "PNG", pnginfo=info)


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_png_gamma(mode: str) -> None:
    """A gAMA chunk of 1 means linear light, and one of 1/2.2 changes nothing; next to an sRGB chunk, gAMA is ignored."""
    image = Image.fromarray(np.full(SIZE, 32896, np.uint16)) if mode == "I;16" else MIDDLE.convert(mode)
    linear = decode(chunked(image, (b"gAMA", (100_000).to_bytes(4))))
    assert linear.notes[-1] == "colours converted from a gamma of 1"
    assert abs(int(linear.pixels[0, 0, 0]) - 188) <= 1
    for chunks in ([(b"gAMA", (45455).to_bytes(4))], [(b"gAMA", (100_000).to_bytes(4)), (b"sRGB", b"\0")]):
        usual = decode(chunked(image, *chunks))
        assert usual.pixels[0, 0, 0] == 128
        assert not any("gamma" in note for note in usual.notes)


def test_png_primaries_are_noted() -> None:
    """A cHRM chunk is ignored, with a note if it describes a colour space other than sRGB."""
    for green, notes in [(30_000, 0), (21_000, 1)]:
        values = (31270, 32900, 64000, 33000, green, 60000 if green == 30_000 else 71000, 15000, 6000)
        photo = decode(chunked(MIDDLE, (b"cHRM", b"".join(value.to_bytes(4) for value in values))))
        assert len(photo.notes) == notes


def test_sixteen_bits_with_a_transparent_value() -> None:
    """16-bit grey is compared with the transparent value before rounding, so neighbouring values stay opaque."""
    photo = decode(DATA / "trns16.png")
    assert photo.notes == ("16 bits rounded to 8", "transparent parts laid over white")
    values = np.full((4, 6), 1000, np.uint16)
    values[:, 3:] = 1001  # equals 1000 after rounding to 8 bits
    pixels = decode(encoded(Image.fromarray(values), "PNG", transparency=1000)).pixels
    assert (pixels[:, :3] == 255).all()
    assert (pixels[:, 3:] == 4).all()


def test_sixteen_bits_of_colour_with_a_transparent_colour() -> None:
    """The transparent colour is truncated to 8 bits in the same way as the pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = b"\0" + struct.pack(">3H", 0x1234, 0x5678, 0x9ABC) * 2 + struct.pack(">3H", 0xFFFF, 0, 0) * 2
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 2, 16, 2, 0, 0, 0))
    data += chunk(b"tRNS", struct.pack(">3H", 0x1234, 0x5678, 0x9ABC))
    data += chunk(b"IDAT", zlib.compress(row * 2)) + chunk(b"IEND", b"")
    photo = decode(data)
    assert photo.notes == ("16 bits cut to 8", "transparent parts laid over white")
    assert (photo.pixels[:, :2] == 255).all()
    assert (photo.pixels[:, 2:] == (255, 0, 0)).all()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_turning_is_noted_in_every_format(format: str) -> None:
    """A rotated photo gets a note even in formats that Pillow itself rotates."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = decode(encoded(gradient(), format, exif=exif))
    assert photo.size == (SIZE[1], SIZE[0])
    assert [note for note in photo.notes if "turned upright" in note] == ["turned upright (EXIF orientation 6)"]
    assert decode(DATA / "exif.tif").notes == ("turned upright (EXIF orientation 6)",)


JPEGS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "grey": {"mode": "L"},
    "4:4:4": {"subsampling": 0},
    "restarts": {"restart_marker_blocks": 3},
    "CMYK": {"mode": "CMYK"},
}


def jpeg(kind: str) -> bytes:
    options = dict(JPEGS[kind])
    mode = str(options.pop("mode", "RGB"))
    noise = np.random.default_rng(3).integers(0, 256, (50, 70, 3), np.uint8)
    return encoded(Image.fromarray(noise).convert(mode), "JPEG", quality=90, **options)


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("behind", [b"", bytes(9)])
def test_a_missing_end_marker_is_added(kind: str, missing: int, behind: bytes) -> None:
    """If bytes of the end marker are missing or zero, every pixel is unchanged."""
    whole = jpeg(kind)
    photo = decode(whole[:-missing] + behind)
    assert END_NOTE in photo.notes
    np.testing.assert_array_equal(photo.pixels, decode(whole).pixels)


@pytest.mark.parametrize("kind", JPEGS)
def test_one_missing_pixel_is_refused(kind: str) -> None:
    """A JPEG that is cut anywhere between its last scan's header and four bytes before its end is refused."""
    whole = jpeg(kind)
    for missing in [4, 5, 8, 20, 100, len(whole) // 2]:
        with pytest.raises(PhotoError, match="damaged or cut short"):
            decode(whole[:-missing])


@pytest.mark.parametrize("kind", JPEGS)
def test_zeros_are_not_pixels(kind: str) -> None:
    """A JPEG that is filled up with zeros is refused, although zeros are valid codes."""
    whole = jpeg(kind)
    for kept in (len(whole) // 2, len(whole) - 40):
        with pytest.raises(PhotoError, match="cut short"):
            decode(whole[:kept].ljust(len(whole) + 5000, b"\0"))


def test_a_progressive_jpeg_that_ends_between_two_scans_is_refused() -> None:
    """A progressive JPEG that ends between two scans is refused, because its pixels are not final."""
    whole = jpeg("progressive")
    assert all_scans(whole)
    starts = [place for place in range(len(whole)) if whole[place : place + 2] in (b"\xff\xda", b"\xff\xc4")]
    for start in starts[1:]:
        assert not all_scans(whole[:start] + b"\xff\xd9")
        with pytest.raises(PhotoError):
            decode(whole[:start])


def test_a_cheap_cameras_file() -> None:
    """A cheap camera's file without an end marker is decoded with a note."""
    assert decode(DATA / "missing_eoi.jpg").notes == (END_NOTE,)


def test_bytes_after_the_end_marker_are_ignored() -> None:
    """Bytes after the end marker are ignored."""
    photo = decode(jpeg("baseline") + b"anything" * 5)
    assert photo.notes == ()


@pytest.mark.parametrize("command", [["doctor", "{folder}"], ["peek", "{photo}", "conv", "--out", "{folder}"]])
def test_no_library_s_warning_reaches_a_terminal(tmp_path: Path, command: list[str]) -> None:
    """Damaged EXIF gives godeeper's own note in every thread, and no library warning."""
    for name in "ab":
        (tmp_path / "p" / name).mkdir(parents=True)
        (tmp_path / "p" / name / f"{name}.jpg").write_bytes((DATA / "bad_exif.jpg").read_bytes() + name.encode())
    places = {"folder": tmp_path / "p", "photo": tmp_path / "p" / "a" / "a.jpg"}
    words = [word.format(**places) for word in command]
    done = subprocess.run([sys.executable, "-m", "godeeper", *words], capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert "unreadable EXIF ignored" in said
    assert not any(word in said for word in ("Warning", "site-packages", "Corrupt", ".py"))


def test_damaged_files_print_nothing_below_python(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed for damaged files, although libtiff, libjpeg and libpng print to standard error by themselves."""
    chance = np.random.default_rng(1)
    for name, options in [
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("JPEG", {}),
        ("PNG", {}),
        ("WEBP", {}),
    ]:
        good = encoded(gradient(), name, **options)
        for _ in range(60):
            bad = bytearray(good)
            for place in chance.integers(8, len(bad), 3):
                bad[place] = chance.integers(256)
            with suppress(PhotoError):
                decode(bytes(bad))
    assert capfd.readouterr() == ("", "")


def test_open_files() -> None:
    """Any open file is accepted, even if it can be read only once."""
    path = DATA / "exif.tif"
    with path.open("rb") as file:
        photo = decode(file)
    assert photo.name == "exif.tif"
    assert decode(io.BytesIO(path.read_bytes())).sha256 == photo.sha256
    with path.open(encoding="latin-1") as text, pytest.raises(PhotoError, match="mode 'rb'"):
        decode(text)
    with pytest.raises(PhotoError, match="empty"):
        decode(io.BytesIO())


def test_arrays_with_one_channel() -> None:
    """An array (H, W, 1) is grey."""
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8, 1)
    np.testing.assert_array_equal(decode(grey).pixels[..., 0], grey[..., 0])


class Tensor:
    """A stand-in for PyTorch's tensor with the attributes that godeeper's error message depends on."""

    def __init__(self, values: np.ndarray, *, gradient: bool = False) -> None:
        self.values, self.gradient = values, gradient

    def permute(self, *axes: int) -> None: ...
    def detach(self) -> None: ...

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        if self.gradient:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.values


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 24, 40), np.uint8), r"transpose it: array.transpose\(1, 2, 0\)"),
        (np.zeros((1, 24, 40), np.uint8), "transpose it"),
        (np.ones((24, 40, 3)), "multiply by 255 and convert to uint8"),
        (np.ones((3, 24, 40), np.float32), "transpose it.*, then multiply by 255"),
        (np.full((24, 40, 3), 200.0), r"convert it to uint8: array.round\(\).astype\('uint8'\)"),
        (np.full((24, 40, 3), 200), r"convert it to uint8: array.astype\('uint8'\)"),
        (np.full((24, 40), 60000, np.uint16), "divide by 257"),
        (np.full((24, 40, 3), -1.0), "its values go from -1 to -1"),
        (np.full((24, 40, 3), np.nan), "NaN"),
        (np.zeros((24, 40), bool), "multiply by 255"),
        (np.zeros((1, 24, 40, 3), np.uint8), r"one photo at a time, array\[0\]"),
        (np.zeros((1, 3, 24, 40), np.float32), r"array\[0\], and transpose it.*, then multiply by 255"),
        (Tensor(np.zeros((3, 24, 40), np.float32)), r"tensor.permute\(1, 2, 0\), then multiply"),
        (Tensor(np.zeros(1), gradient=True), r"call .detach\(\).cpu\(\).numpy\(\)"),
        (None, "NoneType.*a path, bytes, an open file"),
        ({"a": 1}, "type dict"),
        ([[1, 2], [3]], "list cannot be converted to an array"),
    ],
)
def test_errors_for_arrays_say_what_to_do(array: Any, words: str) -> None:
    """The one-line error states what was given, what is expected, and which call converts it."""
    with pytest.raises(PhotoError, match=words) as caught:
        decode(array)
    assert "\n" not in str(caught.value)
    assert "expected uint8" in str(caught.value)
