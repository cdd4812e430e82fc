"""Engines after a ``fork``: a child process has the memory of its parent, and none of its threads.

A session whose threads are gone may hang when it computes, and always when it is destroyed, since it waits for them.  So a child
never destroys what it inherited: ``outlive`` sees to that, and the engines open sessions of their own there.
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
"""What has threads of its own, as long as it is in use."""


def outlive(threaded: object) -> None:
    """Have ``threaded``, which has threads of its own, never destroyed in a child of this process."""
    THREADED.add(threaded)
    in_each_child(keep_inherited)


def keep_inherited() -> None:
    """A reference that is never given back to each of ``THREADED``; a list would be emptied when the child ends."""
    for each in list(THREADED):
        keep(each)


def keep(inherited: object) -> None:
    """Never destroy an object in this process."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


@cache
def in_each_child(work: Callable[[], None]) -> None:
    """Do ``work`` first in every process that is forked from now on; nothing where there is no ``fork``."""
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=work)


def unusable(engine: str) -> OptionError:
    """The error for an engine that cannot be used in a forked process."""
    return OptionError(
        f"engine {engine} was in use when this process was forked, and cannot compute here: start processes with "
        "multiprocessing.get_context('spawn'), or use engine onnxruntime"
    )
