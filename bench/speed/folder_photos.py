"""Photos for benchmarks: different crops of the demonstration photo, enlarged to realistic sizes, with fine texture added.

    python -m bench.speed.folder_photos FOLDER COUNT LEAST_MEGAPIXELS MOST_MEGAPIXELS

The files are the same every time, and existing files are kept.  Sizes are evenly spaced, in shuffled order.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from bench.common.places import PHOTO
from PIL import Image, ImageChops

SHAPES = (4 / 3, 3 / 2, 3 / 4, 16 / 9)  # width over height
GRAIN = 512  # side of the texture, which is repeated
STRENGTH = 6.0  # standard deviation, in levels
QUALITY = 88


def main() -> None:
    folder, count, least, most = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    folder.mkdir(parents=True, exist_ok=True)
    megapixels = np.random.default_rng(0).permutation(np.linspace(least, most, count))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda number: make(folder, number, float(megapixels[number])), range(count)))


def make(folder: Path, number: int, megapixels: float) -> None:
    """Write one photo, unless it exists."""
    path = folder / f"{number:04}.jpg"
    if path.exists():
        return
    random = np.random.default_rng(number)
    shape = SHAPES[number % len(SHAPES)]
    height = round((megapixels * 1e6 / shape) ** 0.5)
    width = round(height * shape)
    photo = original()
    left, top = random.uniform(0, 0.3, 2) * photo.size
    box = (left, top, left + photo.width * random.uniform(0.5, 0.7), top + photo.height * random.uniform(0.5, 0.7))
    image = photo.resize((width, height), Image.Resampling.BICUBIC, box)
    image = ImageChops.add(image, textured(width, height), offset=-128)
    temporary = path.with_suffix(".part")
    image.save(temporary, "JPEG", quality=QUALITY)
    temporary.replace(path)


@cache
def original() -> Image.Image:
    return Image.open(PHOTO).convert("RGB")


@cache
def grain() -> np.ndarray:
    """Return (GRAIN, GRAIN, 3) uint8 around 128."""
    noise = np.random.default_rng(1).normal(128, STRENGTH, (GRAIN, GRAIN, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def textured(width: int, height: int) -> Image.Image:
    """Return the texture, repeated to fill the size."""
    tiled = np.tile(grain(), (height // GRAIN + 1, width // GRAIN + 1, 1))[:height, :width]
    return Image.fromarray(np.ascontiguousarray(tiled))


if __name__ == "__main__":
    main()
