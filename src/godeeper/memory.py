"""Memory that was freed, given back to the system.

glibc keeps what is freed between two pieces that are still in use.  A server that looks at one photo after another, more
than a hundred arrays of all sizes each, would creep up though its looks are bounded; and a training's numbers would come
on top of what the network held before.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any


def release_to_os() -> None:
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
