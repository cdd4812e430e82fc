"""The network's map as SVG: one card per part, with a link and space for a thumbnail in each box.

``diagram`` computes the layout.  The SVG contains no styles, so that style sheets and scripts can move the cards.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote

from ..blueprint.ops import Blueprint
from ..diagram.card import Card, OperationBox, Style, Text
from ..diagram.labels import times
from ..diagram.palette import shade_of
from ..diagram.sheet import Diagram, diagram
from ..diagram.svg import (
    ROUND,
    arrow,
    draw_legend,
    draw_links,
    draw_text,
    facts,
    number,
    operation,
    polyline,
    rect,
    text_class,
)
from ..escaping import escaped_html as escape
from ..peek.thumbnails import NOTES
from .http.root import at

STYLE = Style(picture_rows=3, inside=496)
PILL = 11
COST = " of cost"


@dataclass(frozen=True)
class ChartPart:
    """A card of the map.  ``identity``: its HTML id; ``other``: its name in another convention; ``drawing``: SVG."""

    identity: str
    title: str
    other: str
    drawing: str


@dataclass(frozen=True)
class Chart:
    """The map: the parts in program order, the lines between them, and the legend.  ``notes`` explain the thumbnails."""

    parts: tuple[ChartPart, ...]
    links: str
    legend: str
    notes: str


def layout(network: Blueprint) -> Diagram:
    """The diagram of ``network``, with space for thumbnails."""
    return diagram(network, STYLE, NOTES)


def draw(sheet: Diagram, photo: str, ready: Collection[str], linked: Collection[str]) -> Chart:
    """The map of one photo.

    Args:
        sheet: the result of ``layout``.
        photo: the photo's id.
        ready: addresses whose thumbnails are ready; a script loads the others later.
        linked: addresses that have a page.
    """
    parts = tuple(
        ChartPart(
            card_id(placed.card.title),
            placed.card.title,
            other_title(placed.card),
            draw_part(placed.card, photo, ready, linked),
        )
        for placed in sheet.cards
    )
    width, height = map(number, sheet_size(sheet))
    links = (
        f'<svg class="links" aria-hidden="true" viewBox="0 0 {width} {height}">'
        f'<g transform="translate(0 {number(-sheet.head)})">{draw_links(sheet)}</g></svg>'
    )
    legend = sheet.legend
    drawn = (
        f'<svg class="legend" role="group" aria-label="legend" viewBox="0 0 {number(legend.width)} {number(legend.height)}">'
        f"{draw_legend(legend)}</svg>"
    )
    return Chart(parts, links, drawn, " ".join(NOTES))


def sheet_size(sheet: Diagram) -> tuple[float, float]:
    """(width, height) without the heading, which the page shows as text."""
    return sheet.width, sheet.height - sheet.head


def card_id(title: str) -> str:
    """The HTML id of a card, such as ``card-mixed_4``; characters that are not allowed in it become ``-``."""
    return "card-" + "".join(letter if letter.isalnum() or letter == "_" else "-" for letter in title)


def other_title(card: Card) -> str:
    """The module's name in the first other convention that names it differently; empty if none does."""
    return next((text.text for text in card.texts if text.anchor == "end" and not text.text.startswith("sees ")), "")


def draw_part(card: Card, photo: str, ready: Collection[str], linked: Collection[str]) -> str:
    """A card as a separate SVG."""
    lines = "".join(polyline(edge.points) for edge in card.edges)
    heads = "".join(arrow(edge.points[-1]) for edge in card.edges if edge.target is not None)
    texts = "".join(draw_text(text, header_class(text)) for text in card.texts)
    boxes = "\n".join(draw_box(box, photo, ready, linked) for box in card.boxes)
    return (
        f'<svg class="part" role="group" id="{card_id(card.title)}" aria-label="{escape(card.title)}" tabindex="-1" '
        f'viewBox="0 0 {number(card.width)} {number(card.height)}">{rect(card.frame, 8, "card")}'
        f'<path class="line" d="{lines}"/><path class="head" d="{heads}"/>\n{texts}\n{boxes}</svg>'
    )


def header_class(text: Text) -> str:
    """The CSS classes of a text on a card."""
    return f"{text_class(text)} cost" if text.text.endswith(COST) else text_class(text)


def draw_box(box: OperationBox, photo: str, ready: Collection[str], linked: Collection[str]) -> str:
    """A box: a link to the site's page, with its facts as the tooltip, and its thumbnail."""
    address = box.site.address
    kind = (
        f"conv s{shade_of(box.share)}" if box.share is not None else "concat" if box.site.kind == "concat" else "pool"
    )
    shape = rect(box.frame, ROUND.get(box.site.kind, PILL))
    inside = f"<title>{chr(10).join(map(escape, facts(box)))}</title>{shape}{box_texts(box)}{image(box, photo, ready)}"
    if address not in linked:
        return f'<g class="box {kind}">{inside}</g>'
    label = escape(f"{address}: {operation(box)}, {box.site.shape[0]} filters of {times(box.site.shape[1:])}")
    return (
        f'<a class="box {kind}" href="{escape(at(f"/photo/{photo}/tensor/{quote(address)}"))}" data-address="{escape(address)}" '
        f'aria-label="{label}">{inside}</a>'
    )


def box_texts(box: OperationBox) -> str:
    """The texts in a box; a convolution shows either its share of the cost or its name."""
    if box.share is None:
        return "".join(draw_text(text) for text in box.texts)
    *others, share = box.texts
    name = Text(share.x, share.y, box.site.address.rpartition("/")[2], share.role)
    return "".join(draw_text(text) for text in others) + draw_text(share, "cost") + draw_text(name, "name")


def image(box: OperationBox, photo: str, ready: Collection[str]) -> str:
    """The space for a thumbnail, with its URL, which a script loads once it is ready."""
    if not box.picture:
        return ""
    f, (rows, columns) = box.picture, box.tiles
    source = escape(at(f"/photo/{photo}/thumbnail/{quote(box.site.address)}.png?rows={rows}&columns={columns}"))
    place = f'x="{number(f.x)}" y="{number(f.y)}" width="{number(f.width)}" height="{number(f.height)}"'
    loaded = f' href="{source}"' if box.site.address in ready else ""
    return f'<rect class="hole" {place}/><image {place} data-href="{source}"{loaded}/>'
