"""Where the page is mounted: the path that stands before each of its own in links, redirects and records.

The guard sets it for each request: a proxy, ``--root-path`` or another application may have mounted the page anywhere.
"""

from __future__ import annotations

from contextvars import ContextVar

ROOT: ContextVar[str] = ContextVar("root", default="")
"""Without a slash at its end, percent-encoded; empty where the page has a server of its own."""


def at(path: str) -> str:
    """A path of the page as a browser must ask for it."""
    return f"{ROOT.get()}{path}"
