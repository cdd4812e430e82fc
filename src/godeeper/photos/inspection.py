"""One file after another, several at a time: can it be decoded, what had to be put right, and what it looks like.

Pixels live only inside of the thread that decodes them: what is kept of a photo is under 2 KB, and only a few
photos are under way at once, so memory does not grow with the folder.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Protocol, TypeVar

from PIL import Image
from PIL import __version__ as PILLOW

from ..errors import PhotoError
from ..version import __version__
from .decode import SUFFIX_FORMATS, decode
from .fingerprint import Look, look
from .folder import Entry

Progress = Callable[[int, int], None]
T = TypeVar("T")
AHEAD = 2  # photos under way for each worker
TOGETHER = 512  # files whose findings are looked up and remembered together
FINDING_RECIPE = 1  # goes up when the same file gives another finding


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


class Memory(Protocol):
    """Keeps bytes under keys from one run to the next; what it answers is what it was given, or nothing."""

    def get_blobs(self, keys: Iterable[bytes]) -> dict[bytes, bytes]: ...
    def put_blobs(self, blobs: Mapping[bytes, bytes]) -> None: ...


def inspect_all(
    entries: Sequence[Entry], progress: Progress | None = None, memory: Memory | None = None
) -> Iterator[Finding]:
    """A finding for each entry, in their order.

    With a ``memory``, what was once found in a file's bytes is taken from there: files are read, not decoded again.
    """
    done = 0
    for start in range(0, len(entries), TOGETHER):
        part = entries[start : start + TOGETHER]
        for finding in inspect_part(part, memory):
            done += 1
            if progress:
                progress(done, len(entries))
            yield finding


def inspect_part(entries: Sequence[Entry], memory: Memory | None) -> Iterator[Finding]:
    """A finding for each of a few hundred entries; new ones are remembered at the end."""
    if memory is None:
        yield from in_order(inspect, entries)
        return
    keys = list(in_order(content_key, entries))
    known = memory.get_blobs([key for key in keys if key])
    fresh = in_order(inspect, [entry for entry, key in zip(entries, keys, strict=True) if key not in known])
    learnt: dict[bytes, bytes] = {}
    for entry, key in zip(entries, keys, strict=True):
        if key in known:
            yield unpack(entry, known[key])
            continue
        finding = next(fresh)
        if key and finding.look:
            learnt[key] = pack(finding)
        yield finding
    memory.put_blobs(learnt)


def in_order(work: Callable[[Entry], T], entries: Iterable[Entry]) -> Iterator[T]:
    """``work`` on each entry in threads, a few ahead of who asks; answers in the order of the entries."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="doctor") as pool:
        try:
            for entry in entries:
                waiting.append(pool.submit(work, entry))
                if len(waiting) > workers * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def content_key(entry: Entry) -> bytes | None:
    """Names what a finding follows from: the file's bytes and ending, and who decodes it.  None for what is no file."""
    try:
        if entry.hidden or not entry.path.is_file():
            return None
        with entry.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
    parts = ["finding", FINDING_RECIPE, __version__, PILLOW, entry.path.suffix.lower(), content]
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def pack(finding: Finding) -> bytes:
    """A photo's finding as bytes."""
    fields = asdict(finding.look) if finding.look else {}
    fields["small"] = base64.b64encode(fields["small"]).decode()
    return json.dumps({"look": fields, "notes": finding.notes}).encode()


def unpack(entry: Entry, blob: bytes) -> Finding:
    """The inverse of ``pack``, for the file that has these bytes now."""
    stored = json.loads(blob)
    fields = stored["look"]
    fields |= {"small": base64.b64decode(fields["small"]), "size": tuple(fields["size"])}
    return Finding(entry, Look(**fields), tuple(stored["notes"]))


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
