"""The sample pictures that come with godeeper, and their filter index; ``README.md`` lists the source and licence of each picture."""

from __future__ import annotations

from pathlib import Path

NAME = "sample"
PICTURES = Path(__file__).parent / "pictures"
INDEX = Path(__file__).parent / "sample.index"
TOP = 6
"""The number of pictures for each filter in the index."""


def described(photos: int) -> str:
    """A phrase that names the sample pictures."""
    return f"the {photos} sample pictures that come with godeeper"
