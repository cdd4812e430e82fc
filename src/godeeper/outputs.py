"""All outputs of one command: checked before work starts, written all or none.

A command claims its files, computes, adds what is in them, and commits.  A claim is refused where something stands that
godeeper did not write (see ``marks``), unless that is forced, and where nothing can be written.  Contents go to temporary
files beside their places; the commit renames them.  Whatever fails on the way, a full disk or Ctrl-C included, the
files that were there stay and no new one appears.

A link to a file is followed.  What a command reads is never written over, forced or not.
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
    """The files that one command writes; a context manager that commits in the end, unless there was an error.

    Args:
        force: replace files that godeeper did not write, too.
        inputs: the files that the command reads.
    """

    def __init__(self, *, force: bool = False, inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
        self.force = force
        self.inputs = [os.fspath(each) for each in inputs]
        self.staged: dict[Path, Path] = {}  # place -> temporary file or folder
        self.saved: dict[Path, Path] = {}  # place -> what was there before
        self.claimed: set[Path] = set()
        self.begun: set[Path] = set()
        self.made: list[Path] = []  # folders
        self.scratch: list[Path] = []  # whatever else is temporary
        self.committed = False

    def claim(self, *paths: Path) -> None:
        """Raise ``OutputError`` unless all of these files may be written."""
        places = [self.place(path) for path in paths]
        twice = [path for path, place in zip(paths, places, strict=True) if places.count(place) > 1]
        if twice:
            raise OutputError(f"{twice[0]}: two outputs would have this name; {ELSEWHERE} for one of them")
        for folder in dict.fromkeys(place.parent for place in places):
            check_writable(folder)

    def claim_folder(self, folder: Path) -> None:
        """Raise ``OutputError`` unless files can be written in ``folder``, or it can be made."""
        check_writable(resolved(folder))

    def place(self, path: Path) -> Path:
        """Where a file will be: ``path``, links followed; raises ``OutputError`` unless it may be written there."""
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
        """Raise unless what is at ``path`` may be replaced."""
        if stat.S_ISDIR(status.st_mode):
            raise OutputError(f"{path} is a folder; expected the name of a file")
        if not stat.S_ISREG(status.st_mode):
            raise OutputError(f"{path} {NOT_A_FILE}; {ELSEWHERE}")
        if any(same(status, each) for each in self.inputs):
            raise OutputError(f"{path} is what this command reads and is never written over; {ELSEWHERE}")
        if self.force:
            return
        if not ours(place):
            raise OutputError(f"{path} exists and godeeper did not write it; {ELSEWHERE}, or replace it with --force")
        if not status.st_mode & 0o222:
            raise OutputError(f"{path} is read-only; {ELSEWHERE}, or replace it with --force")

    def picture(self, folder: Path, stem: str, rest: str, photo_sha256: str) -> Path:
        """``<stem>.<rest>`` in ``folder``; with the photo's hash after the stem where another photo's picture has that name.

        In the name ``_`` takes the place of control and format characters.
        """
        stem, rest = tame(stem), tame(rest)
        names = [f"{stem}.{rest}", f"{stem}-{photo_sha256[:8]}.{rest}"]
        names += [f"{stem}-{photo_sha256[:8]}-{number}.{rest}" for number in range(2, 10_000)]
        return next(path for name in names if self.fits(path := folder / name, photo_sha256))

    def fits(self, path: Path, photo_sha256: str) -> bool:
        """Whether no picture of another photo has this name, nor one that this command has made."""
        return resolved(path) not in self.staged and photo_of(path) in (None, photo_sha256)

    def add(self, path: Path, payload: bytes) -> None:
        """The content of a file, which appears with all the others."""
        try:
            with self.temporary(path).open("xb") as file:
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(path, error) from error

    def temporary(self, path: Path) -> Path:
        """A name beside ``path`` for its content, which the caller writes before the commit."""
        place = self.place(path)
        try:
            self.make_folder(place.parent)
        except OSError as error:
            raise unwritable(path, error) from error
        self.claimed.add(place)
        return self.stage(place, beside(place))

    def stage(self, place: Path, temporary: Path) -> Path:
        """``temporary``, a file or a folder, is to be at ``place`` in the end."""
        self.staged[place] = temporary
        return temporary

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it; they go again if nothing is committed."""
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            self.made.append(each)
            each.mkdir(exist_ok=True)

    def commit(self) -> None:
        """Put everything in its place, or nothing."""
        with undisturbed():
            for place, temporary in self.staged.items():
                try:
                    if place in self.claimed:
                        self.place(place)  # nothing of another's came meanwhile
                    self.begun.add(place)
                    self.keep(place)
                    temporary.replace(place)
                except OSError as error:
                    raise unwritable(place, error) from error
            self.committed = True

    def keep(self, place: Path) -> None:
        """Give what is at ``place`` a second name, by which it can be put back."""
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
        """Put everything back unless it was committed; remove what is temporary."""
        with undisturbed():
            if not self.committed:
                for place in self.begun:
                    self.put_back(place)
            for each in (*self.staged.values(), *self.saved.values(), *self.scratch):
                remove(each)
            for folder in () if self.committed else reversed(self.made):
                with suppress(OSError):
                    folder.rmdir()

    def put_back(self, place: Path) -> None:
        """What was at ``place`` before.  How far it came is read off the disk: Ctrl-C may come between any two steps."""
        saved = self.saved.get(place)
        with suppress(OSError):
            if saved is None and not os.path.lexists(self.staged[place]):
                remove(place)
            elif saved is not None and os.path.lexists(saved):
                if place.is_dir():  # the new one
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
    """Part of a file's name, with nothing in it that is not visible."""
    return "".join(each if is_visible(each) else "_" for each in name)


def check_writable(folder: Path) -> None:
    """Raise ``OutputError`` unless a file can be made in ``folder``, or in the nearest one above that exists."""
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
    """``path`` with links followed; ``OutputError`` for a loop of links, a NUL, or where the working folder was removed."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise unwritable(path, error if isinstance(error, OSError) else OSError(str(error))) from None


def same(status: os.stat_result, path: str) -> bool:
    """Whether ``path`` is the file of that status."""
    try:
        return os.path.samestat(status, Path(path).stat())
    except (OSError, ValueError):
        return False


def beside(place: Path) -> Path:
    """A name of its own in the same folder."""
    return place.with_name(f".{place.name[:40]}.{os.urandom(6).hex()}.part")


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, if it is there."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C is ignored for the few renames of a commit."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread, which is the one to be interrupted
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
