"""Collect the warnings that Pillow gives while it decodes a photo, in several threads at once.

Python has one list of warning filters for all threads.  If each thread replaced and restored the list, a photo could get
another photo's warnings.  So the first thread to enter installs one handler, which sorts warnings by thread, and the last
thread to leave removes the handler.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from PIL import Image

_lock = threading.Lock()
_collected: dict[int, list[str]] = {}  # thread id -> warnings, for threads inside a block
_installed = ExitStack()


@contextmanager
def warnings_as_notes() -> Iterator[list[str]]:
    """Collect this thread's Pillow warnings while the block runs; after the block, the list has one line per warning.

    Repeats are left out, and so is the warning about large photos: it starts at half the size that Pillow refuses, and real
    photos have 100 megapixels.
    """
    thread = threading.get_ident()
    notes: list[str] = []
    with _lock:
        if not _collected:
            _install()
        outer = _collected.get(thread)
        collected: list[str] = []
        _collected[thread] = collected
    try:
        yield notes
    finally:
        with _lock:
            if outer is None:
                del _collected[thread]
            else:
                _collected[thread] = outer
            if not _collected:
                _installed.close()
        notes += dict.fromkeys(" ".join(line.split()) for line in collected)


def _install() -> None:
    """Collect Pillow's warnings by thread, and pass all other warnings to the earlier handler."""
    _installed.enter_context(warnings.catch_warnings())
    logger = logging.getLogger("PIL")
    if not logger.handlers:  # otherwise Python prints Pillow's log records to standard error
        logger.addHandler(logging.NullHandler())
    warnings.filterwarnings("always", module=r"PIL\b")
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    show = warnings.showwarning

    def collect(message: Any, category: Any, filename: Any, lineno: Any, file: Any = None, line: Any = None) -> None:
        collected = _collected.get(threading.get_ident())
        if collected is None:
            show(message, category, filename, lineno, file, line)
        else:
            collected.append(str(message))

    warnings.showwarning = collect
