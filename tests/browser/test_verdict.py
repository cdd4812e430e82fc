"""The pages of a server with a classifier."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


@pytest.fixture
def verdict(new_context: Callable[..., BrowserContext], judging: str) -> Page:
    """The verdict on the demonstration photo."""
    page = new_context(viewport={"width": 1440, "height": 900}, base_url=judging).new_page()
    page.goto("/photo/demo")
    page.get_by_role("link", name="Verdict").click()
    page.wait_for_url("**/photo/demo/verdict")
    return page


def number(text: str) -> float:
    """Convert the text of a number on the page to a float."""
    return float(text.replace("−", "-"))


def test_the_sum_adds_up_on_the_page(verdict: Page) -> None:
    """The printed contributions of the modules and the constant add up to the printed score, within rounding."""
    *summands, total = (number(text) for text in verdict.locator(".sum td").all_inner_texts())
    assert len(summands) == 3
    assert sum(summands) == pytest.approx(total, abs=0.0021)


def test_bars_show_calibrated_probabilities_and_the_threshold(verdict: Page) -> None:
    """Each class has a bar proportional to its probability, and a line marks the threshold."""
    record = verdict.request.get("/api/photos/demo/verdict").json()
    ranked = sorted(record["classes"], key=lambda each: -each["probability"])
    widths = [float(bar.get_attribute("width") or 0) for bar in verdict.locator(".filled").all()]
    assert widths == pytest.approx([100 * each["probability"] for each in ranked])
    line = verdict.locator(".bars .limit").first.get_attribute("d") or ""
    assert float(line[1:].split()[0]) == pytest.approx(100 * record["threshold"])


def test_another_class_can_be_explained(verdict: Page) -> None:
    """Clicking a class opens its evidence, at its own address."""
    verdict.locator(".bars a").last.click()
    verdict.wait_for_url(re.compile("class=[01]"))
    name = verdict.locator(".bars [aria-current] .label").inner_text()
    assert f"Evidence for {name}" in verdict.locator("aside").inner_text()


def test_the_report_is_a_click_away(verdict: Page) -> None:
    """The verdict's page links to the report, which states the interval of the accuracy."""
    verdict.get_by_role("link", name="The classifier’s report").click()
    verdict.wait_for_url("**/report")
    assert "95 % interval" in verdict.locator("main").inner_text()


def test_without_a_classifier_there_is_no_verdict(page: Page) -> None:
    """Without a classifier, no page links to a verdict."""
    page.goto("/photo/demo")
    assert page.get_by_role("link", name="Verdict").count() == 0


def test_one_module_can_be_shown_alone(verdict: Page) -> None:
    """Clicking a module's line shows that module's evidence; clicking the score's line shows the sum again."""
    whole = verdict.locator(".scene .map").get_attribute("href") or ""
    verdict.locator(".sum").get_by_role("link", name="mixed_2/join").click()
    verdict.wait_for_url("**module=mixed_2/join")
    part = verdict.locator(".scene .map").get_attribute("href") or ""
    assert verdict.request.get(part).body() != verdict.request.get(whole).body()
    verdict.locator(".sum").get_by_role("link", name="score").click()
    verdict.wait_for_url(lambda url: "module" not in url)
    assert verdict.locator(".scene .map").get_attribute("href") == whole
