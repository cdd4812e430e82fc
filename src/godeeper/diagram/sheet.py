"""Lays out a network as a diagram: cards, and the links between them.

``diagram`` lays out a whole network on a sheet for a screen or an A3 print.  The photo's steps and the stem are in the
first column.  The modules are beside it, in one row per grid size; the classifier is at the end of the last row.
``module_diagram`` lays out a single card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from ..blueprint.cost import conv_macs
from ..blueprint.ops import Blueprint
from ..blueprint.parts import CLASSIFIER_KINDS, find_part, parts
from ..blueprint.sites import Site, sites
from .card import Card, Edge, Point, Style, make_card
from .labels import times
from .legend import Legend, make_legend

BORDER = 32
HEAD = 84  # the sheet's heading
GUTTER = 36  # between cards; links pass in its middle
ROW_GUTTER = 22
MODULE_BORDER = 6
MODULE_HEAD = 58
SPELLED = {"googlenet": "GoogLeNet"}


@dataclass(frozen=True)
class PlacedCard:
    """A card and the position of its upper left corner."""

    card: Card
    x: float
    y: float

    def point(self, point: Point) -> Point:
        """A point of the card in the sheet's coordinates."""
        return self.x + point[0], self.y + point[1]


@dataclass(frozen=True)
class Diagram:
    """A sheet with a heading of height ``head`` and a legend; ``links`` join each card to the next in program order."""

    network: str
    title: str
    summary: str
    width: float
    height: float
    head: float
    cards: tuple[PlacedCard, ...]
    links: tuple[Edge, ...]
    legend: Legend
    legend_at: Point


def diagram(blueprint: Blueprint, style: Style | None = None, notes: tuple[str, ...] = ()) -> Diagram:
    """The diagram of a whole network on one sheet."""
    style = style or Style()
    total, all_sites = conv_macs(blueprint), sites(blueprint)
    cards = [make_card(title, members, all_sites, total, style) for title, members in parts(blueprint).items()]
    legend = make_legend(total, notes)
    before = [card for card in cards if is_before_modules(card)]
    placed = column(before, BORDER, HEAD)
    left = BORDER + max(card.width for card in before) + GUTTER
    top, ends = float(HEAD), []
    for row in rows(cards[len(before) :]):
        placed += (line := list_row(row, left, top))
        ends.append(line[-1].x + line[-1].card.width)
        top += max(card.height for card in row) + ROW_GUTTER
    bottom = max(each.y + each.card.height for each in placed)
    legend_x = ends[0] + GUTTER  # the first row is the shortest
    return Diagram(
        network=blueprint.name,
        title=display_name(blueprint.name),
        summary=summary(blueprint),
        width=max([*ends, legend_x + legend.width]) + BORDER,
        height=bottom + BORDER - 10,
        head=HEAD,
        cards=tuple(placed),
        links=tuple(link(*pair) for pair in pairwise(placed)),
        legend=legend,
        legend_at=(legend_x, HEAD + 14),
    )


def module_diagram(blueprint: Blueprint, name: str, style: Style | None = None, notes: tuple[str, ...] = ()) -> Diagram:
    """The diagram of one module or other part, by any of its names; raises ``OptionError`` for an unknown name."""
    style = style or Style(names=True)
    members = find_part(blueprint, name)
    total, all_sites = conv_macs(blueprint), sites(blueprint)
    title = next(title for title, part in parts(blueprint).items() if part == members)
    card = make_card(title, members, all_sites, total, style)
    legend = make_legend(total, notes)
    width = max(card.width, legend.width)
    return Diagram(
        network=blueprint.name,
        title=f"{display_name(blueprint.name)}: {title}",
        summary=module_summary(members, all_sites),
        width=width + 2 * MODULE_BORDER,
        height=MODULE_HEAD + card.height + legend.height + MODULE_BORDER,
        head=MODULE_HEAD,
        cards=(PlacedCard(card, MODULE_BORDER + (width - card.width) / 2, MODULE_HEAD),),
        links=(),
        legend=legend,
        legend_at=(MODULE_BORDER, MODULE_HEAD + card.height),
    )


def is_before_modules(card: Card) -> bool:
    """Whether a card belongs in the first column of the sheet."""
    first = card.boxes[0].site
    return card.title in ("photo", "stem") and first.place.module is None


def rows(cards: Sequence[Card]) -> list[list[Card]]:
    """The cards in rows of equal grid size; cards without a grid are added to the last row."""
    grouped: list[list[Card]] = []
    for grid, group in groupby(cards, key=grid_of):
        if grid is None and grouped:
            grouped[-1] += group
        else:
            grouped.append(list(group))
    return grouped


def grid_of(card: Card) -> tuple[int, int] | None:
    """(H, W) of the output of a module, or of a pool between modules; None for the classifier."""
    last = card.boxes[-1].site
    return None if last.kind in CLASSIFIER_KINDS else last.shape[1:]


def column(cards: Sequence[Card], left: float, top: float) -> list[PlacedCard]:
    """The cards placed below each other."""
    placed = []
    for card in cards:
        placed.append(PlacedCard(card, left, top))
        top += card.height
    return placed


def list_row(cards: Sequence[Card], left: float, top: float) -> list[PlacedCard]:
    """The cards placed side by side."""
    placed = []
    for card in cards:
        placed.append(PlacedCard(card, left, top))
        left += card.width + GUTTER
    return placed


def link(first: PlacedCard, second: PlacedCard) -> Edge:
    """The link from one card to the next, which is below it, on its right, or at the start of the next row."""
    source, target = first.card.boxes[-1].site.index, second.card.boxes[0].site.index
    start, end = first.point(first.card.exit or (0, 0)), second.point(second.card.entry or (0, 0))
    if start[0] == end[0] and start[1] <= end[1]:
        return Edge(source, target, (start, end))
    if second.x > first.x:
        gutter = second.x - GUTTER / 2
        return Edge(source, target, (start, (gutter, start[1]), (gutter, end[1]), end))
    turn = second.y - ROW_GUTTER / 2
    return Edge(source, target, (start, (start[0], turn), (end[0], turn), end))


def display_name(name: str) -> str:
    """The name of a network for display: ``inception_v3`` -> ``Inception v3``."""
    return SPELLED.get(name) or name.replace("_", " ").capitalize()


def summary(blueprint: Blueprint) -> str:
    """One line with the numbers of operations and modules, the input size and the cost of a network."""
    all_sites = sites(blueprint)
    convolutions, pools = (sum(site.kind in kinds for site in all_sites) for kinds in (("conv",), ("pool", "average")))
    modules = len({site.place.module for site in all_sites} - {None})
    return (
        f"{convolutions} convolutions, {pools} pools, {modules} modules"
        f"\u00a0· input {blueprint.input_size}×{blueprint.input_size}×3"
        f"\u00a0· {conv_macs(blueprint) / 1e9:.3f} G multiply-adds in convolutions"
    )


def module_summary(members: Sequence[Site], all_sites: Sequence[Site]) -> str:
    """One line with the number of sites, the grid and the cost of a part."""
    macs = sum(site.macs for site in members if site.kind == "conv")
    total = sum(site.macs for site in all_sites if site.kind == "conv")
    ends = all_sites[max(members[0].index - 1, 0)], members[-1]
    grids = list(dict.fromkeys(times(site.shape[1:]) for site in ends if site.shape[1]))
    facts = [f"{len(members)} sites", f"grid {' to '.join(grids)}"]
    if macs:
        facts.append(f"{macs / 1e9:.3f} of {total / 1e9:.3f} G multiply-adds")
    return "\u00a0· ".join(facts)
