"""The memory that photos on their way in share, so that a slow one costs only what it has sent.

Any number may arrive side by side; together they hold at most ``most_bytes``.  A part of that is kept for one of those that
find no room, so one always gets to its end and makes room for others.  Where none is freed for a while, the client that
holds most loses its slowest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import TooManyTabs

MEBIBYTE = 1 << 20
MOST_BYTES = 256 * MEBIBYTE
STALL = 5.0  # seconds without room before the slowest goes


class Reservation:
    """One photo on its way in."""

    def __init__(self, client: str) -> None:
        self.client, self.held, self.began = client, 0, asyncio.get_running_loop().time()
        self.is_arriving, self.is_dropped = True, False
        self.limit: asyncio.Timeout | None = None  # of its wait for the client

    def drop(self) -> None:
        """Give it up, whatever it waits for."""
        self.is_dropped = True
        if self.limit is not None:
            self.limit.reschedule(asyncio.get_running_loop().time())


class UploadMemory:
    """What all guests hold, and who waits for more."""

    def __init__(self, most_bytes: int = MOST_BYTES, kept_bytes: int = MOST_BYTES // 4, stall: float = STALL) -> None:
        """``kept_bytes``: for one that finds no room; as much as the largest photo."""
        self.most_bytes, self.kept_bytes, self.stall = most_bytes, kept_bytes, stall
        self.guests: list[Reservation] = []
        self.favourite: Reservation | None = None
        self.changed = asyncio.Event()

    @property
    def held(self) -> int:
        return sum(guest.held for guest in self.guests)

    @contextmanager
    def guest(self, client: str) -> Iterator[Reservation]:
        """A guest, who leaves with the block."""
        guest = Reservation(client)
        self.guests.append(guest)
        try:
            yield guest
        finally:
            self.guests.remove(guest)
            if self.favourite is guest:
                self.favourite = None
            self.changed.set()
            self.changed = asyncio.Event()

    async def take(self, guest: Reservation, count: int) -> None:
        """Let a guest hold ``count`` bytes more, once there is room; raises ``TooManyTabs`` where it is given up."""
        while not self.has_room(guest, count):
            if self.favourite is None:
                self.favourite = guest
                continue
            try:
                async with asyncio.timeout(self.stall):
                    await self.changed.wait()
            except TimeoutError:
                self.drop_slowest()
            if guest.is_dropped:
                raise TooManyTabs
        guest.held += count

    def has_room(self, guest: Reservation, count: int) -> bool:
        """Whether a guest may hold more now."""
        return self.held + count <= self.most_bytes - (0 if guest is self.favourite else self.kept_bytes)

    def drop_slowest(self) -> None:
        """Give up the slowest of the client that holds most."""
        arriving = [guest for guest in self.guests if guest.is_arriving and not guest.is_dropped]
        if not arriving:
            return
        held = Counter[str]()
        for guest in arriving:
            held[guest.client] += guest.held
        [(greedy, _)] = held.most_common(1)
        now = asyncio.get_running_loop().time()
        mine = [guest for guest in arriving if guest.client == greedy]
        min(mine, key=lambda guest: guest.held / max(now - guest.began, 1e-3)).drop()
        self.changed.set()
        self.changed = asyncio.Event()
