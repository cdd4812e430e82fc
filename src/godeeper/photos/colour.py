"""Convert colours to sRGB from an embedded ICC profile, the code points of Display P3 or a PNG's gamma.

A profile counts as sRGB if it hardly changes a set of test colours; its name does not matter.
"""

from __future__ import annotations

import io
import struct
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from .embedded import CODE_POINTS, is_display_p3, is_usual

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Conversion = Callable[[Image.Image], Image.Image]

SAME_LEVELS = 2  # of 255: a profile that changes no test colour by more is treated as sRGB
SPACES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
SRGB_GAMMA, SAME_GAMMA = 1 / 2.2, 0.02
SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
SAME_PRIMARIES = 0.005
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""(g, a, b, c, d) of the transfer function: (a x + b) ** g for x >= d, c x below."""
D50 = (0.9642, 1.0, 0.8249)
P3_COLUMNS = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
"""X, Y and Z of Display P3's red, green and blue, adapted to D50."""
CACHED_PROFILES, LARGEST_CACHED = 16, 1 << 20  # cached conversions; bytes of the largest profile that is cached


def to_srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Convert an image to sRGB, through its embedded profile if it has one; append notes on the conversion."""
    colour = image
    if image.mode in ("LA", "La"):
        colour = image.convert("L")
    elif image.mode in ("RGBA", "RGBa", "RGBX", "YCbCr", "HSV"):
        colour = image.convert("RGB")
    profile = image.info.get("icc_profile")
    if profile:
        converted = through_profile(colour, profile, notes)
        if converted is not None:
            return converted
    elif "icc_profile" in image.info:
        notes.append("unusable colour profile ignored (a part of it is missing or damaged)")
    elif CODE_POINTS in image.info:
        colour = through_code_points(colour, image.info[CODE_POINTS], notes)
    elif "srgb" not in image.info:
        colour = through_gamma(colour, image.info, notes)
    if colour.mode == "CMYK":
        notes.append("CMYK without a usable profile, converted without one")
    return colour.convert("RGB")


def through_profile(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image | None:
    """Convert an image to sRGB with its profile; None if the profile is sRGB's or cannot be used."""
    from PIL import ImageCms

    try:
        space, description = describe_profile(profile)
        if space == "RGB" and image.mode == "L":  # grey pixels with an RGB profile are common
            image = image.convert("RGB")
        if SPACES.get(space) != image.mode:
            notes.append(f"colour profile ignored: it is for {space}, the photo is {image.mode}")
            return None
        find = cached_conversion if len(profile) <= LARGEST_CACHED else conversion_of
        conversion = find(profile, image.mode)
        if conversion is None:
            return None
        converted = conversion(image)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        notes.append(f"unusable colour profile ignored ({' '.join(str(error).split())[:100]})")
        return None
    notes.append(f"colours converted from {description}")
    return converted


def describe_profile(profile: bytes) -> tuple[str, str]:
    """A profile's colour space and its description, both printable."""
    from PIL import ImageCms

    opened = ImageCms.getOpenProfile(io.BytesIO(profile))
    name, space = ImageCms.getProfileDescription(opened), opened.profile.xcolor_space
    return printable(space) or "an unknown space", printable(name)[:80] or "a profile without a name"


def printable(text: str) -> str:
    """The printable characters of a profile's text."""
    return "".join(character for character in text.strip() if character.isprintable()).strip()


def conversion_of(profile: bytes, mode: str) -> Conversion | None:
    """Build the conversion to sRGB; None if no test colour changes by more than ``SAME_LEVELS``."""
    from PIL import ImageCms

    opened = ImageCms.getOpenProfile(io.BytesIO(profile))
    flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE
    transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB", flags=flags)
    if mode == "CMYK":
        return partial(apply_transform, transform)
    colours = probe(mode)
    converted = apply_transform(transform, colours)
    change = np.asarray(converted, int) - np.asarray(colours.convert("RGB"), int)
    if np.abs(change).max() <= SAME_LEVELS:
        return None
    return partial(apply_transform, transform) if mode == "RGB" else partial(apply_table, converted)


def apply_transform(transform: Any, image: Image.Image) -> Image.Image:
    """Apply a LittleCMS transform to an image."""
    from PIL import ImageCms

    converted = ImageCms.applyTransform(image, transform)
    if converted is None:
        raise ValueError("cannot convert the photo")
    return converted


def apply_table(converted: Image.Image, image: Image.Image) -> Image.Image:
    """Convert a grey image with a table of 256 converted greys.

    LittleCMS would interpolate a sampled curve instead, with errors of up to 10 levels where the curve is steep.
    """
    return Image.merge("RGB", [image.point(list(channel.tobytes())) for channel in converted.split()])


cached_conversion = lru_cache(CACHED_PROFILES)(conversion_of)


def probe(mode: str) -> Image.Image:
    """Test colours: all 256 greys and, for RGB, a cube of 9 x 9 x 9 colours."""
    greys = np.arange(256, dtype=np.uint8)
    if mode == "L":
        return Image.fromarray(greys[None])
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    return Image.fromarray(np.concatenate([np.repeat(greys[:, None], 3, axis=1), cube])[None])


def through_code_points(image: Image.Image, points: tuple[int, int], notes: list[str]) -> Image.Image:
    """Convert from the colour space whose code points a PNG (cICP) or AVIF (nclx) contains.

    Only Display P3 is converted.  Other spaces are returned unchanged, with a note unless they are near sRGB.
    """
    if is_display_p3(points) and image.mode == "RGB":
        return through_profile(image, display_p3(), notes) or image
    if not is_usual(points) and not (is_display_p3(points) and image.mode == "L"):
        notes.append(
            f"colour space ignored, sRGB assumed (primaries {points[0]}, transfer function {points[1]} of ITU-T H.273)"
        )
    return image


@cache
def display_p3() -> bytes:
    """An ICC profile (version 4) of Display P3: the primaries of SMPTE EG 432-1, adapted to D50, and sRGB's curve."""
    name = "Display P3".encode("utf-16-be")
    curve = b"para" + struct.pack(">4x2H5i", 3, 0, *map(fixed, SRGB_CURVE))
    tags = {b"desc": b"mluc" + struct.pack(">4x2I4s2I", 1, 12, b"enUS", len(name), 28) + name}
    tags |= {b"wtpt": b"XYZ " + struct.pack(">4x3i", *map(fixed, D50))}
    for letter, column in zip((b"r", b"g", b"b"), P3_COLUMNS, strict=True):
        tags |= {letter + b"XYZ": b"XYZ " + struct.pack(">4x3i", *map(fixed, column)), letter + b"TRC": curve}
    place, table, contents = 132 + 12 * len(tags), b"", b""
    for tag, content in tags.items():
        table += tag + struct.pack(">2I", place + len(contents), len(content))
        contents += content + bytes(-len(content) % 4)
    header = struct.pack(">I4xI4s4s4s", place + len(contents), 4 << 24, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">12x4s28x3i48xI", b"acsp", *map(fixed, D50), len(tags))
    return header + table + contents


def fixed(value: float) -> int:
    """A number in ICC's fixed-point format s15Fixed16."""
    return round(value * 65536)


def near_srgb(primaries: tuple[float, ...]) -> bool:
    """Whether the white point and the primaries are those of sRGB, within ``SAME_PRIMARIES``."""
    pairs = zip(primaries, SRGB_PRIMARIES, strict=False)
    return max(abs(got - usual) for got, usual in pairs) <= SAME_PRIMARIES


def through_gamma(image: Image.Image, info: Mapping[Any, Any], notes: list[str]) -> Image.Image:
    """Convert with the gamma of a PNG (gAMA).

    Its primaries (cHRM) are ignored, with a note, because few programs write them on purpose.
    """
    gamma, primaries = info.get("gamma"), info.get("chromaticity")
    if isinstance(primaries, tuple) and not near_srgb(primaries):
        notes.append("the file's own primaries (cHRM) ignored, those of sRGB used")
    if not gamma or abs(gamma - SRGB_GAMMA) <= SAME_GAMMA or image.mode not in ("L", "RGB"):
        return image
    notes.append(f"colours converted from a gamma of {gamma:.4g}")
    light = (np.arange(256) / 255) ** (1 / gamma)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    table = np.rint(255 * encoded).astype(int).tolist()
    return image.point(table * len(image.getbands()))
