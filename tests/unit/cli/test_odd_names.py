"""Every command accepts a photo whose name is not UTF-8, and prints the name escaped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import godeeper
from godeeper.photos.decode import decode

COMMANDS = {
    "peek": ("peek", "PHOTO", "conv", "--out", "OUT"),
    "map": ("map", "--photo", "PHOTO", "--out", "OUT/map.svg"),
    "page of a map": ("map", "--photo", "PHOTO", "--out", "OUT/map.html"),
    "poster": ("poster", "PHOTO", "--out", "OUT/poster"),
    "embed": ("embed", "PHOTO", "--out", "OUT/features.npz", "--features", "conv"),
    "top": ("top", "FOLDER", "conv[0]", "--out", "OUT"),
    "doctor": ("doctor", "FOLDER"),
    "classify": ("classify", "CARS", "PHOTO"),
    "explain": ("explain", "CARS", "PHOTO", "--out", "OUT"),
    "retrain": ("retrain", "FOLDER", "--out", "OUT/x.godeeper", "--features", "mixed/join"),
}


@pytest.fixture
def photo(tmp_path: Path, chelsea: Path) -> bytes:
    """The path of a photo whose name is not UTF-8, in a class folder next to a second class folder."""
    path = os.fsencode(tmp_path) + b"/photos/a/caf\xe9.jpg"
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "b").mkdir()
    (tmp_path / "out").mkdir()
    try:
        Path(os.fsdecode(path)).write_bytes(chelsea.read_bytes())
    except (OSError, UnicodeError):
        pytest.skip("this file system accepts only UTF-8 names")
    for number in range(2):
        Image.open(chelsea).rotate(90 * number + 45).save(tmp_path / "photos" / "b" / f"{number}.png")
        Image.open(chelsea).rotate(90 * number + 90, expand=True).save(tmp_path / "photos" / "a" / f"{number}.png")
    return path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
def test_names_that_are_not_utf_8(photo: bytes, command: str, more: list[str], tmp_path: Path, cars: Path) -> None:
    """Text and JSON output are valid UTF-8."""
    places = {"PHOTO": photo, "FOLDER": os.fsencode(tmp_path / "photos"), "CARS": os.fsencode(cars)}
    out = os.fsencode(tmp_path / "out")
    words = [places.get(word, word.encode().replace(b"OUT", out)) for word in (*COMMANDS[command], *more)]
    done = subprocess.run([sys.executable, "-m", "godeeper", *words], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-600:]
    said = done.stdout.decode("utf-8")
    assert "Traceback" not in done.stderr.decode("utf-8")
    if more:
        json.loads(said)


def test_the_name_is_shown_escaped(photo: bytes) -> None:
    """Records, pictures and notebooks show the escaped name."""
    path = os.fsdecode(photo)
    assert decode(path).name == r"caf\xe9.jpg"
    peek = godeeper.load().peek(path, "conv")
    assert peek.photo == r"caf\xe9.jpg"
    peek._repr_png_()
