"""Dark, blurred, empty and tiny photos get a remark, and ordinary photos do not."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from tests.conftest import ROOT

from godeeper.photos.doctor.checkup import examine
from godeeper.photos.doctor.quality import BLOCK, BLURRED, CONTRAST, EMPTY, KINDS, averaged, remarks


def kinds(image: Image.Image) -> list[str]:
    return [remark.partition(":")[0] for remark in remarks(image)]


@pytest.fixture
def photo(chelsea: Path) -> Image.Image:
    """The demonstration photo."""
    with Image.open(chelsea) as opened:
        return opened.convert("RGB")


def test_an_ordinary_photo_gets_no_remark(photo: Image.Image) -> None:
    """An ordinary photo gets no remark at any size from 64 pixels, in grey, half as bright, or slightly blurred or noisy."""
    for width in (100, 150, 451, 1200):
        assert remarks(photo.resize((width, width * 2 // 3))) == ()
    assert remarks(photo.convert("L").convert("RGB")) == ()
    assert remarks(photo.point(lambda value: value // 2)) == ()
    assert remarks(photo.filter(ImageFilter.GaussianBlur(1))) == ()
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert remarks(Image.fromarray(noise)) == ()


@pytest.mark.skipif(
    find_spec("skimage") is None, reason="scikit-image's photos are not installed here; `make bench` installs them"
)
def test_scikit_image_s_photos_get_no_remark() -> None:
    """Photos and pictures from microscopes and telescopes get no remark."""
    spec = find_spec("skimage")
    assert spec
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "data"
    names = (
        "astronaut brick camera cell chelsea clock_motion coffee coins grass gravel ihc moon motorcycle_left page text"
    )
    tried = 0
    for path in sorted(folder.iterdir()):
        if path.stem in names.split() or path.suffix == ".jpg":
            with Image.open(path) as opened:
                assert remarks(opened.convert("RGB")) == (), path
            tried += 1
    assert tried >= 10


def test_each_kind(photo: Image.Image) -> None:
    """Each kind of fault gets its own remark."""
    assert kinds(photo.point(lambda value: value // 6)) == ["dark"]
    assert kinds(photo.filter(ImageFilter.GaussianBlur(5))) == ["blurred"]
    assert kinds(photo.resize((15, 10)).resize((450, 300), Image.Resampling.BICUBIC)) == ["blurred"]
    assert kinds(Image.new("RGB", (300, 200), (200, 40, 9))) == ["empty"]
    assert kinds(Image.new("RGB", (300, 200))) == ["empty"]
    assert kinds(photo.resize((31, 31))) == ["tiny"]
    assert kinds(photo.resize((32, 32))) == []
    assert kinds(Image.new("RGB", (1, 1))) == ["tiny", "empty"]
    assert kinds(photo.resize((3000, 3))) == ["tiny"]


def test_stated_values_are_those_of_the_whole_photo(photo: Image.Image) -> None:
    """A remark states the exact value for the whole photo, although some values are computed only if they are needed."""
    for radius in (3, 4, 6, 9):
        blurred = photo.filter(ImageFilter.GaussianBlur(radius))
        grey = np.asarray(averaged(blurred).convert("L"), int)
        rows, columns = (side // BLOCK for side in grey.shape)
        cells = grey[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)
        shares = [
            max(np.abs(np.diff(cell, axis=0)).max(), np.abs(np.diff(cell, axis=1)).max()) / np.ptp(cell)
            for cell in cells.reshape(-1, BLOCK, BLOCK)
            if np.ptp(cell) >= CONTRAST
        ]
        assert remarks(blurred) == ((BLURRED.remark(max(shares)),) if shares and max(shares) < BLURRED.least else ())
    for spread in range(1, 12):
        levels = np.random.default_rng(spread).integers(90, 90 + spread, (100, 120, 1))
        flat = np.concatenate([np.full_like(levels, 90), levels, np.full_like(levels, 9)], axis=2).astype(np.uint8)
        exact = float(flat.std(axis=(0, 1)).max())
        matching = [remark for remark in remarks(Image.fromarray(flat)) if EMPTY.matches(remark)]
        assert matching == ([EMPTY.remark(exact)] if exact < EMPTY.least else [])


def test_soft_photos_are_not_blurred(photo: Image.Image) -> None:
    """A clear sky without edges, and a portrait that is only partly sharp, are not called blurred."""
    light = np.linspace(90, 230, 400)[:, None, None] * np.array([0.6, 0.8, 1.0])  # (H, 1, C)
    sky = np.repeat(light, 600, axis=1) + np.random.default_rng(0).normal(0, 2, (400, 600, 1))
    assert kinds(Image.fromarray(sky.astype(np.uint8))) == []
    portrait = photo.filter(ImageFilter.GaussianBlur(8))
    portrait.paste(photo.crop((150, 80, 210, 140)), (150, 80))
    assert kinds(portrait) == []


def test_noise_does_not_hide_a_blur(photo: Image.Image) -> None:
    """A blurred photo is recognised under noise of 5 levels, which is typical of poor light."""
    blurred = np.asarray(photo.filter(ImageFilter.GaussianBlur(5)))
    noise = np.random.default_rng(0).normal(0, 5, blurred.shape)
    assert kinds(Image.fromarray((blurred + noise).clip(0, 255).astype(np.uint8))) == ["blurred"]


def test_a_night_photo_with_lights_is_not_dark(photo: Image.Image) -> None:
    """A night photo with 2 % bright pixels is not called dark."""
    night = photo.point(lambda value: value // 8)
    night.paste(photo.crop((150, 100, 210, 160)).point(lambda value: min(255, 2 * value)), (0, 0))
    assert "dark" not in kinds(night)


def test_the_doctor_says_so_and_uses_them(tmp_path: Path, photo: Image.Image) -> None:
    """The doctor uses photos with a remark; their record, new or stored, has the value and the threshold."""
    for label in "ab":
        (tmp_path / label).mkdir()
        photo.rotate(ord(label)).save(tmp_path / label / "fine.png")
        photo.rotate(ord(label)).point(lambda value: value // 8).save(tmp_path / label / "night.png")
    found = examine(tmp_path)
    assert found.counts == {"used": 4, "repaired": 0, "quarantined": 0}
    said = {record["file"]: record["remarks"] for record in json.loads(json.dumps(found.record()))["files"]}
    assert said["a/fine.png"] == []
    assert said["a/night.png"][0].startswith("dark: the level of 255 that 99 % of its pixels do not exceed is ")
    assert said["a/night.png"][0].endswith(", below 40")


def test_the_docs_have_the_thresholds() -> None:
    """The documentation states the measure and the threshold of each kind of remark."""
    page = (ROOT / "docs" / "reference" / "photos.md").read_text()
    for kind in KINDS:
        assert f"| {kind.name} | {kind.measure.rstrip(',')} | {kind.least:g} |" in page
