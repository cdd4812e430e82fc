"""The server: a socket, uvicorn on it, and how it ends."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn

from ..errors import OptionError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MOST_CONNECTIONS = 512
GRACE = 1  # seconds for answers under way when the server ends


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host`` and ``port``, 0 for a free one; raises ``OptionError``."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise OptionError(
            f"cannot listen on {host}:{port} ({why}): choose another --port, or 0 for a free one"
        ) from None


def run(app: ASGIApp, listening: socket.socket) -> None:
    """Serve until Ctrl-C, which it raises again as ``KeyboardInterrupt``."""
    uvicorn.Server(configured(app)).run(sockets=[listening])


def configured(app: ASGIApp) -> uvicorn.Config:
    """How uvicorn serves the page."""
    return uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        ws="none",
        http="h11",
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
        lifespan="on",
    )
