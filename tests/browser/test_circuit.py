"""The page of a filter: links to its input filters and back, its names, and its visualisation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

FILTER = "/photo/demo/tensor/mixed_4/tower_1/conv_4/filter/17"


def test_down_a_circuit_and_back_by_keys(page: Page) -> None:
    """A digit opens a filter that feeds the current filter, and the trail grows; Backspace and the trail's links go back."""
    page.goto(FILTER)
    titles = [page.locator("h1").inner_text()]
    for steps in (1, 2):
        page.keyboard.press("1")
        page.wait_for_url(re.compile(rf"(via=[^&]*&?){{{steps}}}$"))  # the page handles keys only after it has loaded
        expect(page.locator(".trail a")).to_have_count(steps)
        titles.append(page.locator("h1").inner_text())
    assert len(set(titles)) == 3
    page.keyboard.press("Backspace")
    expect(page.locator(".trail a")).to_have_count(1)
    assert page.locator("h1").inner_text() == titles[1]
    page.locator(".trail a").first.click()
    expect(page.locator(".trail")).to_have_count(0)
    assert page.locator("h1").inner_text() == titles[0]


def test_up_to_a_later_filter(page: Page) -> None:
    """A link opens a filter that the current filter feeds, and the current filter is then on the trail."""
    page.goto(FILTER)
    page.locator(".readers a").first.click()
    expect(page.locator(".trail a")).to_have_text("mixed_4/tower_1/conv_4[17]")


def test_names_appear_by_themselves(page: Page) -> None:
    """When the filter's names have been tested, they replace the line that says that the tests are running."""
    page.goto("/photo/demo/tensor/mixed/conv/filter/2")
    names = page.locator("#names")
    expect(names).to_contain_text("The p-values of names are corrected for", timeout=60_000)
    assert names.get_attribute("data-address") is None


def test_a_visualisation_is_made_on_request(page: Page) -> None:
    """A click makes the picture, with progress; on the next visit, the picture is shown at once."""
    address = "/photo/demo/tensor/mixed/conv/filter/2"
    page.goto(address)
    page.get_by_role("button", name="Make the picture").click()
    expect(page.locator(".making [role=status]")).to_have_text(
        re.compile(r"Step \d+ of 96|comes first"), timeout=60_000
    )
    picture = page.locator(".wanted img")
    expect(picture).to_be_visible(timeout=60_000)
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 299
    expect(page.locator("#wanted")).to_contain_text("path similarity")
    page.reload()
    expect(picture).to_be_visible()


def test_a_visualisation_can_be_stopped(page: Page) -> None:
    """After Stop, the visualisation can be made again."""
    page.goto("/photo/demo/tensor/mixed_4/conv/filter/3")
    make = page.get_by_role("button", name="Make the picture")
    make.click()
    expect(make).to_be_disabled()
    page.locator(".making").get_by_role("button", name="Stop").click()
    expect(page.locator(".making [role=status]")).to_have_text("Stopped.")
    expect(make).to_be_enabled()
