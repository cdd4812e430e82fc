"""Expand the arguments of a command to photos: folders, zips and lists become the photos in them.

Links to folders are not followed here, unlike in ``folder.read_folder``.  A link among class folders is a class on purpose;
a link in an arbitrary folder can lead anywhere.
"""

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
    """All photos at ``places``; their files exist while the block runs.

    A zip is unpacked within limits (see ``zip_archive``), and its photos have names as in a folder.  A list needs only
    the column ``path``.

    >>> with opened(["examples/chelsea.jpg"]) as photos:
    ...     print(photos)
    ['examples/chelsea.jpg']

    Raises:
        PhotoError: a folder, zip or list has no photo, cannot be read, or is refused.
    """
    with ExitStack() as stack:
        yield [photo for place in places for photo in at(Path(place), stack)]


def at(place: Path, stack: ExitStack) -> list[str] | list[NamedPhoto]:
    """The photos at one place; raises ``PhotoError``.  Unpacked files are removed when ``stack`` closes."""
    kind = place.suffix.lower()
    if kind not in (".zip", *LISTS) or is_folder(place):
        return photos_in([place])
    try:
        if kind in LISTS:
            return read_paths(place)
        folder = str(stack.enter_context(unzipped(place)))
    except OptionError as error:
        raise PhotoError(str(error)) from None
    photos = [NamedPhoto(path, Path(place, os.path.relpath(path, folder)).as_posix()) for path in walk(folder)]
    if not photos:
        raise PhotoError(f"{place}: no photo in this zip; expected files like *.jpg or *.png")
    return photos


def photos_in(places: Iterable[str | Path]) -> list[str]:
    """The given files, with each folder replaced by the sorted photos in and below it.

    In folders, hidden files, files without a photo's suffix, and pictures that godeeper drew are left out.

    Raises:
        PhotoError: a folder contains no photo, or cannot be read.
    """
    return [photo for place in places for photo in (within(place) if is_folder(place) else [str(Path(place))])]


def within(folder: str | Path) -> list[str]:
    """The photos in and below a folder; raises ``PhotoError`` if there are none."""
    photos = list(walk(str(Path(folder))))
    if not photos:
        raise PhotoError(f"{folder}: no photo in this folder; expected files like *.jpg or *.png")
    return photos


def is_named_photo(name: str, path: str) -> bool:
    """Whether a file has a photo's suffix and is not a picture that godeeper drew."""
    return name.endswith(ENDINGS) and not (name.endswith(".png") and is_our_picture(Path(path)))


def walk(folder: str) -> Iterator[str]:
    """Yield the sorted photos in and below a folder, as strings, since thousands of ``Path`` objects would take much memory."""
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
            yield from walk(path)
        else:
            yield path
