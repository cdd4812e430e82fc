"""The text in diagrams: in boxes and along edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..blueprint.ops import Conv, Pool
from ..blueprint.sites import Site

Role = Literal["heading", "title", "kernel", "small", "note"]

SIZES: dict[Role, float] = {"heading": 24, "title": 14, "kernel": 13, "small": 11.5, "note": 12}
"""Font size of each role."""

LEADING = 1.5  # between lines

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
"""Kind -> label of sites without a window; kinds that are not listed are their own label."""

Lines = list[tuple[str, Role]]


def box_lines(site: Site, share: float, name: str | None) -> Lines:
    """The lines in a site's box: window, ``name`` if given, and share of the cost."""
    if isinstance(site.op, Conv):
        named: Lines = [(name, "small")] if name else []
        return [(window(site.op), "kernel"), *named, (percent(share), "small")]
    if isinstance(site.op, Pool):
        return [(site.op.reduce, "small"), (f"pool {window(site.op)}", "small")]
    return [(TERMS.get(site.kind, site.kind), "small")]


def window(op: Conv | Pool) -> str:
    """``1×7``, height by width; ``3×3 /2`` for stride 2."""
    return times(op.kernel) + (f" /{op.stride}" if op.stride > 1 else "")


def shape_text(site: Site) -> str:
    """The shape of a site's output as an edge's label, channels last: ``35×35×64``."""
    channels, height, width = site.shape
    if site.kind == "jpeg":
        return "bytes"
    return times((height or "H", width or "W", channels))


def times(numbers: Sequence[int | str]) -> str:
    """Numbers joined by multiplication signs."""
    return "×".join(map(str, numbers))


def percent(share: float) -> str:
    """A share of the whole, to a tenth of a percent."""
    return f"{share:.1%}" if share >= 0.0005 else "<0.1%"


def lines_height(lines: Lines) -> float:
    """The total height of the lines."""
    return sum(SIZES[role] + LEADING for _, role in lines)
