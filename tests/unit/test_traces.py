"""Commands write nothing outside godeeper's cache except their outputs, and open no network connection."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.unit.classifier.handmade import classifier

PROGRAM = """
import sys
def watch(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname", "socket.bind"):
        print("network:", event, arguments, file=sys.stderr)
sys.addaudithook(watch)
from godeeper.cli.main import main
sys.exit(main(sys.argv[1:]))
"""

COMMANDS = {
    "peek": ("", ["peek", "PHOTO", "conv"]),
    "retrain": ("", ["retrain", "FOLDER", "--out", "my.godeeper"]),
    "classify": ("", ["classify", "cars.godeeper", "FOLDER"]),
    "classify openvino": ("openvino", ["classify", "cars.godeeper", "PHOTO", "--engine", "openvino"]),
    "export onnx": ("", ["export", "cars.godeeper", "--to", "onnx", "--out", "my.onnx", "--photos", "PHOTO"]),
    "export openvino": ("openvino", ["export", "cars.godeeper", "--to", "openvino", "--out", "my.xml", "--photos", "PHOTO"]),
    "export torch": ("torch", ["export", "cars.godeeper", "--to", "torch", "--out", "my.pt2", "--photos", "PHOTO"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of three photos."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(6):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 255, (40, 40, 3), np.uint8)).save(path)
    return folder


@pytest.mark.skipif(os.name == "nt", reason="folders have other names on Windows")
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_left_outside_the_cache(name: str, photos: Path, chelsea: Path, tmp_path: Path) -> None:
    """With separate home and temporary folders, a command writes only the cache and its outputs, and opens no connection."""
    package, arguments = COMMANDS[name]
    if package and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    for folder in ("home", "tmp", "out"):
        (tmp_path / folder).mkdir()
    classifier().save(tmp_path / "out" / "cars.godeeper")
    stand_in = {"PHOTO": str(chelsea), "FOLDER": str(photos)}
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("XDG_", "ORT_", "GODEEPER_", "TMP", "CI"))
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *(stand_in.get(each, each) for each in arguments)],
        cwd=tmp_path / "out",
        env={**kept, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, "network" in done.stderr) == (0, False), done.stderr
    places = [path for folder in ("home", "tmp") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    caches = tmp_path / "home" / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "godeeper"
    assert places
    assert [path for path in places if caches not in path.parents] == []
    assert list((tmp_path / "tmp").iterdir()) == []
