"""The path under which the app is mounted, used as a prefix in links, redirects and records.

The guard sets it for each request, because a proxy, ``--root-path`` or another application may mount the app anywhere.
"""

from __future__ import annotations

from contextvars import ContextVar

ROOT: ContextVar[str] = ContextVar("root", default="")
"""Percent-encoded, without a final slash; empty if the app is not mounted under a path."""


def at(path: str) -> str:
    """``path``, prefixed with the path under which the app is mounted."""
    return f"{ROOT.get()}{path}"
