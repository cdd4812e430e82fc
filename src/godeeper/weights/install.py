"""Installs weights from a file of any known format, or from an official release.

No weights are installed before they have been read and checked completely.
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
from ..progress import Progress
from .convert import convert
from .download import Downloader, quiet
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
    """Newly installed weights, and notes on how they were recognised and converted."""

    file: WeightsFile
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """The options of ``godeeper weights add``, for information that is not in the file.

    ``labels``: a text file with one class per line.  ``scaling``: the argument of ``scaling_named``.  ``which``: the
    network to use if the file contains several.  ``replace``: whether to replace installed weights of the same name.
    """

    name: str | None = None
    labels: Path | None = None
    scaling: str | None = None
    which: str | None = None
    replace: bool = False


def add(what: str | Path, options: Options = Options(), report: Progress = quiet) -> Added:
    """Install weights.

    Args:
        what: the name of an official release, or the path of a file.
        options: the name, labels and scaling of the weights.
        report: called with the progress of a download.

    Raises:
        OptionError, UnknownName: an option or ``what`` is not valid.
        DownloadError: the release cannot be downloaded, or the downloaded file is not the published one.
        WeightsError: the file is damaged, or does not fit the network.
        OutputError: the weights cannot be written, or the disk is full.
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
    published = release.sha256 or release.md5
    note = (
        f"checked against the published {release.check} ({release.published})"
        if published
        else "no checksum is published"
    )
    pinned = f"SHA-256 {got.sha256} is pinned from now on" if first else ""
    return Added(added.file, tuple(filter(None, (*added.notes, note, pinned))))


def add_file(path: Path, options: Options) -> Added:
    """Install a local file.  A file with the SHA-256 or MD5 of an official release is treated as that release."""
    if not is_there(path) and path.name == str(path) and not path.suffix:
        raise UnknownName("weights", str(path), [*OFFICIAL, "the path of a file"])
    own = own_file(path)
    if own is not None:
        return add_own(own, options)
    check_readable(path)
    got = digests(path)
    release = recognise(got)
    name = free_name(options.name or (release.name if release else name_of(path)), options)
    if release is None and name in OFFICIAL:
        release = OFFICIAL[name]
        check(release, got, weights_folder())
    return install(path, name, release, got, options)


def install(path: Path, name: str, release: Release | None, got: Digests, options: Options) -> Added:
    """Read a foreign file, convert its weights, and write them into the weights folder."""
    foreign = read_foreign(path)
    preprocessing: Mapping[str, Any] = release.preprocessing if release else {}
    scaling = scaling_named(options.scaling) if options.scaling else None
    if scaling:
        preprocessing = scaling.preprocessing
    labels, about_labels = chosen_labels(path, foreign, options)
    converted = convert(
        foreign,
        name,
        source=f"{release.address if release else path.name}, SHA-256 {got.sha256}",
        preprocessing=preprocessing,
        labels=labels,
        which=options.which,
        bgr=bool(scaling and scaling.bgr),
        notes=tuple(filter(None, (about_labels, scaling.summary if scaling else ""))),
        **({"licence": release.licence} if release else {}),
    )
    recognised = f"this is the official release {release.name}" if release else ""
    file = write_installed(name, converted.tensors, converted.description)
    return Added(file, tuple(filter(None, (f"read as {foreign.format}", recognised, *converted.reasons))))


def chosen_labels(path: Path, foreign: ForeignWeights, options: Options) -> tuple[tuple[str, ...], str]:
    """The labels given by the user or in a text file beside a retrained graph, and a note on their source."""
    if options.labels:
        return read_labels(options.labels), ""
    beside = labels_beside(path) if any(is_retrained(head.weights) for head in foreign.heads) else None
    return (read_labels(beside), f"labels from {beside.name}, beside the graph") if beside else ((), "")


def is_retrained(weights: str) -> bool:
    """Whether a head was retrained: its weights are not called ``softmax/weights``, as in the released graph."""
    return not weights.endswith("softmax/weights")


def write_installed(name: str, tensors: Mapping[str, NDArray[Any]], description: Description) -> WeightsFile:
    """Write weights into the weights folder; an old file of that name stays until the new file is complete."""
    return write(weights_folder() / f"{name}{ENDING}", tensors, description)


def own_file(path: Path) -> WeightsFile | None:
    """The weights file at ``path`` if godeeper wrote it, otherwise None."""
    if path.suffix != ENDING or not is_file(path):
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as handle:
            return read(path) if "godeeper" in (handle.metadata() or {}) else None
    except (SafetensorError, OSError):
        return None  # the reader of foreign files reports the error


def add_own(file: WeightsFile, options: Options) -> Added:
    """Install a file that godeeper wrote, under its own name or the one in ``options``."""
    name = free_name(options.name or file.name, options)
    if options.labels or options.scaling or options.which:
        raise OptionError(
            f"{file.path}: a godeeper weights file contains its labels and scaling; leave out --labels, --scaling and --which"
        )
    file.verify()
    with file.parameters() as parameters:
        tensors = {tensor: parameters.stored(tensor) for tensor in file.expected}
    return Added(write_installed(name, tensors, replace(file.description, name=name)), ("a godeeper weights file",))


def check_options(options: Options) -> None:
    """Raise ``UnknownName`` for an unknown scaling."""
    if options.scaling:
        scaling_named(options.scaling)


def check_needs(release: Release) -> None:
    """Raise ``WeightsError`` if the package that reads the release is not installed; called before the download."""
    if release.needs == "h5py":
        from .formats.keras_h5 import check_h5py

        check_h5py(Path(release.file_name))


def check_readable(path: Path) -> None:
    """Raise ``WeightsError`` unless ``path`` is a readable file of a supported format; called before it is hashed."""
    from .formats import first_bytes

    first_bytes(path)


def free_name(name: str, options: Options) -> str:
    """Return ``name`` unchanged; raises ``OptionError`` if it is invalid or already taken."""
    if not NAME.fullmatch(name):
        raise OptionError(
            f"{name!r} is not a valid name for weights: expected letters, digits, dots, dashes and underscores; use --name"
        )
    if name in INSTALLED:
        raise OptionError(f"{name!r} is the name of the bundled weights; choose another with --name")
    used = {known.casefold() for known in installed_paths()}
    if name.casefold() in used and not options.replace:
        raise OptionError(f"weights {name!r} are already installed; choose another name with --name, or use --replace")
    place = weights_folder() / f"{name}{ENDING}"
    if os.path.lexists(place) and not ours(place):
        raise OptionError(
            f"{place} exists and was not written by godeeper; move it elsewhere, or choose another name with --name"
        )
    return name


def name_of(path: Path) -> str:
    """A name for weights, derived from their file's name or, if that name is a common one, from the folder's name."""
    stem = path.resolve().parent.name if path.stem in COMMON_STEMS else path.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._") or "weights"
