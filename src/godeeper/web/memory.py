"""Memory that was freed, given back to the system.

A look is more than a hundred arrays of all sizes.  glibc keeps what is freed between two that are still in use, so that a
server's memory would creep up with every photo though its looks are bounded.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any


def give_back() -> None:
    """Return freed pages to the system, where its C library can."""
    library = c_library()
    if library is not None:
        library.malloc_trim(0)


@lru_cache(maxsize=1)
def c_library() -> Any:
    """The C library, if it is one that has ``malloc_trim``."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
