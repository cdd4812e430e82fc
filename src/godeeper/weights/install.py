"""Adding weights: from a file of any known format, or an official release by name, to an installed name.

Nothing is written under the new name before all of it has been read, recognised and checked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, UnknownName
from ..files import is_file, is_there
from ..marks import ours
from .convert import convert
from .download import Downloader, Report, quiet
from .file import Description, WeightsFile, read, write
from .formats import read_foreign
from .formats.foreign import ForeignWeights
from .labels import labels_beside, read_labels
from .official import OFFICIAL, Digests, Release, check, digests, pin, recognise, scaling_named
from .registry import ENDING, INSTALLED, installed_paths, weights_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
COMMON_STEMS = ("model", "pytorch_model", "weights", "model.weights")


@dataclass(frozen=True)
class Added:
    """Weights that were installed, and what was found out about them on the way."""

    file: WeightsFile
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """What the user says about a file that cannot be told from it.

    ``labels``: a text file, one class a line.  ``scaling``: one of ``SCALINGS``.  ``which``: the part of
    the file to take, where it holds several copies.  ``replace``: put the
    weights in the place of those that have the name.
    """

    name: str | None = None
    labels: Path | None = None
    scaling: str | None = None
    which: str | None = None
    replace: bool = False


def add(what: str | Path, options: Options = Options(), report: Report = quiet) -> Added:
    """Install weights.

    Args:
        what: the name of an official release, or the path of a file.
        options: what to call them, and what to say of them.
        report: told of the progress of a download.

    Raises:
        DownloadError: the release cannot be fetched, or is not what was published.
        WeightsError: the file is damaged, or does not fit.
        OutputError: there is no room, or no right, to write.
    """
    folder = weights_folder()
    release = OFFICIAL.get(str(what))
    check_options(options)
    if release is None:
        return add_file(Path(what), options)
    name = free_name(options.name or release.name, options)
    check_needs(release)
    path, got = Downloader(folder).fetch(release, report)
    first = pin(release, got, folder)
    added = install(path, name, release, got, options)
    path.unlink(missing_ok=True)
    note = f"checked by {release.check} ({release.published})"
    pinned = f"SHA-256 {got.sha256} is pinned from now on" if first else ""
    return Added(added.file, tuple(filter(None, (*added.notes, note, pinned))))


def add_file(path: Path, options: Options) -> Added:
    """Install a file that the user has; an official one is recognised by its fingerprint."""
    if not is_there(path) and path.name == str(path) and not path.suffix:
        raise UnknownName("weights", str(path), [*OFFICIAL, "the path of a file"])
    ours = own_file(path)
    if ours is not None:
        return add_own(ours, options)
    foreign_check(path)
    got = digests(path)
    release = recognise(got)
    name = free_name(options.name or (release.name if release else name_of(path)), options)
    if release is None and name in OFFICIAL:
        release = OFFICIAL[name]
        check(release, got, weights_folder())
    return install(path, name, release, got, options)


def install(path: Path, name: str, release: Release | None, got: Digests, options: Options) -> Added:
    """Read, adopt and write."""
    foreign = read_foreign(path)
    preprocessing: Mapping[str, Any] = release.preprocessing if release else {}
    scaling = scaling_named(options.scaling) if options.scaling else None
    if scaling:
        preprocessing = scaling.preprocessing
    labels, about_labels = chosen_labels(path, foreign, options)
    adopted = convert(
        foreign,
        name,
        source=f"{release.address if release else path.name}, SHA-256 {got.sha256}",
        preprocessing=preprocessing,
        labels=labels,
        which=options.which,
        bgr=bool(scaling and scaling.bgr),
        said=tuple(filter(None, (about_labels, scaling.summary if scaling else ""))),
        **({"licence": release.licence} if release else {}),
    )
    recognised = f"this is the official release {release.name}" if release else ""
    file = write_checked(name, adopted.tensors, adopted.description)
    return Added(file, tuple(filter(None, (f"read as {foreign.format}", recognised, *adopted.reasons))))


def chosen_labels(path: Path, foreign: ForeignWeights, options: Options) -> tuple[tuple[str, ...], str]:
    """The user's labels, or those that lie beside a retrained graph; and a note on these."""
    if options.labels:
        return read_labels(options.labels), ""
    beside = labels_beside(path) if any(is_retrained(head.weights) for head in foreign.heads) else None
    return (read_labels(beside), f"the labels are those of {beside.name}, beside the graph") if beside else ((), "")


def is_retrained(weights: str) -> bool:
    """Whether a graph's classifier is not the one that it was released with."""
    return not weights.endswith("softmax/weights")


def write_checked(name: str, tensors: Mapping[str, NDArray[Any]], description: Description) -> WeightsFile:
    """Write under the weights folder; the old file of that name stays until the new one is whole."""
    return write(weights_folder() / f"{name}{ENDING}", tensors, description)


def own_file(path: Path) -> WeightsFile | None:
    """The file, if godeeper wrote it."""
    if path.suffix != ENDING or not is_file(path):
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as handle:
            return read(path) if "godeeper" in (handle.metadata() or {}) else None
    except (SafetensorError, OSError):
        return None  # the reader of foreign files says what is wrong with it


def add_own(file: WeightsFile, options: Options) -> Added:
    """Install a file that godeeper wrote, under its own name or another."""
    name = free_name(options.name or file.name, options)
    if options.labels or options.scaling or options.which:
        raise OptionError(
            f"{file.path}: a godeeper weights file has labels and scaling of its own; leave these options out"
        )
    file.verify()
    with file.parameters() as numbers:
        tensors = {tensor: numbers.stored(tensor) for tensor in file.expected}
    return Added(write_checked(name, tensors, replace(file.description, name=name)), ("a godeeper weights file",))


def check_options(options: Options) -> None:
    """Raise for an option with a value that it cannot take."""
    if options.scaling:
        scaling_named(options.scaling)


def check_needs(release: Release) -> None:
    """Raise before a download whose file could not be read here."""
    if release.needs == "h5py":
        from .formats.keras_h5 import check_h5py

        check_h5py(Path(release.file_name))


def foreign_check(path: Path) -> None:
    """Raise for what is no file to read, before it is read for its fingerprint."""
    from .formats import first_bytes

    first_bytes(path)


def free_name(name: str, options: Options) -> str:
    """``name``, if it can be given to weights."""
    if not NAME.fullmatch(name):
        raise OptionError(
            f"{name!r} is no name for weights: expected letters, digits, dots, dashes and underscores; use --name"
        )
    if name in INSTALLED:
        raise OptionError(f"{name!r} is the name of weights that ship with godeeper; choose another with --name")
    taken = {known.casefold() for known in installed_paths()}
    if name.casefold() in taken and not options.replace:
        raise OptionError(f"weights {name!r} are installed already; choose another with --name, or say --replace")
    place = weights_folder() / f"{name}{ENDING}"
    if os.path.lexists(place) and not ours(place):
        raise OptionError(
            f"{place} exists and godeeper did not write it; move it elsewhere, or choose another with --name"
        )
    return name


def name_of(path: Path) -> str:
    """A name for weights out of their file's."""
    stem = path.resolve().parent.name if path.stem in COMMON_STEMS else path.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._") or "weights"
