"""Make the photos that ``classifier.py`` trains on and classifies.

    python pictures.py OUT EACH [FOLDER]

Writes at most ``EACH`` photos per class to ``OUT/train/<class>`` and ``OUT/test/<class>``; every fourth photo is a
test photo.  Prints a one-sentence summary.  ``FOLDER`` contains one folder per class; without it, the photos come from
``pieces()``.  From Debian's ``openclipart-png``, only five categories are used.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench.common.datasets import DRAWINGS, sources
from PIL import Image, ImageFilter

CATEGORIES = ("animals", "buildings", "food", "plants", "transportation")
LARGEST_SIDE, CROP = 640, 80
MOST_PIXELS = 25_000_000  # maximum per picture; decoding larger pictures would dominate the time
TEST_EVERY = 4


def main() -> None:
    out, each = Path(sys.argv[1]), int(sys.argv[2])
    shutil.rmtree(out, ignore_errors=True)
    if len(sys.argv) > 3:
        folder = Path(sys.argv[3])
        said, photos = f"Photos of {folder}", folder_photos(folder, CATEGORIES if folder == DRAWINGS else None, each)
    else:
        said, photos = "Pieces of scikit-image's pictures, blurred and with noise", pieces(each)
    counts = {"train": 0, "test": 0}
    classes = set()
    for label, number, image in photos:
        part = "test" if number % TEST_EVERY == TEST_EVERY - 1 else "train"
        path = out / part / label / f"{number:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, quality=90)
        counts[part] += 1
        classes.add(label)
    print(f"{said}: {len(classes)} classes, {counts['train']} photos to train on, {counts['test']} to classify.")


def folder_photos(folder: Path, classes: tuple[str, ...] | None, each: int) -> Iterator[tuple[str, int, Image.Image]]:
    """Yield (class, number, photo) for at most ``each`` files of each class folder, evenly spaced in sorted order."""
    for label in classes or sorted(path.name for path in folder.iterdir() if path.is_dir()):
        files = (path for path in (folder / label).rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
        paths = sorted(path for path in files if is_moderate(path))
        step = max(1, len(paths) // each)
        for number, path in enumerate(paths[::step][:each]):
            with Image.open(path) as image:
                yield label, number, on_white(image)


def is_moderate(path: Path) -> bool:
    """Return whether a picture has at most ``MOST_PIXELS``; only its header is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as image:
                return image.width * image.height <= MOST_PIXELS
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            return False


def on_white(image: Image.Image) -> Image.Image:
    """Return an RGB copy on a white background, with at most ``LARGEST_SIDE`` pixels per side."""
    image = image.convert("RGBA")
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def pieces(each: int) -> Iterator[tuple[str, int, Image.Image]]:
    """Yield small grey crops of scikit-image's pictures, one picture per class; blur and noise make the task harder.

    A class's test crops come from the right quarter of its picture, and its training crops from the rest.
    """
    random = np.random.default_rng(0)
    for label, picture in sources().items():
        image = picture.convert("L")
        border = image.width * (TEST_EVERY - 1) // TEST_EVERY
        for number in range(each):
            is_test = number % TEST_EVERY == TEST_EVERY - 1
            low, high = (border, image.width - CROP) if is_test else (0, border - CROP)
            left, top = int(random.integers(low, high)), int(random.integers(0, image.height - CROP))
            piece = image.crop((left, top, left + CROP, top + CROP)).filter(ImageFilter.GaussianBlur(1.5))
            noisy = np.asarray(piece, np.float32) + random.normal(0, 25, (CROP, CROP))
            grey = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
            yield label, number, grey.resize((4 * CROP, 4 * CROP), Image.Resampling.BICUBIC).convert("RGB")


if __name__ == "__main__":
    main()
