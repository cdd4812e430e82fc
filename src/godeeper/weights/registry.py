"""Weights by name: what is installed, and where."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UnknownName
from ..files import is_file
from .file import Description, WeightsFile, read

BUNDLED = Path(__file__).parent / "bundled" / "inception_v3.safetensors"

INSTALLED = {"bundled": BUNDLED}
"""What ships with godeeper; what people add lies in ``weights_folder()``."""

ENDING = ".safetensors"


def weights_folder() -> Path:
    """Where added weights are kept: ``weights`` under ``GODEEPER_CACHE``, or under the platform's data folder."""
    chosen = os.environ.get("GODEEPER_CACHE")
    if chosen:
        return Path(chosen) / "weights"
    from platformdirs import user_data_path

    return user_data_path("godeeper", appauthor=False) / "weights"


def installed_paths() -> dict[str, Path]:
    """Name -> file of all installed weights, those that ship first."""
    added = {path.stem: path for path in sorted(weights_folder().glob(f"*{ENDING}")) if not path.name.startswith(".")}
    return {**INSTALLED, **{name: path for name, path in added.items() if name not in INSTALLED}}


def installed() -> list[WeightsFile]:
    """Every weights file that can be named, opened."""
    return [read(path) for path in installed_paths().values()]


def find(name: str | Path) -> WeightsFile:
    """The weights of that name, or in that file; raises ``UnknownName`` or ``WeightsError``.

    What looks like a path (a ``.safetensors`` ending, a folder in it, or another ending of a file that is there) is taken
    as one.
    Nothing falls back to other weights.
    """
    paths = installed_paths()
    if name in paths:
        return read(paths[str(name)])
    path = Path(name)
    if path.suffix == ENDING or path.name != str(name) or (path.suffix and is_file(path)):
        return read(path)
    from .official import OFFICIAL

    if name in OFFICIAL:
        raise UnknownName("weights", str(name), [*paths, f"add them first: godeeper weights add {name}"])
    raise UnknownName("weights", str(name), [*paths, "a path to a .safetensors file"])


def reopened(path: Path, description: Description) -> WeightsFile:
    """What was pickled: the file where it lay or, where there is none now, the weights installed under its name."""
    return WeightsFile(path if path.exists() else installed_paths().get(description.name, path), description)
