"""The sample pictures that come with godeeper, and their filter index; ``README.md`` lists the source and licence of each picture."""

from __future__ import annotations

from pathlib import Path

NAME = "sample"
PICTURES = Path(__file__).parent / "pictures"
INDEX = Path(__file__).parent / "sample.index"
TOP = 6
"""Pictures for each filter in the index."""


def described(photos: int) -> str:
    """The pictures in words."""
    return f"the {photos} sample pictures that come with godeeper"
