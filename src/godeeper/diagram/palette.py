"""The colours of diagrams for light and dark themes, and the shades for cost.

A box also states its cost as a number, so colour is never the only cue.  All text has a contrast of at least 4.5 : 1 to
its background (WCAG 2.2, success criterion 1.4.3); a test checks this.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

STEPS = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08)
"""The boundaries between shades, as shares of the cost of all convolutions; each is twice the previous one."""


@dataclass(frozen=True)
class Palette:
    """One set of colours.  ``shades``: (fill, text colour) from the lowest cost to the highest."""

    paper: str
    card: str
    rule: str
    ink: str
    faint: str
    edge: str
    bar: str
    accent: str
    shades: tuple[tuple[str, str], ...]


LIGHT = Palette(
    paper="#f7f7f4",
    card="#ffffff",
    rule="#dcdcd5",
    ink="#1d2125",
    faint="#5a6067",
    edge="#82888f",
    bar="#ecece6",
    accent="#c2410c",
    shades=(
        ("#f1f6f9", "#1d2125"),
        ("#dcebf3", "#1d2125"),
        ("#bfdaea", "#1d2125"),
        ("#94c1dc", "#1d2125"),
        ("#66a3c9", "#11161a"),
        ("#23648f", "#ffffff"),
        ("#0c3a5d", "#ffffff"),
    ),
)

DARK = Palette(
    paper="#121417",
    card="#1a1d21",
    rule="#31363c",
    ink="#e9e9e4",
    faint="#a2a7ae",
    edge="#717880",
    bar="#2a2e33",
    accent="#fb923c",
    shades=(
        ("#1d2830", "#e9e9e4"),
        ("#213843", "#e9e9e4"),
        ("#264b5b", "#e9e9e4"),
        ("#2c6075", "#f4f4f0"),
        ("#5aa3bd", "#0d1114"),
        ("#8ccbde", "#0d1114"),
        ("#c8eaf4", "#0d1114"),
    ),
)


def custom_properties(palette: Palette) -> str:
    """A palette as CSS custom properties: ``--paper``, …, and ``--s0`` and ``--s0-ink`` for the first shade."""
    names = ("paper", "card", "rule", "ink", "faint", "edge", "bar", "accent")
    plain = "".join(f"--{name}:{getattr(palette, name)};" for name in names)
    return plain + "".join(f"--s{k}:{fill};--s{k}-ink:{ink};" for k, (fill, ink) in enumerate(palette.shades))


def shade_of(share: float) -> int:
    """The number of the shade of a convolution with this ``share`` of the cost."""
    return bisect_right(STEPS, share)
