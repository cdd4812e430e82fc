"""One file after another, several at a time: can it be decoded, what had to be put right, and what it looks like.

Pixels live only inside of the thread that decodes them: what is kept of a photo is under 2 KB (more while an
``DecodeObserver`` waits for it), and only as many pixels are under way at once as the largest photo has that is let in,
so memory does not grow with the folder.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from PIL import Image
from PIL import __version__ as PILLOW

from ...errors import PhotoError
from ...files import open_regular
from ...prefetch import ordered_map
from ...version import __version__
from ..decode import Photo, decode
from ..formats import PROMISED
from ..opening import peek_header
from ..pillow_warnings import warnings_as_notes
from ..sources.folder import Entry
from .fingerprint import Fingerprint, fingerprint_of
from .quality import remarks

if TYPE_CHECKING:
    from io import BufferedReader

Progress = Callable[[int, int], None]
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # under way at once: those of the largest photo that Pillow opens
TOGETHER = 512  # files whose findings are looked up and remembered together
FINDING_RECIPE = 4  # goes up when the same file gives another finding


@dataclass(frozen=True, slots=True)
class Finding:
    """What one file turned out to be: a photo (``fingerprint``), a photo that cannot be used (``error``), or neither.

    ``remarks`` are of its looks, see ``quality``.
    """

    entry: Entry
    fingerprint: Fingerprint | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    remarks: tuple[str, ...] = ()

    @property
    def photo(self) -> bool:
        """It is a photo, or passes itself off as one."""
        return self.fingerprint is not None or self.error is not None


class DecodeObserver(Protocol):
    """Is shown each photo that is decoded, so that it need not be decoded again."""

    def prepare(self, photo: Photo) -> Any:
        """What it keeps of a photo; called in the thread that decoded it, a few dozen photos ahead of ``take``."""

    def take(self, finding: Finding, kept: Any) -> None:
        """What it kept of a photo, in the order of the entries and in the thread of who asks for findings."""

    def finish(self) -> None:
        """There are no more."""


class BlobStore(Protocol):
    """Keeps bytes under keys from one run to the next; what it answers is what it was given, or nothing."""

    def get_blobs(self, keys: Iterable[bytes]) -> dict[bytes, bytes]: ...
    def put_blobs(self, blobs: Mapping[bytes, bytes]) -> None: ...


def inspect_all(
    entries: Sequence[Entry],
    progress: Progress | None = None,
    memory: BlobStore | None = None,
    onlooker: DecodeObserver | None = None,
) -> Iterator[Finding]:
    """A finding for each entry, in their order.

    With a ``memory``, what was once found in a file's bytes is taken from there: files are read, not decoded again,
    and an ``onlooker`` is shown only those that are decoded.
    """
    done = 0
    for start in range(0, len(entries), TOGETHER):
        part = entries[start : start + TOGETHER]
        for finding in inspect_part(part, memory, onlooker):
            done += 1
            if progress:
                progress(done, len(entries))
            yield finding
    if onlooker:
        onlooker.finish()


def inspect_part(
    entries: Sequence[Entry], memory: BlobStore | None, onlooker: DecodeObserver | None
) -> Iterator[Finding]:
    """A finding for each of a few hundred entries; new ones are remembered at the end."""
    if memory is None:
        yield from inspect_fresh(entries, onlooker)
        return
    keys = list(ordered_map(content_key, entries, alone=True))
    known = memory.get_blobs([key for key in keys if key])
    fresh = inspect_fresh([entry for entry, key in zip(entries, keys, strict=True) if key not in known], onlooker)
    learnt: dict[bytes, bytes] = {}
    for entry, key in zip(entries, keys, strict=True):
        if key in known:
            yield unpack(entry, known[key])
            continue
        finding = next(fresh)
        if key and finding.fingerprint:
            learnt[key] = pack(finding)
        yield finding
    memory.put_blobs(learnt)


def inspect_fresh(entries: Sequence[Entry], onlooker: DecodeObserver | None) -> Iterator[Finding]:
    """A finding for each entry, all of them decoded."""
    room = PixelBudget(MOST_PIXELS)
    prepare = onlooker.prepare if onlooker else None
    for finding, kept in ordered_map(lambda entry: inspect(entry, room, prepare), entries, alone=onlooker is None):
        if onlooker and kept is not None:
            onlooker.take(finding, kept)
        yield finding


class PixelBudget:
    """Lets photos in while all of them together have at most so many pixels; one alone is always let in."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.inside = 0
        self.changed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for so many pixels, and keep it while the block runs."""
        with self.changed:
            self.changed.wait_for(lambda: not self.inside or self.inside + pixels <= self.most)
            self.inside += pixels
        try:
            yield
        finally:
            with self.changed:
                self.inside -= pixels
                self.changed.notify_all()


def content_key(entry: Entry) -> bytes | None:
    """Names what a finding follows from: the file's bytes and ending, and who decodes it.  None for what is no file."""
    try:
        if entry.hidden:
            return None
        with open_regular(entry.path) as file:
            content = hashlib.file_digest(cast("BufferedReader", file), "sha256").hexdigest()
    except OSError:
        return None
    parts = ["finding", FINDING_RECIPE, __version__, PILLOW, entry.suffix.lower(), content]
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def pack(finding: Finding) -> bytes:
    """A photo's finding as bytes."""
    fields = asdict(finding.fingerprint) if finding.fingerprint else {}
    fields["small"] = base64.b64encode(fields["small"]).decode()
    return json.dumps({"look": fields, "notes": finding.notes, "remarks": finding.remarks}).encode()


def unpack(entry: Entry, blob: bytes) -> Finding:
    """The inverse of ``pack``, for the file that has these bytes now."""
    stored = json.loads(blob)
    fields = stored["look"]
    fields |= {"small": base64.b64decode(fields["small"]), "size": tuple(fields["size"])}
    return Finding(entry, Fingerprint(**fields), tuple(stored["notes"]), remarks=tuple(stored["remarks"]))


def inspect(entry: Entry, room: PixelBudget, prepare: Callable[[Photo], Any] | None = None) -> tuple[Finding, Any]:
    """One file, and what ``prepare`` keeps of it.  Nothing in it can stop the others: what goes wrong is its own finding."""
    try:
        if entry.hidden or not (entry.named_photo or header(entry)):
            return Finding(entry), None
        path = entry.path
        with room.hold(pixels(entry)):
            photo = decode(path)
            kept = prepare(photo) if prepare and entry.label else None
            notes = (*photo.notes, *suffix_note(entry))
            return Finding(entry, fingerprint_of(photo), notes, remarks=remarks(photo.image)), kept
    except PhotoError as error:
        return Finding(entry, error=str(error).removeprefix(f"{entry.path}: ")), None
    except Exception as error:  # a decoder that fails in a way of its own
        reason = " ".join([type(error).__name__, *str(error).split()])
        return Finding(entry, error=f"cannot be decoded ({reason}); copy or download it again"), None


def header(entry: Entry) -> str | None:
    """The format that the file's first bytes are of; None if it is no picture, or no file to read at all."""
    return first_bytes(entry)[0]


def pixels(entry: Entry) -> int:
    """How many pixels the file's first bytes promise; 0 where they say nothing."""
    return first_bytes(entry)[1]


def first_bytes(entry: Entry) -> tuple[str | None, int]:
    """Format and number of pixels, nothing of them decoded."""
    with warnings_as_notes():
        return peek_header(entry.path)


def suffix_note(entry: Entry) -> list[str]:
    """A note where the ending is of no kind of photo; where it is of another kind, ``decode`` says so."""
    if entry.suffix.lower() in PROMISED:
        return []
    ending = f"named {entry.suffix}" if entry.suffix else "named without an ending"
    return [f"{ending}, but it is {header(entry)}"]
