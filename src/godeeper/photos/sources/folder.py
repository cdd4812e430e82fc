"""Read a folder of class folders: list its files and their classes.  Only names are used; no file is opened.

The name of a class is the path of its folder relative to the root, byte for byte: photos in ``a/b`` have the class ``a/b``.
Photos in the root itself have no class; their label is empty.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import OptionError
from ...natural_order import natural_key
from ..formats import OTHER_SUFFIXES, RAW_SUFFIXES, SUFFIX_FORMATS

if TYPE_CHECKING:
    from ..remote import RemotePhoto

PHOTO_SUFFIXES = {*SUFFIX_FORMATS, *OTHER_SUFFIXES, *RAW_SUFFIXES}
SYSTEM_NAMES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
SYSTEM_FOLDERS = {"__macosx", "@eadir", "$recycle.bin"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A ``file`` in a ``folder``, with its class (``label``, empty if it has none).

    ``split``: the set that the user assigned (train, validation or test), if any.  ``group``: photos of one group stay in one
    set.  ``shown``: the file's path from the root, if it is not class and file name.  ``listed``: whether a list names the
    file as a photo.  ``remote``: the file, if it is at an address; ``path`` is then meaningless.

    ``folder`` is a string, since tens of thousands of ``Path`` objects would take much time and memory.
    """

    folder: str
    file: str
    label: str
    split: str = ""
    group: str = ""
    shown: str = ""
    listed: bool = False
    remote: RemotePhoto | None = None

    @property
    def photo(self) -> Path | RemotePhoto:
        """The file."""
        return self.remote or self.path

    @property
    def path(self) -> Path:
        """The path of the file."""
        return Path(self.folder, self.file)

    @property
    def name(self) -> str:
        """The path of the file relative to the root, with ``/`` on every system."""
        return self.shown or (f"{self.label}/{self.file}" if self.label else self.file)

    @property
    def hidden(self) -> bool:
        """Whether the file is hidden or made by an operating system, and no list names it."""
        return not self.listed and (self.file.startswith(".") or self.file.casefold() in SYSTEM_NAMES)

    @property
    def suffix(self) -> str:
        """The file's suffix, in its original case."""
        return Path(self.file).suffix

    @property
    def named_photo(self) -> bool:
        """Whether the file has a photo's suffix, or a list names it as a photo."""
        return self.listed or self.suffix.lower() in PHOTO_SUFFIXES


def read_folder(folder: Path) -> list[Entry]:
    """Every file below ``folder``, sorted by class and name; hidden folders are skipped.

    Links are followed, so that a linked folder can be a class.  Each folder is read once.

    Raises:
        OptionError: the folder, or one below it, does not exist, is not a folder, or cannot be listed.
    """
    entries: list[Entry] = []
    seen: set[tuple[int, int]] = set()
    waiting = [(str(folder), "")]
    while waiting:
        place, label = waiting.pop()
        identity = identify(place)
        if identity in seen:  # for example by a link to a parent folder
            continue
        seen.add(identity)
        for child in sorted(children_of(place), key=lambda child: child.name, reverse=True):
            if not child.is_dir():
                entries.append(Entry(place, child.name, label))
            elif not is_skipped(child.name):
                waiting.append((child.path, f"{label}/{child.name}" if label else child.name))
    return sorted(entries, key=lambda entry: (entry.label, entry.file))


def is_skipped(folder: str) -> bool:
    """Whether a folder of that name is hidden or made by an operating system."""
    return folder.startswith(".") or folder.casefold() in SYSTEM_FOLDERS


def empty_folders(root: Path) -> list[str]:
    """The empty folders below ``root``, relative to it, in natural order; hidden folders are left out."""
    empty = []
    for place, folders, files in os.walk(root):
        folders[:] = [each for each in folders if not is_skipped(each)]
        if not folders and not files and Path(place) != root:
            empty.append(Path(place).relative_to(root).as_posix())
    return sorted(empty, key=natural_key)


def identify(folder: str) -> tuple[int, int]:
    """The device and inode of a folder, which are the same for all paths to the folder; raises ``OptionError``."""
    try:
        status = Path(folder).stat()
    except (OSError, ValueError) as error:
        raise unusable(folder, error) from None
    return status.st_dev, status.st_ino


def children_of(folder: str) -> list[os.DirEntry[str]]:
    """The entries of a folder; raises ``OptionError``."""
    try:
        with os.scandir(folder) as children:
            return list(children)
    except OSError as error:
        raise unusable(folder, error) from None


def unusable(folder: str, error: OSError | ValueError) -> OptionError:
    """The error for a folder that cannot be read, with the system's reason."""
    reason = error.strerror if isinstance(error, OSError) else error
    return OptionError(f"cannot read the folder {folder} ({reason}); expected a folder with one folder for each class")
