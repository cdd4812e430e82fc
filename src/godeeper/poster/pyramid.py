"""Write the Deep Zoom tiles of a picture of any height from its rows, which arrive from top to bottom.

Each level of the pyramid holds less than a row of tiles in memory.  It passes its rows at half size, averaged 2 x 2, to
the next smaller level.  Tiles are 8-bit PNGs, compressed by run lengths (zlib's ``Z_RLE``).  For pictures of filters,
this is much faster than image libraries, and the files are smaller (``docs/decisions/0015-poster-tiles.md``).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .layout import SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

MOST_THREADS = 4
WAITING = 128  # queued tiles, 64 kB each
GREY, PALETTE = 0, 3  # PNG's colour types
NAMESPACE = "http://schemas.microsoft.com/deepzoom/2008"  # an XML namespace, never fetched


class Pyramid:
    """Writes tiles ``folder/LEVEL/COLUMN_ROW.png`` as rows arrive; as a context manager, it waits for the last tile."""

    def __init__(self, folder: Path, width: int, height: int, colours: Pixels | None = None) -> None:
        """``colours``: the colour of each level, (256, 3) uint8; None for grey."""
        self.folder = folder
        self.colours = None if colours is None else colours.tobytes()
        self.levels = [Level(self, number, *size) for number, size in enumerate(level_sizes(width, height))]
        for level in self.levels:
            level.folder.mkdir(parents=True)
        self.pool = ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1), "tiles")
        self.waiting: deque[Future[int]] = deque()
        self.tiles = self.bytes = 0

    def __enter__(self) -> Pyramid:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.pool.shutdown(cancel_futures=True)

    def add(self, rows: Pixels) -> None:
        """Add the next rows (N, width) of the full picture."""
        self.levels[-1].add(rows)

    def finish(self) -> None:
        """Write the remaining tiles of every level, and wait for them."""
        for level in reversed(self.levels):
            level.finish()
        while self.waiting:
            self.settle()

    def submit(self, path: Path, pixels: Pixels) -> None:
        """Queue one tile for the threads; wait for the oldest tile if too many are queued."""
        self.waiting.append(self.pool.submit(write_tile, path, pixels, self.colours))
        if len(self.waiting) > WAITING:
            self.settle()

    def settle(self) -> None:
        """Wait for the oldest tile; raise its error if it has failed."""
        self.bytes += self.waiting.popleft().result()
        self.tiles += 1


class Level:
    """One level of the pyramid."""

    def __init__(self, pyramid: Pyramid, number: int, width: int, height: int) -> None:
        self.pyramid = pyramid
        self.number = number
        self.size = width, height
        self.folder = pyramid.folder / str(number)
        self.rows: list[Pixels] = []
        self.held = 0  # rows in memory
        self.row = 0  # number of the next row of tiles

    def add(self, rows: Pixels) -> None:
        """Add rows (N, width), and write each row of tiles that is complete."""
        while len(rows):
            part, rows = rows[: SIDE - self.held], rows[SIDE - self.held :]
            self.rows.append(part)
            self.held += len(part)
            if self.held == SIDE:
                self.cut()

    def finish(self) -> None:
        """Write the last row of tiles, which may be lower than the others."""
        if self.held:
            self.cut()

    def cut(self) -> None:
        """Write a row of tiles from the rows in memory, and pass these at half size to the next smaller level."""
        rows = np.concatenate(self.rows)
        self.rows, self.held = [], 0
        for column, left in enumerate(range(0, rows.shape[1], SIDE)):
            self.pyramid.submit(self.folder / f"{column}_{self.row}.png", rows[:, left : left + SIDE])
        self.row += 1
        if self.number:
            self.pyramid.levels[self.number - 1].add(halved(rows))


def level_sizes(width: int, height: int) -> list[tuple[int, int]]:
    """(width, height) of each level, from a single pixel to the full picture, numbered as in Deep Zoom."""
    sizes = [(width, height)]
    while max(sizes[-1]) > 1:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes[::-1]


def halved(pixels: Pixels) -> Pixels:
    """Pixels (H, W) at half their size: each is the mean of four, or of fewer at an odd border; halves are rounded up."""
    height, width = pixels.shape
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2)), mode="edge")
    pairs = pixels[0::2].astype(np.uint16)
    pairs += pixels[1::2]
    means: Pixels = ((pairs[:, 0::2] + pairs[:, 1::2] + np.uint16(2)) >> np.uint16(2)).astype(np.uint8)
    return means


def write_tile(path: Path, pixels: Pixels, colours: bytes | None) -> int:
    """Write one tile and return its size in bytes."""
    return path.write_bytes(png_of(pixels, colours))


def png_of(pixels: Pixels, colours: bytes | None) -> bytes:
    """Pixels (H, W) uint8 as a PNG, grey or with a palette of 256 ``colours``; unfiltered, and compressed by run lengths."""
    height, width = pixels.shape
    lines = np.zeros((height, 1 + width), np.uint8)  # each line starts with the number of its PNG filter; 0 is none
    lines[:, 1:] = pixels
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    packed = packer.compress(lines.data) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, GREY if colours is None else PALETTE, 0, 0, 0)
    chunks = [(b"IHDR", head), *([(b"PLTE", colours)] if colours else []), (b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, payload) for kind, payload in chunks)


def chunk(kind: bytes, payload: bytes) -> bytes:
    """A chunk of a PNG: its length, kind, payload and checksum."""
    return b"".join([struct.pack(">I", len(payload)), kind, payload, struct.pack(">I", zlib.crc32(kind + payload))])


def dzi(width: int, height: int) -> str:
    """The XML description that Deep Zoom viewers read."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Image xmlns="{NAMESPACE}" Format="png" Overlap="0" TileSize="{SIDE}">'
        f'<Size Width="{width}" Height="{height}"/></Image>\n'
    )
