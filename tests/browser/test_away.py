"""The server away, storage blocked: the page says so, shows nothing that is not so, and goes on without a reload."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from tests.browser.doing import DEMO, open_mosaic, wait_for_mosaic

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

BLOCKED = """for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } });
}"""


@pytest.mark.parametrize("lost", ["/api/photos/demo/tensors/", "/photo/demo/levels/"])
def test_a_scale_that_cannot_be_had_goes_back(lost: str, page: Page) -> None:
    """The control shows the scale of the picture, the page says why, and choosing again works."""
    open_mosaic(page)
    legend = page.locator(".ends").all_inner_texts()
    away = re.compile(re.escape(lost))
    page.route(away, lambda route: route.abort())
    page.get_by_label("Scale").select_option("signed")
    page.locator(".words", has_text="does not answer").wait_for()
    assert page.get_by_label("Scale").input_value() == "shared"
    assert page.get_by_label("Colour").input_value() == "grey"
    assert page.locator(".ends").all_inner_texts() == legend
    assert "scale=signed" not in page.url
    page.unroute(away)
    page.get_by_label("Scale").select_option("signed")
    page.wait_for_url("**scale=signed**")
    assert page.locator(".ends").all_inner_texts() != legend


def test_the_search_recovers(page: Page) -> None:
    """A search that could not ask says so, and the next letter asks again."""
    page.goto(DEMO)
    page.route("**/api/tensors", lambda route: route.abort())
    page.locator("#search").fill("mixed_1")
    page.locator("#found", has_text="does not answer").wait_for()
    page.unroute("**/api/tensors")
    page.locator("#search").fill("mixed_10")
    page.locator('#found [role="option"]').first.wait_for()


def test_blocked_storage_stops_nothing(new_context: Callable[..., BrowserContext]) -> None:
    """Where a browser forbids storage, the map is computed, the theme changes, a mosaic is shown."""
    page = new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(BLOCKED)
    page.goto(DEMO)
    page.wait_for_selector("#sheet[data-ready]")
    page.get_by_role("button", name="Light or dark").click()
    assert page.locator("html").get_attribute("data-theme") in ("light", "dark")
    page.goto(f"{DEMO}/tensor/mixed/tower_2/conv")
    wait_for_mosaic(page)
