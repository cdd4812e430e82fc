"""Indexes a folder: names its photos and their classes, and remembers the folder's path.

The names in an index are relative to the folder, whose path is stored in the cache.  Without this path, a lookup returns
relative names, and drawing pictures needs ``--photos``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..disk_cache import cache_folder
from ..errors import OptionError, OutputError
from ..features.executors.executor import HERE
from ..files import is_folder, read_regular, write_atomically

if TYPE_CHECKING:
    from ..features.executors.executor import Executor
    from ..features.stream import FeatureNetwork
    from ..photos.sources.anywhere import AnyPhoto
    from ..progress import Progress
    from .build_index import Indexed, NamedSource

ENDING = ".index"


def index_folder(
    network: FeatureNetwork,
    place: str | Path,
    path: Path,
    top: int = 12,
    progress: Progress | None = None,
    *,
    force: bool = False,
    executor: Executor = HERE,
) -> Indexed:
    """Write the index of the photos in a folder, a zip or a list to ``path``.

    ``place``: a folder, a zip or a list; if the executor reads them elsewhere, also an address such as ``s3://bucket/photos``.

    Raises:
        OptionError: the file's suffix is not ``.index``, ``top`` is out of range, or an address cannot be read here.
        OutputError: the file cannot be written, or is not godeeper's.
        PhotoError: there are no photos, or none of them can be read.
    """
    from ..features.store import ResultStore
    from ..outputs import Outputs
    from ..photos.remote import RemotePhoto, is_remote
    from ..photos.sources.anywhere import opened_anywhere
    from .build_index import build_index

    check_ending(path)
    with opened_anywhere([str(place)], remote=executor.is_remote) as photos, Outputs(force=force) as outputs:
        outputs.inputs += [str(place), *(os.fspath(photo) for photo in photos if not isinstance(photo, RemotePhoto))]
        root = root_address(str(place), photos) if is_remote(place) else root_of(place)
        outputs.claim(path)
        with ResultStore() as store:
            built = build_index(network, named_sources(photos, root), store, top, progress, executor)
        outputs.add(path, built.content)
    if isinstance(root, Path):
        remember(path, root)
    return built


def check_ending(path: Path) -> None:
    """Raise ``OptionError`` unless ``path`` has the suffix of an index."""
    if path.suffix != ENDING:
        raise OptionError(f"--out {path}: expected a file that ends in {ENDING}")


def root_of(place: str | Path) -> Path:
    """The folder that the names of photos are relative to: ``place`` if it is a folder or zip, otherwise its parent."""
    place = Path(place)
    return place if is_folder(place) or place.suffix.lower() == ".zip" else place.parent


def root_address(address: str, photos: Sequence[AnyPhoto]) -> str:
    """The address that the names of photos are relative to: the folder's address, or the parent of a single photo."""
    shown = address.partition("?")[0].rstrip("/")
    return shown.rpartition("/")[0] if [str(photo) for photo in photos] == [shown] else shown


def named_sources(photos: Sequence[AnyPhoto], root: str | Path) -> list[NamedSource]:
    """The photos with names relative to ``root``; the class of a photo is its folder.

    A photo directly in ``root`` has no class.  Inside ``train``, ``val`` and ``test``, the class is the folder below.
    """
    from ..photos.sources.sets import set_named
    from .build_index import NamedSource

    named = []
    for photo in photos:
        name = Path(os.path.relpath(str(photo), root)).as_posix()
        folders = name.split("/")[:-1]
        if len(folders) > 1 and set_named(folders[0]):
            folders = folders[1:]
        named.append(NamedSource(photo, name, sys.intern(folders[0]) if folders else ""))  # one string per class
    return named


def cached_indexes() -> list[Path]:
    """The index files in the cache folder, and then the stored folder paths; both the least recently written first."""
    found = []
    for path in (cache_folder() / "indexes").glob("*"):
        with suppress(OSError):
            found.append((path.suffix != ENDING, path.stat().st_mtime, path))
    return [path for *_, path in sorted(found)]


def trim_cached(most_bytes: int) -> None:
    """Remove files in the order of ``cached_indexes`` until the rest fits."""
    from ..features.store import size

    kept = cached_indexes()
    total = sum(map(size, kept))
    for path in kept:
        if total <= most_bytes:
            return
        total -= size(path)
        path.unlink(missing_ok=True)


def remove_cached() -> None:
    """Remove the indexes in the cache folder, and the stored folder paths of all other indexes."""
    shutil.rmtree(cache_folder() / "indexes", ignore_errors=True)


def note_path(index: Path) -> Path:
    """The file in the cache that stores the folder path of an index."""
    return cache_folder() / "indexes" / f"{hashlib.sha256(os.fsencode(index.resolve())).hexdigest()[:32]}.json"


def cached_path(place: str | Path, network: FeatureNetwork) -> Path:
    """The path in the cache for the index of ``place`` with the network's weights and preprocessing."""
    key = [str(Path(place).resolve()), network.weights.sha256, network.preprocess.summary]
    name = hashlib.sha256(os.fsencode("\n".join(key))).hexdigest()[:32]
    return cache_folder() / "indexes" / f"{name}{ENDING}"


def remember(index: Path, folder: Path) -> None:
    """Store the folder as it was given, and its absolute path; does nothing if the cache cannot be written."""
    record = {"folder": str(folder), "absolute": str(folder.resolve()), "working_folder": str(Path.cwd())}
    with suppress(OutputError, OSError, UnicodeEncodeError):
        write_atomically(note_path(index), json.dumps(record).encode(), durable=False)


def folder_of(index: Path) -> str | None:
    """The folder of an index; None if it is unknown or no longer exists.

    The path is the one that the user gave, or the absolute path if the working folder has changed.
    """
    try:
        record = json.loads(read_regular(note_path(index)))
        shown = record["folder"] if record["working_folder"] == str(Path.cwd()) else record["absolute"]
        return shown if isinstance(shown, str) and Path(shown).exists() else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
