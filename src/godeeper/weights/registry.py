"""Finds installed weights by name."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UnknownName
from ..files import is_file
from .file import Description, WeightsFile, read

BUNDLED = Path(__file__).parent / "bundled" / "inception_v3.safetensors"

BUNDLED_RANGES = BUNDLED.with_name("inception_v3.int8.json")
"""The quantization ranges of the bundled weights, as ``engine.quantization`` reads them."""

INSTALLED = {"bundled": BUNDLED}
"""Name -> file of the bundled weights; added weights are in ``weights_folder()``."""

ENDING = ".safetensors"


def weights_folder() -> Path:
    """The folder of added weights: ``weights`` in the folder ``GODEEPER_CACHE``, or in the platform's data folder."""
    chosen = os.environ.get("GODEEPER_CACHE")
    if chosen:
        return Path(chosen) / "weights"
    from platformdirs import user_data_path

    return user_data_path("godeeper", appauthor=False) / "weights"


def installed_paths() -> dict[str, Path]:
    """Name -> file of all installed weights, the bundled ones first."""
    added = {path.stem: path for path in sorted(weights_folder().glob(f"*{ENDING}")) if not path.name.startswith(".")}
    return {**INSTALLED, **{name: path for name, path in added.items() if name not in INSTALLED}}


def find(name: str | Path) -> WeightsFile:
    """The installed weights called ``name``, or the weights in the file ``name``.

    A name that is not installed is a path if it ends in ``.safetensors``, contains a folder, or has another extension and
    the file exists.

    Raises:
        UnknownName: there are no weights of that name.
        WeightsError: the file cannot be read.
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
    """The weights file that was pickled: the file at its old path, or else the installed weights of that name."""
    return WeightsFile(path if path.exists() else installed_paths().get(description.name, path), description)
