"""``Source``: the photos to train on, from a folder of class folders, a list of paths and labels, or a zip.

See ``sets`` for folders that are split into sets, ``csv_list`` for lists, and ``zip_archive`` for zips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import OptionError, PhotoError
from ...files import is_folder, is_there
from ...wording import count_of, first_of
from ..remote import RemotePhoto, below, is_remote, remote_files, shown_address
from .csv_list import ENDINGS as LISTS
from .csv_list import read_table
from .folder import Entry, empty_folders, is_skipped, read_folder
from .sets import SETS, SPLITS, find_layout, flat_sets, layout_notes, repeated_notes, set_named
from .zip_archive import unzipped

MOST_EMPTY = 5  # empty folders that a note names
ARCHIVES = (".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")


@dataclass(frozen=True)
class Source:
    """Files with their classes and optionally their sets.

    ``place``: the path or address that the user gave.  ``root``: the folder that names are relative to.  ``temporary``: whether the
    files are removed when the source is closed.
    """

    place: Path | str
    root: Path | str
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    temporary: bool = False

    def shown(self, entry: Entry) -> Path:
        """The path to show for a file; for a zip, the zip's path followed by the name in the zip."""
        return Path(self.place, entry.name) if self.temporary else entry.path


@contextmanager
def open_source(place: str | Path, labels: str | Path | None = None, *, remote: bool = False) -> Iterator[Source]:
    """The photos at ``place``; their files exist while the block runs.

    Args:
        place: a folder of class folders, a list, or a zip; with ``remote`` also the address of such a folder.
        labels: a list that selects photos of the folder ``place`` and gives their classes.
        remote: whether photos at addresses, and lists of them, can be used.

    Raises:
        OptionError: ``place`` does not exist, cannot be read or is of another kind, or a list or zip is invalid.
    """
    if is_remote(place):
        yield from_address(str(place), labels, remote=remote)
        return
    place = Path(place)
    kind = place.suffix.lower()
    if labels is not None:
        yield from_folder_and_list(place, Path(labels))
        return
    if is_folder(place):
        yield from_folder(place, place)
    elif kind in LISTS:
        yield Source(place, place.parent, *read_table(place, SPLITS, remote=remote))
    elif kind == ".zip":
        with unzipped(place) as folder:
            yield replace(from_folder(place, folder), temporary=True)
    elif kind in ARCHIVES and is_there(place):
        raise OptionError(f"{place}: only zip archives are read; unpack it and pass the folder")
    elif is_there(place):
        raise OptionError(
            f"{place} is a file; expected a folder of class folders, a .csv list with the columns path and label, or a .zip"
        )
    else:
        yield from_folder(place, place)  # raises the error for a missing folder


def from_folder_and_list(folder: Path, labels: Path) -> Source:
    """The photos of a list; other files in the folder are left out.  Raises ``OptionError``."""
    if is_there(folder) and not is_folder(folder):
        raise OptionError(
            f"{folder} is not a folder; with --labels expected the photos' folder (a list alone: retrain {labels})"
        )
    entries, notes = read_table(labels, SPLITS)
    listed = {entry.path.resolve() for entry in entries}
    outside = sum(folder.resolve() not in path.parents for path in listed)
    if outside:
        notes = (
            *notes,
            f"{count_of(outside, 'photo')} of {labels.name} {'is' if outside == 1 else 'are'} not in {folder}: still used",
        )
    others = sum(
        entry.named_photo and not entry.hidden and entry.path.resolve() not in listed for entry in read_folder(folder)
    )
    if others:
        notes = (
            *notes,
            f"{count_of(others, 'photo')} in {folder} {'is' if others == 1 else 'are'} not in {labels.name}: left out",
        )
    return Source(folder, labels.parent, entries, notes)


def from_folder(place: Path, folder: Path) -> Source:
    """The photos of a folder of class folders, split into sets or not; raises ``OptionError``.

    ``place``: the path to show in messages; ``folder``: the path to read.
    """
    return arranged(place, folder, read_folder(folder), tuple(empty_notes(folder)))


def from_address(address: str, labels: str | Path | None, *, remote: bool) -> Source:
    """The photos of a folder of class folders at an address; raises ``OptionError``."""
    shown = shown_address(address)
    if not remote:
        raise OptionError(f"{shown}: is read with --on ray only; expected a folder, a list or a zip on this machine")
    if labels is not None:
        raise OptionError(
            f"--labels with {shown}: expected the list alone, with the photos' addresses in its column path"
        )
    try:
        files = remote_files(address)
    except PhotoError as error:
        raise OptionError(str(error)) from None
    entries = [remote_entry(file) for file in files]
    usual = [entry for entry in entries if not any(is_skipped(part) for part in entry.label.split("/"))]
    return arranged(shown, shown, sorted(usual, key=lambda entry: (entry.label, entry.file)), ())


def remote_entry(file: RemotePhoto) -> Entry:
    """The entry of a file at an address; the class is the folder."""
    label, _, name = below(file).rpartition("/")
    return Entry("", name or file.name.rpartition("/")[2], label, remote=file)


def arranged(place: Path | str, folder: Path | str, entries: list[Entry], notes: tuple[str, ...]) -> Source:
    """Make a source of a folder's files, and assign sets if the folder is split; raises ``OptionError``."""
    layout = find_layout(entries)
    if layout is None:
        check_flat(place, entries)
        return Source(place, folder, tuple(entries), (*repeated_notes(entries), *notes))
    parts = layout.counts(entries)
    if not parts["train"]:
        raise OptionError(
            f"{place}: contains {' and '.join(part for part in SETS if parts[part])} photos, but no folder train; "
            "expected train/CLASS/… and perhaps test/CLASS/…"
        )
    kept = (entry for entry in entries if layout.split_of(entry) or not any(layout.parts(entry)))
    return Source(
        place,
        folder,
        tuple(sorted(map(layout.in_set, kept), key=lambda entry: (entry.label, entry.name))),
        (*layout_notes(layout, entries), *notes),
    )


def check_flat(place: Path | str, entries: Sequence[Entry]) -> None:
    """Raise ``OptionError`` if all folders are sets, but some contain photos and no class folders."""
    tops = {entry.label.partition("/")[0] for entry in entries if entry.label}
    if len(tops) > 1 and all(map(set_named, tops)):
        raise OptionError(
            f"{place}: the photos in {', '.join(flat_sets(entries))} have no class; expected class folders inside, like train/CLASS/photo.jpg"
        )


def empty_notes(folder: Path) -> Iterator[str]:
    """Yield a note if there are empty folders, which are not classes."""
    empty = empty_folders(folder)
    if empty:
        yield f"empty folders, which are not classes: {first_of(empty, MOST_EMPTY)}"
