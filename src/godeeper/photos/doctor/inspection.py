"""Inspect files in parallel: decode each, and record errors, repairs, fingerprint and quality remarks.

A finding takes less than 2 KB, without the data that a ``DecodeObserver`` keeps; the decoding thread drops the pixels.
At any time, no more pixels are decoded than the largest accepted photo has.
"""

from __future__ import annotations

import base64
import hashlib
import io
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
from ...marks import is_our_picture, is_png
from ...prefetch import ordered_map
from ...progress import Progress
from ...version import __version__
from ...wording import shortened
from ..decode import Photo, decode
from ..formats import PROMISED
from ..opening import peek_header
from ..pillow_warnings import warnings_as_notes
from ..remote import decode_read
from ..sources.folder import Entry
from .fingerprint import Fingerprint, fingerprint_of
from .quality import remarks

if TYPE_CHECKING:
    from io import BufferedReader

    from ..remote import RemotePhoto

MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # decoded at once; equals Pillow's limit for a single photo
TOGETHER = 512  # files whose findings are looked up and stored together
FINDING_RECIPE = 7  # increase when a change of the code changes findings


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one file.

    A decoded photo has a ``fingerprint``, and a photo that cannot be used has an ``error``; other files have neither.
    ``notes``: the repairs.  ``remarks``: see ``quality``.  ``drawn``: whether it is a picture that godeeper drew.
    """

    entry: Entry
    fingerprint: Fingerprint | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    remarks: tuple[str, ...] = ()
    drawn: bool = False

    @property
    def photo(self) -> bool:
        """Whether it is a photo, or a file named like one."""
        return self.fingerprint is not None or self.error is not None


class DecodeObserver(Protocol):
    """Receives each decoded photo, so that later steps need not decode it again."""

    def prepare(self, photo: Photo) -> Any:
        """Return the data to keep for a photo; called in the decoding thread, a few dozen photos ahead of ``take``."""

    def take(self, finding: Finding, kept: Any) -> None:
        """Receive the data that ``prepare`` returned for a photo; called in the consumer's thread, in the order of the entries."""

    def finish(self) -> None:
        """Finish the work; called after the last photo."""


class Inspect(Protocol):
    """Inspects files: ``inspect_all``, or a substitute that works in other processes."""

    def __call__(
        self,
        entries: Sequence[Entry],
        progress: Progress | None = None,
        memory: BlobStore | None = None,
        onlooker: DecodeObserver | None = None,
    ) -> Iterator[Finding]: ...


class BlobStore(Protocol):
    """A persistent store of bytes by key; ``get_blobs`` leaves out keys whose bytes are absent or damaged."""

    def get_blobs(self, keys: Iterable[bytes]) -> dict[bytes, bytes]: ...
    def put_blobs(self, blobs: Mapping[bytes, bytes]) -> None: ...


def inspect_all(
    entries: Sequence[Entry],
    progress: Progress | None = None,
    memory: BlobStore | None = None,
    onlooker: DecodeObserver | None = None,
) -> Iterator[Finding]:
    """Yield a finding for each entry, in order.

    If ``memory`` has a finding for a file's content, the file is not decoded, and ``onlooker`` does not receive it.
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
    """Yield a finding for each of a few hundred entries; the new findings are stored at the end."""
    if memory is None:
        yield from inspect_fresh(entries, onlooker)
        return
    keys = list(ordered_map(content_key, entries, alone=True))
    known = memory.get_blobs([key for key in keys if key])
    fresh = inspect_fresh([entry for entry, key in zip(entries, keys, strict=True) if key not in known], onlooker)
    new: dict[bytes, bytes] = {}
    for entry, key in zip(entries, keys, strict=True):
        if key in known:
            yield unpack(entry, known[key])
            continue
        finding = next(fresh)
        if key and finding.fingerprint:
            new[key] = pack(finding)
        yield finding
    memory.put_blobs(new)


def inspect_fresh(entries: Sequence[Entry], onlooker: DecodeObserver | None) -> Iterator[Finding]:
    """Yield a finding for each entry, decoding all of them."""
    room = PixelBudget(MOST_PIXELS)
    prepare = onlooker.prepare if onlooker else None
    for finding, kept in ordered_map(lambda entry: inspect(entry, room, prepare), entries, alone=onlooker is None):
        if onlooker and kept is not None:
            onlooker.take(finding, kept)
        yield finding


class PixelBudget:
    """Limits the number of pixels decoded at once; a single photo is always admitted."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.in_use = 0
        self.changed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait until this many pixels fit into the budget, and reserve them while the block runs."""
        with self.changed:
            self.changed.wait_for(lambda: not self.in_use or self.in_use + pixels <= self.most)
            self.in_use += pixels
        try:
            yield
        finally:
            with self.changed:
                self.in_use -= pixels
                self.changed.notify_all()


def content_key(entry: Entry) -> bytes | None:
    """The key of a finding: a hash of the file's bytes and suffix and of godeeper's and Pillow's versions.

    None if the file is hidden or cannot be read.
    """
    try:
        if entry.hidden:
            return None
        if entry.remote:
            content = hashlib.sha256(entry.remote.read()).hexdigest()
        else:
            with open_regular(entry.path) as file:
                content = hashlib.file_digest(cast("BufferedReader", file), "sha256").hexdigest()
    except (OSError, PhotoError):
        return None
    parts = ["finding", FINDING_RECIPE, __version__, PILLOW, entry.suffix.lower(), content]
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def pack(finding: Finding) -> bytes:
    """The finding of a decoded photo as bytes."""
    fields = asdict(finding.fingerprint) if finding.fingerprint else {}
    fields["small"] = base64.b64encode(fields["small"]).decode()
    return json.dumps(
        {"look": fields, "notes": finding.notes, "remarks": finding.remarks, "drawn": finding.drawn}
    ).encode()


def unpack(entry: Entry, blob: bytes) -> Finding:
    """The finding that was stored for the bytes of this entry's file."""
    stored = json.loads(blob)
    fields = stored["look"]
    fields |= {"small": base64.b64decode(fields["small"]), "size": tuple(fields["size"])}
    notes, remarks = tuple(stored["notes"]), tuple(stored["remarks"])
    return Finding(entry, Fingerprint(**fields), notes, remarks=remarks, drawn=stored["drawn"])


def inspect(entry: Entry, room: PixelBudget, prepare: Callable[[Photo], Any] | None = None) -> tuple[Finding, Any]:
    """The finding of one file, and the data that ``prepare`` returns for it.  Any exception becomes the finding's error."""
    try:
        if entry.hidden:
            return Finding(entry), None
        content = entry.remote.read() if entry.remote else None
        kind, pixels = first_bytes(entry, content)
        if not (entry.named_photo or kind):
            return Finding(entry), None
        with room.hold(pixels):
            photo = decode(entry.path) if content is None else decode_read(cast("RemotePhoto", entry.remote), content)
            kept = prepare(photo) if prepare and entry.label else None
            notes = (*photo.notes, *suffix_note(entry, kind))
            look = fingerprint_of(photo)
            return Finding(entry, look, notes, remarks=remarks(photo.image), drawn=is_drawn(entry, content)), kept
    except PhotoError as error:
        return Finding(entry, error=str(error).removeprefix(f"{shortened(entry.photo)}: ")), None
    except MemoryError:  # is not the photo's fault
        raise
    except Exception as error:  # decoders raise exceptions of many types
        reason = " ".join([type(error).__name__, *str(error).split()])
        return Finding(entry, error=f"cannot be decoded ({reason}); copy or download it again"), None


def first_bytes(entry: Entry, content: bytes | None = None) -> tuple[str | None, int]:
    """Format and number of pixels from a file's header, without Pillow's warnings; see ``peek_header``."""
    with warnings_as_notes():
        return peek_header(entry.path if content is None else io.BytesIO(content))


def is_drawn(entry: Entry, content: bytes | None) -> bool:
    """Whether a file, or its ``content``, is a PNG that godeeper drew."""
    if entry.suffix.lower() != ".png":
        return False
    return is_our_picture(entry.path) if content is None else is_png(None, io.BytesIO(content), content)


def suffix_note(entry: Entry, kind: str | None) -> list[str]:
    """A note if the file's suffix is that of no photo format; ``decode`` reports the suffix of another photo format."""
    if entry.suffix.lower() in PROMISED:
        return []
    suffix = f"named {entry.suffix}" if entry.suffix else "named without a suffix"
    return [f"{suffix}, but it is {kind}"]
