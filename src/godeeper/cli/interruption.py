"""Ctrl-C at any moment: ``KeyboardInterrupt``, but never amid an import.

Many extension modules do not outlive an exception in their own start: they end the process, or turn the exception into
another one.  So an interruption that arrives then is put off until the import is done.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

IMPORTS = "<frozen importlib._bootstrap>"
AGAIN = (signal.SIGALRM,) if hasattr(signal, "setitimer") else ()  # Windows interrupts imports, too
LATER = 0.005  # seconds until another look whether the import is done


@contextmanager
def interruptible() -> Iterator[None]:
    """While it is open, Ctrl-C raises ``KeyboardInterrupt``, unless whoever started the program has it ignored."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, *AGAIN)}
    try:
        yield
    finally:
        if AGAIN:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt(_: int, frame: FrameType | None) -> None:
    """The signals' handler."""
    if AGAIN and importing(frame):
        signal.setitimer(signal.ITIMER_REAL, LATER)
    else:
        raise KeyboardInterrupt


def importing(frame: FrameType | None) -> bool:
    """Whether an import has not ended yet, seen from a frame."""
    while frame and frame.f_code.co_filename != IMPORTS:
        frame = frame.f_back
    return frame is not None
