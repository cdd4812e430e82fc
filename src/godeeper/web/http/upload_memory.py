"""The memory that uploads share, so that a slow upload reserves only the bytes it has sent.

Any number of uploads may arrive at once; together they hold at most ``max_bytes``.  Part of this memory is reserved for one
of the waiting uploads, so that one upload can always finish.  If no memory is freed for a while, the slowest upload of the
client that holds the most memory is dropped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import TooManyUploads

MEBIBYTE = 1 << 20
MAX_BYTES = 256 * MEBIBYTE
STALL = 5.0  # seconds without free memory before the slowest upload is dropped


class Reservation:
    """The memory of one upload."""

    def __init__(self, client: str) -> None:
        self.client, self.held, self.start = client, 0, asyncio.get_running_loop().time()
        self.is_arriving, self.is_dropped = True, False
        self.limit: asyncio.Timeout | None = None  # the timeout for the client's next bytes

    def drop(self) -> None:
        """Drop the upload, and end its wait."""
        self.is_dropped = True
        if self.limit is not None:
            self.limit.reschedule(asyncio.get_running_loop().time())


class UploadMemory:
    """The reservations of all uploads."""

    def __init__(self, max_bytes: int = MAX_BYTES, spare_bytes: int = MAX_BYTES // 4, stall: float = STALL) -> None:
        """``spare_bytes``: the memory reserved for one waiting upload, enough for the largest photo."""
        self.max_bytes, self.spare_bytes, self.stall = max_bytes, spare_bytes, stall
        self.uploads: list[Reservation] = []
        self.preferred: Reservation | None = None
        self.changed = asyncio.Event()

    @property
    def held(self) -> int:
        return sum(upload.held for upload in self.uploads)

    @contextmanager
    def reserve(self, client: str) -> Iterator[Reservation]:
        """A reservation that lasts while the block runs."""
        upload = Reservation(client)
        self.uploads.append(upload)
        try:
            yield upload
        finally:
            self.uploads.remove(upload)
            if self.preferred is upload:
                self.preferred = None
            self.changed.set()
            self.changed = asyncio.Event()

    async def take(self, upload: Reservation, count: int) -> None:
        """Reserve ``count`` more bytes, once they are free; raises ``TooManyUploads`` if the upload is dropped."""
        while not self.has_room(upload, count):
            if self.preferred is None:
                self.preferred = upload
                continue
            try:
                async with asyncio.timeout(self.stall):
                    await self.changed.wait()
            except TimeoutError:
                self.drop_slowest()
            if upload.is_dropped:
                raise TooManyUploads
        upload.held += count

    def has_room(self, upload: Reservation, count: int) -> bool:
        """Whether an upload may reserve ``count`` more bytes now."""
        return self.held + count <= self.max_bytes - (0 if upload is self.preferred else self.spare_bytes)

    def drop_slowest(self) -> None:
        """Drop the slowest upload of the client that holds the most memory."""
        arriving = [upload for upload in self.uploads if upload.is_arriving and not upload.is_dropped]
        if not arriving:
            return
        held = Counter[str]()
        for upload in arriving:
            held[upload.client] += upload.held
        [(greedy, _)] = held.most_common(1)
        now = asyncio.get_running_loop().time()
        of_client = [upload for upload in arriving if upload.client == greedy]
        min(of_client, key=lambda upload: upload.held / max(now - upload.start, 1e-3)).drop()
        self.changed.set()
        self.changed = asyncio.Event()
