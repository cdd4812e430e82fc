"""Measurements of a poster inside one process: its time relative to a forward pass, and the cost of each way to write its tiles.

    python -m bench.speed.poster_inside ROUNDS

Prints one JSON document.  ``poster.py`` runs it as a child process, so that the parent stays small.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench.common.places import PHOTO
from bench.speed.inside import in_turn
from PIL import Image

from godeeper import load
from godeeper.blueprint.address import resolve_one
from godeeper.engine.plan import NETWORK_INPUT, key_of, plan
from godeeper.network import Network
from godeeper.photos.decode import decode
from godeeper.poster.layout import SIDE
from godeeper.poster.pyramid import png_of


def main() -> None:
    rounds = int(sys.argv[1])
    network = load()
    print(json.dumps({"seconds": seconds(network, rounds), "tiles": tiles(network, rounds)}))


def seconds(network: Network, rounds: int) -> dict[str, list[float]]:
    """Measure a full forward pass with and without opening the session, and a poster, in turn."""
    planes = network.preprocess(decode(PHOTO))
    full = plan(network.blueprint, [key_of(resolve_one(network.blueprint, "pool_3"))])
    other = load()
    with tempfile.TemporaryDirectory() as folder:
        calls: dict[str, Callable[[], Any]] = {
            "full forward pass": lambda: network.engine.run(full, {NETWORK_INPUT: planes}),
            "full forward pass, including opening the session": lambda: opened(other, full, planes),
            "poster, including opening the sessions": lambda: other.poster(PHOTO, Path(folder) / "poster"),
        }
        return in_turn(calls, rounds)


def opened(network: Network, full: Any, planes: np.ndarray) -> None:
    network.close()
    network.engine.run(full, {NETWORK_INPUT: planes})


def tiles(network: Network, rounds: int) -> list[dict[str, Any]]:
    """Measure time and size of each way to write tiles, for the outputs of the eleven modules and the stem's largest tensors."""
    mosaics = [peek.mosaic().pixels for peek in network.peeks(PHOTO, ["conv_2", "conv_4", "pool_1", "mixed*/join"])]
    pieces = [
        np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])
        for pixels in mosaics
        for top in range(0, pixels.shape[0], SIDE)
        for left in range(0, pixels.shape[1], SIDE)
    ]
    best = dict.fromkeys(WAYS, float("inf"))
    sizes = {}
    for _ in range(rounds):
        for way, write in WAYS.items():
            start = time.perf_counter()
            sizes[way] = sum(len(write(piece)) for piece in pieces)
            best[way] = min(best[way], time.perf_counter() - start)
    return [{"way": way, "seconds": best[way], "bytes": sizes[way]} for way in WAYS]


def packed(pixels: np.ndarray, strategy: int, *, above: bool = False) -> bytes:
    """Compress the lines of a PNG with ``zlib``; ``above`` subtracts the previous line from each line."""
    lines = np.zeros((len(pixels), 1 + pixels.shape[1]), np.uint8)
    lines[:, 1:] = pixels
    if above:
        lines[:, 0] = 2
        lines[1:, 1:] -= pixels[:-1]
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)
    return packer.compress(lines.data) + packer.flush()


def by_pillow(pixels: np.ndarray, form: str, **options: Any) -> bytes:
    image, buffer = Image.fromarray(pixels), io.BytesIO()
    (image.convert("RGB") if form == "WEBP" else image).save(buffer, form, **options)
    return buffer.getvalue()


WAYS: dict[str, Callable[[np.ndarray], bytes]] = {
    "ours: level 1, Z_RLE, no filter": lambda pixels: png_of(pixels, None),
    "level 1, Z_HUFFMAN_ONLY, no filter": lambda pixels: packed(pixels, zlib.Z_HUFFMAN_ONLY),
    "level 1, no filter": lambda pixels: packed(pixels, zlib.Z_DEFAULT_STRATEGY),
    "level 1, Z_RLE, minus the line above": lambda pixels: packed(pixels, zlib.Z_RLE, above=True),
    "Pillow's PNG, level 1": lambda pixels: by_pillow(pixels, "PNG", compress_level=1),
    "Pillow's PNG, level 4": lambda pixels: by_pillow(pixels, "PNG", compress_level=4),
    "Pillow's lossless WebP, fastest": lambda pixels: by_pillow(pixels, "WEBP", lossless=True, method=0, quality=0),
}


if __name__ == "__main__":
    main()
