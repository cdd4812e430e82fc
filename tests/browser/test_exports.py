"""The exports of the page: a picture, and an HTML file that needs no server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.browser.doing import fact, open_mosaic, point_at, violations, wait_for_mosaic

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


def test_the_offline_page_needs_no_server(
    page: Page, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    """The exported page, opened from disk without a network, can sort filters and shows the values of the server's page."""
    open_mosaic(page)
    point_at(page, 5, 21, 19)
    value = fact(page, "value")
    with page.expect_download() as download:
        page.get_by_role("link", name="Offline HTML").click()
    kept = tmp_path / "page.html"
    download.value.save_as(kept)
    alone = new_context(viewport={"width": 1440, "height": 900}, offline=True).new_page()
    alone.goto(kept.as_uri())
    wait_for_mosaic(alone)
    point_at(alone, 5, 21, 19)
    assert fact(alone, "value") == value
    assert alone.locator(".which b").inner_text() == "Filter 5"
    assert violations(alone) == []
    alone.get_by_label("Sort").select_option("strength")
    point_at(alone, 0, 21, 19)
    assert alone.locator(".which b").inner_text() == "Filter 12"


def test_the_offline_page_begins_with_the_filter_it_was_made_for(
    page: Page, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    """A file exported from a filter's page shows that filter first."""
    page.goto("/photo/demo/tensor/mixed/tower_2/conv/filter/7")
    with page.expect_download() as download:
        page.get_by_role("link", name="Offline HTML").click()
    kept = tmp_path / "page.html"
    download.value.save_as(kept)
    alone = new_context(offline=True).new_page()
    alone.goto(kept.as_uri())
    wait_for_mosaic(alone)
    assert alone.locator(".which b").inner_text() == "Filter 7"


@pytest.mark.parametrize("scale", ["shared", "signed"])
def test_the_picture_shows_what_is_on_the_screen(page: Page, tmp_path: Path, scale: str) -> None:
    """The PNG is drawn on the selected scale, with the legend of that scale."""
    open_mosaic(page, f"/photo/demo/tensor/mixed/tower_2/conv?scale={scale}&sort=strength")
    with page.expect_download() as download:
        page.get_by_role("link", name="PNG").click()
    kept = tmp_path / "picture.png"
    download.value.save_as(kept)
    with Image.open(kept) as image:
        image.load()
        assert image.info["godeeper:scale"] == scale
        assert image.info["godeeper:legend"] == page.locator(".words").inner_text()


def test_a_filters_picture_is_of_that_filter(page: Page, tmp_path: Path) -> None:
    """The PNG from a filter's page shows that filter only, on its own scale."""
    page.goto("/photo/demo/tensor/mixed/tower_2/conv/filter/5")
    with page.expect_download() as download:
        page.get_by_role("link", name="PNG").click()
    kept = tmp_path / "picture.png"
    download.value.save_as(kept)
    with Image.open(kept) as image:
        image.load()
        assert image.info["godeeper:address"] == "mixed/tower_2/conv[5]"


def test_names_can_be_copied(new_context: Callable[..., BrowserContext]) -> None:
    """The button copies the name to the clipboard."""
    context = new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    open_mosaic(page)
    page.get_by_role("button", name="Copy the keras name").click()
    page.locator(".copy.done").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "activation_11"
