"""Colours to sRGB: by what an embedded profile does, never by its name, and by a PNG's gamma."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

SAME_LEVELS = 2  # of 255: a profile that moves no colour of the probe further is sRGB in effect
SPACES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
SRGB_GAMMA, SAME_GAMMA = 1 / 2.2, 0.02
SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
SAME_PRIMARIES = 0.005
KEPT_PROFILES = 16


def to_srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """RGB in the sRGB space, through the embedded profile where there is one."""
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
    elif "srgb" not in image.info:
        colour = through_gamma(colour, image.info, notes)
    if colour.mode == "CMYK":
        notes.append("CMYK without a usable profile, converted by the plain formula")
    return colour.convert("RGB")


def through_profile(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image | None:
    """``image`` in sRGB as its profile says; None where that changes nothing, or the profile cannot be used."""
    from PIL import ImageCms

    try:
        space, description = described(profile)
        if space == "RGB" and image.mode == "L":  # common, and plain: equal red, green and blue
            image = image.convert("RGB")
        if SPACES.get(space) != image.mode:
            notes.append(f"colour profile ignored: it is for {space}, the photo is {image.mode}")
            return None
        transform = transform_of(profile, image.mode)
        if transform is None:
            return None
        converted = ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        notes.append(f"unusable colour profile ignored ({' '.join(str(error).split())[:100]})")
        return None
    notes.append(f"colours converted from {description}")
    return converted


def described(profile: bytes) -> tuple[str, str]:
    """The colour space that a profile is for, and what it calls itself."""
    from PIL import ImageCms

    opened = ImageCms.getOpenProfile(io.BytesIO(profile))
    name = "".join(each for each in ImageCms.getProfileDescription(opened).strip() if each.isprintable())
    return opened.profile.xcolor_space.strip(), name[:80] or "a profile without a name"


@lru_cache(KEPT_PROFILES)
def transform_of(profile: bytes, mode: str) -> Any:
    """The transform to sRGB; None where no colour of a probe moves by more than ``SAME_LEVELS``."""
    from PIL import ImageCms

    opened = ImageCms.getOpenProfile(io.BytesIO(profile))
    transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
    if mode == "CMYK":
        return transform
    colours = probe(mode)
    moved = np.asarray(ImageCms.applyTransform(colours, transform), int) - np.asarray(colours.convert("RGB"), int)
    return None if np.abs(moved).max() <= SAME_LEVELS else transform


def probe(mode: str) -> Image.Image:
    """All greys, and for colour a cube of 9 levels a side too."""
    greys = np.arange(256, dtype=np.uint8)
    if mode == "L":
        return Image.fromarray(greys[None])
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    return Image.fromarray(np.concatenate([np.repeat(greys[:, None], 3, axis=1), cube])[None])


def near_srgb(primaries: tuple[float, ...]) -> bool:
    """White, red, green and blue are sRGB's."""
    pairs = zip(primaries, SRGB_PRIMARIES, strict=False)
    return max(abs(got - usual) for got, usual in pairs) <= SAME_PRIMARIES


def through_gamma(image: Image.Image, info: Mapping[Any, Any], notes: list[str]) -> Image.Image:
    """A PNG's gAMA chunk is followed; other primaries (cHRM) are only noted, few writers mean them."""
    gamma, primaries = info.get("gamma"), info.get("chromaticity")
    if isinstance(primaries, tuple) and not near_srgb(primaries):
        notes.append("the file's own primaries (cHRM) ignored, taken for sRGB's")
    if not gamma or abs(gamma - SRGB_GAMMA) <= SAME_GAMMA or image.mode not in ("L", "RGB"):
        return image
    notes.append(f"colours converted from a gamma of {gamma:.4g}")
    light = (np.arange(256) / 255) ** (1 / gamma)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    table = np.rint(255 * encoded).astype(int).tolist()
    return image.point(table * len(image.getbands()))
