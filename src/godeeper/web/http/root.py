"""The path under which the page is mounted: the prefix of its paths in links, redirects and records.

The guard sets it for each request, because a proxy, ``--root-path`` or another application may mount the page anywhere.
"""

from __future__ import annotations

from contextvars import ContextVar

ROOT: ContextVar[str] = ContextVar("root", default="")
"""Percent-encoded, without a final slash; empty if the page is not mounted under a path."""


def at(path: str) -> str:
    """The URL path of a path within the page."""
    return f"{ROOT.get()}{path}"
