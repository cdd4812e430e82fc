"""The two signatures of progress callbacks."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with the number of items done and the total, or 0 if the total is unknown."""

StepProgress = Callable[[str, int, int], None]
"""Like ``Progress``, for work in several steps; the first argument is the name of the step."""


def step_progress(progress: StepProgress | None, step: str) -> Progress | None:
    """A callback for one step of ``progress``; None if there is no ``progress``."""
    return (lambda done, total: progress(step, done, total)) if progress else None
