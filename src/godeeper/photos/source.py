"""Where the photos of a training come from: a folder of class folders, a list of paths and labels, or a zip.

A folder may be split already: ``train``, ``val`` and ``test`` (also ``training``, ``valid``, ``validation``, ``testing``, in
any case) with the class folders inside.  See ``table`` for lists and ``zipped`` for zips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import OptionError
from .folder import Entry, empty_folders, read_folder
from .table import ENDINGS as LISTS
from .table import read_table
from .zipped import unzipped

SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
"""A folder's name, in any case, or the word in a list -> the set."""

FEW = 5  # empty folders that are named
ARCHIVES = (".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")


@dataclass(frozen=True)
class Source:
    """Files with their classes and perhaps their sets; ``place`` is what the user named, ``root`` the folder that names start at.

    ``temporary``: the files are gone when the source is closed.
    """

    place: Path
    root: Path
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    temporary: bool = False

    def shown(self, entry: Entry) -> Path:
        """Where people find a file: its path, or its name within the zip after the zip's."""
        return self.place / entry.name if self.temporary else entry.path


@contextmanager
def open_source(place: str | Path, labels: str | Path | None = None) -> Iterator[Source]:
    """The photos at ``place``, readable while the block runs; ``labels``: a list that says which of a folder's photos, and their classes.

    Raises:
        OptionError: it is not there, cannot be read, or is of another kind; a list or a zip that cannot be used.
    """
    place = Path(place)
    kind = place.suffix.lower()
    if labels is not None:
        yield from_folder_and_list(place, Path(labels))
        return
    if place.is_dir():
        yield from_folder(place, place)
    elif kind in LISTS:
        yield Source(place, place.parent, *read_table(place, SPLITS))
    elif kind == ".zip":
        with unzipped(place) as folder:
            yield replace(from_folder(place, folder), temporary=True)
    elif kind in ARCHIVES and place.exists():
        raise OptionError(f"{place}: only zip archives are read; unpack it and name the folder")
    elif place.exists():
        raise OptionError(
            f"{place} is a file; expected a folder of class folders, a .csv list with the columns path and label, or a .zip"
        )
    else:
        yield from_folder(place, place)  # which says what is wrong


def from_folder_and_list(folder: Path, labels: Path) -> Source:
    """The photos of a list; what else is in the folder is left out."""
    if folder.exists() and not folder.is_dir():
        raise OptionError(
            f"{folder} is no folder; with --labels expected the photos' folder (a list alone: retrain {labels})"
        )
    entries, notes = read_table(labels, SPLITS)
    listed = {entry.path.resolve() for entry in entries}
    outside = sum(folder.resolve() not in path.parents for path in listed)
    if outside:
        notes = (*notes, f"{outside} photos of {labels.name} are not in {folder}: used all the same")
    others = sum(
        entry.named_photo and not entry.hidden and entry.path.resolve() not in listed for entry in read_folder(folder)
    )
    if others:
        notes = (*notes, f"{others} photos in {folder} are not in {labels.name}: left out")
    return Source(folder, labels.parent, entries, notes)


def from_folder(place: Path, folder: Path) -> Source:
    """A folder of class folders, split or not."""
    entries = read_folder(folder)
    parts = Counter(split_of(entry) for entry in entries if has_class(entry))
    tops = {entry.label.partition("/")[0] for entry in entries if entry.label}
    parts.pop("", None)
    if not is_layout(parts, tops):
        check_flat(place, tops)
        return Source(place, folder, tuple(entries), tuple(empty_notes(folder)))
    if not parts["train"]:
        raise OptionError(
            f"{place}: there is {' and '.join(sorted(tops))}, and no folder train; expected train/CLASS/… and perhaps test/CLASS/…"
        )
    kept = tuple(entry for entry in entries if not entry.label or set_named(entry.label.partition("/")[0]))
    return Source(
        place,
        folder,
        tuple(sorted(map(in_set, kept), key=lambda entry: (entry.label, entry.name))),
        (*layout_notes(entries, parts), *empty_notes(folder)),
    )


def empty_notes(folder: Path) -> Iterator[str]:
    """A note of the folders that hold nothing, which are no classes."""
    empty = empty_folders(folder)
    if empty:
        names = ", ".join(empty[:FEW])
        more = f" and {len(empty) - FEW} more" if len(empty) > FEW else ""
        yield f"empty folders, which are no classes: {names}{more}"


def set_named(name: str) -> str:
    """The set that a folder's name means; empty for other names."""
    return SPLITS.get(name.casefold(), "")


def split_of(entry: Entry) -> str:
    """The set that an entry's first folder means."""
    return set_named(entry.label.partition("/")[0])


def has_class(entry: Entry) -> bool:
    """Whether the file is in a folder inside another one."""
    return "/" in entry.label and not entry.hidden


def is_layout(parts: Counter[str], tops: set[str]) -> bool:
    """Whether class folders lie in folders of two sets, or in one that is the only folder."""
    return len(parts) > 1 or (len(parts) == 1 and len(tops) == 1)


def check_flat(place: Path, tops: set[str]) -> None:
    """Raise where sets hold photos and no class folders."""
    if len(tops) > 1 and all(map(set_named, tops)):
        folders = ", ".join(sorted(tops))
        raise OptionError(
            f"{place}: the photos in {folders} are in no class; expected class folders inside, like train/CLASS/photo.jpg"
        )


def in_set(entry: Entry) -> Entry:
    """The entry with its class and its set apart; a photo in ``train`` itself has no class."""
    _, _, label = entry.label.partition("/")
    return replace(entry, label=label, split=split_of(entry), shown=entry.name)


def layout_notes(entries: Sequence[Entry], parts: Counter[str]) -> Iterator[str]:
    """What people should know of a split folder."""
    counts = ", ".join(
        f"{count} {part}"
        for part, count in sorted(parts.items(), key=lambda each: list(SPLITS.values()).index(each[0]))
    )
    yield f"the folder is split already ({counts}), and that is kept: {meaning(parts)}"
    beside = Counter(entry.label.partition("/")[0] for entry in entries if entry.label and not split_of(entry))
    if beside:
        names = ", ".join(f"{name}/ ({count})" for name, count in sorted(beside.items())[:5])
        yield f"left out, since they are beside the sets: {names}{' and more' * (len(beside) > 5)}; move them into train/ to use them"


def meaning(parts: Counter[str]) -> str:
    """What is done with the sets that are there."""
    test = (
        "test photos take no part in training or in any choice"
        if parts["test"]
        else "there is no test set, so the test is chosen as for any folder"
    )
    return f"{test}{'; validation photos train, since choices are made by cross-validation' if parts['validation'] else ''}"
