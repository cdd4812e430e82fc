"""The server: a socket, uvicorn on it, and how it ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import OptionError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MOST_CONNECTIONS = 512
PATIENCE = 20.0  # seconds for the head of a request
GRACE = 1  # seconds for answers under way when the server ends


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host`` and ``port``, 0 for a free one; raises ``OptionError``."""
    if not 0 <= port <= 65535:
        raise OptionError(f"--port {port}: expected a number from 0 to 65535, 0 for a free one")
    try:
        name = host.removeprefix("[").removesuffix("]")
        family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        both = name == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=2048, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise OptionError(
            f"cannot listen on {host}:{port} ({why}): choose another --port, or 0 for a free one"
        ) from None


class Protocol(H11Protocol):
    """uvicorn's, which also hangs up on who does not finish the head of a request."""

    patience = PATIENCE
    waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self.wait()

    def data_received(self, data: bytes) -> None:
        """Wait on while the head of a request is not whole; each head has its own time."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self.stop_waiting()
        elif self.waiting is None:
            self.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_waiting()
        super().connection_lost(exc)

    def wait(self) -> None:
        """Hang up in a while."""
        self.waiting = self.loop.call_later(self.patience, self.transport.abort)

    def stop_waiting(self) -> None:
        """Stay."""
        if self.waiting:
            self.waiting.cancel()
            self.waiting = None


class Server(uvicorn.Server):
    """uvicorn's, which also drops the work in hand when it ends, so that open streams end too."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self.ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.ending()
        await super().shutdown(sockets)


def run(app: ASGIApp, listening: socket.socket, ending: Callable[[], None]) -> None:
    """Serve until Ctrl-C, which it raises again as ``KeyboardInterrupt``; then ``ending`` is called first."""
    Server(configured(app), ending).run(sockets=[listening])


def configured(app: ASGIApp, patience: float = PATIENCE) -> uvicorn.Config:
    """How uvicorn serves the page; ``patience``: seconds for the head of a request."""
    return uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        ws="none",
        http=type("Patient", (Protocol,), {"patience": patience}),
        server_header=False,
        proxy_headers=False,  # the guard knows whom to believe
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
        lifespan="on",
    )
