"""Decoding: unusual photos are repaired with a note, and unusable ones are refused with a one-line error."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from godeeper.errors import PhotoError
from godeeper.photos.decode import PhotoSource, decode

SIZE = (40, 24)  # width, height


def gradient(mode: str = "RGB") -> Image.Image:
    """Return a small picture with four different corners."""
    x, y = np.meshgrid(np.linspace(0, 255, SIZE[0]), np.linspace(0, 255, SIZE[1]))
    pixels = np.stack([x, y, 255 - x], axis=2).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def distance(got: Image.Image, expected: Image.Image) -> float:
    """Return the mean absolute difference of two pictures, in levels of 255."""
    assert got.size == expected.size
    return float(np.abs(np.asarray(got, float) - np.asarray(expected.convert("RGB"), float)).mean())


def test_plain_png() -> None:
    """A plain photo is decoded unchanged, without notes."""
    data = encoded(gradient(), "PNG")
    photo = decode(data)
    np.testing.assert_array_equal(photo.pixels, np.asarray(gradient()))
    assert (photo.notes, photo.size, len(photo.sha256)) == ((), SIZE, 64)


def test_all_sources_give_the_same_pixels(tmp_path: Path) -> None:
    """A path, a path as text, the file's bytes, a Pillow image and an array give the same pixels."""
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(gradient(), "PNG"))
    sources: list[PhotoSource] = [path, str(path), path.read_bytes(), gradient(), np.asarray(gradient())]
    for source in sources:
        np.testing.assert_array_equal(decode(source).pixels, np.asarray(gradient()))
    assert decode(path).sha256 == decode(path.read_bytes()).sha256
    assert decode(gradient()).sha256 == decode(np.asarray(gradient())).sha256


def test_animation() -> None:
    """The first frame of an animated GIF is used."""
    frames = [gradient(), gradient().transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    photo = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert photo.notes == ("first of 2 frames",)
    assert distance(photo.image, gradient()) < 12  # a GIF has at most 256 colours


def test_sixteen_bits() -> None:
    """16-bit grey is rounded to 8 bits, not truncated."""
    deep = np.linspace(0, 65535, SIZE[0] * SIZE[1]).astype(np.uint16).reshape(SIZE[1], SIZE[0])
    photo = decode(encoded(Image.fromarray(deep), "PNG"))
    assert photo.notes == ("16 bits rounded to 8",)
    np.testing.assert_array_equal(photo.pixels[..., 0], np.rint(deep / 257).astype(np.uint8))


def test_cmyk() -> None:
    """CMYK without a profile is converted without colour management, with a note."""
    photo = decode(encoded(gradient("CMYK"), "JPEG", quality=95))
    assert "CMYK" in photo.notes[0]
    assert distance(photo.image, gradient()) < 3


def test_palette() -> None:
    """Palette indices are replaced by their colours."""
    photo = decode(encoded(gradient().quantize(256), "PNG"))
    assert photo.notes == ()
    assert distance(photo.image, gradient()) < 12


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_transparency(mode: str) -> None:
    """Transparent parts are composited onto white, or onto the given colour."""
    image = gradient("RGBA" if mode == "P" else mode)
    image.putalpha(Image.fromarray(np.tile(np.where(np.arange(SIZE[0]) < 20, 0, 255).astype(np.uint8), (SIZE[1], 1))))
    if mode == "P":
        image = image.quantize(64)
    data = encoded(image, "PNG")
    assert (decode(data).pixels[:, :20] == 255).all()
    assert decode(data).notes == ("transparent parts laid over white",)
    assert (decode(data, background=(0, 255, 0)).pixels[:, :20] == (0, 255, 0)).all()
    assert (decode(data).pixels[:, 20:] != 255).any()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    """All eight orientations are turned upright."""
    turned = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = gradient()
    for step in turned.get(orientation, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode(encoded(stored, "PNG", exif=exif))
    np.testing.assert_array_equal(photo.pixels, np.asarray(gradient()))
    assert bool(photo.notes) == (orientation > 1)


def test_damaged_exif_is_ignored_with_a_note() -> None:
    """Unreadable EXIF does not affect the pixels, and gives a note."""
    data = encoded(gradient(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    photo = decode(data)
    assert photo.size == SIZE
    assert "EXIF" in photo.notes[0]


def test_colour_profile() -> None:
    """Colours are converted from the embedded profile to sRGB; an embedded sRGB profile changes nothing."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decode(encoded(gradient(), "PNG", icc_profile=lab)).notes == ()
    swapped = linear_profile()
    photo = decode(encoded(gradient(), "PNG", icc_profile=swapped))
    assert photo.notes[0].startswith("colours converted from")
    # half of linear light is sRGB level 188 (IEC 61966-2-1)
    middle = Image.new("RGB", SIZE, (128, 128, 128))
    level = decode(encoded(middle, "PNG", icc_profile=swapped)).pixels[0, 0, 0]
    assert abs(int(level) - 188) <= 1


def linear_profile() -> bytes:
    """Return the sRGB profile with its three curves replaced by straight lines, under another name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    line = b"curv" + bytes(8)
    for entry in range(count):
        position = 132 + 12 * entry
        tag, offset, _ = struct.unpack(">4sII", profile[position : position + 12])
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            profile[offset : offset + 12] = line
            profile[position + 8 : position + 12] = struct.pack(">I", 12)
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "flat".encode("utf-16-be"))


def test_unusable_profile_is_ignored_with_a_note() -> None:
    """Bytes that are not a profile are ignored with a note."""
    photo = decode(encoded(gradient(), "PNG", icc_profile=b"not a profile"))
    assert "unusable colour profile" in photo.notes[0]
    np.testing.assert_array_equal(photo.pixels, np.asarray(gradient()))


@pytest.mark.parametrize("size", [(1, 1), (20_000, 3), (3, 20_000)])
def test_extreme_sizes(size: tuple[int, int]) -> None:
    """A single pixel and a narrow strip are accepted as photos."""
    assert decode(encoded(Image.new("RGB", size, "red"), "PNG")).size == size


def test_wrong_extension(tmp_path: Path) -> None:
    """The content determines the format, and a note mentions the extension."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(gradient(), "PNG"))
    assert decode(path).notes == ("named .jpg, but it is PNG",)


@pytest.mark.parametrize("name", ["my photo.png", "кошка.png", "猫.png", "naïve [1].png"])
def test_names(tmp_path: Path, name: str) -> None:
    """File names may have spaces and any letters."""
    path = tmp_path / name
    path.write_bytes(encoded(gradient(), "PNG"))
    assert decode(path).name == name


@pytest.mark.parametrize("mode", ["1", "L", "YCbCr"])
def test_other_modes(mode: str) -> None:
    """Photos in bitmap, grey and YCbCr modes are converted to RGB."""
    assert decode(gradient(mode)).image.mode == "RGB"


def cut(format: str) -> bytes:
    data = encoded(gradient().resize((200, 200)), format)
    return data[: len(data) // 2]


def claiming(width: int, height: int) -> bytes:
    """Return a grey PNG whose header claims this size, with at most 100,000 bytes of pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(min(height * (1 + width), 100_001)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.jpg": (lambda: b"", "is empty"),
    "truncated.jpg": (lambda: cut("JPEG"), "damaged or cut short"),
    "truncated.png": (lambda: cut("PNG"), "damaged or cut short"),
    "truncated.webp": (lambda: cut("WEBP"), "damaged|cut short|not a photo"),
    "text.jpg": (lambda: b"hello, I am a text\n" * 20, "looks like text"),
    "page.jpg": (lambda: b"<!doctype html><title>404</title>", "web page"),
    "phone.jpg": (lambda: b"\x00\x00\x00\x18ftypheic" + bytes(100), "HEIC"),
    "noise.jpg": (lambda: bytes(range(256)), "not a photo"),
    "bomb.png": (lambda: claiming(50_000, 50_000), "megapixels"),
    "wide.png": (lambda: claiming(60_000_000, 1), "60000000 x 1 pixels, expected at most 100,000 per side"),
    "high.png": (lambda: claiming(1, 100_001), "1 x 100001 pixels, expected at most 100,000 per side"),
    "wide.ppm": (lambda: b"P5 100001 1 255\n" + bytes(100_001), "at most 100,000 per side"),
    "float.tiff": (lambda: encoded(Image.new("F", SIZE, 0.5), "TIFF"), "floating-point"),
    "deep.tiff": (lambda: encoded(Image.new("I", SIZE, 1 << 20), "TIFF"), "32-bit values"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path: Path, name: str) -> None:
    """The error of each bad file is one line with its name and the reason."""
    make, reason = BAD[name]
    path = tmp_path / name
    path.write_bytes(make())
    with pytest.raises(PhotoError, match=reason) as caught:
        decode(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_longest_photo() -> None:
    """A photo whose side has exactly the maximum number of pixels is accepted."""
    assert decode(claiming(100_000, 1)).size == (100_000, 1)


def test_memory_of_deep_photos() -> None:
    """Rounding 16 bits to 8 takes only a few bytes per pixel."""
    deep = encoded(Image.fromarray(np.zeros((1000, 1000), np.uint16)), "PNG")
    decode(deep)
    tracemalloc.start()
    try:
        decode(deep)
        assert tracemalloc.get_traced_memory()[1] < 10 * 1000 * 1000
    finally:
        tracemalloc.stop()


def test_missing_and_folder(tmp_path: Path) -> None:
    """A missing file and a folder in place of a file raise different errors."""
    with pytest.raises(PhotoError, match="no such file"):
        decode(tmp_path / "none.jpg")
    with pytest.raises(PhotoError, match="is a folder"):
        decode(tmp_path)


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4), float), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros(4, np.uint8)],
)
def test_arrays_that_are_not_photos(array: np.ndarray) -> None:
    """Only uint8 arrays with the shape of a picture are photos."""
    with pytest.raises(PhotoError, match="is not a photo"):
        decode(array)
