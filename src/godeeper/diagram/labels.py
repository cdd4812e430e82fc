"""What is written on diagrams: in boxes, along edges, and how wide that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..blueprint.ops import Conv, Pool
from ..blueprint.sites import Site

Role = Literal["heading", "title", "kernel", "small", "note"]

SIZES: dict[Role, float] = {"heading": 24, "title": 14, "kernel": 13, "small": 11.5, "note": 12}
"""Height of letters in each role."""

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
"""What is written in the boxes of sites without a window; the others bear their kind."""

Lines = list[tuple[str, Role]]


def box_lines(site: Site, share: float, name: str | None) -> Lines:
    """What is written in a site's box: window and share, its ``name`` between them if there is one."""
    if isinstance(site.op, Conv):
        named: Lines = [(name, "small")] if name else []
        return [(window(site.op), "kernel"), *named, (percent(share), "small")]
    if isinstance(site.op, Pool):
        return [(site.op.reduce, "small"), (f"pool {window(site.op)}", "small")]
    return [(TERMS.get(site.kind, site.kind), "small")]


def window(op: Conv | Pool) -> str:
    """``1×7``, height by width; ``3×3 /2`` where the stride is 2."""
    return times(op.kernel) + (f" /{op.stride}" if op.stride > 1 else "")


def shape_text(site: Site) -> str:
    """What a site puts out as an edge's label, channels last: ``35×35×64``."""
    channels, height, width = site.shape
    if site.kind == "jpeg":
        return "bytes"
    return times((height or "H", width or "W", channels))


def times(numbers: Sequence[int | str]) -> str:
    """Numbers with a multiplication sign between them."""
    return "×".join(map(str, numbers))


def percent(share: float) -> str:
    """A share of the whole, to a tenth of a percent."""
    return f"{share:.1%}" if share >= 0.0005 else "<0.1%"


def lines_height(lines: Lines) -> float:
    """Height of lines under each other."""
    return sum(SIZES[role] + LEADING for _, role in lines)


NARROW, WIDE = frozenset(" .,:;'|/ijltfrI()-"), frozenset("mwMW%@<")


def text_width(text: str, role: Role) -> float:
    """How wide a text is at most, in the fonts it may be drawn with: an estimate, letter by letter."""
    ems = sum(0.36 if letter in NARROW else 0.92 if letter in WIDE else 0.6 for letter in text)
    return ems * SIZES[role]
