"""Unpack a zip of photos into a temporary folder, with limits on the number of files and bytes.

A zip is refused if it has paths outside the folder, links, encrypted members, members whose length is not the stated one,
more than ``MOST_FILES`` files or ``MOST_BYTES`` bytes, or a compression ratio that photos do not have.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath

from ...errors import OptionError
from ...files import open_regular
from ...wording import count_of
from .folder import SYSTEM_FOLDERS

MOST_FILES = 500_000
MOST_BYTES = 1 << 36
MOST_TIMES = 200
"""The most unpacked bytes per packed byte, apart from the first ``FREE`` unpacked bytes; photos hardly shrink in a zip."""
FREE = 1 << 28


@contextmanager
def unzipped(place: Path) -> Iterator[Path]:
    """A temporary folder with the files of a zip, removed after the block.

    If one folder in the zip contains all class folders, as most programs pack them, that folder is returned.

    Raises:
        OptionError: the zip cannot be read, or is refused.
    """
    with tempfile.TemporaryDirectory(prefix="godeeper-", ignore_cleanup_errors=True) as name:
        folder = Path(name, place.stem or "zip")
        folder.mkdir()
        try:
            with open_regular(place) as file, zipfile.ZipFile(file) as archive:
                members = checked(place, archive.infolist())
                for path, member in members.items():
                    unpack(place, archive, member, folder / path)
        except FileNotFoundError:
            raise OptionError(f"{place}: no such zip; expected a .zip of photos") from None
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            RuntimeError,
            NotImplementedError,
            EOFError,
            ValueError,
        ) as error:
            reason = " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
            raise OptionError(
                f"{place}: cannot read this zip ({reason}); pack it again, or unpack it and pass the folder"
            ) from None
        yield inner(folder)


def names_in(place: Path) -> frozenset[str]:
    """The names of a zip's files, relative to the folder of ``unzipped``; empty if the zip cannot be read or is refused."""
    try:
        status = place.stat()
    except (OSError, ValueError):
        return frozenset()
    return frozenset(members_in(place, (status.st_size, status.st_mtime_ns)))


def read_member(place: Path, name: str, most: int) -> bytes:
    """The first ``most`` bytes of the file ``name`` in a zip; raises ``OSError`` if it cannot be read."""
    status = place.stat()
    member = members_in(place, (status.st_size, status.st_mtime_ns)).get(name)
    if member is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    try:
        with open_regular(place) as file, zipfile.ZipFile(file) as archive, archive.open(member) as packed:
            return packed.read(most)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        raise OSError(errno.EIO, str(error)) from error


@lru_cache(maxsize=4)
def members_in(place: Path, version: tuple[int, int]) -> dict[str, zipfile.ZipInfo]:  # noqa: ARG001 (part of the cache's key)
    """Name -> member of a zip, with the names of ``names_in``; ``version``: size and modification time."""
    try:
        with open_regular(place) as file, zipfile.ZipFile(file) as archive:
            members = checked(place, archive.infolist())
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError, OptionError):
        return {}
    above = outer_folders(list(members))
    return {PurePosixPath(*path.parts[above:]).as_posix(): member for path, member in members.items()}


def outer_folders(paths: Sequence[PurePosixPath]) -> int:
    """The number of nested outer folders that ``inner`` enters."""
    above = 0
    while True:
        rest = [path.parts[above:] for path in paths]
        if len({parts[0] for parts in rest}) != 1 or min(map(len, rest)) < 2 or max(map(len, rest)) < 3:
            return above
        above += 1


def inner(folder: Path) -> Path:
    """Descend while a folder contains only one subfolder with folders in it; returns the last folder."""
    children = list(folder.iterdir())
    if len(children) == 1 and children[0].is_dir() and any(each.is_dir() for each in children[0].iterdir()):
        return inner(children[0])
    return folder


def checked(place: Path, members: list[zipfile.ZipInfo]) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Path -> member, for all files to unpack; raises ``OptionError`` for a zip that is refused."""
    files: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in members:
        path = path_of(place, member)
        if path is None or member.is_dir():
            continue
        if path in files:
            raise OptionError(f"{place}: contains {str(path)!r} twice; pack it again")
        files[path] = member
    size, packed = sum(each.file_size for each in files.values()), place.stat().st_size
    if len(files) > MOST_FILES or size > MOST_BYTES or size > FREE + MOST_TIMES * packed:
        raise OptionError(
            f"{place}: {count_of(len(files), 'file')} of {size / 1e6:.0f} MB in a zip of {packed / 1e6:.1f} MB; "
            "that is too much for photos; unpack it yourself if you trust it"
        )
    return files


def path_of(place: Path, member: zipfile.ZipInfo) -> PurePosixPath | None:
    """The relative path of a member, or None if it is hidden; raises ``OptionError`` for a member that is refused."""
    name = decoded(member).replace("\\", "/")
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise OptionError(
            f"{place}: refused, since {name[:100]!r} in it points outside its folder; pack it again with relative names"
        )
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise OptionError(
            f"{place}: refused, since {name[:100]!r} in it is a link or device; pack the photos themselves"
        )
    if member.flag_bits & 1:
        raise OptionError(f"{place}: is encrypted; unpack it and pass the folder")
    hidden = any(part.startswith(".") or part.casefold() in SYSTEM_FOLDERS for part in path.parts)
    return None if hidden else path


def decoded(member: zipfile.ZipInfo) -> str:
    """A member's name, decoded as UTF-8 if possible, even if the flag for UTF-8 is missing."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def unpack(place: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Write one member to ``target``; raises ``OptionError`` if its length differs from the stated one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as packed, target.open("xb") as file:
        shutil.copyfileobj(packed, file, 1 << 20)
    if target.stat().st_size != member.file_size:
        raise OptionError(
            f"{place}: {member.filename[:100]!r} does not have the length that the zip states; pack it again"
        )
