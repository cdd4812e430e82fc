"""Generate synthetic photos and their filter index, with planted filters that detect a hue, an angle or a class's stamp.

The photos are coloured noise with discs of random hues and gratings of random angles.  Each class has a stamp, a random pattern that
is somewhere in each of its photos.  The maps of the planted filters are computed in NumPy on the cells of one real tensor.  The other
filters of that tensor respond to random mixtures, and all other tensors are zero.  The maxima are written to a real index file.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from godeeper.blueprint.address import resolve_one
from godeeper.filters.index import FilterIndex, indexed_sites, read_index
from godeeper.filters.index_file import header_of, serialised
from godeeper.filters.names.attributes import LUMA, towards
from godeeper.filters.names.places import Place, seen_box
from godeeper.filters.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from godeeper.blueprint.sites import Site
    from godeeper.network import Network

    Floats = NDArray[np.float64]

TENSOR = "mixed/tower/conv_1"  # 64 filters that see 63 x 63 pixels
SIDE, STAMP = 299, 24
EACH = 8  # number of hues, and number of angles
TOP = 12


@dataclass(frozen=True)
class Planted:
    """The property that a filter responds to; ``kind``: hue, orientation, class, or empty; ``angle``: in degrees."""

    kind: str
    angle: float = 0.0
    label: str = ""


@dataclass(frozen=True)
class Album:
    """An index of N synthetic photos.  ``filters``: the filters of the tensor.  ``maxima``: (N, 64).  ``labels``: (N,)."""

    index: FilterIndex
    folder: Path
    site: Site
    filters: tuple[Planted, ...]
    maxima: NDArray[np.float32]
    labels: NDArray[np.int64]


def make_album(network: Network, folder: Path, seed: int, classes: int = 8, each: int = 30) -> Album:
    """Write the photos into ``folder``, and their index beside it."""
    random = np.random.default_rng(seed)
    stamps = [stamp(random) for _ in range(classes)]
    photos = []
    for label in range(classes):
        for number in range(each):
            pixels = photo(random, stamps[label])
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG", compress_level=1)
            photos.append((hashlib.sha256(file.getvalue()).digest(), f"class{label}/{number}.png", pixels, label))
            path = folder / photos[-1][1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.getvalue())
    photos.sort(key=lambda each: each[0])
    site = resolve_one(network.blueprint, TENSOR).site
    filters = planted(random, classes, site.shape[0])
    mixtures = random.normal(size=(site.shape[0], 16))
    found = [maxima(pixels, site, filters, stamps, mixtures) for _, _, pixels, _ in photos]
    values, cells = np.stack([each[0] for each in found]), np.stack([each[1] for each in found])
    labels = [each[3] for each in photos]
    content = index_bytes(network, site, values, cells, [(each[0], each[1]) for each in photos], labels, classes)
    path = folder.with_suffix(".index")
    path.write_bytes(content)
    return Album(read_index(path), folder, site, filters, values, np.array(labels))


def stamp(random: np.random.Generator) -> Floats:
    """A random pattern with equally many dark and light squares, so that its mean is 0."""
    squares = random.permutation(np.repeat([-1.0, 1.0], (STAMP // 3) ** 2 // 2)).reshape(STAMP // 3, STAMP // 3)
    return squares.repeat(3, 0).repeat(3, 1)


def planted(random: np.random.Generator, classes: int, count: int) -> tuple[Planted, ...]:
    """The filters of the tensor."""
    filters = [Planted("hue", angle) for angle in random.uniform(0, 360, EACH).tolist()]
    filters += [Planted("orientation", angle) for angle in random.uniform(0, 180, EACH).tolist()]
    filters += [Planted("class", label=f"class{label}") for label in range(classes)]
    return (*filters, *[Planted("")] * (count - len(filters)))


def photo(random: np.random.Generator, pattern: Floats) -> NDArray[np.uint8]:
    """A synthetic photo (H, W, 3) with a stamp."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
    frequency[0, 0] = 1
    noise = np.fft.irfft2(np.fft.rfft2(random.normal(size=(4, SIDE, SIDE))) / frequency, (SIDE, SIDE))
    noise /= noise.std(axis=(1, 2), keepdims=True)
    pixels = 0.5 + 0.1 * noise[:1] + 0.02 * noise[1:]
    for _ in range(6):
        (y, x), radius = random.uniform(20, SIDE - 20, 2), random.uniform(18, 32)
        inside = np.hypot(rows - y, columns - x) < radius
        colour = colorsys.hsv_to_rgb(random.uniform(), random.uniform(0.5, 0.9), random.uniform(0.4, 0.9))
        pixels[:, inside] = np.array(colour)[:, None]
    for _ in range(6):
        (y, x), radius = random.uniform(20, SIDE - 20, 2), random.uniform(20, 34)
        inside, turned = np.hypot(rows - y, columns - x) < radius, random.uniform(0, np.pi)
        wave = np.sin((columns * np.sin(turned) + rows * np.cos(turned)) * 2 * np.pi / random.uniform(6, 14))
        pixels[:, inside] = 0.5 + random.uniform(0.15, 0.35) * wave[inside]
    top, left = random.integers(0, SIDE - STAMP, 2)
    pixels[:, top : top + STAMP, left : left + STAMP] = 0.5 + 0.3 * pattern
    return np.rint(np.clip(np.moveaxis(pixels, 0, -1), 0, 1) * 255).astype(np.uint8)


def maxima(
    pixels: NDArray[np.uint8], site: Site, filters: tuple[Planted, ...], stamps: list[Floats], mixtures: Floats
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Return the maximum (64,) of every filter of the tensor for a photo, and its cell (64,)."""
    values = pixels / 255
    light = values @ LUMA
    red, green, blue = np.moveaxis(values, -1, 0)
    colour = red - (green + blue) / 2, (green - blue) * np.sqrt(0.75)
    down, right = np.gradient(light)
    edges = down**2 - right**2, 2 * down * right
    corners = windows(site)
    bank = [light, 1 - light, *(towards(*colour, angle) for angle in np.deg2rad(60 * np.arange(6)))]
    bank += [20 * towards(*edges, angle) for angle in np.deg2rad(45 * np.arange(8))]
    mixed = [box_means(each, corners) for each in bank]
    spectrum = np.fft.rfft2(light - light.mean())
    contrast = local_deviation(light)  # makes the match a correlation coefficient, 1 for the stamp itself
    maps = []
    for number, each in enumerate(filters):
        if each.kind == "hue":
            maps.append(box_means(towards(*colour, np.deg2rad(each.angle)), corners))
        elif each.kind == "orientation":
            # Perpendicular edges inhibit the filter, so that corners and discs do not activate it.
            turned = np.deg2rad(2 * each.angle)
            maps.append(box_means(towards(*edges, turned) - towards(*edges, turned + np.pi), corners))
        elif each.kind == "class":
            pattern = stamps[int(each.label.removeprefix("class"))]
            match = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(pattern, (SIDE, SIDE))), (SIDE, SIDE))
            match[-STAMP:], match[:, -STAMP:] = 0, 0  # the correlation wraps around there
            maps.append(box_means(np.maximum(match / contrast, 0) ** 8, corners))
        else:
            maps.append(np.maximum(sum(w * m for w, m in zip(mixtures[number], mixed, strict=True)), 0))
    flat = np.stack(maps).reshape(len(maps), -1)
    return flat.max(axis=1).astype(np.float32), flat.argmax(axis=1).astype(np.uint16)


def local_deviation(light: Floats) -> Floats:
    """STAMP² times the standard deviation in the square to the right of and below each pixel."""
    ends = np.minimum(np.arange(SIDE) + STAMP, SIDE)
    rows, columns = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    corners = columns, rows, ends[columns], ends[rows]
    deviation: Floats = np.sqrt(np.maximum(box_means(light**2, corners) - box_means(light, corners) ** 2, 1e-4))
    return STAMP**2 * deviation


def windows(site: Site) -> tuple[NDArray[np.int64], ...]:
    """Left, top, right and bottom (H, W) of the clipped receptive field of every cell."""
    _, rows, columns = site.shape
    boxes = [[seen_box(SIDE, site, Place(0, row, column)) for column in range(columns)] for row in range(rows)]
    return tuple(np.moveaxis(np.array(boxes), -1, 0))


def box_means(image: Any, corners: tuple[NDArray[np.int64], ...]) -> Any:
    """The mean of an image over each window."""
    left, top, right, bottom = corners
    sums = np.pad(image, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    total = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return total / ((bottom - top) * (right - left))


def index_bytes(
    network: Network,
    site: Site,
    values: NDArray[np.float32],
    cells: NDArray[np.uint16],
    photos: list[tuple[bytes, str]],
    labels: list[int],
    classes: int,
) -> bytes:
    """An index whose only active filters are those of ``site``."""
    all_sites = indexed_sites(network.blueprint)
    start = sum(each.shape[0] for each in all_sites if each.index < site.index)
    filters = sum(each.shape[0] for each in all_sites)
    ranking = Ranking(filters, TOP, classes)
    for rank in range(len(photos)):
        row, where = np.zeros((1, filters), np.float32), np.full((1, filters), 2**16 - 1, np.uint16)
        row[0, start : start + values.shape[1]], where[0, start : start + values.shape[1]] = values[rank], cells[rank]
        ranking.add([rank], row, where, [labels[rank]])
    arrays = ranking.arrays()
    ranking.close()
    arrays |= {
        "hashes": np.frombuffer(b"".join(each for each, _ in photos), np.uint8).reshape(-1, 32),
        "sizes": np.full((len(photos), 2), SIDE, np.uint32),
        "names": np.frombuffer("\0".join(name for _, name in photos).encode(), np.uint8),
    }
    counts = {f"class{label}": labels.count(label) for label in range(classes)}
    return serialised(header_of(network, len(photos), TOP, counts), arrays)
