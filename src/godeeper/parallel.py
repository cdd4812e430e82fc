"""Independent pieces of arithmetic side by side, each on one thread.

Matrix libraries split every product over all cores and wait for the slowest; with many small products, or a
busy computer, waiting is most of it.  One thread a piece is faster, and gives the same bits on any number of cores.
Beside a network it is much faster: those who wait do so by turning in circles, on the core that the network needs.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, TypeVar

from .memory import release_to_os

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """``work(item)`` for each item, in their order; calls are not to be nested."""
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.filterwarnings("ignore", "lbfgs failed to converge")  # a little short of the best is no less a head
        warnings.filterwarnings(
            "ignore", "The number of unique classes is greater"
        )  # a photo or two of each is allowed
        answers = list(pool.map(work, items))
    release_to_os()  # each thread keeps what it was done with, and the next step's arrays are of other sizes
    return answers


def on_one_thread() -> AbstractContextManager[Any]:
    """While it is open, numpy's matrix products use one thread; microseconds to open."""
    limit: AbstractContextManager[Any] = matrix_libraries().limit(limits=1, user_api="blas")
    return limit


@cache
def matrix_libraries() -> Any:
    """Those that numpy has loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
