"""Some photos of a folder, chosen before any of them is decoded: equally many of each class, at random.

The lot is always the same for the same photos.  It is a hash of each file's size, among files of one size a hash of how
they begin, and only among files that begin alike their name: where a folder lies, what it is called, and nearly always
what its files are called, has no part in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..photos.sources.folder import Entry

BEGINNING = 1 << 16  # bytes; of files of one size, until there are enough
FEWEST_OF_A_CLASS = 4
"""So that heads that have not seen one of them have seen others; rather fewer classes than fewer of each."""


def photo_files(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Class -> its files that are named like photos; where a class has none of those, all that anybody might see."""
    files: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.label and not entry.hidden:
            files.setdefault(entry.label, []).append(entry)
    return {label: [each for each in some if each.named_photo] or some for label, some in files.items()}


def draw(files: Mapping[str, Sequence[Entry]], count: int) -> list[Entry]:
    """At most ``count`` of the files of all classes: one of each class in turn, until there are enough.

    Where there are so many classes that a few of each would be too many, only some classes are drawn from.
    """
    labels = sorted(sorted(files, key=digest)[: max(2, count // FEWEST_OF_A_CLASS)])
    return list(islice(in_turn([by_lot(files[label]) for label in labels]), count))


def in_turn(queues: Sequence[Iterator[Entry]]) -> Iterator[Entry]:
    """The first of each queue, the second of each, and so on until all are empty."""
    while queues:
        heads = [(queue, next(queue, None)) for queue in queues]
        yield from (entry for _, entry in heads if entry)
        queues = [queue for queue, entry in heads if entry]


def by_lot(entries: Iterable[Entry]) -> Iterator[Entry]:
    """One class's files; no more of them are opened than are asked for, and those that are of one size with them."""
    sized = sorted(((digest(str(size(entry.path))), entry) for entry in entries), key=lambda each: each[0])
    for _, same in groupby(sized, key=lambda each: each[0]):
        tied = [entry for _, entry in same]
        yield from tied if len(tied) == 1 else sorted(tied, key=lambda entry: (beginning(entry.path), entry.file))


def digest(text: str) -> str:
    """A hexadecimal number that follows from ``text``, as good as random."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def size(path: Path) -> int:
    """Bytes of a file; none where there is nothing to read."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def beginning(path: Path) -> str:
    """A hash of a file's first bytes; empty where there is nothing to read."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        with path.open("rb") as file:
            return hashlib.sha256(file.read(BEGINNING)).hexdigest()
    except OSError:
        return ""
