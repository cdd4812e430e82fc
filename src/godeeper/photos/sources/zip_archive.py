"""A zip as a folder: its photos are unpacked into a temporary folder, within bounds, and nowhere else.

A name that leads outside, a link, an encrypted member, or one that holds more than it says is refused; so is a zip whose
members would take more than ``MOST_BYTES``, or too much more than the zip itself.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ...errors import OptionError
from ...files import open_regular
from .folder import SYSTEM_FOLDERS

MOST_FILES = 500_000
MOST_BYTES = 1 << 36
MOST_TIMES = 200
"""Unpacked bytes a packed byte, beyond the first ``FREE`` bytes: photos are packed already."""
FREE = 1 << 28


@contextmanager
def unzipped(place: Path) -> Iterator[Path]:
    """A temporary folder with what is in a zip, gone after the block.

    Where all of it lies in one folder, as most programs pack, that folder.

    Raises:
        OptionError: it cannot be read, or is refused.
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
                f"{place}: cannot read this zip ({reason}); pack it again, or unpack it and name the folder"
            ) from None
        yield inner(folder)


def inner(folder: Path) -> Path:
    """The folder, or the one inside that holds all class folders: a folder of folders that stands alone."""
    children = list(folder.iterdir())
    if len(children) == 1 and children[0].is_dir() and any(each.is_dir() for each in children[0].iterdir()):
        return inner(children[0])
    return folder


def checked(place: Path, members: list[zipfile.ZipInfo]) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Path -> member of all files that are unpacked; raises for a zip that is refused."""
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in members:
        path = path_of(place, member)
        if path is None or member.is_dir():
            continue
        if path in found:
            raise OptionError(f"{place}: holds {str(path)!r} twice; pack it again")
        found[path] = member
    size, packed = sum(each.file_size for each in found.values()), place.stat().st_size
    if len(found) > MOST_FILES or size > MOST_BYTES or size > FREE + MOST_TIMES * packed:
        raise OptionError(
            f"{place}: {len(found)} files of {size / 1e6:.0f} MB in a zip of {packed / 1e6:.1f} MB; "
            "that is more than photos take, unpack it yourself if you trust it"
        )
    return found


def path_of(place: Path, member: zipfile.ZipInfo) -> PurePosixPath | None:
    """Where a member goes; None for what systems add."""
    name = decoded(member).replace("\\", "/")
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise OptionError(
            f"{place}: refused, since {name[:100]!r} in it leads out of its folder; pack it again with relative names"
        )
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise OptionError(
            f"{place}: refused, since {name[:100]!r} in it is a link or device; pack the photos themselves"
        )
    if member.flag_bits & 1:
        raise OptionError(f"{place}: is encrypted; unpack it and name the folder")
    hidden = any(part.startswith(".") or part.casefold() in SYSTEM_FOLDERS for part in path.parts)
    return None if hidden else path


def decoded(member: zipfile.ZipInfo) -> str:
    """A member's name; programs that write UTF-8 without saying so are understood."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def unpack(place: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Write one member, no more bytes than it says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as packed, target.open("xb") as file:
        shutil.copyfileobj(packed, file, 1 << 20)
    if target.stat().st_size != member.file_size:
        raise OptionError(f"{place}: {member.filename[:100]!r} is not as long as it says; pack it again")
