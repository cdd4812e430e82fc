"""Server-sent events: their text, and a response that closes its source."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class EventStream(StreamingResponse):
    """A response of events.  When it ends, or its client disconnects, the source is closed at once, which ends its subscription."""

    def __init__(self, source: AsyncGenerator[str]) -> None:
        super().__init__(source, media_type="text/event-stream")
        self.source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.source.aclose()


def event(name: str, data: object) -> str:
    """One event as text."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
