"""The number of cores that this process may use: all, unless other processes of the same run share the machine."""

from __future__ import annotations

import os

ALL = 0
LIMIT = [ALL]


def limit_cores(most: int) -> None:
    """Limit this process to ``most`` cores; affects only work that is started later."""
    LIMIT[0] = most


def core_limit() -> int:
    """The limit on the number of cores; ``ALL`` (0) if there is none."""
    return LIMIT[0]


def cores() -> int:
    """The number of cores that this process may use, at least 1."""
    return LIMIT[0] or os.cpu_count() or 1
