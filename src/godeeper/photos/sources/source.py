"""Where the photos of a training come from: a folder of class folders, a list of paths and labels, or a zip.

A folder may be split already, see ``sets``.  See ``table`` for lists and ``zipped`` for zips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import OptionError
from .csv_list import ENDINGS as LISTS
from .csv_list import read_table
from .folder import Entry, empty_folders, read_folder
from .sets import SETS, SPLITS, find_layout, flat_sets, layout_notes, repeated_notes, set_named
from .zip_archive import unzipped

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
    layout = find_layout(entries)
    if layout is None:
        check_flat(place, entries)
        return Source(place, folder, tuple(entries), (*repeated_notes(entries), *empty_notes(folder)))
    parts = layout.counts(entries)
    if not parts["train"]:
        raise OptionError(
            f"{place}: there is {' and '.join(part for part in SETS if parts[part])}, and no folder train; "
            "expected train/CLASS/… and perhaps test/CLASS/…"
        )
    kept = (entry for entry in entries if layout.split_of(entry) or not any(layout.parts(entry)))
    return Source(
        place,
        folder,
        tuple(sorted(map(layout.in_set, kept), key=lambda entry: (entry.label, entry.name))),
        (*layout_notes(layout, entries), *empty_notes(folder)),
    )


def check_flat(place: Path, entries: Sequence[Entry]) -> None:
    """Raise where sets hold photos and no class folders."""
    tops = {entry.label.partition("/")[0] for entry in entries if entry.label}
    if len(tops) > 1 and all(map(set_named, tops)):
        raise OptionError(
            f"{place}: the photos in {', '.join(flat_sets(entries))} are in no class; expected class folders inside, like train/CLASS/photo.jpg"
        )


def empty_notes(folder: Path) -> Iterator[str]:
    """A note of the folders that hold nothing, which are no classes."""
    empty = empty_folders(folder)
    if empty:
        names = ", ".join(empty[:FEW])
        more = f" and {len(empty) - FEW} more" if len(empty) > FEW else ""
        yield f"empty folders, which are no classes: {names}{more}"
