"""Makes Ctrl-C raise ``KeyboardInterrupt``, but never during an import.

Many extension modules cannot handle an exception while they initialise: they end the process, or replace the exception
by another one.  Ctrl-C during an import therefore takes effect when the import is done.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

IMPORTS = "<frozen importlib._bootstrap>"
# Windows has no timer signal, so imports can be interrupted there.
RETRY_SIGNALS = (signal.SIGALRM,) if hasattr(signal, "setitimer") else ()
RETRY_SECONDS = 0.005  # seconds between checks whether the import is done


@contextmanager
def interruptible() -> Iterator[None]:
    """While the block runs, Ctrl-C raises ``KeyboardInterrupt``, unless the parent process set it to be ignored."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, *RETRY_SIGNALS)}
    try:
        yield
    finally:
        if RETRY_SIGNALS:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt(_: int, frame: FrameType | None) -> None:
    """Handle the signal: raise ``KeyboardInterrupt``, or try again later if an import is running."""
    if RETRY_SIGNALS and importing(frame):
        signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
    else:
        raise KeyboardInterrupt


def importing(frame: FrameType | None) -> bool:
    """Whether an import is running in a frame or its callers."""
    while frame and frame.f_code.co_filename != IMPORTS:
        frame = frame.f_back
    return frame is not None
