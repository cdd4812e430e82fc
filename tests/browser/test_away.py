"""Without a server, or with blocked storage, the page reports the problem, shows no wrong data, and continues without a reload."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from tests.browser.doing import (
    DEMO,
    drop,
    fact,
    open_map,
    open_mosaic,
    photo,
    point_at,
    wait_for_mosaic,
    wait_for_pictures,
)

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route

BLOCKED = """for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } });
}"""

STREAM = "**/progress?tab=*"  # not the script with the same name
ALL_LOADED = """async () => {
  const images = [...document.querySelectorAll("#sheet image[href]")];
  return (await Promise.all(images.map((image) => image.decode().then(() => true, () => false)))).every(Boolean);
}"""


@pytest.mark.parametrize("lost", ["/api/photos/demo/tensors/", "/photo/demo/levels/"])
def test_a_scale_that_fails_to_load_is_reset(lost: str, page: Page) -> None:
    """The scale control returns to the displayed scale, the page gives the reason, and a second attempt works."""
    open_mosaic(page)
    legend = page.locator(".ends").all_inner_texts()
    away = re.compile(re.escape(lost))
    page.route(away, lambda route: route.abort())
    page.get_by_label("Scale").select_option("signed")
    page.locator(".words", has_text="does not respond").wait_for()
    assert page.get_by_label("Scale").input_value() == "shared"
    assert page.get_by_label("Colour").input_value() == "grey"
    assert page.locator(".ends").all_inner_texts() == legend
    assert "scale=signed" not in page.url
    page.unroute_all(behavior="wait")
    page.get_by_label("Scale").select_option("signed")
    page.wait_for_url("**scale=signed**")
    assert page.locator(".ends").all_inner_texts() != legend


def test_the_search_recovers(page: Page) -> None:
    """The page reports a failed search, and typing another letter starts the search again."""
    page.goto(DEMO)
    page.route("**/api/tensors", lambda route: route.abort())
    page.locator("#search").fill("mixed_1")
    page.locator("#found", has_text="does not respond").wait_for()
    page.unroute_all(behavior="wait")
    page.locator("#search").fill("mixed_10")
    page.locator('#found [role="option"]').first.wait_for()


def test_blocked_storage_stops_nothing(new_context: Callable[..., BrowserContext]) -> None:
    """If the browser forbids storage, the map is computed, the theme changes and a mosaic is shown."""
    page = new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(BLOCKED)
    page.goto(DEMO)
    page.wait_for_selector("#sheet[data-ready]")
    page.get_by_role("button", name="Light or dark").click()
    assert page.locator("html").get_attribute("data-theme") in ("light", "dark")
    page.goto(f"{DEMO}/tensor/mixed/tower_2/conv")
    wait_for_mosaic(page)


def test_a_map_resumes(page: Page) -> None:
    """A forward pass whose stream breaks continues by itself once the server is back."""
    page.route(STREAM, lambda route: route.abort())
    page.goto(DEMO)
    drop(page, photo(7001))
    page.locator("#progress [role=status]", has_text="Trying again").wait_for()
    assert page.locator("#sheet[data-ready]").count() == 0
    page.unroute_all(behavior="wait")
    wait_for_pictures(page)
    assert not page.locator("#progress").is_visible()


def test_a_photo_that_is_gone_is_reported(page: Page) -> None:
    """If the server no longer has the photo, the map says so and stops trying."""
    gone = "no photo: drop it again"
    page.route(STREAM, lambda route: route.abort())
    page.route(
        re.compile("/api/photos/[0-9a-f]+$"),
        lambda route: route.fulfill(status=404, json={"error": gone, "status": 404}),
    )
    page.goto(DEMO)
    drop(page, photo(7002))
    page.locator("#progress [role=status]", has_text=gone).wait_for()


def test_a_map_that_was_put_away_goes_on(page: Page) -> None:
    """A page from the back/forward cache continues its forward pass, and shows costs if the switch for costs is on."""
    page.goto(DEMO)
    page.route(STREAM, lambda _: None)  # no byte ever arrives
    drop(page, photo(7003))
    page.wait_for_url(re.compile("/photo/[0-9a-f]{32}"))
    page.locator("#progress [role=status]", has_text="Waiting").wait_for()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    page.evaluate("document.getElementById('costs').checked = true")
    page.unroute_all(behavior="ignoreErrors")  # the page has closed the stream, so its request never completes
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    wait_for_pictures(page)
    assert page.locator("#sheet.costs").count() == 1


def test_pictures_are_loaded_again(page: Page) -> None:
    """Thumbnails that failed are loaded once the server is back, without a reload."""
    open_map(page)
    page.route("**/thumbnail/**", lambda route: route.abort())
    page.goto(DEMO)
    page.wait_for_timeout(500)
    assert not page.evaluate(ALL_LOADED)
    page.unroute_all(behavior="wait")
    until = time.monotonic() + 60
    while not page.evaluate(ALL_LOADED):
        assert time.monotonic() < until, "thumbnails were missing a minute after the server came back"
        page.wait_for_timeout(200)


def test_values_are_fetched_again(page: Page) -> None:
    """If a mosaic's picture or values fail to load, the page says so, and loads them once the server is back."""
    for lost in ("**/values/**", "**/levels/**"):
        page.route(lost, lambda route: route.abort())
        page.goto(f"{DEMO}/tensor/mixed/tower_2/conv")
        page.locator(".words", has_text="Trying again").wait_for()
        page.unroute_all(behavior="wait")
        wait_for_mosaic(page)
        assert "Trying" not in page.locator(".words").inner_text()
        point_at(page, 0, 3, 3)
        assert fact(page, "value") != "–"


def test_a_filter_keeps_its_picture(page: Page) -> None:
    """If another scale is selected while the server is down, the page stays open, and its controls match its picture."""
    page.goto(f"{DEMO}/tensor/mixed/tower_2/conv/filter/3")
    page.route("**/api/health", lambda route: route.abort())
    page.get_by_label("Scale").select_option("signed")
    page.locator("#problem", has_text="does not respond").wait_for()
    assert page.get_by_label("Scale").input_value() == "filter"
    assert page.get_by_label("Colour").input_value() == "grey"
    page.unroute_all(behavior="wait")
    page.get_by_label("Scale").select_option("signed")
    page.wait_for_url("**scale=signed**")


def test_a_filter_that_comes_back_agrees(page: Page) -> None:
    """When a user returns to the page, its controls for scale, colour and opacity match the picture."""
    page.goto(f"{DEMO}/tensor/mixed/tower_2/conv/filter/3?scale=filter")
    page.evaluate("document.querySelector('[name=scale]').value = 'signed'")
    page.locator("#opacity").fill("0.2")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    assert page.get_by_label("Scale").input_value() == "filter"
    page.goto(DEMO)
    page.go_back()
    assert page.get_by_label("Scale").input_value() == "filter"
    assert page.locator(".scene .map").get_attribute("opacity") == page.locator("#opacity").input_value()


def test_the_error_of_a_proxy_without_a_server(page: Page) -> None:
    """An error page from a proxy whose server is down is not shown as the server's message."""
    open_mosaic(page)
    page.route("**/api/photos/demo/tensors/**", lambda route: route.fulfill(status=502, body="<html>502 Bad Gateway"))
    page.get_by_label("Scale").select_option("signed")
    page.locator(".words", has_text="The server does not respond").wait_for()
    assert page.get_by_label("Scale").input_value() == "shared"


def test_a_late_picture_is_shown_after_a_choice_that_failed(page: Page) -> None:
    """If the first picture arrives after another scale has failed to load, the first picture is shown with matching controls."""
    held: list[Route] = []
    page.route("**/levels/**", lambda route: held.append(route))
    page.route("**/api/photos/demo/tensors/**", lambda route: route.abort())
    page.goto(f"{DEMO}/tensor/mixed/tower_2/conv", wait_until="domcontentloaded")
    while not held:
        page.wait_for_timeout(50)
    page.get_by_label("Scale").select_option("signed")
    page.locator(".words", has_text="does not respond").wait_for()
    assert page.get_by_label("Scale").input_value() == "shared"
    held[0].continue_()
    wait_for_mosaic(page)
    assert page.evaluate("document.querySelector('#mosaic canvas').width > 0")


def test_a_filter_says_what_the_server_refuses(page: Page) -> None:
    """If the server refuses a request, for example because the token changed, the page shows the server's message."""
    page.goto(f"{DEMO}/tensor/mixed/tower_2/conv/filter/3")
    page.route("**/api/health", lambda route: route.fulfill(status=401, json={"error": "the token is wanted"}))
    page.get_by_label("Scale").select_option("signed")
    page.locator("#problem", has_text="the token is wanted").wait_for()
    assert page.get_by_label("Scale").input_value() == "filter"


@pytest.mark.parametrize("clipboard", ["undefined", "{ writeText: () => Promise.reject(new Error('denied')) }"])
def test_names_where_nothing_can_be_copied(clipboard: str, page: Page) -> None:
    """Without a clipboard, as over plain HTTP from another machine, there is no copy button.  A denied copy is reported."""
    page.add_init_script(f"Object.defineProperty(navigator, 'clipboard', {{ value: {clipboard} }});")
    open_mosaic(page)
    button = page.locator("[data-copy]").first
    if clipboard == "undefined":
        assert button.evaluate("(element) => element.hidden")
    else:
        button.evaluate("(element) => element.click()")
        page.locator("#problem", has_text="Select the name").wait_for()
