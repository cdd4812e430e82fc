"""Warnings of libraries are hidden; godeeper's own messages are printed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

WARNING = """
import sys, warnings
from godeeper.cli import main
def work(*_):
    warnings.filterwarnings("always", category=DeprecationWarning)  # as scikit-learn does at its import
    warnings.warn("for programmers", DeprecationWarning)
    warnings.warn("for programmers", RuntimeWarning)
    return 0
main.main = work
main.run()
"""


@pytest.mark.parametrize("debug", [False, True])
def test_warnings_are_shown_with_debug_alone(debug: bool) -> None:  # noqa: FBT001
    """Warnings are hidden without --debug, even if a library sets its own warning filters."""
    command = [sys.executable, "-c", WARNING, *(["--debug"] if debug else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
    assert ("for programmers" in done.stderr) is debug


def constant(folder: Path) -> None:
    """Write two classes of uniformly coloured pictures."""
    for number in range(8):
        save(folder / "ab"[number % 2] / f"{number}.png", np.full((40, 40, 3), 30 * number, np.uint8))


def one_and_many(folder: Path) -> None:
    """Write a class of one photo and a class of twelve."""
    random = np.random.default_rng(0)
    for number in range(13):
        save(folder / ("a" if number else "b") / f"{number}.png", random.integers(0, 255, (40, 40, 3), np.uint8))


def many_classes(folder: Path) -> None:
    """Write twelve classes of three photos."""
    random = np.random.default_rng(0)
    for number in range(36):
        save(folder / f"c{number % 12}" / f"{number}.png", random.integers(0, 255, (40, 40, 3), np.uint8))


def save(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("make", [constant, one_and_many, many_classes], ids=lambda make: make.__name__)
def test_trainings_of_odd_folders_are_quiet(make: Callable[[Path], None], tmp_path: Path) -> None:
    """``retrain`` on an unusual folder prints only godeeper's own lines, even if libraries issue warnings."""
    make(tmp_path / "photos")
    arguments = ["retrain", str(tmp_path / "photos"), "--out", str(tmp_path / "my.godeeper")]
    done = subprocess.run([sys.executable, "-m", "godeeper", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1, 2)
    assert "Warning" not in done.stdout + done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith(("godeeper:", "note:"))] == []
