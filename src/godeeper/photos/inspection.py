"""One file after another, several at a time: can it be decoded, what had to be put right, and what it looks like.

Pixels live only inside of the thread that decodes them: what is kept of a photo is under 2 KB, and only a few
photos are under way at once, so memory does not grow with the folder.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image

from ..errors import PhotoError
from .decode import SUFFIX_FORMATS, decode
from .fingerprint import Look, look
from .folder import Entry

Progress = Callable[[int, int], None]
AHEAD = 2  # photos under way for each worker


@dataclass(frozen=True)
class Finding:
    """What one file turned out to be: a photo (``look``), a photo that cannot be used (``error``), or neither."""

    entry: Entry
    look: Look | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None

    @property
    def photo(self) -> bool:
        """It is a photo, or passes itself off as one."""
        return self.look is not None or self.error is not None


def inspect_all(entries: Sequence[Entry], progress: Progress | None = None) -> Iterator[Finding]:
    """A finding for each entry, in their order."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[Finding]] = deque()
    done = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="doctor") as pool:
        try:
            for entry in entries:
                waiting.append(pool.submit(inspect, entry))
                if len(waiting) > workers * AHEAD:
                    done += 1
                    yield told(waiting.popleft().result(), done, len(entries), progress)
            while waiting:
                done += 1
                yield told(waiting.popleft().result(), done, len(entries), progress)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def told(finding: Finding, done: int, total: int, progress: Progress | None) -> Finding:
    """The finding, after telling how far things are."""
    if progress:
        progress(done, total)
    return finding


def inspect(entry: Entry) -> Finding:
    """One file.  Nothing in it can stop the others: whatever goes wrong is its own finding."""
    try:
        if entry.hidden or not (entry.named_photo or header(entry)):
            return Finding(entry)
        if entry.path.exists() and not entry.path.is_file():
            return Finding(entry, error="not a file but a pipe, socket or device; expected a photo")
        photo = decode(entry.path)
        return Finding(entry, look(photo), (*photo.notes, *suffix_note(entry)))
    except PhotoError as error:
        return Finding(entry, error=str(error).removeprefix(f"{entry.path}: "))
    except Exception as error:  # a decoder that fails in a way of its own
        reason = " ".join([type(error).__name__, *str(error).split()])
        return Finding(entry, error=f"cannot be decoded ({reason}); get it anew")


def header(entry: Entry) -> str | None:
    """The format that the file's first bytes are of; None if it is no picture, or no file to read at all."""
    if not entry.path.is_file():
        return None
    try:
        with Image.open(entry.path) as image:
            return image.format
    except Image.DecompressionBombError:
        return "bomb"
    except Exception:  # not a picture, or its decoder fails in a way of its own
        return None


def suffix_note(entry: Entry) -> list[str]:
    """A note where the ending is of no kind of photo; where it is of another kind, ``decode`` says so."""
    if entry.path.suffix.lower() in SUFFIX_FORMATS:
        return []
    ending = f"named {entry.path.suffix}" if entry.path.suffix else "named without an ending"
    return [f"{ending}, but it is {header(entry)}"]
