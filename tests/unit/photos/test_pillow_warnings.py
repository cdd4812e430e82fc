"""Warnings during decoding become notes on the photo that caused them, in any number of threads."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from godeeper.photos.pillow_warnings import warnings_as_notes


def warn_like_pillow(text: str) -> None:
    warnings.warn_explicit(text, UserWarning, "TiffImagePlugin.py", 1, module="PIL.TiffImagePlugin")


def test_lines_are_noted_once() -> None:
    """The same warning twice gives one note of one line."""
    with warnings_as_notes() as notes:
        warn_like_pillow("corrupt\n EXIF")
        warn_like_pillow("corrupt\n EXIF")
    assert notes == ["corrupt EXIF"]


def test_threads_hear_their_own() -> None:
    """Concurrent threads each collect their own warnings, and the filters are restored."""
    before = (list(warnings.filters), warnings.showwarning)
    together = threading.Barrier(4)

    def work(number: int) -> list[str]:
        with warnings_as_notes() as notes:
            together.wait(10)
            warn_like_pillow(f"photo {number}")
            together.wait(10)
        return notes

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [[f"photo {number}"] for number in range(4)]
    assert (list(warnings.filters), warnings.showwarning) == before


def test_filters_come_back_after_an_error() -> None:
    """After an exception in the block, the filters are restored."""
    before = (list(warnings.filters), warnings.showwarning)
    with pytest.raises(KeyError), warnings_as_notes():
        raise KeyError
    assert (list(warnings.filters), warnings.showwarning) == before


def test_blocks_nest() -> None:
    """An inner block collects its own warnings, and the outer block collects the rest."""
    with warnings_as_notes() as outer:
        with warnings_as_notes() as inner:
            warn_like_pillow("inner")
        warn_like_pillow("outer")
    assert (outer, inner) == (["outer"], ["inner"])


def test_other_threads_are_left_alone() -> None:
    """In a thread that decodes nothing, warnings are not collected; in these tests they are errors."""

    def careless() -> None:
        warnings.warn("mine", UserWarning, stacklevel=1)

    with warnings_as_notes() as notes, ThreadPoolExecutor(1) as pool, pytest.raises(UserWarning, match="mine"):
        pool.submit(careless).result()
    assert notes == []
