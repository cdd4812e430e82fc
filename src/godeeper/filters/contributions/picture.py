"""Draws contributions as one picture: the photo, the filter's map, and the maps of the greatest terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ...errors import OptionError
from ...peek.colour import table
from ...peek.geometry import field_box, square
from ...peek.layout import FAINT, GAP, INK, LARGE, PANEL_GAP, SMALL, Column, Line, beside, font, stack
from ...png import encode_png
from ...version import __version__
from ...wording import count_of
from .record import DRAWN, Contributions, Term

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rectangle = tuple[float, float, float, float]

TILE = 196  # side of a term's map in pixels
LARGE_TILE = 300  # side of the photo and of the filter's own map
ACROSS = 5
MOST_DRAWN = 100
CELLS_HEIGHT = 84  # height of the picture of a window's cells in pixels
WIDTH = ACROSS * TILE + (ACROSS - 1) * PANEL_GAP
SIGNED = "blue-orange"  # its middle, zero, is black
FOR, AGAINST, CELL, FIELD = (255, 170, 60), (80, 170, 255), (255, 255, 255), (150, 152, 158)
LONGEST_NAME = TILE - 4  # pixels, without the ellipsis of a shortened name


def png(found: Contributions, top: int = DRAWN) -> bytes:
    """The picture as a PNG, with its provenance in text chunks. ``top``: the number of positive terms and of negative terms."""
    return encode_png(draw(found, top), provenance(found, top))


def draw(found: Contributions, top: int = DRAWN) -> Image.Image:
    """The picture as an RGB image; raises ``OptionError`` for more than ``MOST_DRAWN`` terms."""
    check_drawn(top)
    positive, negative = found.greatest(top)
    limit = max((float(np.abs(term.cells).max()) for term in (*positive, *negative)), default=0.0)
    rows = [Column(WIDTH).lines(heading(found)).image(), overview(found)]
    for title, terms in (
        (side_title(found, "for", positive), positive),
        (side_title(found, "against", negative), negative),
    ):
        rows.append(Column(WIDTH).lines([Line(title, SMALL, INK)]).image())
        if terms:
            rows.append(beside([panel(found, term, limit) for term in terms], WIDTH))
    return stack([*rows, footing(found, top, limit)])


def check_drawn(top: int) -> None:
    """Raise ``OptionError`` unless a picture can show ``top`` positive terms and ``top`` negative terms."""
    if not 1 <= top <= MOST_DRAWN:
        raise OptionError(f"top {top}: a picture shows 1 to {MOST_DRAWN} terms for the value, and as many against it")


def overview(found: Contributions) -> Image.Image:
    """The photo with the cell, the filter's map, and the sum as text."""
    panels = []
    cell = found.cell.row, found.cell.column
    if found.image is not None:
        photo = found.image.resize((LARGE_TILE, LARGE_TILE), Image.Resampling.LANCZOS)
        scale, field = LARGE_TILE / found.image.width, found.tensor.field
        for box, ink in ((field_box(field, *cell), FIELD), (square(field, *cell), CELL)):
            outline(photo, (box.left * scale, box.top * scale, box.right * scale, box.bottom * scale), ink)
        panels.append(captioned(photo, [Line("the photo as the network reads it", SMALL, FAINT)]))
    if found.plane is not None:
        reach = float(np.abs(found.plane).max())
        picture = signed(found.plane, reach, LARGE_TILE)
        outline(picture, on_picture((*cell, cell[0] + 1, cell[1] + 1), found.plane.shape, picture), CELL)
        panels.append(
            captioned(picture, [Line(f"the filter before its ReLU, {-reach:.3g} to {reach:.3g}", SMALL, FAINT)])
        )
    width = WIDTH - sum(each.width + PANEL_GAP for each in panels)
    return beside([*panels, Column(width).lines(account(found)).image()], WIDTH)


def heading(found: Contributions) -> list[Line]:
    """The heading: the filter's names, the cell, and a sentence about the picture."""
    names = [name for name in found.tensor.names.as_dict().values() if name and name != found.tensor.name]
    rows, columns = found.tensor.shape[1:]
    return [
        Line(f"What feeds {found.tensor.address}", LARGE, INK),
        Line("   ".join(names), SMALL, FAINT),
        Line(
            f"its value before the ReLU at row {found.cell.row}, column {found.cell.column} of {rows} x {columns}, "
            f"as a sum over earlier filters; {count_of(found.depth, 'convolution')} back",
            SMALL,
            FAINT,
        ),
    ]


def account(found: Contributions) -> list[Line]:
    """The sum, and the listeners to which this filter contributes most."""
    positive, negative = found.greatest(None)
    lines = [
        Line(f"{found.value:+.4g}  value{', inactive' if found.is_inactive else ''}", LARGE, INK),
        Line(f"{found.own_bias:+.4g}  bias of the filter", SMALL, INK),
        *([Line(f"{found.inner_bias:+.4g}  biases of the filters between", SMALL, INK)] if found.depth > 1 else []),
        Line(f"{sum(term.value for term in positive):+.4g}  {count_of(len(positive), 'term')} for", SMALL, FOR),
        Line(f"{sum(term.value for term in negative):+.4g}  {count_of(len(negative), 'term')} against", SMALL, AGAINST),
    ]
    if found.is_silent:
        lines += [Line(" ", SMALL, INK), Line("Silent on this photo: later filters get nothing", SMALL, INK)]
    elif found.listeners:
        lines += [Line(" ", SMALL, INK), Line("It feeds most, on this photo", SMALL, INK)]
        lines += [Line(f"{each.value:+.3g}  {each.tensor.address}", SMALL, FAINT) for each in found.listeners[:5]]
    return lines


def side_title(found: Contributions, side: str, terms: tuple[Term, ...]) -> str:
    """The heading above the positive or the negative terms."""
    if not terms:
        return f"No term is {side} it"
    share = sum(found.share(term) for term in terms)
    return f"The greatest {side} it: {share:.0%} of the magnitudes of all terms"


def panel(found: Contributions, term: Term, limit: float) -> Image.Image:
    """The map of one term with the window that is read; below it, the contributions of the window's cells if it has several."""
    plane = found.maps[term.site.index][term.channel]
    low, high = min(float(plane.min()), 0.0), float(plane.max())
    picture = grey(plane, low, high)
    outline(picture, on_picture(term.window, plane.shape, picture), FOR if term.value >= 0 else AGAINST)
    lines = [
        Line(f"{term.value:+.3g}   {found.share(term):.1%}", SMALL, INK),
        Line(shortened(term.label), SMALL, INK),
        Line("" if term.origin == term.tensor else f"in {shortened(term.tensor.address)}", SMALL, FAINT),
        Line(f"map {low:.3g} to {high:.3g}", SMALL, FAINT),
    ]
    parts = [captioned(picture, [line for line in lines if line.text])]
    if term.cells.size > 1:
        parts.append(signed(term.cells, limit, TILE, CELLS_HEIGHT))
    return stack(parts, margin=0, gap=4)


def shortened(name: str) -> str:
    """A name that fits under a map; the beginning of a long name is cut off."""
    start = next(start for start in range(len(name)) if font(SMALL).getlength(name[start:]) <= LONGEST_NAME)
    return f"…{name[start:]}" if start else name


def captioned(picture: Image.Image, lines: list[Line]) -> Image.Image:
    """A picture with lines of text below it."""
    return stack([picture, Column(picture.width).lines(lines).image()], margin=0, gap=GAP // 2)


def grey(plane: NDArray[np.float32], low: float, high: float) -> Image.Image:
    """A map (H, W) from ``low``, black, to ``high``, white."""
    levels = np.rint((plane - low) / ((high - low) or 1.0) * 255).astype(np.uint8)
    return enlarged(Image.fromarray(levels).convert("RGB"), TILE, TILE)


def signed(
    values: NDArray[np.float32] | NDArray[np.float64], limit: float, width: int, height: int = 10_000
) -> Image.Image:
    """Values (H, W) in the colours of a signed scale from -``limit`` to ``limit``."""
    levels = np.rint(127.5 + 127.5 * np.clip(values / (limit or 1.0), -1, 1)).astype(np.uint8)
    return enlarged(Image.fromarray(table(SIGNED)[levels]), width, height)


def enlarged(image: Image.Image, width: int, height: int) -> Image.Image:
    """Resize an image to fit into ``width`` x ``height``, without smoothing."""
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.NEAREST)


def on_picture(window: tuple[int, int, int, int], grid: tuple[int, ...], picture: Image.Image) -> Rectangle:
    """Convert cells (top, left, bottom, right) of a map of ``grid`` cells to pixels (left, top, right, bottom) of its picture."""
    top, left, bottom, right = window
    across, down = picture.width / grid[1], picture.height / grid[0]
    return left * across, top * down, right * across, bottom * down


def outline(picture: Image.Image, box: Rectangle, ink: tuple[int, int, int]) -> None:
    """Draw a frame just outside ``box``, but inside the picture."""
    left, top = max(round(box[0]) - 2, 0), max(round(box[1]) - 2, 0)
    right, bottom = min(round(box[2]) + 1, picture.width - 1), min(round(box[3]) + 1, picture.height - 1)
    ImageDraw.Draw(picture).rectangle((left, top, right, bottom), outline=ink, width=2)


def legend(found: Contributions) -> str:
    """The sentence that explains the numbers and frames."""
    between = (
        ""
        if found.depth == 1
        else (
            f" Filters between are replaced by their own sums where their ReLU is active on this photo, {found.depth} convolutions back."
        )
    )
    return (
        "Number: what the filter adds to the value, and its share of the magnitudes of all terms. Map: the earlier filter on this "
        "photo, each on its own scale, black to white. Frame: the window that is read, orange for and blue against. "
        f"On the photo: the cell (white) and its receptive field (grey). Inactive: the ReLU returns zero.{between}"
    )


def footing(found: Contributions, top: int, limit: float) -> Image.Image:
    """The footer: the colour scale of the cells if a window has several cells, the legend, the notes, and the provenance."""
    column = Column(WIDTH)
    if any(term.cells.size > 1 for term in found.kept(top)):
        text = "Below a map: what each cell of its window adds, on this scale."
        column.bar(f"{-limit:.3g}", f"{limit:.3g}", SIGNED).lines([Line(text, SMALL, INK)])
    name = found.origin.photo or ""
    photo = name if name.isascii() else f"photo {(found.origin.photo_sha256 or '')[:12]}"  # the font is Latin
    lines = [
        Line(legend(found), SMALL, INK),
        *(Line(f"Note: {note}.", SMALL, INK) for note in found.notes),
        Line(f"{photo} · weights {found.weights} · {found.preprocessing}", SMALL, FAINT),
    ]
    return column.lines(lines).image()


def provenance(found: Contributions, top: int) -> dict[str, str]:
    """The PNG's text chunks."""
    return {
        "Software": f"godeeper {__version__}",
        "godeeper:address": found.tensor.address,
        "godeeper:cell": f"{found.cell.row},{found.cell.column}",
        "godeeper:depth": str(found.depth),
        "godeeper:sum": f"{found.value:.6g} = {found.bias:.6g} + {sum(term.value for term in found.terms):.6g}",
        "godeeper:terms": "; ".join(f"{term.tensor.address} {term.value:.6g}" for term in found.kept(top)),
        "godeeper:legend": legend(found),
        **found.origin.png_chunks(),
    }
