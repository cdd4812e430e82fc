"""Fixtures for the tests of Ray: photos, and Ray on this machine."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from godeeper.features.executors.on_ray import OnRay

PHOTOS = 70  # three chunks

os.environ.setdefault(
    "RAY_AUTH_TOKEN", secrets.token_hex(32)
)  # set before Ray is imported, because Ray would store a token in the user's home
os.environ.setdefault("RAY_AUTH_MODE", "token")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory, chelsea: Path) -> Path:
    """Small photos in two class folders; one is damaged, one is repaired, two have the same pixels."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(PHOTOS):
        place = folder / ("dark", "bright")[number % 2] / f"{number:02}.png"
        place.parent.mkdir(exist_ok=True)
        noise = Image.fromarray(random.integers(0, (60, 250)[number % 2], (5, 7, 3), np.uint8))
        noise.resize((70, 50)).save(place)
    shutil.copy(folder / "dark" / "02.png", folder / "dark" / "copy.png")
    (folder / "dark" / "10.png").write_bytes((folder / "dark" / "12.png").read_bytes()[:900])
    shutil.copy(chelsea, folder / "bright" / "photo.png")
    return folder


def some(photos: Path, numbers: range, folder: Path) -> Path:
    """Copy the photos with these numbers into their class folders in ``folder``, and return ``folder``."""
    for number in numbers:
        path = Path(("dark", "bright")[number % 2], f"{number:02}.png")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / path, folder / path)
    return folder


@pytest.fixture(scope="module")
def _ray() -> Iterator[None]:
    """Ray on this machine, for all tests and commands in this process, with credentials for the fake S3."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        with OnRay("ray"):
            yield
