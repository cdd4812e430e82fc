"""A server is killed and restarted on its port while the browser blocks cookies: the page continues without a reload."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.conftest import PATIENCE, first_document
from tests.browser.doing import CONV, DEMO, open_mosaic, wait_for_pictures

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

BLOCKED = {"profile": {"default_content_setting_values": {"cookies": 2}}}
"""Chromium's setting "block all cookies", which also forbids storage."""
STREAM = "**/progress?tab=*"
STORAGE = "() => { try { return localStorage.length; } catch (error) { return error.name; } }"


class Server:
    """``godeeper serve`` on one port, which can be killed and started again."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start the server, and wait until it listens."""
        command = [sys.executable, "-m", "godeeper", "serve", "--port", str(self.port), "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert json.loads(first_document(self.process.stdout))["url"].rstrip("/") == self.url

    def kill(self) -> None:
        """Kill the process, which has the same effect as a crash."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def restarted(chromium: str) -> Iterator[Server]:
    """A server that a test may kill."""
    server = Server()
    yield server
    server.kill()


@pytest.fixture
def blocking(chromium: str, restarted: Server, tmp_path: Path) -> Iterator[Page]:
    """A tab of a browser that blocks all cookies."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    settings = tmp_path / "Default" / "Preferences"
    settings.parent.mkdir()
    settings.write_text(json.dumps(BLOCKED))
    with api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path, executable_path=chromium, args=["--no-sandbox"], base_url=restarted.url
        )
        context.set_default_timeout(PATIENCE)
        yield context.pages[0]
        context.close()


def test_a_mosaic_continues(blocking: Page, restarted: Server) -> None:
    """A mosaic's page reports that the server does not respond, and can change the scale once the server is back."""
    page = blocking
    open_mosaic(page, CONV)
    assert page.evaluate(STORAGE) == "SecurityError"
    page.evaluate("window.first = true")
    restarted.kill()
    page.get_by_label("Scale").select_option("signed")
    page.locator(".words", has_text="does not respond").wait_for()
    assert page.get_by_label("Scale").input_value() == "shared"
    restarted.start()
    page.get_by_label("Scale").select_option("signed")
    page.wait_for_url("**scale=signed**")
    assert page.evaluate("window.first")


def test_a_map_continues(blocking: Page, restarted: Server) -> None:
    """The map reports that the server does not respond, and the restarted server finishes the forward pass."""
    page = blocking
    held: list[Route] = []
    page.route(STREAM, lambda route: route.continue_() if held else held.append(route))
    page.goto(DEMO)
    page.evaluate("window.first = true")
    while not held:
        page.wait_for_timeout(50)
    restarted.kill()
    held[0].continue_()
    page.locator("#progress [role=status]", has_text="Trying again").wait_for()
    page.unroute_all(behavior="wait")
    restarted.start()
    wait_for_pictures(page)
    assert page.evaluate("window.first")
    assert not page.locator("#progress").is_visible()
