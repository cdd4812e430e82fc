"""The computed style sheet: colours, colour bars, and the positions of the map's cards.

All other styles are in ``static/app.css``, which takes its colours from here.  The page's Content-Security-Policy allows no
styles in the HTML, so this style sheet is served as a separate file.
"""

from __future__ import annotations

from ..diagram.labels import SIZES
from ..diagram.palette import DARK, LIGHT, custom_properties
from ..diagram.sheet import Diagram
from ..diagram.svg import number
from ..peek.colour import COLOURS
from .chart import card_id, sheet_size

WIDE = 760  # the narrowest window, in pixels, that shows the map as a sheet; app.css repeats this number

PHONE = 1.15  # the largest enlargement of a card on a phone, where cards are stacked


def style_sheet(diagram: Diagram) -> str:
    """The style sheet for the pages of one network."""
    return "\n".join([palettes(), *shades(), *ramps(), *letters(), places(diagram)])


def palettes() -> str:
    """The light palette, and the dark one if the reader or the system chose it."""
    light, dark = custom_properties(LIGHT), custom_properties(DARK)
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}"
    )


def shades() -> list[str]:
    """The fill of boxes by their share of the cost, if costs are switched on."""
    return [
        f".costs .s{k}>rect,rect.s{k}{{fill:var(--s{k})}}.costs .s{k}>text{{fill:var(--s{k}-ink)}}"
        for k in range(len(LIGHT.shades))
    ]


def ramps() -> list[str]:
    """Each colour map as a bar from low to high."""
    return [
        f".ramp-{name}{{background:linear-gradient(to right,{','.join('#' + stop for stop in stops.split())})}}"
        for name, stops in COLOURS.items()
    ]


def letters() -> list[str]:
    """The font sizes in drawings."""
    return [f"svg .{role}{{font-size:{size:g}px}}" for role, size in SIZES.items()]


def places(diagram: Diagram) -> str:
    """The position of each card on the sheet."""
    width, height = map(number, sheet_size(diagram))
    cards = "".join(
        f"#{card_id(placed.card.title)}{place(placed.x, placed.y - diagram.head, placed.card.width)}"
        for placed in diagram.cards
    )
    widest = "".join(f"#{card_id(p.card.title)}{{max-width:{number(PHONE * p.card.width)}px}}" for p in diagram.cards)
    x, y = diagram.legend_at
    legend = f".sheet .legend{place(x, y - diagram.head, diagram.legend.width)}"
    return f"{widest}@media(min-width:{WIDE}px){{.sheet{{width:{width}px;height:{height}px}}{cards}{legend}}}"


def place(x: float, y: float, width: float) -> str:
    """The declarations of left, top and width."""
    return f"{{left:{number(x)}px;top:{number(y)}px;width:{number(width)}px}}"
