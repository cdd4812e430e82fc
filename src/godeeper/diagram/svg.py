"""Renders a diagram as SVG with selectable text, colours for light and dark themes, and a link target for each box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..blueprint.ops import Conv, Pool
from ..escaping import escaped_html as escape
from ..version import GENERATOR
from .card import Card, Frame, OperationBox, Point, Text
from .labels import SIZES, times
from .legend import Legend
from .palette import DARK, LIGHT, Palette, shade_of
from .sheet import Diagram

FONTS = "'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
ARROW = 3.0, 6.0  # half of the width, length
ROUND = {"conv": 4, "concat": 2}
PILL = 11


@dataclass(frozen=True)
class Picture:
    """A small picture of a site's filters as a ``data:`` URI, and a note on its brightness scale."""

    uri: str
    note: str


Pictures = Mapping[int, Picture]
"""A site's index -> its picture."""


def svg(diagram: Diagram, pictures: Pictures | None = None, provenance: str = "") -> str:
    """The diagram as an SVG file; ``provenance`` is appended to its description."""
    width, height = number(diagram.width), number(diagram.height)
    cards = "".join(
        f'<g transform="translate({number(placed.x)} {number(placed.y)})">{draw_card(placed.card, pictures or {})}</g>\n'
        for placed in diagram.cards
    )
    x, y = map(number, diagram.legend_at)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="map-title map-description">
<!-- Generator: {GENERATOR} -->
<title id="map-title">{escape(diagram.title)}</title>
<desc id="map-description">{escape(f"{description(diagram)} {provenance}".strip())}</desc>
<style>{style_sheet()}</style>
<rect class="paper" width="100%" height="100%"/>
{draw_heading(diagram)}
{draw_links(diagram)}
{cards}<g transform="translate({x} {y})">{draw_legend(diagram.legend)}</g>
</svg>
"""


def description(diagram: Diagram) -> str:
    """The text that describes the diagram for screen readers."""
    names = ", ".join(placed.card.title for placed in diagram.cards)
    return f"{diagram.summary}. Drawn from the photo to the classifier: {names}. Each box is one site; its title lists the site's names."


def style_sheet() -> str:
    """The style sheet, with fonts and both palettes."""
    sizes = "".join(f".{role}{{font-size:{size:g}px}}" for role, size in SIZES.items())
    return (
        f"svg{{max-width:100%;height:auto}}text{{font-family:{FONTS};text-anchor:middle}}"
        f".start{{text-anchor:start}}.end{{text-anchor:end}}{sizes}.heading,.title,.kernel{{font-weight:600}}"
        ".line{fill:none;stroke-width:1.2;stroke-linejoin:round}.halo{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}"
        "a{text-decoration:none}a:focus{outline:none}"
        "a:hover rect,a:focus-visible rect{stroke-width:1.8}:target rect,.hit rect{stroke-width:2.5}"
        f"image{{image-rendering:pixelated}}{colours(LIGHT)}@media(prefers-color-scheme:dark){{{colours(DARK)}}}"
    )


def colours(palette: Palette) -> str:
    """The CSS rules of one palette."""
    p = palette
    shades = "".join(
        f".s{number} rect,rect.s{number}{{fill:{fill};stroke:{p.edge}}}.s{number} text{{fill:{ink}}}"
        for number, (fill, ink) in enumerate(p.shades)
    )
    return (
        f".paper{{fill:{p.paper}}}.card{{fill:{p.card};stroke:{p.rule}}}text{{fill:{p.ink}}}.faint{{fill:{p.faint}}}"
        f".line{{stroke:{p.edge}}}.head{{fill:{p.edge}}}.halo{{stroke:{p.card};fill:{p.faint}}}"
        f".pool rect,rect.pool{{fill:{p.card};stroke:{p.edge}}}.concat rect,rect.concat{{fill:{p.bar};stroke:{p.edge}}}{shades}"
        f"a:hover rect,a:focus-visible rect,:target rect,.hit rect{{stroke:{p.accent}}}"
    )


def draw_heading(diagram: Diagram) -> str:
    """The title and the summary."""
    left = diagram.legend_at[0] + 10 if len(diagram.cards) == 1 else diagram.cards[0].x
    top = 26 if len(diagram.cards) == 1 else 44
    title = Text(left, top, diagram.title, "title" if len(diagram.cards) == 1 else "heading", "start")
    return draw_text(title) + draw_text(Text(left, top + 20, diagram.summary, "note", "start"), "faint")


def draw_links(diagram: Diagram) -> str:
    """The lines between cards as one path."""
    return (
        f'<path class="line" d="{"".join(polyline(edge.points) for edge in diagram.links)}"/>' if diagram.links else ""
    )


def draw_card(card: Card, pictures: Pictures) -> str:
    """A card, drawn from (0, 0)."""
    lines = "".join(polyline(edge.points) for edge in card.edges)
    heads = "".join(arrow(edge.points[-1]) for edge in card.edges if edge.target is not None)
    texts = "".join(draw_text(text, text_class(text)) for text in card.texts)
    boxes = "\n".join(draw_box(box, pictures.get(box.site.index)) for box in card.boxes)
    identity = f' id="{escape(card.title)}"' if all(card.title != box.site.address for box in card.boxes) else ""
    return (
        f'<g{identity}>{rect(card.frame, 8, "card")}</g><path class="line" d="{lines}"/><path class="head" d="{heads}"/>\n'
        f"{boxes}\n{texts}"
    )


def text_class(text: Text) -> str:
    """The CSS class of a text; labels on edges get a halo."""
    if text.role != "small":
        return ""
    return "halo" if text.anchor == "middle" else "faint"


def draw_box(box: OperationBox, picture: Picture | None) -> str:
    """The box of a site, which links to itself and lists all names and numbers in its title."""
    address = escape(box.site.address)
    kind = f"s{shade_of(box.share)}" if box.share is not None else "concat" if box.site.kind == "concat" else "pool"
    image = ""
    if picture and box.picture:
        f = box.picture
        image = f'<image x="{number(f.x)}" y="{number(f.y)}" width="{number(f.width)}" height="{number(f.height)}" href="{picture.uri}"/>'
    texts = "".join(draw_text(text) for text in box.texts)
    shape = rect(box.frame, ROUND.get(box.site.kind, PILL))
    title = "\n".join(map(escape, [*facts(box), *([picture.note] if picture else [])]))
    return f'<g id="{address}" class="{kind}"><a href="#{address}"><title>{title}</title>{shape}{texts}{image}</a></g>'


def facts(box: OperationBox) -> list[str]:
    """The lines of a box's title."""
    site = box.site
    names = [f"{convention}: {name}" for convention, name in site.names.as_dict().items() if name]
    shape = "unknown until decoded" if not site.shape[1] else times((*site.shape[1:], site.shape[0]))
    lines = [site.address, *names, operation(box), f"output (height × width × channels): {shape}"]
    if site.macs:
        share = f", {box.share:.2%} of all convolutions" if box.share is not None else ""
        lines.append(f"{site.macs:,} multiply-adds{share}")
    return [*lines, f"receptive field: {times(site.field.size)} pixels of the input"]


def operation(box: OperationBox) -> str:
    """The operation of a site, in words."""
    op = box.site.op
    if isinstance(op, Conv):
        second = "batch normalisation" if op.normalise else "bias"
        return f"convolution {times(op.kernel)}, stride {op.stride}, {op.filters} filters, then {second} and ReLU"
    if isinstance(op, Pool):
        return f"{op.reduce} pool {times(op.kernel)}, stride {op.stride}"
    return " ".join(text.text for text in box.texts)


def draw_legend(legend: Legend) -> str:
    """The legend, drawn from (0, 0)."""
    swatches = "".join(
        rect(swatch.frame, ROUND["concat"], f"s{swatch.shade}")
        if isinstance(swatch.shade, int)
        else rect(swatch.frame, ROUND.get(swatch.shade, 8), swatch.shade)
        for swatch in legend.swatches
    )
    return swatches + "".join(draw_text(text, "" if text.role == "note" else "faint") for text in legend.texts)


def draw_text(text: Text, extra: str = "") -> str:
    """A line of text with the CSS classes of its role and anchor, and the classes ``extra``."""
    anchor = "" if text.anchor == "middle" else text.anchor
    classes = " ".join(filter(None, (text.role, anchor, extra)))
    return f'<text x="{number(text.x)}" y="{number(text.y)}" class="{classes}">{escape(text.text)}</text>'


def rect(frame: Frame, radius: float, kind: str = "") -> str:
    """A rectangle with rounded corners and the CSS class ``kind``."""
    named = f' class="{kind}"' if kind else ""
    x, y, width, height = map(number, (frame.x, frame.y, frame.width, frame.height))
    return f'<rect{named} x="{x}" y="{y}" width="{width}" height="{height}" rx="{number(radius)}"/>'


def polyline(points: Sequence[Point]) -> str:
    """A path through ``points``."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def arrow(tip: Point) -> str:
    """An arrowhead pointing down."""
    half, length = ARROW
    x, y = tip
    return f"M{number(x)} {number(y)}l{number(-half)} {number(-length)}h{number(2 * half)}z"


def number(value: float) -> str:
    """A number with at most two decimals; from 1e5, rounded to an integer."""
    return f"{round(value, 2):g}" if abs(value) < 1e5 else str(round(value))
