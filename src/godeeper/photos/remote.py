"""Photos in file systems that pyarrow reads: ``s3://``, ``gs://`` and ``file://`` addresses.

The folder is listed once; each photo is read by the process that decodes it.  pyarrow finds the credentials: in environment
variables, the user's configuration files or the machine's role.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, unquote

from ..errors import MissingExtra, PhotoError
from ..marks import is_png
from ..prefetch import ordered_map
from .decode import WHITE, Photo, PhotoSource, decode, decode_bytes
from .formats import OTHER_SUFFIXES, RAW_SUFFIXES, SUFFIX_FORMATS
from .named import NamedPhoto

SCHEMES = ("s3://", "gs://", "file://")
ENDINGS = (*SUFFIX_FORMATS, *OTHER_SUFFIXES, *sorted(RAW_SUFFIXES))
HEAD = 1 << 16  # the first bytes of a file, which contain the mark of a picture that godeeper drew


@dataclass(frozen=True)
class RemotePhoto:
    """A photo's file.

    ``address``: the folder's address, as the user gave it.  ``path``: the photo's path in the file system.  ``name``: the
    photo's address.  ``version``: its size in bytes and modification time in nanoseconds.
    """

    address: str
    path: str
    name: str
    version: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        return self.name

    @property
    def whole_address(self) -> str:
        """The address of the photo with everything that is needed to read it; see ``photo_at``."""
        _, mark, query = self.address.partition("?")
        return f"{quote(self.name, safe=':/@')}{mark}{query}"

    def read(self, most: int | None = None) -> bytes:
        """The bytes of the file, or only the first ``most`` bytes; every failure is a ``PhotoError``."""
        try:
            with file_system(self.address)[0].open_input_file(self.path) as file:
                return bytes(file.read(most))
        except FileNotFoundError:
            raise PhotoError(f"{self.name}: no such file; expected a photo") from None
        except (OSError, ValueError) as error:
            raise PhotoError(f"{self.name}: cannot read it ({one_line(error)})") from None


def photo_at(address: str) -> RemotePhoto:
    """The photo at an address; it need not exist.

    >>> photo_at("s3://bucket/cats/1.jpg").path
    'bucket/cats/1.jpg'
    """
    place, mark, query = address.partition("?")
    scheme, _, path = unquote(place).partition("://")
    top = "/" if scheme == "file" else path.partition("/")[0]
    return RemotePhoto(f"{scheme}://{top}{mark}{query}", path.partition("@")[2] or path, unquote(place))


def decode_anywhere(source: PhotoSource, least_side: int | None = None) -> Photo:
    """Like ``decode``, and also decodes a photo at an address, with the same notes and messages as for a file."""
    if not isinstance(source, RemotePhoto):
        return decode(source, least_side=least_side)
    return decode_read(source, source.read(), least_side)


def decode_read(photo: RemotePhoto, content: bytes, least_side: int | None = None) -> Photo:
    """Like ``decode_anywhere``, for a file whose content was already read."""
    path = NamedPhoto(photo.name, photo.name)
    return decode_bytes(content, path.name, WHITE, path, least_side)


def is_remote(place: object) -> bool:
    """Whether a place is an address in a remote file system (see ``SCHEMES``)."""
    return str(place).startswith(SCHEMES)


def remote_photos(address: str) -> list[RemotePhoto]:
    """The photos in and below the folder at an address, in the order of ``find_photos.walk``, or the single photo there.

    Raises:
        PhotoError: there is no photo, or it cannot be read.
    """
    files = remote_files(address)
    whole = [photo.name for photo in files] == [shown_address(address)]
    photos = [photo for photo in files if whole or is_named_photo(below(photo))]
    drawn = set() if whole else {photo for photo in drawn_by_us(photos) if photo}
    photos = [photo for photo in photos if photo not in drawn]
    if not photos:
        raise PhotoError(f"{address}: no photo in this folder; expected files like *.jpg or *.png")
    return photos


def remote_files(address: str) -> list[RemotePhoto]:
    """All files in and below the folder at an address, in the order of ``find_photos.walk``, or the single file there.

    Raises:
        PhotoError: the folder cannot be read.
    """
    try:
        files, top = file_system(address)
        found = files.get_file_info(top)
        infos = [found] if found.is_file else files.get_file_info(selector(top))
    except (OSError, ValueError) as error:
        raise PhotoError(f"{address}: cannot read it ({one_line(error)}); expected a folder of photos") from None
    shown = shown_address(address)
    return [
        RemotePhoto(
            address,
            info.path,
            shown if found.is_file else f"{shown}/{within(info.path, top)}",
            (info.size, info.mtime_ns or 0),
        )
        for info in sorted(infos, key=lambda info: info.path.split("/"))
        if info.is_file
    ]


def shown_address(address: str) -> str:
    """An address as messages show it."""
    return address.partition("?")[0].rstrip("/")


def below(photo: RemotePhoto) -> str:
    """The path of a photo below the folder that the user gave; empty if the user gave the photo itself."""
    return photo.name.removeprefix(shown_address(photo.address)).lstrip("/")


def drawn_by_us(photos: Sequence[RemotePhoto]) -> list[RemotePhoto | None]:
    """The photos that are pictures drawn by godeeper; None in place of other PNGs."""
    pictures = [photo for photo in photos if photo.name.lower().endswith(".png")]
    return list(ordered_map(lambda photo: photo if is_our_picture(photo) else None, pictures, alone=True))


def is_our_picture(photo: RemotePhoto) -> bool:
    """Whether godeeper drew the photo; False if it cannot be read."""
    try:
        head = photo.read(HEAD)
        return is_png(None, io.BytesIO(head), head)
    except (PhotoError, ValueError):
        return False


def is_named_photo(path: str) -> bool:
    """Whether a path below the folder has a photo's suffix and no hidden part."""
    return path.lower().endswith(ENDINGS) and not any(part.startswith(".") for part in path.split("/"))


def within(path: str, top: str) -> str:
    """A path relative to the folder ``top``."""
    return path.removeprefix(top.rstrip("/")).lstrip("/")


@cache
def file_system(address: str) -> tuple[Any, str]:
    """The file system at an address, and the path in it; a file system can be used by several threads."""
    try:
        from pyarrow import fs
    except ImportError:
        raise MissingExtra("ray") from None
    files, path = fs.FileSystem.from_uri(address)
    return files, path


def selector(folder: str) -> Any:
    """The pyarrow selector for all files in and below a folder."""
    from pyarrow import fs

    return fs.FileSelector(folder, recursive=True)


def one_line(error: BaseException) -> str:
    """The message of an error on one line, at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__
