"""The photos that activate a filter most, on the filter's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

RECORD = "/api/filters/mixed/join/86"
SHOWN = "images => images.every(image => image.complete && image.naturalWidth > 0)"


def test_crops_appear_as_they_are_scrolled_to(page: Page) -> None:
    """The section is labelled as sample pictures, every crop loads, and a refused crop is replaced by the reason."""
    page.goto("/photo/demo")
    refused = page.request.get(RECORD).json()["photos"][0]["crop"]
    page.route(f"**{refused}", lambda route: route.fulfill(status=404, json={"error": "it changed", "status": 404}))
    page.goto("/photo/demo/tensor/mixed/join/filter/86")
    section = page.locator(".indexed")
    assert "Sample pictures that activate this filter most" in section.inner_text()
    assert "the 100 sample pictures that come with godeeper" in section.inner_text()
    for figure in section.locator("figure").all():
        figure.scroll_into_view_if_needed()
    section.locator(".none", has_text="it changed").wait_for()
    page.wait_for_load_state("networkidle")
    images = section.locator("img")
    assert images.count() == 8
    assert images.evaluate_all(SHOWN)
    assert section.locator(".bars li").count() == 8


def test_the_panels_come_after_the_facts_on_a_phone(page: Page) -> None:
    """On a wide screen the panels are below the map and beside the facts; on a phone they are below both."""
    page.goto("/photo/demo/tensor/mixed/join/filter/86")
    for width, is_phone in ((1440, False), (390, True)):
        page.set_viewport_size({"width": width, "height": 844})
        panels, facts, stage = (page.locator(name).bounding_box() for name in (".panels", ".side", ".stage"))
        assert panels
        assert facts
        assert stage
        assert panels["y"] >= stage["y"] + stage["height"] - 14
        assert (panels["y"] >= facts["y"] + facts["height"] - 14) == is_phone
        assert panels["x"] == stage["x"]
