"""A small real classifier, and a photo that is half one class and half another."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

import godeeper
from godeeper.training.classifier import Classifier

CROPS = 8


def sources(chelsea: Path) -> dict[str, Image.Image]:
    """A cat, and the flower that scikit-learn brings along."""
    with resources.as_file(resources.files("sklearn.datasets.images") / "flower.jpg") as path:
        flower = Image.open(path).convert("RGB")
    return {"cat": Image.open(chelsea).convert("RGB"), "flower": flower}


def train(folder: Path, chelsea: Path, features: str) -> Classifier:
    """A classifier of crops of both photos."""
    random = np.random.default_rng(0)
    for name, image in sources(chelsea).items():
        (folder / name).mkdir(parents=True)
        for number in range(CROPS):
            side = int(min(image.size) * random.uniform(0.4, 0.7))
            left, top = (int(random.integers(0, room - side)) for room in image.size)
            image.crop((left, top, left + side, top + side)).save(folder / name / f"{number}.png")
    return godeeper.retrain(folder, features=features)


def collage(chelsea: Path) -> Image.Image:
    """The cat on the left, the flower on the right, (600, 400)."""
    both = Image.new("RGB", (600, 400))
    for left, image in zip((0, 300), sources(chelsea).values(), strict=True):
        both.paste(image.crop((130, 20, 380, 260)).resize((300, 400)), (left, 0))
    return both
