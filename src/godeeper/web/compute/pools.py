"""Running a function in a thread pool from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Result = TypeVar("Result")


async def run_in(pool: ThreadPoolExecutor, task: Callable[[], Result]) -> Result:
    """Run ``task`` in a thread of ``pool`` and return its result."""
    context = copy_context()  # contains the path under which the page is mounted
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(task))
