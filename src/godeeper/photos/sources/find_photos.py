"""Photos that a command is given: files as they are; folders, zips and lists by the photos in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...errors import OptionError, PhotoError
from ...files import is_folder
from ...marks import is_our_picture
from ..formats import OTHER_SUFFIXES, RAW_SUFFIXES, SUFFIX_FORMATS
from ..named import NamedPhoto
from .csv_list import ENDINGS as LISTS
from .csv_list import read_paths
from .zip_archive import unzipped

ENDINGS = (*SUFFIX_FORMATS, *OTHER_SUFFIXES, *sorted(RAW_SUFFIXES))


@contextmanager
def opened(places: Iterable[str | Path]) -> Iterator[list[str | NamedPhoto]]:
    """The photos at all places, readable while the block runs: ``photos_in``, and those of zips and lists.

    A zip is unpacked, in bounds (see ``zipped``); its photos are named as if it were a folder.  A list needs the column path.

    >>> with opened(["examples/chelsea.jpg"]) as photos:
    ...     print(photos)
    ['examples/chelsea.jpg']

    Raises:
        PhotoError: there is no photo in a folder, zip or list, or it cannot be read, or is refused.
    """
    with ExitStack() as stack:
        yield [photo for place in places for photo in at(Path(place), stack)]


def at(place: Path, stack: ExitStack) -> list[str] | list[NamedPhoto]:
    """The photos at one place; ``stack`` closes what was unpacked."""
    kind = place.suffix.lower()
    if kind not in (".zip", *LISTS) or is_folder(place):
        return photos_in([place])
    try:
        if kind in LISTS:
            return read_paths(place)
        folder = str(stack.enter_context(unzipped(place)))
    except OptionError as error:
        raise PhotoError(str(error)) from None
    found = [NamedPhoto(path, Path(place, os.path.relpath(path, folder)).as_posix()) for path in walked(folder)]
    if not found:
        raise PhotoError(f"{place}: no photo in this zip; expected files like *.jpg or *.png")
    return found


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
