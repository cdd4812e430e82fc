"""Generate folders to train on: crops and drawings that are increasingly hard to separate, and crops with planted faults."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench.common import datasets
from bench.common.places import RESULTS
from bench.studies.near_duplicates import CHANGES
from PIL import Image

from godeeper.photos.decode import decode

FAULTY = 0.05  # share of the photos
HARDNESS = (0.6, 0.7, 0.8)  # share of the crops that noise hides
NOISE = 0.5
SAME_PIXELS = "same pixels, another format"
COPIES = (SAME_PIXELS, "half", "JPEG 30", "crop 2 %", "20 % brighter")
PLAIN, FRAMED = "nothing but sky", "on red"
RED, SKY = (200, 30, 40), (120, 170, 220)


@dataclass(frozen=True)
class Planted:
    """A folder with planted faults: the misfiled photos, and the pairs of original and copy."""

    root: Path
    misfiled: frozenset[str]
    copies: tuple[tuple[str, str, str], ...]  # the change, the original, the copy


def plant(root: Path, each: int, seed: int) -> Planted:
    """Write crops of half of the sources, with all kinds of faults.  The other half provides the unknown photos."""
    shutil.rmtree(root, ignore_errors=True)
    datasets.crops(root, each, NOISE, seed, most=6)
    chance = random.Random(seed)
    photos = sorted(root.rglob("*.jpg"))
    labels = sorted({path.parent.name for path in photos})
    few = round(FAULTY * len(photos))
    drawn = chance.sample(photos, 2 * few)
    copies = tuple(copy(path, COPIES[number % len(COPIES)]) for number, path in enumerate(drawn[:few]))
    misfiled = frozenset(str(misfile(path, labels, chance)) for path in drawn[few:])
    backgrounds(root, each, seed)
    return Planted(root, misfiled, copies)


def copy(path: Path, change: str) -> tuple[str, str, str]:
    """Write a changed copy next to a photo, under an unrelated name."""
    whole = decode(path).image
    name = f"copy of {path.stem}"
    if change == SAME_PIXELS:
        made = path.with_name(f"{name}.png")
        whole.save(made)
    else:
        made = path.with_name(f"{name}.jpg")
        CHANGES[change](whole).save(made, quality=90)
    return change, str(path), str(made)


def misfile(path: Path, labels: Sequence[str], chance: random.Random) -> Path:
    """Move a photo to the folder of another class, and return its path."""
    other = chance.choice([label for label in labels if label != path.parent.name])
    target = path.parent.parent / other / f"from {path.parent.name} {path.name}"
    return path.rename(target)


def backgrounds(root: Path, each: int, seed: int) -> None:
    """Write a class that shows nothing but sky, and a class of all kinds of objects with a red border."""
    for label in (PLAIN, FRAMED):
        (root / label).mkdir()
    pictures = list(datasets.sources().values())[:6]
    for number in range(each):
        chance = np.random.default_rng([seed, number, 1])
        haze = chance.normal(0, 3, (200, 250, 1)) + np.linspace(-8, 8, 200)[:, None, None] * chance.uniform(0.5, 1.5)
        sky = np.clip(haze + np.array(SKY) + chance.normal(0, 4, 3), 0, 255).astype(np.uint8)
        Image.fromarray(sky).save(root / PLAIN / f"{number:05}.jpg", quality=90)
        inner = root / FRAMED / f"{number:05}.jpg"
        datasets.crop(pictures[number % len(pictures)], inner, NOISE, (seed, number, 2), (170, 120))
        framed = Image.new("RGB", (250, 200), RED)
        framed.paste(Image.open(inner), (40, 40))
        framed.save(inner, quality=90)


def strangers(root: Path, each: int, seed: int) -> dict[str, list[Path]]:
    """Write photos of classes that are not in the planted folder, and return them by kind."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)  # stays empty if neither scikit-image nor the drawings are installed
    pictures = list(datasets.sources().values())[6:]
    tasks: list[datasets.Task] = [
        (picture, root / "other pictures" / f"{place}-{number:05}.jpg", NOISE, (seed, place, number, 3), (250, 200))
        for place, picture in enumerate(pictures)
        for number in range(each // max(1, len(pictures)))
    ]
    datasets.write(tasks)
    if datasets.have_drawings():
        datasets.drawings(root / "drawings", each // 4, ("animals", "food", "people", "tools"), seed)
    kinds = sorted(path for path in root.iterdir() if path.is_dir())
    return {kind.name: sorted(path for path in kind.rglob("*") if path.is_file()) for kind in kinds}


def made_folders(each: int) -> dict[str, Path]:
    """Write crops that are increasingly hard to separate, and drawings."""
    found = {}
    for hidden in HARDNESS:
        folder = RESULTS / "folders" / f"crops-{each}-{hidden:g}"
        if not folder.exists():
            datasets.crops(folder, each, hidden, most=8)
        found[f"crops, {hidden:.0%} hidden"] = folder
    if datasets.have_drawings():
        folder = RESULTS / "folders" / f"drawings-{each}"
        if not folder.exists():
            datasets.drawings(folder, each)
        found["drawings"] = folder
    return found
