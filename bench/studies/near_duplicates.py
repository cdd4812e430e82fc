"""Measure how many modified copies the doctor recognises, and how many different photos it mistakes for copies.

    python -m bench.studies.near_duplicates FOLDER [--most 700]

Reads every picture below FOLDER, applies each change in ``CHANGES``, and prints, for each threshold of hash distance
and likeness, the share of copies that are found and the number of pairs of originals that count as near-duplicates.
These pairs are listed, because some of them really are near-duplicates. Suitable folders are scikit-image's ``data``
(photos) and Debian's ``openclipart-png`` (drawings).
"""

from __future__ import annotations

import argparse
import io
import random
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from godeeper.errors import PhotoError
from godeeper.photos.decode import decode
from godeeper.photos.doctor.fingerprint import UNIT, Fingerprint, fingerprint_of, thumbnails, views
from godeeper.photos.doctor.near_duplicates import FLAT_CONTRAST, NEAR_BITS, NEAR_LIKENESS

MOST_SIDE = 800
BITS, LIKENESS = (8, 12, 16, 20, 24), (0.0, 0.90, 0.95, 0.97)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))


def cropped(image: Image.Image, share: float, place: float = 0.5) -> Image.Image:
    """Return a crop without ``share`` of width and height; ``place`` 0 keeps the upper left corner, 0.5 the middle."""
    left, top = round(image.width * share * place), round(image.height * share * place)
    return image.crop((left, top, left + round(image.width * (1 - share)), top + round(image.height * (1 - share))))


def brighter(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half": lambda image: scaled(image, 0.5),
    "quarter": lambda image: scaled(image, 0.25),
    "JPEG 30": lambda image: jpeg(image, 30),
    "JPEG 10": lambda image: jpeg(image, 10),
    "crop 2 %": lambda image: cropped(image, 0.02),
    "crop 5 %": lambda image: cropped(image, 0.05),
    "crop 5 %, corner": lambda image: cropped(image, 0.05, 0),
    "20 % brighter": lambda image: brighter(image, 1.2),
    "20 % darker": lambda image: brighter(image, 0.8),
    "20 % contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "half, crop 3 %, 10 % brighter, JPEG 50": lambda image: jpeg(brighter(cropped(scaled(image, 0.5), 0.03), 1.1), 50),
}


def pictures(folder: Path, most: int) -> dict[str, Image.Image]:
    """Return up to ``most`` random pictures of the folder, without duplicates or pictures of a single colour."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    random.Random(0).shuffle(paths)
    found: dict[str, Image.Image] = {}
    seen = set()
    for path in paths:
        try:
            image = decode(path).image
        except PhotoError:
            continue
        image.thumbnail((MOST_SIDE, MOST_SIDE))
        seen_as = fingerprint_of(decode(image))
        if thumbnails([seen_as]).std() >= FLAT_CONTRAST and seen_as.pixels_sha256 not in seen:
            seen.add(seen_as.pixels_sha256)
            found[str(path.relative_to(folder))] = image
        if len(found) == most:
            break
    return found


Measured = tuple[Fingerprint, np.ndarray]  # views, (19, 192) float32


def measured(image: Image.Image) -> Measured:
    one = fingerprint_of(decode(image))
    return one, views(thumbnails([one])[0])


def apart(one: Measured, other: Measured) -> tuple[int, float]:
    """Return the number of differing bits and the likeness, as in ``godeeper.photos.doctor.near_duplicates``."""
    likeness = max((one[1] @ other[1][0]).max(), (other[1] @ one[1][0]).max())
    return (one[0].fingerprint ^ other[0].fingerprint).bit_count(), float(likeness) / UNIT**2


def share(pairs: list[tuple[int, float]], bits: int, likeness: float) -> int:
    return sum(each[0] <= bits and each[1] >= likeness for each in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=700)
    options = parser.parse_args()
    images = pictures(options.folder, options.most)
    originals = {name: measured(image) for name, image in images.items()}
    copies = {
        change: [apart(originals[name], measured(alter(image))) for name, image in images.items()]
        for change, alter in CHANGES.items()
    }
    print(f"{len(images)} pictures; found at {NEAR_BITS} bits and likeness {NEAR_LIKENESS}:")
    for change, pairs in copies.items():
        print(f"  {share(pairs, NEAR_BITS, NEAR_LIKENESS) / len(pairs):7.1%}  {change}")
    every = [pair for pairs in copies.values() for pair in pairs]
    different = {(one, other): apart(originals[one], originals[other]) for one, other in combinations(originals, 2)}
    print(f"bits  likeness  copies found  pairs mistaken for copies (of {len(different)})")
    for bits in BITS:
        for likeness in LIKENESS:
            taken = share(list(different.values()), bits, likeness)
            print(f"{bits:4}  {likeness:8.2f}  {share(every, bits, likeness) / len(every):12.1%}  {taken}")
    print("pairs mistaken for copies:")
    for (one, other), pair in different.items():
        if share([pair], NEAR_BITS, NEAR_LIKENESS):
            print(f"  {pair[0]:2} bits, {pair[1]:.3f}: {one}  {other}")


if __name__ == "__main__":
    main()
