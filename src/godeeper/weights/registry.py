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
"""The bundled weights; added weights are in ``weights_folder()``."""

ENDING = ".safetensors"


def weights_folder() -> Path:
    """The folder of added weights: ``weights`` under ``GODEEPER_CACHE``, or under the platform's data folder."""
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
    """The weights with that name, or in that file; raises ``UnknownName`` or ``WeightsError``.

    ``name`` is a path if it ends in ``.safetensors``, contains a folder, or has another extension and the file exists.
    There is no fallback to other weights.
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
    """Unpickles a ``WeightsFile``: the file at its old path or, if that is gone, the installed weights of the same name."""
    return WeightsFile(path if path.exists() else installed_paths().get(description.name, path), description)
