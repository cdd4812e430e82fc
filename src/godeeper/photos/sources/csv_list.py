"""A list of photos: a CSV file with the columns ``path`` and ``label``, optionally ``group`` and ``split``.

Paths are relative to the list's folder.  The file is UTF-8, with or without a BOM, and separated by commas, semicolons or
tabs.  Other columns are ignored.  Photos of one ``group`` stay in one set.  ``split`` is train, val or test.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ...errors import OptionError, quoted
from ...files import is_there, read_regular
from ...wording import count_of
from ..remote import is_remote, photo_at
from .folder import Entry

ENDINGS = (".csv", ".tsv", ".txt")
LARGEST = 1 << 28  # bytes
COLUMNS = ("path", "label", "group", "split")
LIKELY = {
    "path": ("file", "filename", "file_name", "image", "image_path", "photo", "filepath", "name"),
    "label": ("class", "labels", "category", "target", "y"),
}
LONGEST_LABEL = 255  # characters, as in folder names
MOST = 3  # faulty lines that the error names


def read_table(
    place: Path, splits: Mapping[str, str], *, remote: bool = False
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """The entries of a list, and notes on it; ``splits``: value of the column ``split`` -> set.

    ``remote``: paths may be addresses, such as ``s3://bucket/1.jpg``.

    Raises:
        OptionError: the list cannot be read, lacks a column, or has an invalid line.
    """
    text = read_text(place)
    rows = list(parsed(place, text))
    if not rows:
        raise OptionError(f"{place}: lists no photos; expected a header with path and label, then one line per photo")
    faults = list(faults_of(place, rows, splits, remote=remote))
    if faults:
        more = f"; and {count_of(len(faults) - MOST, 'more line')}" if len(faults) > MOST else ""
        raise OptionError(f"{place}: {'; '.join(faults[:MOST])}{more}")
    unique = {row["path"]: row for _, row in reversed(rows)}
    entries = sorted(
        (entry_of(place, row, splits) for row in unique.values()), key=lambda entry: (entry.label, entry.name)
    )
    twice = len(rows) - len(unique)
    sets = sorted({entry.split for entry in entries if entry.split})
    repeats = "line repeats a photo" if twice == 1 else "lines repeat photos"
    notes = [f"{twice} {repeats} listed before; each photo is used once"] if twice else []
    if sets:
        training = "; validation photos are used for training" if "validation" in sets else ""
        notes.append(f"the list assigns photos to sets ({', '.join(sets)}), and this split is kept{training}")
    return tuple(entries), tuple(notes)


def read_paths(place: Path) -> list[str]:
    """The distinct paths of a list in order.  Only the column ``path`` is needed; the files need not exist.

    Raises:
        OptionError: the list cannot be read, lacks the column, or names no photo.
    """
    named = [row["path"] for _, row in parsed(place, read_text(place), ("path",)) if row["path"]]
    if not named:
        raise OptionError(f"{place}: lists no photos; expected a header with path, then one line per photo")
    return [str(place.parent / path) for path in dict.fromkeys(named)]


def read_text(place: Path) -> str:
    """Read the list's text; raises ``OptionError``."""
    try:
        if place.stat().st_size > LARGEST:
            raise OptionError(f"{place}: larger than {LARGEST >> 20} MB; expected a list of photos")
        return read_regular(place).decode("utf-8-sig")
    except FileNotFoundError:
        raise OptionError(f"{place}: no such list; expected a CSV file with the columns path and label") from None
    except OSError as error:
        raise OptionError(f"{place}: cannot read the list ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        raise OptionError(f"{place}: not UTF-8 (at byte {error.start}); save it as UTF-8") from None


def parsed(place: Path, text: str, needed: Sequence[str] = ("path", "label")) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the known columns of each line that is not empty; raises ``OptionError``."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().casefold() for name in next(reader, [])]
        places = columns(place, header, needed)
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, {name: row[at].strip() if at < len(row) else "" for name, at in places.items()}
    except csv.Error as error:
        raise OptionError(f"{place}: line {reader.line_num} is not valid CSV ({error}); check its quotes") from None


def columns(place: Path, header: list[str], needed: Sequence[str]) -> dict[str, int]:
    """Column name -> index in the header, for known columns; raises ``OptionError`` for a missing or repeated column."""
    twice = [name for name in COLUMNS if header.count(name) > 1]
    missing = [name for name in needed if name not in header]
    if twice:
        raise OptionError(f"{place}: two columns are called {twice[0]!r}; expected one")
    if missing:
        near = next((name for name in header if name in LIKELY[missing[0]]), None)
        hint = f"; rename {near!r} to {missing[0]!r}" if near else ""
        wanted = "path,label and optionally group,split" if "label" in needed else "path"
        got = ", ".join(name[:40] for name in header[:8]) or "an empty line"
        raise OptionError(f"{place}: no column {missing[0]!r} in its header ({got!r}); expected {wanted}{hint}")
    return {name: header.index(name) for name in COLUMNS if name in header}


def faults_of(
    place: Path, rows: list[tuple[int, dict[str, str]]], splits: Mapping[str, str], *, remote: bool
) -> Iterator[str]:
    """Yield an error for each invalid line."""
    seen: dict[str, dict[str, str]] = {}
    for number, row in rows:
        path = row["path"]
        fault = fault_of(place, row, splits, remote=remote)
        if not fault and path in seen and seen[path] != row:
            fault = f"{quoted(path)} is already listed with a different label, group or split"
        seen.setdefault(path, row)
        if fault:
            yield f"line {number}: {fault}"


def fault_of(place: Path, row: Mapping[str, str], splits: Mapping[str, str], *, remote: bool) -> str | None:
    """The error of one line; None if it is valid."""
    path, label, split = row["path"], row["label"], row.get("split", "")
    if not path or "\0" in path:
        return "no path"
    if not label or label.startswith("/") or label.endswith("/") or "\0" in label:
        return f"no label for {quoted(path)}" if not label else f"the label {quoted(label)} is not a class name"
    if split and split.casefold() not in splits:
        return f"split is {quoted(split)}; expected train, val or test"
    if len(label) > LONGEST_LABEL:
        return f"the label {quoted(label)} has {len(label)} characters; expected at most {LONGEST_LABEL}"
    if is_remote(path):
        return None if remote else f"{quoted(path)} is read with --on ray only"
    if not is_there(located(place, path)):
        return f"no file {quoted(path)} in the list's folder"
    return None


def entry_of(place: Path, row: Mapping[str, str], splits: Mapping[str, str]) -> Entry:
    """The entry of one line."""
    if is_remote(row["path"]):
        file = photo_at(row["path"])
        folder, _, name = file.name.rpartition("/")
        split = splits.get(row.get("split", "").casefold(), "")
        return Entry(folder, name, row["label"], split, row.get("group", ""), file.name, listed=True, remote=file)
    path = located(place, row["path"])
    shown = PurePosixPath(row["path"].replace("\\", "/") if "\\" in row["path"] else row["path"])
    return Entry(
        str(path.parent),
        path.name,
        row["label"],
        splits.get(row.get("split", "").casefold(), ""),
        row.get("group", ""),
        str(shown),
        listed=True,
    )


def located(place: Path, path: str) -> Path:
    """The path of a photo; Windows' backslashes are accepted on all systems."""
    there = place.parent / path
    return there if "\\" not in path or is_there(there) else place.parent / path.replace("\\", "/")
