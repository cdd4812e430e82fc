"""The server: a listening socket, uvicorn, and an orderly shutdown."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn

from ...errors import OptionError
from .connections import ConnectionLimiter, Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp

GRACE = 1  # seconds that responses in progress may take when the server shuts down


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host`` and ``port`` (0 takes a free port); raises ``OptionError``."""
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


class Server(uvicorn.Server):
    """uvicorn's server with connection limits.  At shutdown, it first calls ``on_stop``, which ends open streams."""

    def __init__(self, app: ASGIApp, limits: Limits | None = None, on_stop: Callable[[], None] | None = None) -> None:
        self.limiter, self.on_stop = ConnectionLimiter(limits or Limits()), on_stop
        super().__init__(configuration(app, self.limiter))

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if counter % 10 == 0:
            self.limiter.check(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.on_stop:
            self.on_stop()
        await super().shutdown(sockets)


def run(app: ASGIApp, listening: socket.socket, on_stop: Callable[[], None], limits: Limits | None = None) -> None:
    """Serve until Ctrl-C, then call ``on_stop``, shut down and raise ``KeyboardInterrupt``."""
    Server(app, limits, on_stop).run(sockets=[listening])


def configuration(app: ASGIApp, limiter: ConnectionLimiter) -> uvicorn.Config:
    """Uvicorn's configuration."""
    return uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        ws="none",
        http=limiter.protocol(),
        server_header=False,
        proxy_headers=False,  # the guard handles X-Forwarded-*
        timeout_graceful_shutdown=GRACE,
        lifespan="on",
    )
