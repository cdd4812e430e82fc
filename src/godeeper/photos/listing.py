"""Photos that a command is given: files as they are, folders by what is in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import PhotoError
from .decode import SUFFIX_FORMATS


def photos_in(places: Iterable[str | Path]) -> list[Path]:
    """Each file that is named, and every photo in each folder, the folders in it included, sorted.

    A folder's hidden files, and those with an ending that is no photo's, are left out.

    Raises:
        PhotoError: there is no photo in a folder.
    """
    return [photo for place in places for photo in (within(Path(place)) if Path(place).is_dir() else [Path(place)])]


def within(folder: Path) -> list[Path]:
    """The photos in a folder and in those below it."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIX_FORMATS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise PhotoError(f"{folder}: no photo in this folder; expected files like *.jpg or *.png")
    return found
