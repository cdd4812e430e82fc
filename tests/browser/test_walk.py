"""A user's path through the page: a photo, the map, a tensor, a filter."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.browser.doing import (
    CONV,
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
    from playwright.sync_api import BrowserContext, Page


def test_a_newcomer_reaches_a_filter_in_three_clicks(page: Page) -> None:
    """Three clicks lead from the first page to a filter: the demonstration photo, a box, a tile."""
    page.goto("/")
    page.get_by_text("Try this photo").click()
    page.locator('a.box[data-address="mixed_7/join"]').click()
    wait_for_mosaic(page)
    point_at(page, 3, 8, 8, side=17)
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/tensor/mixed_7/join/filter/3")
    assert page.locator("h1").inner_text() == "Filter 3 of mixed_7/join"


def test_a_dropped_photo_becomes_a_map(page: Page) -> None:
    """After a photo is dropped, the page shows progress, and in the end a thumbnail in every box."""
    page.goto("/")
    drop(page, photo(1), "stripes.png")
    page.wait_for_url(re.compile("/photo/[0-9a-f]{32}$"))
    wait_for_pictures(page)
    assert "stripes.png" in page.locator(".crumbs").inner_text()
    assert page.locator("#progress").is_hidden()
    assert page.locator("a.box image[href]").count() > 100


def test_every_picture_of_the_map_can_be_had(page: Page) -> None:
    """Every picture that a box requests exists on the server."""
    answers: list[int] = []
    page.on("response", lambda response: answers.append(response.status) if "/thumbnail/" in response.url else None)
    open_map(page)
    page.wait_for_load_state("networkidle")
    assert len(answers) > 100
    assert set(answers) == {200}


def test_a_pasted_photo_is_taken(page: Page) -> None:
    """Pasting a photo works like dropping it."""
    page.goto("/")
    page.evaluate(
        """(bytes) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([Uint8Array.from(bytes)], "clip.png", { type: "image/png" }));
          dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer }));
        }""",
        list(photo(2, (64, 48))),
    )
    page.wait_for_url(re.compile("/photo/[0-9a-f]{32}$"))


def test_a_chosen_photo_is_taken(page: Page) -> None:
    """Choosing a file in the browser's dialog leads to the map."""
    page.goto("/")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a photo").click()
    chooser.value.set_files({"name": "chosen.png", "mimeType": "image/png", "buffer": photo(3, (64, 48))})
    page.wait_for_url(re.compile("/photo/[0-9a-f]{32}$"))


def test_the_camera_takes_a_photo(page: Page) -> None:
    """A photo from the camera is treated like any other."""
    page.goto("/")
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Take the photo").click()
    page.wait_for_url(re.compile("/photo/[0-9a-f]{32}$"))


@pytest.mark.parametrize(
    ("payload", "name"), [(b"", "empty.png"), (b"not a picture", "note.jpg"), (photo(4)[:500], "cut.png")]
)
def test_a_bad_file_is_refused_in_place(page: Page, payload: bytes, name: str) -> None:
    """If a file cannot be used, the page stays open and says what is wrong with the file."""
    page.goto("/")
    drop(page, payload, name)
    problem = page.get_by_role("alert").filter(visible=True)
    problem.wait_for()
    assert name in problem.inner_text()
    assert page.locator("#upload").is_hidden()
    problem.get_by_role("button").click()
    assert problem.is_hidden()


def test_a_second_photo_takes_the_place_of_the_first(page: Page) -> None:
    """If a second photo is dropped while the first is still being computed, the page finally shows the second photo."""
    page.goto("/")
    drop(page, photo(5), "first.png")
    page.wait_for_url(re.compile("/photo/[0-9a-f]{32}$"))
    first = page.url
    drop(page, photo(6), "second.png")
    page.wait_for_url(lambda url: url != first)
    wait_for_pictures(page)
    assert "second.png" in page.locator(".crumbs").inner_text()


def test_hovering_tells_the_exact_value(page: Page) -> None:
    """The readout shows the filter number, value, cell and active share that follow from the values in the API."""
    open_mosaic(page)
    answer = page.request.get(f"/api/photos/demo/values/{CONV.partition('/tensor/')[2]}")
    values = np.frombuffer(answer.body(), "<f4").reshape(32, 35, 35)
    row, column = (int(place) for place in np.unravel_index(values[5].argmax(), (35, 35)))
    point_at(page, 5, row, column)
    assert page.locator(".which b").inner_text() == "Filter 5"
    assert float(fact(page, "value")) == pytest.approx(float(values[5].max()), rel=1e-6)
    assert fact(page, "cell") == f"{row}, {column}"
    assert fact(page, "active") == f"{100 * (values[5] > 0).mean():.1f} %"


def test_hovering_draws_the_receptive_field(page: Page) -> None:
    """For mixed/tower_2/conv, the frame of a cell covers 47/299 of the width and height of the used part of the photo."""
    open_mosaic(page)
    point_at(page, 0, 17, 17)
    field = page.locator(".scene .field")
    record = page.request.get("/api/photos/demo/tensors/mixed/tower_2/conv").json()
    left, top, right, bottom = record["used"]
    across, down = (right - left) / 299, (bottom - top) / 299
    drawn = [float(field.get_attribute(name) or 0) for name in ("x", "y", "width", "height")]
    begin = 17 * record["field"]["jump"] - record["field"]["padding"][0]
    assert drawn == pytest.approx([left + begin * across, top + begin * down, 47 * across, 47 * down], abs=0.01)


def test_a_permalink_shows_the_same_in_another_browser(new_context: Callable[..., BrowserContext]) -> None:
    """The URL contains scale, colour, order and zoom, so another browser shows the same view."""
    wide = {"viewport": {"width": 1440, "height": 900}}
    page = new_context(**wide).new_page()
    open_mosaic(page)
    page.get_by_label("Scale").select_option("filter")
    page.get_by_label("Colour").select_option("magma")
    page.get_by_label("Sort").select_option("strength")
    page.get_by_role("button", name="Zoom out").click()
    page.wait_for_load_state("networkidle")
    other = new_context(**wide).new_page()
    open_mosaic(other, page.url)
    page.mouse.move(0, 0)
    assert page.locator("#mosaic").screenshot() == other.locator("#mosaic").screenshot()
    assert page.locator("#legend").inner_text() == other.locator("#legend").inner_text()


def test_the_blogs_scale_shows_every_filter_in_its_place(page: Page) -> None:
    """If the minimum is zero, the scale ``blog`` looks like the scale ``shared``, although it has a different number of rows."""
    open_mosaic(page, f"{CONV}?zoom=4")
    page.mouse.move(0, 0)
    before = page.locator("#mosaic").screenshot()
    page.get_by_label("Scale").select_option("blog")
    page.locator(".words", has_text="blog").wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    page.mouse.move(0, 0)
    assert page.locator("#mosaic").screenshot() == before


def test_a_scale_that_does_not_fit_is_explained(page: Page) -> None:
    """Three channels cannot be arranged in the blog's eight rows: the page says so, and keeps its scale."""
    open_mosaic(page, f"{DEMO}/tensor/ResizeBilinear")
    page.get_by_label("Scale").select_option("blog")
    page.locator(".words", has_text="not divisible by 8").wait_for()
    assert page.get_by_label("Scale").input_value() == "shared"


def test_values_before_the_relu_are_signed(page: Page) -> None:
    """The control for stages opens the values of the raw convolution, drawn in a colour map with zero in the middle."""
    open_mosaic(page)
    page.get_by_role("link", name="conv", exact=True).click()
    page.wait_for_url("**/conv/Conv2D")
    wait_for_mosaic(page)
    assert page.get_by_label("Scale").input_value() == "signed"
    low, high = (float(text) for text in page.locator(".ends").all_inner_texts())
    assert low == -high < 0


def test_a_slice_of_a_tensor_keeps_its_numbers(page: Page) -> None:
    """The second tile of [3,7:12] is filter 7, and links to its page."""
    open_mosaic(page, f"{CONV}[3,7:12]")
    point_at(page, 1, 5, 5)
    assert page.locator(".which b").inner_text() == "Filter 7"
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/filter/7")


def test_scale_and_order_are_in_the_address(page: Page) -> None:
    """Changing scale or order changes the URL, without a new history entry."""
    open_mosaic(page)
    entries = page.evaluate("history.length")
    page.get_by_label("Sort").select_option("selectivity")
    page.get_by_label("Scale").select_option("signed")
    page.locator(".words", has_text="signed").wait_for()
    assert "sort=selectivity" in page.url
    assert "scale=signed" in page.url
    assert "colour=blue-orange" in page.url
    assert page.evaluate("history.length") == entries


def test_sorting_by_strength_puts_the_strongest_first(page: Page) -> None:
    """The first tile is the filter with the greatest maximum."""
    open_mosaic(page, f"{CONV}?sort=strength")
    filters = page.request.get("/api/photos/demo/tensors/mixed/tower_2/conv").json()["filters"]
    strongest = max(filters, key=lambda facts: facts["maximum"])["filter"]
    point_at(page, 0, 3, 3)
    assert page.locator(".which b").inner_text() == f"Filter {strongest}"


def test_names_of_any_convention_lead_to_one_page(page: Page) -> None:
    """Keras's name of the tensor redirects to its 2015 name."""
    open_mosaic(page, f"{DEMO}/tensor/activation_11")
    assert page.url.partition("?")[0].endswith(CONV)


def test_two_thousand_filters_are_all_there(page: Page) -> None:
    """The last tile of mixed_10/join is filter 2047, and its link has that number."""
    open_mosaic(page, f"{DEMO}/tensor/mixed_10/join")
    page.locator("#cursor").focus()
    for _ in range(80):
        page.keyboard.press("ArrowDown")
    assert page.locator(".which b").inner_text() == "Filter 2047"
    assert (page.locator("#cursor").get_attribute("href") or "").endswith("/mixed_10/join/filter/2047")


def test_a_photo_that_is_not_kept_is_explained(page: Page) -> None:
    """A link to a photo that is no longer stored leads to a page that says what to do."""
    page.goto(f"/photo/{'0' * 32}")
    assert "memory" in page.locator("h1").inner_text()
    assert page.get_by_role("link", name="Start again", exact=True).is_visible()


def test_another_photo_is_shown_in_the_same_place(page: Page) -> None:
    """A photo that is dropped on a mosaic's page is shown for the same tensor, on the same scale."""
    open_mosaic(page, f"{CONV}?scale=filter")
    drop(page, photo(7), "another.png")
    page.wait_for_url(re.compile("/photo/[0-9a-f]{32}/tensor/mixed/tower_2/conv.scale=filter"))
    wait_for_mosaic(page)
    assert "another.png" in page.locator(".crumbs").inner_text()


def test_a_finger_points_first_and_opens_then(new_context: Callable[..., BrowserContext]) -> None:
    """The first touch of a tile shows its numbers, and the second opens it."""
    page = new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).new_page()
    open_mosaic(page)
    canvas = page.locator("#mosaic canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + 20, box["y"] + 20)
    assert page.locator(".which b").inner_text() == "Filter 0"
    page.wait_for_timeout(400)
    assert "/filter/" not in page.url
    page.touchscreen.tap(box["x"] + 20, box["y"] + 20)
    page.wait_for_url("**/filter/0")


def test_pages_mean_something_without_a_script(new_context: Callable[..., BrowserContext]) -> None:
    """Without JavaScript the map has links, a mosaic has its picture, a filter's page is complete, and uploads work."""
    page = new_context(java_script_enabled=False).new_page()
    page.goto(DEMO)
    assert page.locator("a.box").count() > 100
    page.goto(CONV)
    assert page.locator("#mosaic img").is_visible()
    page.goto(f"{CONV}/filter/5")
    assert page.locator(".scene .map").is_visible()
    page.goto("/")
    page.locator("input[name=photo]").set_input_files({"name": "sent.png", "mimeType": "image/png", "buffer": photo(8)})
    page.get_by_role("button", name="Send it").click()
    page.wait_for_url(re.compile("/photo/[0-9a-f]{32}$"))


def test_an_upload_can_be_cancelled(page: Page) -> None:
    """Cancel returns to the previous page."""
    page.goto("/")
    page.route("**/api/photos", lambda _: None)
    drop(page, photo(9), "slow.png")
    panel = page.locator("#upload")
    panel.wait_for()
    assert "slow.png" in panel.inner_text()
    panel.get_by_role("button").click()
    assert panel.is_hidden()
    assert page.url.endswith("/")


def test_an_absent_server_is_reported(page: Page) -> None:
    """If the server is down, the page says that the server does not respond."""
    page.goto("/")
    page.route("**/api/photos", lambda route: route.abort())
    drop(page, photo(9))
    problem = page.get_by_role("alert").filter(visible=True)
    problem.wait_for()
    assert "does not respond" in problem.inner_text()


def test_tabs_do_not_disturb_each_other(new_context: Callable[..., BrowserContext]) -> None:
    """Two tabs each upload a photo at the same time, and each shows its own photo until the forward pass is done."""
    context = new_context(viewport={"width": 1440, "height": 900})
    tabs = [context.new_page(), context.new_page()]
    for number, tab in enumerate(tabs):
        tab.goto("/")
        drop(tab, photo(20 + number), f"photo {number}.png")
    for number, tab in enumerate(tabs):
        tab.wait_for_url(re.compile("/photo/[0-9a-f]{32}$"))
        wait_for_pictures(tab)
        assert f"photo {number}.png" in tab.locator(".crumbs").inner_text()
