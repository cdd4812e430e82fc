"""Limits on connections: their number, slow requests, slow readers, and unread bytes.

If there are too many connections, a new connection replaces one of the client with the most connections: the one that has
been idle longest or, if none is idle, the one that sends its body most slowly.  A client that reads a response too slowly is
disconnected.  If all connections together hold too many unread bytes, those with the most are disconnected.
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
SENT_AHEAD = 256 << 10
"""Bytes of a response that the system may buffer; only further bytes show how fast the client reads."""
SPARE_FILES = 128  # open files reserved for the rest of the program


@dataclass(frozen=True)
class Limits:
    """Limits on connections; ``proxies`` may use all connections, because each serves many clients."""

    head: float = 20.0  # seconds for the head of a request
    stall: float = 20.0  # seconds that a client may read nothing
    rate: float = 4096.0  # bytes per second that a client must read on average, after ``stall``
    most: int = 512
    most_of_one: int = 256
    most_unread_bytes: int = 256 * MEBIBYTE
    proxies: tuple[Network, ...] = ()

    @property
    def most_connections(self) -> int:
        """``most``, or fewer if the system limits open files."""
        try:
            import resource
        except ImportError:  # not on Windows
            return self.most
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return self.most if soft < 0 else max(8, min(self.most, soft - SPARE_FILES))


class Connection(H11Protocol):
    """uvicorn's protocol with timeouts for slow request heads (Slowloris attacks) and for clients that do not read."""

    limiter: ClassVar[ConnectionLimiter]
    timeout: asyncio.TimerHandle | None = None
    unread = 0  # bytes at the last check
    taken = 0.0  # bytes that the client has read since it became slow
    slow_since: float | None = None
    idle_since = 0.0
    began = 0.0  # time at which the head of the last request was complete
    came = 0  # bytes received since ``began``

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self.idle_since = self.loop.time()
        own: socket.socket | None = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_AHEAD)
        self.start_timeout()
        self.limiter.add(self)

    def data_received(self, data: bytes) -> None:
        """Restart the timeout for the head of each request, and stop it when the head is complete."""
        earlier = self.cycle
        super().data_received(data)
        if self.cycle is not earlier:
            self.began, self.came = self.loop.time(), 0
        self.came += len(data)
        if self.conn.their_state is not h11.IDLE:
            self.stop_timeout()
        elif self.timeout is None:
            self.start_timeout()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is not HTTP; if a response has begun, close the connection instead."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # so that the application sends nothing after the refusal
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        super().send_400_response(msg)

    def on_response_complete(self) -> None:
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_timeout()
        self.limiter.remove(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Called when the write buffer is full, because the client reads more slowly than the server writes."""
        super().pause_writing()
        self.limiter.limit_unread()

    def resume_writing(self) -> None:
        """Called when the client has read the buffered bytes."""
        self.taken += self.unread
        super().resume_writing()

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress and no response is left to send."""
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.get_write_buffer_size()

    @property
    def is_sending(self) -> bool:
        """Whether the client is sending the body of a request."""
        return bool(self.conn.their_state is h11.SEND_BODY)

    def upload_rate(self, now: float) -> float:
        """The bytes per second at which the current request arrives."""
        return self.came / max(now - self.began, 1.0)

    def check(self, now: float, limits: Limits) -> None:
        """Disconnect a client that has read too slowly for too long."""
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

    def start_timeout(self) -> None:
        """Disconnect the client unless the head of a request is complete in time."""
        self.timeout = self.loop.call_later(self.limiter.limits.head, self.transport.abort)

    def stop_timeout(self) -> None:
        """Cancel the timeout."""
        if self.timeout:
            self.timeout.cancel()
            self.timeout = None


class ConnectionLimiter:
    """Keeps the connections of a server within their limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.most = limits, limits.most_connections
        self.members: dict[Connection, None] = {}

    def protocol(self) -> type[Connection]:
        """The class of the connections, for uvicorn."""
        return type("Member", (Connection,), {"limiter": self})

    def add(self, newcomer: Connection) -> None:
        """Add a connection; if there are too many, close another one, or the new one if all are busy."""
        counts = Counter(member.address for member in self.members)
        is_single_client = not is_in(newcomer.address, self.limits.proxies)
        greedy = None
        if is_single_client and counts[newcomer.address] >= min(self.limits.most_of_one, self.most):
            greedy = newcomer.address
        elif len(self.members) >= self.most:
            [(greedy, _)] = counts.most_common(1)
        if greedy is not None:
            idle = [member for member in self.members if member.address == greedy and member.is_idle]
            leaving = min(idle, key=lambda member: member.idle_since, default=None) or self.slowest(greedy) or newcomer
            self.remove(leaving)
            leaving.transport.abort()
            if leaving is newcomer:
                return
        self.members[newcomer] = None

    def slowest(self, address: str) -> Connection | None:
        """The connection of a client that sends a body most slowly; None if none is sending."""
        sending = [member for member in self.members if member.address == address and member.is_sending]
        now = asyncio.get_running_loop().time() if sending else 0.0
        return min(sending, key=lambda member: member.upload_rate(now), default=None)

    def remove(self, member: Connection) -> None:
        """Remove a connection."""
        self.members.pop(member, None)

    def check(self, now: float) -> None:
        """Disconnect clients that do not read; called about once a second."""
        for member in tuple(self.members):
            member.check(now, self.limits)
        self.limit_unread()

    def limit_unread(self) -> None:
        """Disconnect the clients with the most unread bytes until the others are within the limit."""
        sizes = {member: member.transport.get_write_buffer_size() for member in self.members}
        total = sum(sizes.values())
        while total > self.limits.most_unread_bytes:
            worst = max(sizes, key=lambda member: sizes[member])
            total -= sizes.pop(worst)
            self.remove(worst)
            worst.transport.abort()
