"""Every page, light and dark, on a wide screen and on a phone, passes axe-core and can be used by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import pytest
from tests.browser.doing import CONV, DEMO, drop, violations, wait_for_mosaic, wait_for_pictures

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

PAGES = {
    "empty": "/",
    "map": DEMO,
    "mosaic": CONV,
    "filter": f"{DEMO}/tensor/conv/filter/5",
    "verdict": f"{DEMO}/verdict",
    "report": "/report",
    "error": "/photo/ffffffffffffffffffffffffffffffff",
}
WINDOWS = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(
    new_context: Callable[..., BrowserContext],
    judging: str,
    name: str,
    window: str,
    scheme: Literal["light", "dark"],
) -> None:
    """axe-core finds no violation of any rule."""
    page = new_context(viewport=WINDOWS[window], color_scheme=scheme, base_url=judging).new_page()
    page.goto(PAGES[name])
    if name == "map":
        wait_for_pictures(page)
    if name == "mosaic":
        wait_for_mosaic(page)
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_something_is_open(
    new_context: Callable[..., BrowserContext], scheme: Literal["light", "dark"]
) -> None:
    """axe-core finds no violation while the help, the costs, the search results or an error is shown."""
    page = new_context(viewport=WINDOWS["wide"], color_scheme=scheme).new_page()
    page.goto(DEMO)
    wait_for_pictures(page)
    page.get_by_role("button", name="Help").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_label("Costs").check()
    page.get_by_role("combobox").fill("mixed_7")
    page.get_by_role("option").first.wait_for()
    drop(page, b"", "empty.png")
    page.get_by_role("alert").filter(visible=True).wait_for()
    assert violations(page) == []


def test_dark_and_light_are_the_readers_choice(page: Page) -> None:
    """The button turns the page dark, and the next page is dark, too."""
    page.goto("/")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_role("button", name="Light or dark").click()
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert light != dark
    page.goto(DEMO)
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark


def test_the_keyboard_alone_reaches_a_filter(page: Page) -> None:
    """A user can find a tensor, open one of its filters and go back with the keyboard alone."""
    page.goto(DEMO)
    wait_for_pictures(page)
    page.keyboard.press("/")
    page.keyboard.type("Mixed_6e")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/tensor/mixed_7/join**")
    wait_for_mosaic(page)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "cursor":
            break
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "Filter 2," in page.locator("#spoken").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url("**/filter/2")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/filter/3")
    page.keyboard.press("Escape")
    page.wait_for_url("**/tensor/mixed_7/join")
    wait_for_mosaic(page)
    page.keyboard.press("Escape")
    page.wait_for_url("**/photo/demo#card-mixed_7")


def test_arrows_walk_between_the_boxes_of_the_map(page: Page) -> None:
    """The down key moves the focus from the first box of a branch to the next box of that branch."""
    page.goto(DEMO)
    wait_for_pictures(page)
    page.locator('a.box[data-address="mixed_4/tower_1/conv"]').focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.address") == "mixed_4/tower_1/conv_1"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.dataset.address") == "mixed_4/tower/conv_1"


def test_the_search_lists_all_four_names(page: Page) -> None:
    """The search finds a tensor by its Keras name, and lists its other names next to that name."""
    page.goto(DEMO)
    page.get_by_role("combobox").fill("activation_11")
    first = page.get_by_role("option").first
    first.wait_for()
    for name in ("mixed/tower_2/conv", "Mixed_5b/Branch_3/Conv2d_0b_1x1", "Mixed_5b.branch_pool", "activation_11"):
        assert name in first.inner_text()
    assert page.locator("a.box.hit").evaluate_all("(boxes) => boxes.map((box) => box.dataset.address)") == [
        "mixed/tower_2/conv"
    ]


def test_the_map_can_be_moved_and_enlarged(page: Page) -> None:
    """Keys, mouse wheel and dragging change the view, and dragging does not count as a click."""
    page.goto(DEMO)
    wait_for_pictures(page)
    sheet = page.locator("#sheet")
    seen = [sheet.get_attribute("style")]
    page.locator("#desk").focus()
    page.keyboard.press("+")
    seen.append(sheet.get_attribute("style"))
    page.mouse.move(700, 500)
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(50)
    seen.append(sheet.get_attribute("style"))
    box = page.locator('a.box[data-address="mixed_4/join"]').bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 65, box["y"] + 45, steps=4)
    page.mouse.up()
    seen.append(sheet.get_attribute("style"))
    assert len(set(seen)) == 4
    assert page.url.endswith(DEMO)
