"""Weights by name: what is installed, and where."""

from __future__ import annotations

from pathlib import Path

from ..errors import UnknownName
from .file import WeightsFile, read

BUNDLED = Path(__file__).parent / "bundled" / "inception_v3.safetensors"

INSTALLED = {"bundled": BUNDLED}


def installed() -> list[WeightsFile]:
    """Every weights file that can be named, opened."""
    return [read(path) for path in INSTALLED.values()]


def find(name: str | Path) -> WeightsFile:
    """The weights of that name, or in that file; raises ``UnknownName`` or ``WeightsError``.

    What looks like a path (a ``.safetensors`` ending, or a folder in it) is taken as one.
    Nothing falls back to other weights.
    """
    if name in INSTALLED:
        return read(INSTALLED[str(name)])
    path = Path(name)
    if path.suffix == ".safetensors" or path.name != str(name):
        return read(path)
    raise UnknownName("weights", str(name), [*INSTALLED, "a path to a .safetensors file"])
