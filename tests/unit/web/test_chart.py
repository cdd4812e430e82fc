"""The map's links and style, and the rules that the Content-Security-Policy imposes on templates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from godeeper.blueprint.googlenet import GOOGLENET
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.diagram.palette import DARK, LIGHT
from godeeper.peek.colour import COLOURS
from godeeper.web.chart import card_id, draw, layout
from godeeper.web.offline import script
from godeeper.web.style import style_sheet

if TYPE_CHECKING:
    from tests.unit.web.client import Client

    from godeeper.blueprint.ops import Blueprint

WEB = Path(__file__).parents[3] / "src" / "godeeper" / "web"
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
SCRIPTS = sorted((WEB / "static").glob("*.js"))


def test_every_box_leads_to_a_page(client: Client) -> None:
    """Each viewable tensor has a link, and each link works."""
    targets = re.findall(r'<a class="box[^>]*href="([^"]+)"', client.get("/photo/demo").text)
    assert len(targets) == len(set(targets)) > 120
    for target in targets[:: len(targets) // 8]:
        assert client.get(target).status == 200


@pytest.mark.parametrize("network", [INCEPTION_V3, GOOGLENET], ids=lambda network: network.name)
def test_only_what_is_ready_has_its_picture_at_once(network: Blueprint) -> None:
    """Only pictures that are ready are loaded with the page; the script loads the other pictures later."""
    sheet = layout(network)
    address = next(box.site.address for placed in sheet.cards for box in placed.card.boxes if box.site.kind == "conv")
    drawn = "".join(part.drawing for part in draw(sheet, "demo", {address}, {address}).parts)
    assert drawn.count(" href=") == 2  # the picture and the link
    assert drawn.count("data-href=") > 50


@pytest.mark.parametrize("network", [INCEPTION_V3, GOOGLENET], ids=lambda network: network.name)
def test_every_card_has_its_place(network: Blueprint) -> None:
    """The style sheet gives each card its own position."""
    sheet = layout(network)
    style = style_sheet(sheet)
    places = re.findall(r"#(card-[\w-]+)\{(left:[^}]+)\}", style)
    assert [name for name, _ in places] == [card_id(placed.card.title) for placed in sheet.cards]
    assert len({place for _, place in places}) == len(places)


def test_the_style_has_both_palettes_and_all_colour_bars() -> None:
    """The style has the colours of the diagrams, light and dark, and of all colour bars."""
    style = style_sheet(layout(INCEPTION_V3))
    for palette in (LIGHT, DARK):
        assert f"--paper:{palette.paper};" in style
        assert f"--accent:{palette.accent};" in style
    for name, stops in COLOURS.items():
        assert f".ramp-{name}{{background:linear-gradient(to right,#{stops.split()[0]}," in style


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_nothing_inline(path: Path) -> None:
    """Templates have no inline style or handler, and only the offline page has inline scripts."""
    text = path.read_text("utf-8")
    assert not re.search(r"\s(style|on\w+)=", text)
    scripts = re.findall(r"<script(?! type=\"application)([^>]*)>", text)
    assert all("src=" in attributes for attributes in scripts) or path.name == "offline.html"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_short_and_stay_at_home(path: Path) -> None:
    """No script is longer than 250 lines, contains an outside address, or evaluates strings as code."""
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 250
    assert not re.search(r"https?:|\beval\(|innerHTML|new Function", text)


def test_the_offline_script_is_one_module() -> None:
    """The offline page's script is one module without imports or exports, and declares no name twice."""
    text = script()
    assert not re.search(r"^(import|export) ", text, re.MULTILINE)
    names = re.findall(r"^(?:const|let|function|async function|class) (\w+)", text, re.MULTILINE)
    assert sorted(names) == sorted(set(names))
