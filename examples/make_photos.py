"""Make photos for the guides, if you have no photos of your own.

    python examples/make_photos.py

Writes to the current folder: ``photos/`` with the classes cat, flower and temple, ``holiday/`` with a few other photos
of the same things, and ``photo.jpg``. Existing files and folders are not changed. All are crops of three photos (the
cat in this folder; the flower and the temple come with scikit-learn), so a classifier learns these three photos, and
nothing about cats, flowers and temples.
"""

from __future__ import annotations

import random
from importlib import resources
from pathlib import Path

from PIL import Image

CAT = Path(__file__).with_name("chelsea.jpg")
SHIPPED = {"flower": "flower.jpg", "temple": "china.jpg"}
PHOTOS, HOLIDAY = 12, 2
"""The numbers of photos per class in ``photos/`` and ``holiday/``."""


def originals() -> dict[str, Image.Image]:
    """The three photos by class."""
    images = resources.files("sklearn.datasets.images")
    found = {"cat": Image.open(CAT).convert("RGB")}
    for label, name in SHIPPED.items():
        with resources.as_file(images / name) as path:
            found[label] = Image.open(path).convert("RGB")
    return found


def crops(image: Image.Image, count: int, seed: int) -> list[Image.Image]:
    """Random squares of a photo, 0.4 to 0.7 of its shorter side."""
    draw = random.Random(seed)
    squares = []
    for _ in range(count):
        side = round(min(image.size) * draw.uniform(0.4, 0.7))
        left, top = (draw.randrange(room - side) for room in image.size)
        squares.append(image.crop((left, top, left + side, top + side)))
    return squares


def write(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=95)


def main() -> None:
    """Write each of the three unless it exists."""
    photos, holiday, photo = Path("photos"), Path("holiday"), Path("photo.jpg")
    missing = [path for path in (photos, holiday, photo) if not path.exists()]
    for label, image in originals().items():
        for number, square in enumerate(crops(image, PHOTOS, 0)):
            if photos in missing:
                write(photos / label / f"{number + 1}.jpg", square)
        for number, square in enumerate(crops(image, HOLIDAY, 1)):
            if holiday in missing:
                write(holiday / f"{label}{number + 1}.jpg", square)
        if label == "flower" and photo in missing:
            write(photo, image)
    for path in (photos, holiday, photo):
        print(f"{path}: {'written' if path in missing else 'is there already, left as it is'}")


if __name__ == "__main__":
    main()
