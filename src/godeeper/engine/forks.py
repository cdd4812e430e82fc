"""Makes engines safe after a ``fork``: a child process has its parent's memory, but none of its threads.

A session without its threads may hang when it computes, and always hangs when it is destroyed, since it waits for them.
So a child never destroys inherited sessions (``outlive``), and its engines open their own.
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
"""The objects in use that own threads."""


def outlive(threaded: object) -> None:
    """Never destroy ``threaded``, an object with threads, in a child of this process."""
    THREADED.add(threaded)
    in_each_child(keep_inherited)


def keep_inherited() -> None:
    """Leak a reference to each of ``THREADED``; a list of them would be freed when the child ends."""
    for each in list(THREADED):
        keep(each)


def keep(inherited: object) -> None:
    """Never destroy an object in this process."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


@cache
def in_each_child(work: Callable[[], None]) -> None:
    """Run ``work`` at the start of each process that is forked from now on; does nothing on platforms without ``fork``."""
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=work)


def unusable(engine: str) -> OptionError:
    """The error for an engine that cannot be used in a forked process."""
    return OptionError(
        f"engine {engine} was in use when this process was forked, and does not work here: start processes with "
        "multiprocessing.get_context('spawn'), or use engine onnxruntime"
    )
