"""ICC profiles written field by field, and their effect on colours, computed with NumPy.

Source: ICC.1:2022, and IEC 61966-2-1 for sRGB's curve.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

D50 = np.array([0.9642, 1.0, 0.8249])
D65 = (0.3127, 0.3290)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""The parameters g, a, b, c, d of a parametric curve of type 3: (a x + b) ** g for x >= d, and c x below d."""


def xyz_of(x: float, y: float) -> Floats:
    """Return (3,): the XYZ coordinates of the chromaticity (x, y), with Y = 1."""
    return np.array([x / y, 1.0, (1 - x - y) / y])


def matrix(primaries: tuple[tuple[float, float], ...], white: tuple[float, float] = D65) -> Floats:
    """Return (3, 3): the matrix from linear RGB to XYZ, with the white point adapted to D50 by Bradford's method."""
    columns = np.stack([xyz_of(*each) for each in primaries], axis=1)
    columns = columns * np.linalg.solve(columns, xyz_of(*white))
    cones = (BRADFORD @ D50) / (BRADFORD @ xyz_of(*white))
    adapted: Floats = np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ columns
    return adapted


def srgb_light(levels: Floats) -> Floats:
    """Convert encoded values, 0 to 1, to linear light."""
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def srgb_levels(light: Floats) -> Floats:
    """Convert linear light to levels from 0 to 255, clipped."""
    light = light.clip(0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def expected(pixels: NDArray[np.uint8], to_light: Callable[[Floats], Floats], to_xyz: Floats) -> Floats:
    """Return (…, 3) levels of sRGB for (…, 3) pixels of the colour space with this curve and matrix."""
    light = to_light(pixels / 255) @ to_xyz.T
    return srgb_levels(light @ np.linalg.inv(matrix(SRGB)).T)


def fixed(value: float) -> bytes:
    """Encode an s15Fixed16Number."""
    return struct.pack(">i", round(value * 65536))


def xyz_tag(values: Floats) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(fixed(value) for value in values)


def gamma_tag(gamma: float) -> bytes:
    """Return a curve tag with a single gamma."""
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def parametric_tag(parameters: tuple[float, ...]) -> bytes:
    """Return a parametric curve tag, as in version 4."""
    return b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + b"".join(map(fixed, parameters))


def text_tag(text: str, version: int) -> bytes:
    """Return a text tag, as descriptions use it."""
    if version >= 4:
        coded = text.encode("utf-16-be")
        return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(coded), 28) + coded
    coded = text.encode("ascii", "replace") + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(coded)) + coded + bytes(4 + 4 + 2 + 1 + 67)


def profile(
    tags: Mapping[bytes, bytes],
    space: bytes = b"RGB ",
    *,
    connection: bytes = b"XYZ ",
    kind: bytes = b"mntr",
    version: int = 2,
    name: str = "test",
) -> bytes:
    """Return the profile's bytes: header, table of tags, tags."""
    every = {b"desc": text_tag(name, version), b"wtpt": xyz_tag(D50), **tags}
    place, table, contents = 132 + 12 * len(every), b"", b""
    for tag, content in every.items():
        table += tag + struct.pack(">II", place + len(contents), len(content))
        contents += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", place + len(contents), b"test", version << 24, kind, space, connection)
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += b"".join(map(fixed, D50)) + bytes(48)
    return header + struct.pack(">I", len(every)) + table + contents


def rgb_profile(
    primaries: tuple[tuple[float, float], ...], curve: bytes, *, version: int = 2, name: str = "test"
) -> bytes:
    """Return a profile with a matrix, and one curve for red, green and blue."""
    columns = matrix(primaries).T
    tags = {letter + b"XYZ": xyz_tag(column) for letter, column in zip((b"r", b"g", b"b"), columns, strict=True)}
    tags |= {letter + b"TRC": curve for letter in (b"r", b"g", b"b")}
    return profile(tags, version=version, name=name)


def table_profile(space: bytes, nodes: NDArray[np.float64], *, name: str = "test") -> bytes:
    """Return a profile with a table of 16-bit Lab colours at the corners, (2, 2, …, 3); colours between are interpolated."""
    channels = nodes.ndim - 1
    scale = np.array([65280 / 100, 256.0, 256.0])
    coded = np.rint(nodes * scale + [0, 32768, 32768]).astype(">u2").tobytes()
    straight = struct.pack(">2H", 0, 65535)
    lut = b"mft2\0\0\0\0" + struct.pack(">4B", channels, 3, 2, 0)
    lut += b"".join(map(fixed, np.eye(3).ravel())) + struct.pack(">2H", 2, 2)
    lut += straight * channels + coded + straight * 3
    return profile({b"A2B0": lut}, space, connection=b"Lab ", kind=b"prtr", name=name)


def lab_levels(lab: Floats) -> Floats:
    """Return (…, 3) levels of sRGB for (…, 3) Lab colours relative to D50."""
    lightness = (lab[..., 0] + 16) / 116
    parts = np.stack([lightness + lab[..., 1] / 500, lightness, lightness - lab[..., 2] / 200], axis=-1)
    xyz = D50 * np.where(parts > 6 / 29, parts**3, 3 * (6 / 29) ** 2 * (parts - 4 / 29))
    return srgb_levels(xyz @ np.linalg.inv(matrix(SRGB)).T)
