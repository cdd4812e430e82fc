"""Photos that a command is given: files as they are, folders by what is in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import PhotoError
from ..files import is_folder
from ..marks import is_our_picture
from .formats import OTHER_SUFFIXES, RAW_SUFFIXES, SUFFIX_FORMATS

ENDINGS = (*SUFFIX_FORMATS, *OTHER_SUFFIXES, *sorted(RAW_SUFFIXES))


def photos_in(places: Iterable[str | Path]) -> list[str]:
    """Paths of each file that is named, and of every photo in each folder, the folders in it included, sorted.

    A folder's hidden files, those with an ending that is no photo's, and pictures that godeeper drew are left out.

    Raises:
        PhotoError: there is no photo in a folder, or it cannot be read.
    """
    return [photo for place in places for photo in (within(place) if is_folder(place) else [str(Path(place))])]


def within(folder: str | Path) -> list[str]:
    """The photos in a folder and in those below it."""
    found = list(walked(str(Path(folder))))
    if not found:
        raise PhotoError(f"{folder}: no photo in this folder; expected files like *.jpg or *.png")
    return found


def is_named_photo(name: str, path: str) -> bool:
    """Whether a file has a photo's ending, and is no picture of ours that was written among the photos."""
    return name.endswith(ENDINGS) and not (name.endswith(".png") and is_our_picture(Path(path)))


def walked(folder: str) -> Iterator[str]:
    """Text, and each path once: many thousand ``Path`` or ``DirEntry`` weigh more than a network's batch."""
    paths, folders = [], set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = entry.name if folder == "." else entry.path
                if entry.is_dir(follow_symlinks=False):
                    folders.add(path)
                elif not is_named_photo(entry.name.lower(), path):
                    continue
                paths.append(path)
    except OSError as error:
        raise PhotoError(f"{folder}: cannot read this folder ({error.strerror})") from None
    for path in sorted(paths):
        if path in folders:
            yield from walked(path)
        else:
            yield path
