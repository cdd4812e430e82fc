"""The diagram of a network: what it shows, where, and in which colours."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import pytest

from godeeper.blueprint.cost import conv_macs
from godeeper.blueprint.dialects import DIALECTS, in_dialect
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.blueprint.networks import blueprint_named
from godeeper.blueprint.ops import Blueprint
from godeeper.blueprint.parts import find_part, parts
from godeeper.blueprint.sites import sites
from godeeper.diagram.card import Card, Edge, Frame, Point, Style, Text
from godeeper.diagram.labels import SIZES, Role
from godeeper.diagram.page import page
from godeeper.diagram.palette import DARK, LIGHT, STEPS, Palette, shade_of
from godeeper.diagram.sheet import Diagram, diagram, module_diagram
from godeeper.diagram.svg import svg
from godeeper.errors import OptionError

Write = Callable[[Diagram], str]
SVG = "{http://www.w3.org/2000/svg}"
TITLES = list(parts(INCEPTION_V3))
STYLES = [Style(), Style(names=True), Style(picture_rows=2), Style(names=True, picture_rows=4)]

every = pytest.mark.parametrize(
    "drawn",
    [diagram(INCEPTION_V3, style) for style in STYLES]
    + [module_diagram(INCEPTION_V3, title, style) for title in TITLES for style in STYLES],
    ids=lambda drawn: f"{drawn.title}-{drawn.height:.0f}",
)


def parsed(text: str) -> ElementTree.Element:
    """Return the root element of SVG or HTML text that godeeper wrote."""
    return ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))  # noqa: S314 (we wrote it)


def boxes_on_sheet(drawn: Diagram) -> list[tuple[str, Frame]]:
    """Return address and frame of every box, in the sheet's coordinates."""
    return [
        (box.site.address, moved(box.frame, (placed.x, placed.y)))
        for placed in drawn.cards
        for box in placed.card.boxes
    ]


def moved(frame: Frame, by: Point) -> Frame:
    return replace(frame, x=frame.x + by[0], y=frame.y + by[1])


def overlap(first: Frame, second: Frame) -> bool:
    return (
        first.x < second.x + second.width
        and second.x < first.x + first.width
        and first.y < second.y + second.height
        and second.y < first.y + first.height
    )


NARROW, WIDE = frozenset(" .,:;'|/ijltfrI()-"), frozenset("mwMW%@<")


def text_width(text: str, role: Role) -> float:
    """Return an upper bound on the width of a text: the sum of its letters' greatest widths in any of the fonts."""
    ems = sum(0.36 if letter in NARROW else 0.92 if letter in WIDE else 0.6 for letter in text)
    return ems * SIZES[role]


def extent(text: Text) -> tuple[float, float]:
    """Return the left and right ends of a text, from its estimated width."""
    width = text_width(text.text, text.role)
    left = text.x - {"start": 0, "middle": width / 2, "end": width}[text.anchor]
    return left, left + width


def segments(edge: Edge, by: Point = (0, 0)) -> Iterator[Frame]:
    """Yield the straight pieces of an edge as rectangles of zero width."""
    for (x1, y1), (x2, y2) in zip(edge.points, edge.points[1:], strict=False):
        yield Frame(min(x1, x2) + by[0], min(y1, y2) + by[1], abs(x1 - x2), abs(y1 - y2))


def contrast(first: str, second: str) -> float:
    """Return WCAG's contrast ratio of two colours."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_site_once() -> None:
    """Every site of the network has one box, in program order."""
    drawn = [address for address, _ in boxes_on_sheet(diagram(INCEPTION_V3))]
    assert drawn == [site.address for site in sites(INCEPTION_V3)]


@every
def test_boxes_do_not_overlap(drawn: Diagram) -> None:
    """No box overlaps another box or the legend."""
    legend = Frame(*drawn.legend_at, drawn.legend.width, drawn.legend.height)
    frames = [frame for _, frame in boxes_on_sheet(drawn)] + [legend]
    assert [pair for pair in combinations(frames, 2) if overlap(*pair)] == []


@every
def test_boxes_lie_on_their_card(drawn: Diagram) -> None:
    """A card's frame contains its boxes, and the sheet contains the card."""
    for placed in drawn.cards:
        card, frame = placed.card, placed.card.frame
        for box in card.boxes:
            assert frame.x <= box.frame.x
            assert box.frame.x + box.frame.width <= frame.x + frame.width
            assert frame.y <= box.frame.y
            assert box.bottom <= frame.y + frame.height
        assert 0 <= placed.x <= drawn.width - card.width
        assert drawn.head <= placed.y <= drawn.height - card.height


@every
def test_edges_cross_no_box(drawn: Diagram) -> None:
    """Edges and links touch boxes only at their borders."""
    frames = [frame for _, frame in boxes_on_sheet(drawn)]
    lines = [
        line for placed in drawn.cards for edge in placed.card.edges for line in segments(edge, (placed.x, placed.y))
    ]
    lines += [line for edge in drawn.links for line in segments(edge)]
    assert [line for line in lines if any(overlap(line, frame) for frame in frames)] == []


def test_an_edge_for_each_input() -> None:
    """The edges between boxes are exactly the inputs of the sites."""
    cards = [placed.card for placed in diagram(INCEPTION_V3).cards]
    drawn = sorted((edge.source, edge.target) for card in cards for edge in card.edges if edge.target is not None)
    assert drawn == sorted((source, site.index) for site in sites(INCEPTION_V3) for source in site.inputs)


@every
def test_text_fits_its_box(drawn: Diagram) -> None:
    """No text in a box is wider than the box, by its estimated width."""
    for placed in drawn.cards:
        for box in placed.card.boxes:
            for text in box.texts:
                left, right = extent(text)
                assert box.frame.x <= left, text
                assert right <= box.frame.x + box.frame.width, text
                assert box.frame.y < text.y < box.bottom, text


@every
def test_labels_do_not_touch(drawn: Diagram) -> None:
    """Labels at the same height do not overlap, and stay on the card."""
    for card in (placed.card for placed in drawn.cards):
        for first, second in combinations(sorted(card.texts, key=lambda text: (text.y, text.x)), 2):
            if abs(first.y - second.y) < 6:
                assert extent(first)[1] < extent(second)[0], (card.title, first.text, second.text)
        assert all(extent(text)[0] >= 0 and extent(text)[1] <= card.width for text in card.texts)


@every
def test_legend_fits(drawn: Diagram) -> None:
    """No line of the legend is wider than the legend."""
    assert all(extent(text)[1] <= drawn.legend.width for text in drawn.legend.texts)


def test_shares_sum_to_one() -> None:
    """The boxes' shares of the cost sum to one."""
    shares = [box.share for placed in diagram(INCEPTION_V3).cards for box in placed.card.boxes]
    assert sum(share for share in shares if share is not None) == pytest.approx(1)


def test_shade_is_of_the_share() -> None:
    """A box has the shade that the legend gives for the box's share of the cost."""
    total = conv_macs(INCEPTION_V3)
    tree = parsed(svg(diagram(INCEPTION_V3)))
    classes = {group.get("id"): group.get("class") for group in tree.iter(f"{SVG}g") if group.get("id")}
    for site in sites(INCEPTION_V3):
        if site.kind == "conv":
            assert classes[site.address] == f"s{sum(site.macs / total >= step for step in STEPS)}"


def test_pools_say_what_they_are() -> None:
    """The pool in mixed/tower_2 is an average pool.  Only in the 2015 dialect, the last module's pool is a max pool."""
    found = {name: pool_lines(in_dialect(INCEPTION_V3, name)) for name in DIALECTS}
    assert all(lines["mixed/tower_2/pool"] == ["average", "pool 3×3"] for lines in found.values())
    assert all(lines["mixed_3/pool"] == ["max", "pool 3×3 /2"] for lines in found.values())
    assert {name: lines["mixed_10/tower_2/pool"][0] for name, lines in found.items()} == {
        "2015": "max",
        "torchvision": "average",
        "slim": "average",
        "keras": "average",
    }


def pool_lines(blueprint: Blueprint) -> dict[str, list[str]]:
    """Return address -> the text in the box, for every pool."""
    cards = [placed.card for placed in diagram(blueprint).cards]
    boxes = [box for card in cards for box in card.boxes if box.site.kind == "pool"]
    return {box.site.address: [text.text for text in box.texts] for box in boxes}


@pytest.mark.parametrize("write", [svg, page])
def test_well_formed_and_self_contained(write: Write) -> None:
    """Both formats are well-formed XML and contain no outside address."""
    text = write(diagram(INCEPTION_V3))
    parsed(text)
    assert set(re.findall(r"\w+://[^\"' <]*", text)) <= {"http://www.w3.org/2000/svg"}
    assert set(re.findall(r"(?:src|href)=\"(.)", text)) == {"#"}


@pytest.mark.parametrize("write", [svg, page])
def test_every_address_is_a_target(write: Write) -> None:
    """Each id is used once, the address of each site is an id, and each box links to its site's address."""
    text = write(diagram(INCEPTION_V3))
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    addresses = {site.address for site in sites(INCEPTION_V3)}
    assert addresses <= set(ids)
    assert set(re.findall(r'href="#([^"]*)"', text)) == addresses


def test_titles_give_names_shape_cost_and_field() -> None:
    """A box's title contains the four names, the shape, the cost and the receptive field."""
    tree = parsed(svg(diagram(INCEPTION_V3)))
    box = next(group for group in tree.iter(f"{SVG}g") if group.get("id") == "mixed/tower_2/conv")
    title = box.findtext(f"{SVG}a/{SVG}title") or ""
    site = next(site for site in sites(INCEPTION_V3) if site.address == "mixed/tower_2/conv")
    for part in (*site.names.as_dict().values(), "35×35×32", f"{site.macs:,} multiply-adds", "47×47 pixels"):
        assert str(part) in title


def test_accessible() -> None:
    """The picture has the role of an image, a title and a description."""
    root = parsed(svg(diagram(INCEPTION_V3)))
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Inception v3"
    assert "94 convolutions, 14 pools, 11 modules" in (root.findtext(f"{SVG}desc") or "")


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(palette: Palette) -> None:
    """Every text colour has a contrast of at least 4.5 : 1 on all its backgrounds."""
    p = palette
    pairs = [*p.shades, *((ground, ink) for ground in (p.paper, p.card) for ink in (p.ink, p.faint)), (p.bar, p.ink)]
    assert [(pair, contrast(*pair)) for pair in pairs if contrast(*pair) < 4.5] == []
    assert all(contrast(p.edge, ground) >= 3 for ground in (p.paper, p.card))


@pytest.mark.parametrize(("share", "shade"), [(0, 0), (0.0024, 0), (0.0025, 1), (0.0799, 5), (0.08, 6), (1, 6)])
def test_shades_double(share: float, shade: int) -> None:
    """Each shade starts at its lower limit, and each limit is twice the previous one."""
    assert shade_of(share) == shade


@pytest.mark.parametrize("name", ["mixed_7", "mixed_7/join:0", "Mixed_6e", "mixed7", "keras:mixed7", "slim:Mixed_6e"])
def test_a_module_by_any_name(name: str) -> None:
    """A module is found by its name in any convention."""
    assert find_part(INCEPTION_V3, name)[-1].address == "mixed_7/join"


@pytest.mark.parametrize("name", ["mixed_77", "conv", "", "Mixed_9z", "mixed_*", "slim:mixed_7", "x" * 5000])
def test_an_unknown_module(name: str) -> None:
    """An unknown module raises a one-line error that suggests existing modules."""
    with pytest.raises(OptionError, match=r"^no module is called .*mixed[^\n]*$"):
        find_part(INCEPTION_V3, name)


def test_a_module_fits_a_phone() -> None:
    """No module's drawing is wider than 400 pixels at natural size."""
    assert all(module_diagram(INCEPTION_V3, title).width <= 400 for title in TITLES)


def test_cards_fit_a_phone() -> None:
    """No card of the whole map is wider than a phone's 390 pixels at natural size."""
    cards: list[Card] = [placed.card for placed in diagram(INCEPTION_V3).cards]
    assert all(card.width <= 390 for card in cards)


def test_nothing_heavy() -> None:
    """Drawing imports nothing beyond Python's standard library."""
    script = (
        "import sys; from godeeper.blueprint import inception_v3; from godeeper.diagram import page, sheet;"
        "page.page(sheet.diagram(inception_v3.INCEPTION_V3));"
        "sys.exit(bool({'numpy', 'PIL', 'onnx', 'onnxruntime', 'torch'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "dialect", "second"),
    [("googlenet", "bvlc", "bias"), ("googlenet", "torchvision", "batch normalisation")],
)
def test_titles_of_convolutions(name: str, dialect: str, second: str) -> None:
    """The title of a convolution states whether it has a bias or batch normalisation."""
    drawn = svg(diagram(in_dialect(blueprint_named(name), dialect)))
    assert f"convolution 7×7, stride 2, 64 filters, then {second} and ReLU" in drawn
    assert drawn.count(" filters, then ") == drawn.count(f" filters, then {second} and ReLU")
