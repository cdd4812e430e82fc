"""Connections: how many there may be, how long each may keep us waiting, and who goes when there are too many.

A newcomer is always let in while somebody is idle or sends a body: of the client that has most, the longest idle connection
is closed, or else the one that sends most slowly.  A reader that takes nothing, or next to nothing, of what is sent is hung up on; what waits to be read is bounded.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .hosts import Network, is_in

MEBIBYTE = 1 << 20
SENT_AHEAD = 256 << 10  # bytes that the system may hold of an answer: what is taken beyond shows that the client reads
SPARE_FILES = 128  # that the rest of the program may open


@dataclass(frozen=True)
class Limits:
    """What connections may cost.  ``proxies``: clients that stand for many, who may have all connections."""

    head: float = 20.0  # seconds for the head of a request
    stall: float = 20.0  # seconds in which a reader may take nothing
    rate: float = 4096.0  # bytes a second that a reader takes on average, once ``stall`` is over
    most: int = 512
    most_of_one: int = 256
    most_unread_bytes: int = 256 * MEBIBYTE
    proxies: tuple[Network, ...] = ()

    @property
    def most_connections(self) -> int:
        """``most``, or what the system lets a process open."""
        try:
            import resource
        except ImportError:  # not on Windows
            return self.most
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return self.most if soft < 0 else max(8, min(self.most, soft - SPARE_FILES))


class Connection(H11Protocol):
    """uvicorn's, which also hangs up on who does not finish the head of a request, and on who does not read."""

    crowd: ClassVar[ConnectionLimiter]
    waiting: asyncio.TimerHandle | None = None
    unread = 0  # bytes at the last look
    taken = 0.0  # bytes that the client took since it began to be slow
    slow_since: float | None = None
    idle_since = 0.0
    began = 0.0  # when the head of the last request was whole
    came = 0  # bytes since then

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self.idle_since = self.loop.time()
        own: socket.socket | None = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_AHEAD)
        self.wait()
        self.crowd.enter(self)

    def data_received(self, data: bytes) -> None:
        """Wait on while the head of a request is not whole; each head has its own time."""
        earlier = self.cycle
        super().data_received(data)
        if self.cycle is not earlier:
            self.began, self.came = self.loop.time(), 0
        self.came += len(data)
        if self.conn.their_state is not h11.IDLE:
            self.stop_waiting()
        elif self.waiting is None:
            self.wait()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; in the middle of a response, or after it, there is only hanging up."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # what the application sends now would come after the refusal
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        super().send_400_response(msg)

    def on_response_complete(self) -> None:
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_waiting()
        self.crowd.leave(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        super().pause_writing()
        self.crowd.bound_unread()

    def resume_writing(self) -> None:
        """The client has taken what was written."""
        self.taken += self.unread
        super().resume_writing()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked on it, and nothing on its way."""
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.get_write_buffer_size()

    @property
    def is_sending(self) -> bool:
        """Whether the body of a request is on its way."""
        return bool(self.conn.their_state is h11.SEND_BODY)

    def pace(self, now: float) -> float:
        """Bytes a second of the request that is on its way."""
        return self.came / max(now - self.began, 1.0)

    def look(self, now: float, limits: Limits) -> None:
        """Hang up on a client that has been too slow to read for too long."""
        unread = self.transport.get_write_buffer_size()
        if not unread:
            self.slow_since, self.taken, self.unread = None, 0.0, 0
            return
        if self.slow_since is None:
            self.slow_since = now
        self.taken += max(0, self.unread - unread)
        self.unread = unread
        if self.taken < limits.rate * (now - self.slow_since - limits.stall):
            self.transport.abort()

    def wait(self) -> None:
        """Hang up in a while."""
        self.waiting = self.loop.call_later(self.crowd.limits.head, self.transport.abort)

    def stop_waiting(self) -> None:
        """Stay."""
        if self.waiting:
            self.waiting.cancel()
            self.waiting = None


class ConnectionLimiter:
    """All connections of a server."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.most = limits, limits.most_connections
        self.members: dict[Connection, None] = {}

    def protocol(self) -> type[Connection]:
        """The class of its connections, as uvicorn wants it."""
        return type("Member", (Connection,), {"crowd": self})

    def enter(self, newcomer: Connection) -> None:
        """Take a connection in; another goes where there are too many, or itself where all are busy."""
        counts = Counter(member.address for member in self.members)
        is_one = not is_in(newcomer.address, self.limits.proxies)
        greedy = None
        if is_one and counts[newcomer.address] >= min(self.limits.most_of_one, self.most):
            greedy = newcomer.address
        elif len(self.members) >= self.most:
            [(greedy, _)] = counts.most_common(1)
        if greedy is not None:
            idle = [member for member in self.members if member.address == greedy and member.is_idle]
            leaving = min(idle, key=lambda member: member.idle_since, default=None) or self.slowest(greedy) or newcomer
            self.leave(leaving)
            leaving.transport.abort()
            if leaving is newcomer:
                return
        self.members[newcomer] = None

    def slowest(self, address: str) -> Connection | None:
        """Of a client's requests on their way the slowest, None where there is none."""
        sending = [member for member in self.members if member.address == address and member.is_sending]
        now = asyncio.get_running_loop().time() if sending else 0.0
        return min(sending, key=lambda member: member.pace(now), default=None)

    def leave(self, member: Connection) -> None:
        """Forget a connection."""
        self.members.pop(member, None)

    def look(self, now: float) -> None:
        """See to those that do not read; called about once a second."""
        for member in tuple(self.members):
            member.look(now, self.limits)
        self.bound_unread()

    def bound_unread(self) -> None:
        """Hang up on those that leave most unread until the rest fits."""
        sizes = {member: member.transport.get_write_buffer_size() for member in self.members}
        total = sum(sizes.values())
        while total > self.limits.most_unread_bytes:
            worst = max(sizes, key=lambda member: sizes[member])
            total -= sizes.pop(worst)
            self.leave(worst)
            worst.transport.abort()
