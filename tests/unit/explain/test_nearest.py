"""Nearest neighbours of a photo in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.unit.classifier.handmade import classifier

from godeeper.classifier.classifier import Classifier, pooled
from godeeper.errors import OptionError
from godeeper.explain.evidence import evidence
from godeeper.explain.nearest import ReferencePhotos, read_reference_photos
from godeeper.photos.decode import decode


@pytest.fixture(scope="module")
def made() -> Classifier:
    """A classifier with a head of random numbers."""
    return classifier()


@pytest.fixture(scope="module")
def album(made: Classifier, tmp_path_factory: pytest.TempPathFactory, chelsea: Path) -> ReferencePhotos:
    """A cat, a slightly darker copy, and noise, in two classes."""
    folder = tmp_path_factory.mktemp("photos")
    cat = Image.open(chelsea).convert("RGB")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    for name, image in {"cat/a.png": cat, "cat/b.png": cat.point(lambda v: v * 0.8), "noise/c.png": noise}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        image.save(folder / name)
    return read_reference_photos(made, folder)


def test_the_nearest_come_first(made: Classifier, album: ReferencePhotos, chelsea: Path) -> None:
    """Photos are sorted by the distance of standardised features; the same pixels in another file are left out."""
    near = album.nearest(evidence(made, chelsea))
    assert [(each.path.name, each.label) for each in near] == [("b.png", "cat"), ("c.png", "noise")]
    features = pooled(made.network, [decode(chelsea), decode(near[0].path)], made.head.addresses)
    joined = np.concatenate([features[address] for address in made.head.addresses], axis=1)
    expected = np.linalg.norm((joined[0] - joined[1]) / made.head.scale)
    assert near[0].distance == pytest.approx(expected, rel=1e-2)
    assert [each.path.name for each in album.nearest(evidence(made, chelsea), top=1)] == ["b.png"]


def test_a_folder_without_photos(made: Classifier, tmp_path: Path) -> None:
    """The error for a folder without usable photos refers to ``godeeper doctor``."""
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.jpg").write_text("no photo")
    with pytest.raises(OptionError, match="godeeper doctor"):
        read_reference_photos(made, tmp_path)
