"""``Outputs``: checks all output files of a command before it starts, and then writes all of them or none.

A command claims its files, computes, adds their contents, and commits.  A claim is refused if the place is not writable, or
if godeeper did not write the file that is already there (see ``marks``); ``force`` allows replacing such a file.  Contents go
to temporary files next to their targets, and the commit renames them.  If anything fails, for example because the disk is
full or the user presses Ctrl-C, existing files stay as they are and no new file appears.

Links to files are followed.  Inputs of the command are never overwritten, not even with ``force``.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from .errors import OutputError
from .escaping import is_visible
from .files import NOT_A_FILE, unwritable
from .marks import ours, photo_of

ELSEWHERE = "choose another name"


class Outputs:
    """The output files of one command, as a context manager that commits when the block ends without an error.

    Args:
        force: replace existing files even if godeeper did not write them.
        inputs: the files that the command reads; they are never replaced.
    """

    def __init__(self, *, force: bool = False, inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
        self.force = force
        self.inputs = [os.fspath(each) for each in inputs]
        self.staged: dict[Path, Path] = {}  # place -> temporary file or folder
        self.saved: dict[Path, Path] = {}  # place -> the previous file
        self.claimed: set[Path] = set()
        self.started: set[Path] = set()
        self.created: list[Path] = []  # new folders
        self.scratch: list[Path] = []  # other temporary files
        self.committed = False

    def claim(self, *paths: Path) -> None:
        """Raise ``OutputError`` unless all of these files may be written and have different targets."""
        places = [self.place(path) for path in paths]
        twice = [path for path, place in zip(paths, places, strict=True) if places.count(place) > 1]
        if twice:
            raise OutputError(f"{twice[0]}: two outputs would have this name; {ELSEWHERE} for one of them")
        for folder in dict.fromkeys(place.parent for place in places):
            check_writable(folder)

    def claim_folder(self, folder: Path) -> None:
        """Raise ``OutputError`` unless ``folder`` is writable or can be created."""
        check_writable(resolved(folder))

    def place(self, path: Path) -> Path:
        """The target of ``path``, with links followed; raises ``OutputError`` unless it may be written."""
        place = resolved(path)
        try:
            path.lstat()
        except FileNotFoundError:
            return place
        except (OSError, RuntimeError, ValueError) as error:  # also a loop of links, or a name with a NUL
            raise unwritable(path, error if isinstance(error, OSError) else OSError(str(error))) from None
        try:
            status = path.stat()
        except OSError:
            raise OutputError(f"{path} is a link to a file that is not there; remove it, or {ELSEWHERE}") from None
        self.check_present(path, place, status)
        return place

    def check_present(self, path: Path, place: Path, status: os.stat_result) -> None:
        """Raise ``OutputError`` unless the existing file at ``path`` may be replaced."""
        if stat.S_ISDIR(status.st_mode):
            raise OutputError(f"{path} is a folder; expected the name of a file")
        if not stat.S_ISREG(status.st_mode):
            raise OutputError(f"{path} {NOT_A_FILE}; {ELSEWHERE}")
        if any(same(status, each) for each in self.inputs):
            raise OutputError(f"{path} is an input of this command and is never overwritten; {ELSEWHERE}")
        if self.force:
            return
        if not ours(place):
            raise OutputError(f"{path} exists and godeeper did not write it; {ELSEWHERE}, or replace it with --force")
        if not status.st_mode & 0o222:
            raise OutputError(f"{path} is read-only; {ELSEWHERE}, or replace it with --force")

    def picture(self, folder: Path, stem: str, rest: str, photo_sha256: str) -> Path:
        """The path ``<stem>.<rest>`` in ``folder``, with the photo's hash after the stem if that name is not free.

        A name is not free if it belongs to another photo's picture or to another output of this command.  Control and format
        characters become ``_``.
        """
        stem, rest = tame(stem), tame(rest)
        names = [f"{stem}.{rest}", f"{stem}-{photo_sha256[:8]}.{rest}"]
        names += [f"{stem}-{photo_sha256[:8]}-{number}.{rest}" for number in range(2, 10_000)]
        return next(path for name in names if self.fits(path := folder / name, photo_sha256))

    def fits(self, path: Path, photo_sha256: str) -> bool:
        """Whether the name is free, or belongs to a picture of the same photo from an earlier command."""
        return resolved(path) not in self.staged and photo_of(path) in (None, photo_sha256)

    def add(self, path: Path, payload: bytes) -> None:
        """Add the content of a file; the file appears at the commit, together with all others."""
        try:
            with self.temporary(path).open("xb") as file:
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(path, error) from error

    def temporary(self, path: Path) -> Path:
        """A temporary path next to ``path``, to which the caller writes before the commit."""
        place = self.place(path)
        try:
            self.make_folder(place.parent)
        except OSError as error:
            raise unwritable(path, error) from error
        self.claimed.add(place)
        return self.stage(place, beside(place))

    def stage(self, place: Path, temporary: Path) -> Path:
        """Register ``temporary``, a file or a folder, to be moved to ``place`` at the commit."""
        self.staged[place] = temporary
        return temporary

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its parents; they are removed again if nothing is committed."""
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            self.created.append(each)
            each.mkdir(exist_ok=True)

    def commit(self) -> None:
        """Move all files to their places, or none."""
        with undisturbed():
            for place, temporary in self.staged.items():
                try:
                    if place in self.claimed:
                        self.place(place)  # raises if another program has created a file there since the claim
                    self.started.add(place)
                    self.keep(place)
                    temporary.replace(place)
                except OSError as error:
                    raise unwritable(place, error) from error
            self.committed = True

    def keep(self, place: Path) -> None:
        """Give the file at ``place`` a second name, so that it can be restored."""
        if not os.path.lexists(place):
            return
        saved = self.saved[place] = beside(place)
        try:
            if place.is_dir() or self.staged[place].is_dir():
                place.rename(saved)
            else:
                saved.hardlink_to(place)
        except OSError:  # a file system without links
            place.rename(saved)

    def close(self) -> None:
        """Restore the previous files unless all outputs were committed; remove temporary files."""
        with undisturbed():
            if not self.committed:
                for place in self.started:
                    self.put_back(place)
            for each in (*self.staged.values(), *self.saved.values(), *self.scratch):
                remove(each)
            for folder in () if self.committed else reversed(self.created):
                with suppress(OSError):
                    folder.rmdir()

    def put_back(self, place: Path) -> None:
        """Restore the previous file at ``place``.

        The commit can fail between any two steps, so the files on disk show which steps were done.
        """
        saved = self.saved.get(place)
        with suppress(OSError):
            if saved is None and not os.path.lexists(self.staged[place]):
                remove(place)
            elif saved is not None and os.path.lexists(saved):
                if place.is_dir():  # a new folder, which a file cannot replace
                    remove(place)
                saved.replace(place)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self.close()


def tame(name: str) -> str:
    """``name`` with each invisible character replaced by ``_``."""
    return "".join(each if is_visible(each) else "_" for each in name)


def check_writable(folder: Path) -> None:
    """Raise ``OutputError`` unless a file can be created in ``folder``, or in its nearest existing parent."""
    there = next((each for each in (folder, *folder.parents) if os.path.lexists(each)), folder)
    probe = there / f".godeeper.{os.urandom(6).hex()}.part"
    try:
        if not there.is_dir():
            raise NotADirectoryError
        probe.touch(exist_ok=False)
    except OSError as error:
        raise unwritable(folder, error) from None
    finally:
        with suppress(OSError):
            probe.unlink()


def resolved(path: Path) -> Path:
    """``path`` with links followed; raises ``OutputError`` for a loop of links, a NUL, or a removed working folder."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise unwritable(path, error if isinstance(error, OSError) else OSError(str(error))) from None


def same(status: os.stat_result, path: str) -> bool:
    """Whether ``path`` is the file with that status."""
    try:
        return os.path.samestat(status, Path(path).stat())
    except (OSError, ValueError):
        return False


def beside(place: Path) -> Path:
    """A unique temporary name in the same folder."""
    return place.with_name(f".{place.name[:40]}.{os.urandom(6).hex()}.part")


def remove(path: Path) -> None:
    """Remove a file, or a folder with its contents, if it exists."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C during the renames of a commit."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # this is not the main thread, the only one that receives signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
