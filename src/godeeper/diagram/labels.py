"""The text in the boxes and along the edges of diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..blueprint.ops import Conv, Pool
from ..blueprint.sites import Site

Role = Literal["heading", "title", "kernel", "small", "note"]

SIZES: dict[Role, float] = {"heading": 24, "title": 14, "kernel": 13, "small": 11.5, "note": 12}
"""Font size of each role."""

LEADING = 1.5  # space between lines

TERMS = {
    "jpeg": "file",
    "decode": "decode",
    "cast": "to floats",
    "expand": "to a batch",
    "resize": "resize",
    "subtract": "subtract",
    "multiply": "multiply",
    "norm": "normalise",
    "concat": "concatenate",
    "average": "global average",
    "reshape": "flatten",
    "dense": "fully connected",
}
"""Kind -> label of a site without a window; a kind that is not listed is its own label."""

Lines = list[tuple[str, Role]]
"""Lines of text, each with its role."""


def box_lines(site: Site, share: float, name: str | None) -> Lines:
    """The lines in a site's box: for a convolution its window, ``name`` if given, and ``share`` of the cost."""
    if isinstance(site.op, Conv):
        named: Lines = [(name, "small")] if name else []
        return [(window(site.op), "kernel"), *named, (percent(share), "small")]
    if isinstance(site.op, Pool):
        return [(site.op.reduce, "small"), (f"pool {window(site.op)}", "small")]
    return [(TERMS.get(site.kind, site.kind), "small")]


def window(op: Conv | Pool) -> str:
    """The size of a window as height × width, and its stride unless that is 1: ``1×7``, ``3×3 /2``."""
    return times(op.kernel) + (f" /{op.stride}" if op.stride > 1 else "")


def shape_text(site: Site) -> str:
    """The label of the edge below a site: the shape of its output, channels last, such as ``35×35×64``."""
    channels, height, width = site.shape
    if site.kind == "jpeg":
        return "bytes"
    return times((height or "H", width or "W", channels))


def times(numbers: Sequence[int | str]) -> str:
    """Numbers joined by multiplication signs."""
    return "×".join(map(str, numbers))


def percent(share: float) -> str:
    """A share as a percentage with one decimal, or ``<0.1%``."""
    return f"{share:.1%}" if share >= 0.0005 else "<0.1%"


def lines_height(lines: Lines) -> float:
    """The total height of the lines."""
    return sum(SIZES[role] + LEADING for _, role in lines)
