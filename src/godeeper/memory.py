"""Returns freed memory to the operating system.

glibc keeps freed memory that lies between blocks in use.  A server allocates more than a hundred arrays of all sizes
for each photo, so its memory would grow without limit although its caches are bounded.  In training, the process would
still hold the network's freed memory while the head is fitted.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any


def release_to_os() -> None:
    """Return freed pages to the system, if the C library supports that."""
    library = c_library()
    if library is not None:
        library.malloc_trim(0)


@lru_cache(maxsize=1)
def c_library() -> Any:
    """The C library, if it has ``malloc_trim``."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
