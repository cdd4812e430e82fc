"""Expand the arguments of a command to photos on this machine or, with ``--on``, at addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...errors import OptionError
from ..named import NamedPhoto
from ..remote import RemotePhoto, is_remote, remote_photos
from .find_photos import at

AnyPhoto = str | NamedPhoto | RemotePhoto


@contextmanager
def opened_anywhere(places: Iterable[str], *, remote: bool) -> Iterator[list[AnyPhoto]]:
    """Like ``find_photos.opened``; with ``remote``, also accepts addresses such as ``s3://bucket/photos``.

    Raises:
        OptionError: a place is an address, and ``remote`` is False.
        PhotoError: a place contains no photo, cannot be read, or is refused.
    """
    with ExitStack() as stack:
        yield [photo for place in places for photo in photos_at(place, stack, remote=remote)]


def photos_at(place: str, stack: ExitStack, *, remote: bool) -> list[AnyPhoto]:
    """The photos at one place."""
    if not is_remote(place):
        return list(at(Path(place), stack))
    if not remote:
        raise OptionError(f"{place}: is read with --on ray only; expected a folder or photo on this machine")
    return list(remote_photos(place))
