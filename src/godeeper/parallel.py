"""Make independent calls in parallel, each with single-threaded matrix products.

Matrix libraries split every product over all cores and wait for the slowest core.  With many small products, or on a busy
computer, they mostly wait.  One thread for each call is faster, and gives the same bits on any number of cores.  The gain is
largest while a network computes, since idle BLAS threads busy-wait on the cores that the network needs.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, TypeVar

from .memory import release_to_os

Item = TypeVar("Item")
Result = TypeVar("Result")


WITH_LIBRARIES = ("numpy", "scipy.linalg", "torch")
"""Modules that load their own matrix library."""


def parallel_map(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """``work(item)`` for each item, in order; calls must not be nested."""
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        # Both are harmless: a head close to the optimum is good enough, and classes can have one or two photos.
        warnings.filterwarnings("ignore", "lbfgs failed to converge")
        warnings.filterwarnings("ignore", "The number of unique classes is greater")
        results = list(pool.map(work, items))
    release_to_os()  # each thread keeps the memory it freed, and the next step's arrays have other sizes
    return results


def on_one_thread() -> AbstractContextManager[Any]:
    """A context in which numpy's matrix products use one thread; entering it takes microseconds."""
    loaded = frozenset(name for name in WITH_LIBRARIES if name in sys.modules)
    limit: AbstractContextManager[Any] = matrix_libraries(loaded).limit(limits=1, user_api="blas")
    return limit


@cache
def matrix_libraries(loaded: frozenset[str]) -> Any:  # noqa: ARG001 (each of them may have loaded another library)
    """The matrix libraries of this process, cached by ``loaded``, the modules that may have loaded a library."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
