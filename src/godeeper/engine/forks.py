"""Makes engines safe after a ``fork``, which copies a process's memory but not its threads.

Without its threads, a session may hang when it runs.  It always hangs when it is destroyed, because it waits for the threads
to end.  A child process therefore never destroys inherited sessions (``outlive``), and its engines open new sessions.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from typing import Any
from weakref import WeakSet

from ..errors import OptionError

THREADED: WeakSet[Any] = WeakSet()
"""The objects of this process that own threads."""


def outlive(threaded: object) -> None:
    """Ensure that no child of this process destroys ``threaded``, an object that owns threads."""
    THREADED.add(threaded)
    in_each_child(keep_inherited)


def keep_inherited() -> None:
    """Leak a reference to each object in ``THREADED``; references in a list would be released when the child ends."""
    for each in list(THREADED):
        keep(each)


def keep(inherited: object) -> None:
    """Leak a reference to an object, so that this process never destroys it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


@cache
def in_each_child(work: Callable[[], None]) -> None:
    """Run ``work`` at the start of each child process forked from now on; has no effect on platforms without ``fork``."""
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=work)


def unusable(engine: str) -> OptionError:
    """The error for an engine that does not work in a forked process."""
    return OptionError(
        f"engine {engine} was in use when this process was forked, and does not work here: start processes with "
        "multiprocessing.get_context('spawn'), or use engine onnxruntime"
    )
