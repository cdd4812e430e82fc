"""Draw a mosaic as a picture: tiles zoomed by a whole number, a heading, and a legend with the exact scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ..errors import OptionError
from ..png import encode_png
from .colour import default_colour, table
from .layout import FAINT, INK, LARGE, MARGIN, PAPER, SMALL, Column, Line, font
from .mosaic import Mosaic, Range

if TYPE_CHECKING:
    from ..blueprint.address import Tensor
    from .peek import Peek

QUICK = 2  # zlib level; it takes a third less time than level 4, which makes only small pictures smaller
DEAD = (204, 104, 94)
CROSS = (122, 58, 52)

STRIP = 11  # height of the line above a tile that holds its number
NUMBER_WIDTH = 26  # the narrowest tile with room for a four-digit number above it
NARROWEST = 640
USUAL_SIDE = 1100
LONGEST_ADDRESS = 80
LARGEST_SIDE = 30_000


@dataclass(frozen=True)
class View:
    """How a peek is drawn.  A field that is None has a default that depends on the mosaic.

    ``scale`` and ``rows``: see ``Peek.mosaic``.  ``zoom``: pixels of the picture per value along each side.
    ``colour``: the colour map.  ``gutter``: pixels between tiles.  ``numbers``: whether each filter's number is above
    its tile.  ``frame``: whether to draw a heading and a legend; by default True, except for ``scale="blog"``.  The
    legend is always in the PNG's text chunks.

    Raises:
        OptionError: ``zoom`` or ``gutter`` is too small.
    """

    scale: str = "shared"
    rows: int | None = None
    zoom: int | None = None
    colour: str | None = None
    gutter: int | None = None
    numbers: bool = False
    frame: bool | None = None

    @property
    def is_bare(self) -> bool:
        return self.scale == "blog" if self.frame is None else not self.frame

    def fitted(self, mosaic: Mosaic) -> View:
        """The view with all defaults chosen for ``mosaic``; raises ``OptionError`` or ``UnknownName`` for invalid fields."""
        bare = self.is_bare
        gutter = self.gutter if self.gutter is not None else (0 if self.scale == "blog" else 2)
        zoom = self.zoom or (1 if bare and not self.numbers else usual_zoom(mosaic, gutter, numbers=self.numbers))
        if self.numbers and mosaic.tile[1] * zoom + gutter < NUMBER_WIDTH:
            least = math.ceil((NUMBER_WIDTH - gutter) / mosaic.tile[1])
            raise OptionError(
                f"zoom {zoom} is too small to number tiles {mosaic.tile[1]} pixels wide: expected at least {least}"
            )
        colour = self.colour or default_colour(self.scale)
        table(colour)
        return replace(self, zoom=zoom, gutter=gutter, colour=colour, frame=not bare)

    def __post_init__(self) -> None:
        for what, value, least in (("zoom", self.zoom, 1), ("gutter", self.gutter, 0)):
            if value is not None and value < least:
                raise OptionError(f"{what} {value}: expected {least} or more")


def usual_zoom(mosaic: Mosaic, gutter: int, *, numbers: bool) -> int:
    """The zoom at which the longer side is near ``USUAL_SIDE``, or a larger one if the ``numbers`` need the width."""
    zoom = max(1, round(USUAL_SIDE / max(mosaic.shape)))
    return max(zoom, math.ceil((NUMBER_WIDTH - gutter) / mosaic.tile[1])) if numbers else zoom


def png(peek: Peek, view: View) -> bytes:
    """The picture as a PNG, with its provenance in text chunks."""
    mosaic = peek.mosaic(view.scale, view.rows)
    view = view.fitted(mosaic)
    drawing = {
        "godeeper:scale": view.scale,
        "godeeper:legend": mosaic.legend,
        "godeeper:tiles": f"{mosaic.rows} rows, {mosaic.columns} columns of {mosaic.tile[0]}x{mosaic.tile[1]}, zoom {view.zoom}, gutter {view.gutter}",
        "godeeper:colour": str(view.colour),
    }
    return encode_png(compose(peek, mosaic, view), peek.provenance() | drawing, QUICK)


def draw(peek: Peek, view: View) -> Image.Image:
    """The picture as an RGB image."""
    mosaic = peek.mosaic(view.scale, view.rows)
    return compose(peek, mosaic, view.fitted(mosaic))


def compose(peek: Peek, mosaic: Mosaic, view: View) -> Image.Image:
    """The tiles, with a heading and a legend around them if ``view`` has a frame."""
    tiles = paint_tiles(mosaic, view)
    if view.numbers:
        write_numbers(tiles, peek.tensor.filters, mosaic, view)
    if not view.frame:
        return tiles
    cross_out(tiles, peek, mosaic, view)
    width = max(tiles.width, NARROWEST)
    heading, footing = heading_lines(peek), footing_lines(peek, mosaic)
    top = Column(width).lines(heading)
    bottom = Column(width).bar(*ends(mosaic.range), str(view.colour)).lines(footing)
    image = Image.new(
        "RGB", (width + 2 * MARGIN, top.height + tiles.height + bottom.height + 3 * MARGIN + MARGIN // 2), PAPER
    )
    image.paste(top.image(), (MARGIN, MARGIN))
    image.paste(tiles, (MARGIN, MARGIN + top.height + MARGIN // 2))
    image.paste(bottom.image(), (MARGIN, MARGIN + top.height + MARGIN // 2 + tiles.height + MARGIN))
    return image


def paint_tiles(mosaic: Mosaic, view: View) -> Image.Image:
    """The tiles in colour, with gutters and room for numbers; raises ``OptionError`` if the picture would be too large."""
    zoom, gutter, strip = steps(view)
    (height, width), rows, columns = mosaic.tile, mosaic.rows, mosaic.columns
    tall, wide = height * zoom + gutter + strip, width * zoom + gutter
    if max(rows * tall, columns * wide) > LARGEST_SIDE:
        raise OptionError(
            f"the picture would be {columns * wide} x {rows * tall} pixels: expected at most {LARGEST_SIDE} pixels per side; use a smaller zoom"
        )
    size = columns * wide - gutter, rows * tall - gutter
    enlarged = (columns * width * zoom, rows * height * zoom)
    zoomed = np.asarray(Image.fromarray(mosaic.pixels).resize(enlarged, Image.Resampling.NEAREST))
    levels, inside = np.zeros((2, rows, tall, columns, wide), np.uint8)
    window = np.s_[:, strip : strip + height * zoom, :, : width * zoom]
    levels[window] = zoomed.reshape(rows, height * zoom, columns, width * zoom)
    inside[window] = 255
    for spare in range(mosaic.filters, rows * columns):
        inside[spare // columns, :, spare % columns] = 0
    tiles, mask = (
        Image.fromarray(layer.reshape(rows * tall, columns * wide)).crop((0, 0, *size)) for layer in (levels, inside)
    )
    tiles.putpalette(table(str(view.colour)).tobytes())  # Pillow looks the colours up when it pastes
    image = Image.new("RGB", size, PAPER)
    image.paste(tiles, mask=mask)
    return image


def steps(view: View) -> tuple[int, int, int]:
    """(zoom, gutter, height of the strip for numbers) in pixels."""
    return view.zoom or 1, view.gutter or 0, STRIP if view.numbers else 0


def tile_corner(position: int, mosaic: Mosaic, view: View) -> tuple[int, int]:
    """(left, top) of the tile at ``position``, below its strip."""
    zoom, gutter, strip = steps(view)
    row, column = divmod(position, mosaic.columns)
    return column * (mosaic.tile[1] * zoom + gutter), row * (mosaic.tile[0] * zoom + gutter + strip) + strip


def write_numbers(tiles: Image.Image, filters: tuple[int, ...], mosaic: Mosaic, view: View) -> None:
    """Draw each filter's number in the strip above its tile."""
    pen = ImageDraw.Draw(tiles)
    for position, number in enumerate(filters):
        left, top = tile_corner(position, mosaic, view)
        pen.text((left + 1, top - STRIP), str(number), FAINT, font(STRIP - 1))


def cross_out(tiles: Image.Image, peek: Peek, mosaic: Mosaic, view: View) -> None:
    """Draw a cross over each constant tile, including those of dead filters."""
    pen = ImageDraw.Draw(tiles)
    zoom = view.zoom or 1
    constant = set(peek.constant)
    for position, number in enumerate(peek.tensor.filters):
        if number in constant:
            left, top = tile_corner(position, mosaic, view)
            right, bottom = left + mosaic.tile[1] * zoom - 1, top + mosaic.tile[0] * zoom - 1
            pen.line((left, top, right, bottom), CROSS)
            pen.line((left, bottom, right, top), CROSS)


def heading_lines(peek: Peek) -> list[Line]:
    """The heading: names, shape, cost and receptive field of the tensor."""
    tensor = peek.tensor
    count, height, width = peek.activations.shape[1:]
    names = [name for name in tensor.names.as_dict().values() if name and name != tensor.name]
    facts = [
        f"{count} filter{'s' * (count > 1)} of {height} x {width}" + (f", {tensor.stage}" if tensor.stage else ""),
        field_text(peek),
        f"computing it takes {peek.macs_share:.1%} of the whole network",
    ]
    return [
        Line(heading_address(tensor), LARGE, INK),
        Line("   ".join(names), SMALL, FAINT),
        *([Line(peek.remark, SMALL, FAINT)] if peek.remark else []),
        Line(" · ".join(facts), SMALL, FAINT),
    ]


def field_text(peek: Peek) -> str:
    """The text on the size of a cell's receptive field."""
    height, width = peek.tensor.field.size
    return f"receptive field of a cell: {height} x {width} input pixels"


def footing_lines(peek: Peek, mosaic: Mosaic) -> list[Line]:
    """The footer: the legend, the crossed-out filters, and the provenance."""
    lines = [Line(mosaic.legend, SMALL, INK)]
    constant = [number for number in peek.constant if number not in peek.dead]
    for numbers, what in ((peek.dead, "zero all over this photo"), (constant, "the same value all over this photo")):
        if numbers:
            listed = ", ".join(map(str, numbers[:24])) + (", …" if len(numbers) > 24 else "")
            lines.append(
                Line(f"crossed out: {len(numbers)} of {mosaic.filters} filters, {what} ({listed})", SMALL, DEAD)
            )
    photo = peek.photo if peek.photo.isascii() else f"photo {peek.photo_sha256[:12]}"  # the font has only Latin letters
    lines.append(Line(f"{photo} · weights {peek.weights} · {peek.preprocessing}", SMALL, FAINT))
    return lines


def ends(measured: Range) -> tuple[str, str]:
    """The labels at both ends of the colour bar."""
    if not measured.is_shared:
        return "minimum of each filter", "its maximum"
    return f"{measured.low:.4g}", f"{measured.high:.4g}"


def heading_address(tensor: Tensor) -> str:
    """A tensor's address, shortened if it lists many channels."""
    if len(tensor.address) <= LONGEST_ADDRESS:
        return tensor.address
    shown, every = len(tensor.filters), tensor.site.shape[0]
    return f"{tensor.name}, {f'all {every} channels in another order' if shown == every else f'{shown} of {every} channels'}"
