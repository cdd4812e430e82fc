"""Photos to try ``godeeper retrain`` and ``godeeper explain`` with: crops of a cat and of a flower, and a photo of both.

    python examples/collage.py FOLDER

Writes ``FOLDER/photos/cat``, ``FOLDER/photos/flower`` and ``FOLDER/both.png``. The flower comes with scikit-learn. All
crops come from two photos, so a classifier learns these two photos, and nothing about cats and flowers.
"""

from __future__ import annotations

import random
import sys
from importlib import resources
from pathlib import Path

from PIL import Image

CAT = Path(__file__).with_name("chelsea.jpg")
CROPS = 12
PARTS = {"cat": (160, 0, 310, 300), "flower": (200, 0, 413, 427)}
"""The part of each photo that is in ``both.png``: left, top, right, bottom."""


def photos() -> dict[str, Image.Image]:
    """The cat and the flower."""
    with resources.as_file(resources.files("sklearn.datasets.images") / "flower.jpg") as flower:
        return {name: Image.open(path).convert("RGB") for name, path in (("cat", CAT), ("flower", flower))}


def write_crops(folder: Path) -> None:
    """Write ``CROPS`` squares of each photo, in one folder per photo."""
    draw = random.Random(0)
    for name, image in photos().items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(CROPS):
            side = round(min(image.size) * draw.uniform(0.4, 0.7))
            left, top = (draw.randrange(room - side) for room in image.size)
            image.crop((left, top, left + side, top + side)).save(folder / name / f"{number}.png")


def both() -> Image.Image:
    """The cat on the left, the flower on the right: 480 x 480."""
    collage = Image.new("RGB", (480, 480))
    for left, (name, image) in zip((0, 240), photos().items(), strict=True):
        collage.paste(image.crop(PARTS[name]).resize((240, 480), Image.Resampling.LANCZOS), (left, 0))
    return collage


if __name__ == "__main__":
    here = Path(sys.argv[1])
    write_crops(here / "photos")
    both().save(here / "both.png")
