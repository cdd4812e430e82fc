"""Lays out one part of a network as boxes on a card: the photo's steps, the stem, a module or the classifier.

A card holds positions in pixels at natural size: branches side by side, steps below each other, and a bar where
branches are concatenated.  ``palette`` has the colours; ``svg`` and ``page`` render cards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..blueprint.sites import PHOTO_KINDS, Site
from .labels import LEADING, SIZES, Lines, Role, box_lines, lines_height, percent, shape_text, times

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]

MARGIN = 10  # between a card's frame and its boxes
STUB = 14  # length of the edges above and below the frame
HEADER = 46
GAP = 32  # between two rows of boxes; room for an edge, its label and arrowhead
TURN = 20  # distance below its source at which an edge turns sideways
FOOTER = 22
INSIDE = 272  # minimum width for boxes side by side
NARROWEST, WIDEST = 60, 184  # width of a column
WIDEST_BOX = 120
BETWEEN = 6  # between two boxes side by side
PADDING = 4  # in a box, above and below
UNPICTURED = frozenset({*PHOTO_KINDS, "reshape", "dense", "softmax"})
TILE = 14  # side of one filter's tile in a picture
PHOTO_TILES = 4  # side of the picture of the photo itself, in tiles


@dataclass(frozen=True)
class Style:
    """The appearance of cards.

    ``names``: whether boxes include the names of their sites.  ``picture_rows``: rows of tiles in a box, 0 for no
    pictures.  ``inside``: the minimum inner width of a card.
    """

    names: bool = False
    picture_rows: int = 0
    inside: float = INSIDE


@dataclass(frozen=True)
class Text:
    """A line of text with its baseline at ``y``."""

    x: float
    y: float
    text: str
    role: Role = "small"
    anchor: Anchor = "middle"


@dataclass(frozen=True)
class Frame:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class OperationBox:
    """The box of a site.

    ``share``: the site's share of the multiply-adds of all convolutions, None if it is not a convolution.
    ``picture``: the frame for a picture of the site's filters.  ``tiles``: the rows and columns of tiles in it.
    """

    site: Site
    frame: Frame
    texts: tuple[Text, ...]
    share: float | None = None
    picture: Frame | None = None
    tiles: tuple[int, int] = (0, 0)

    @property
    def middle(self) -> float:
        return self.frame.x + self.frame.width / 2

    @property
    def bottom(self) -> float:
        return self.frame.y + self.frame.height


@dataclass(frozen=True)
class Edge:
    """A line with right angles from one site to another, given by their indices; None is the border of the card."""

    source: int
    target: int | None
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Card:
    """A part of a network, drawn from (0, 0).

    ``entry`` and ``exit``: the points at which edges enter at the top and leave at the bottom.
    """

    title: str
    width: float
    height: float
    frame: Frame
    boxes: tuple[OperationBox, ...]
    edges: tuple[Edge, ...]
    texts: tuple[Text, ...]
    entry: Point | None
    exit: Point | None


def make_card(title: str, members: Sequence[Site], all_sites: Sequence[Site], total: int, style: Style) -> Card:
    """The card of ``members``, which are consecutive in program order.  ``total``: the multiply-adds of the network."""
    return CardBuilder(title, members, all_sites, total, style).card()


class CardBuilder:
    """Computes the positions on one card: first of the boxes, then of the edges."""

    def __init__(
        self, title: str, members: Sequence[Site], all_sites: Sequence[Site], total: int, style: Style
    ) -> None:
        self.title, self.members, self.every, self.total, self.style = title, members, all_sites, total, style
        self.own = {site.index for site in members}
        self.lanes = lanes(members)
        count = sum(width for _, width in self.lanes.values())
        self.column = max(NARROWEST, min(WIDEST, style.inside / count))
        self.width = self.column * count + 2 * MARGIN
        self.middle = self.width / 2
        self.is_fed = members[0].index > 0
        self.is_fed_on = members[-1].index < len(all_sites) - 1
        self.boxes: dict[int, OperationBox] = {}

    def card(self) -> Card:
        self.place_boxes()
        last = self.boxes[self.members[-1].index]
        bottom = last.bottom + FOOTER
        frame = Frame(0.5, STUB, self.width - 1, bottom - STUB)
        end = (last.middle, bottom + STUB)
        out = [Edge(last.site.index, None, ((last.middle, last.bottom), end))] if self.is_fed_on else []
        return Card(
            title=self.title,
            width=self.width,
            height=bottom + STUB,
            frame=frame,
            boxes=tuple(self.boxes[site.index] for site in self.members),
            edges=(*self.inner_edges(), *out),
            texts=(*self.header(), *self.labels()),
            entry=(self.middle, 0) if self.is_fed else None,
            exit=end if self.is_fed_on else None,
        )

    def place_boxes(self) -> None:
        """Place the boxes in rows from the top; a box is one row below the lowest of its inputs on this card."""
        rows: dict[int, list[Site]] = {}
        row_of: dict[int, int] = {}
        for site in self.members:
            row = 1 + max((row_of[source] for source in site.inputs if source in self.own), default=-1)
            row_of[site.index] = row
            rows.setdefault(row, []).append(site)
        top: float = STUB + HEADER + (GAP if self.is_fed else 0) + (TURN if self.names_branches else 0)
        for row in sorted(rows):
            for site in rows[row]:
                self.boxes[site.index] = self.box(site, top)
            top = max(self.boxes[site.index].bottom for site in rows[row]) + GAP

    @property
    def names_branches(self) -> bool:
        return self.style.names and len(self.lanes) > 1

    def box(self, site: Site, top: float) -> OperationBox:
        """The box of ``site`` with its top at ``top`` and centred content."""
        left, width = self.span(site)
        rows, columns = self.tiles(site, width)
        lines = box_lines(site, site.macs / self.total, site.address.rpartition("/")[2] if self.style.names else None)
        written = max(lines_height(lines), self.least_written(site))
        y, texts = top + PADDING + (written - lines_height(lines)) / 2, []
        for text, role in lines:
            y += SIZES[role] + LEADING
            texts.append(Text(left + width / 2, y - 2.5, text, role))
        end = top + PADDING + written
        picture = None
        if rows:
            picture = Frame(left + (width - columns * TILE) / 2, end + 2, columns * TILE, rows * TILE)
            end += rows * TILE + 2
        share = site.macs / self.total if site.kind == "conv" else None
        return OperationBox(
            site, Frame(left, top, width, end + PADDING - top), tuple(texts), share, picture, (rows, columns)
        )

    def least_written(self, site: Site) -> float:
        """The minimum height of the text in a box; it makes the boxes of pools and convolutions equally high."""
        named: Lines = [("", "small")] if self.style.names else []
        return lines_height([("", "kernel"), ("", "small"), *named] if site.kind in ("conv", "pool") else [])

    def span(self, site: Site) -> tuple[float, float]:
        """(left, width) of a site's box, which is in one column; a concatenation covers the columns of all its inputs."""
        first, count = self.lanes.get(site.place.path, (0, self.columns))
        left = MARGIN + first * self.column
        if site.kind == "concat":
            return left + BETWEEN / 2, count * self.column - BETWEEN
        if site.place.arm is not None:
            left, count = left + site.place.arm * self.column, 1
        width = min(self.column - BETWEEN, WIDEST_BOX)
        return left + (count * self.column - width) / 2, width

    @property
    def columns(self) -> int:
        return sum(width for _, width in self.lanes.values())

    def tiles(self, site: Site, width: float) -> tuple[int, int]:
        """(rows, columns) of tiles in the picture of a site; (0, 0) if it has none."""
        rows = self.style.picture_rows
        if rows and site.kind == "resize":
            return PHOTO_TILES, PHOTO_TILES
        if not rows or site.kind in UNPICTURED:
            return 0, 0
        if site.kind == "concat":
            rows = max(1, rows // 2)
        return rows, int((width - PADDING) // TILE)

    def inside(self, site: Site) -> str:
        """A site's address without the name of the module."""
        return site.address.removeprefix(f"{self.title}/")

    def inner_edges(self) -> list[Edge]:
        """The edges from the inputs of each site; edges from another card start at the top."""
        edges = []
        for box in self.boxes.values():
            for source in box.site.inputs:
                start = self.boxes.get(source)
                top = box.frame.y
                if start is None:
                    turn = STUB + HEADER + TURN
                    points = bent((self.middle, 0), (box.middle, top), turn)
                elif box.site.kind == "concat":
                    points = ((start.middle, start.bottom), (start.middle, top))
                else:
                    points = bent((start.middle, start.bottom), (box.middle, top), start.bottom + TURN)
                edges.append(Edge(source, box.site.index, points))
        return edges

    def header(self) -> list[Text]:
        """The name and cost on the left, and another name and the receptive field on the right; edges pass in the middle."""
        last = self.members[-1]
        cost = sum(site.macs for site in self.members if site.kind == "conv")
        other = other_name(last, self.title) if last.place.module is not None else None
        left, right, first, second = MARGIN, self.width - MARGIN, STUB + 20, STUB + 35
        texts = [Text(left, first, self.title, "title", "start")]
        if cost:
            texts.append(Text(left, second, f"{percent(cost / self.total)} of cost", "small", "start"))
        if other:
            texts.append(Text(right, first, other, "small", "end"))
        if not last.is_photo_step:
            texts.append(Text(right, second, f"sees {times(last.field.size)}", "small", "end"))
        return texts

    def labels(self) -> list[Text]:
        """The shape of each tensor, once below its source, and the names of the branches if they are shown."""
        texts = [Text(box.middle, box.bottom + 14, shape_text(box.site), "small") for box in self.boxes.values()]
        if not self.is_fed:
            return texts
        fed = next(source for site in self.members for source in site.inputs if source not in self.own)
        texts.append(Text(self.middle, STUB + HEADER + 12, shape_text(self.every[fed]), "small"))
        if self.names_branches:
            firsts = [box for box in self.boxes.values() if fed in box.site.inputs and "/" in self.inside(box.site)]
            texts += [
                Text(box.middle, box.frame.y - 16, self.inside(box.site).partition("/")[0], "small") for box in firsts
            ]
        return texts


def other_name(join: Site, title: str) -> str | None:
    """The first name of a module that differs from ``title``, such as ``Mixed_5b``."""
    names = [name.rpartition("/")[0] or name for name in join.names.as_dict().values() if name]
    return next((name for name in names if name != title), None)


def lanes(members: Sequence[Site]) -> dict[int | None, tuple[int, int]]:
    """Branch -> (first column, number of columns); a branch has one column, or one for each arm of its widest fork."""
    widths: dict[int | None, int] = {}
    for site in members:
        if site.place.path is not None or site.place.module is None:
            widths[site.place.path] = max(widths.get(site.place.path, 1), (site.place.arm or 0) + 1)
    firsts = [sum(list(widths.values())[:position]) for position in range(len(widths))]
    return {path: (first, width) for (path, width), first in zip(widths.items(), firsts, strict=True)}


def bent(start: Point, end: Point, turn: float) -> tuple[Point, ...]:
    """The points of a line from ``start`` down to the height ``turn``, sideways, and down to ``end``."""
    if start[0] == end[0]:
        return start, end
    return start, (start[0], turn), (end[0], turn), end
