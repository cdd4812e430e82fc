"""What Pillow warns of while a photo is decoded, as notes of that photo, also when threads decode several at once.

Python keeps one list of warning filters for all threads: were each thread to replace and restore it, the
notes of one photo would land at another, and the last to leave might restore what another had put there.
So the first to come installs one listener for all, which knows the threads apart, and the last takes it away.
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
_heard: dict[int, list[str]] = {}  # by thread, those inside of a block
_installed = ExitStack()


@contextmanager
def warnings_as_notes() -> Iterator[list[str]]:
    """Collects what Pillow warns of in this thread while the block runs, one line each, no line twice.

    Not its warning of large photos: it comes at half of the size that is refused, and photos of 100
    megapixels are real.
    """
    thread = threading.get_ident()
    notes: list[str] = []
    with _lock:
        if not _heard:
            _install()
        outer = _heard.get(thread)
        heard: list[str] = []
        _heard[thread] = heard
    try:
        yield notes
    finally:
        with _lock:
            if outer is None:
                del _heard[thread]
            else:
                _heard[thread] = outer
            if not _heard:
                _installed.close()
        notes += dict.fromkeys(" ".join(line.split()) for line in heard)


def _install() -> None:
    """Pillow's warnings go to the notes of the thread they come from, all others where they went before."""
    _installed.enter_context(warnings.catch_warnings())
    logger = logging.getLogger("PIL")
    if not logger.handlers:  # or Python prints what Pillow logs, where nobody asked for logs
        logger.addHandler(logging.NullHandler())
    warnings.filterwarnings("always", module=r"PIL\b")
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    show = warnings.showwarning

    def hear(message: Any, category: Any, filename: Any, lineno: Any, file: Any = None, line: Any = None) -> None:
        heard = _heard.get(threading.get_ident())
        if heard is None:
            show(message, category, filename, lineno, file, line)
        else:
            heard.append(str(message))

    warnings.showwarning = hear
