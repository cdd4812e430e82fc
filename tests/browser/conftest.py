"""A server on loopback and Chromium, for tests that use the page as a user would.

``apt-get install chromium`` installs the browser.  ``GODEEPER_CHROMIUM`` selects another browser by its
path.  Without a browser these tests are skipped.
A test fails if a page prints an error to the console or sends a request to another origin.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from examples.collage import write_crops

import godeeper

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = os.environ.get("GODEEPER_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 30_000  # milliseconds: enough for a forward pass on a busy machine


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed: run apt-get install chromium, or set GODEEPER_CHROMIUM to its path")
    return CHROMIUM


@pytest.fixture(
    scope="module"
)  # module scope, because no other event loop can run in this thread while Playwright's is open
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium without a window."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
        )
        yield started
        started.close()


def serve(arguments: list[str]) -> Iterator[str]:
    """Run ``godeeper serve`` on a free port until the tests are done, and yield its address."""
    command = [sys.executable, "-m", "godeeper", "serve", "--port", "0", "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield json.loads(first_document(server.stdout))["url"].rstrip("/")
        finally:
            server.terminate()


def first_document(lines: Iterable[str]) -> str:
    """Return the JSON document at the start of a server's output."""
    text = ""
    for line in lines:
        text += line
        if line.startswith("}"):
            return text
    raise AssertionError(f"the server ended: {text}")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a server without a classifier."""
    yield from serve([])


@pytest.fixture(scope="session")
def judging(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a classifier of cats and flowers."""
    folder = tmp_path_factory.mktemp("album")
    write_crops(folder / "photos")
    godeeper.retrain(folder / "photos", features="mixed_1/join,mixed_2/join").save(folder / "pets.godeeper")
    yield from serve([str(folder / "pets.godeeper")])


@pytest.fixture
def new_context(browser: Browser, server: str) -> Iterator[Callable[..., BrowserContext]]:
    """A function that opens a browser context; its pages fail the test if they print an error or call another origin."""
    made: list[BrowserContext] = []
    loud: list[str] = []

    def listen(page: Page) -> None:
        page.on("console", lambda message: loud.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: loud.append(str(error)))
        page.on("request", lambda request: loud.append(request.url) if is_foreign(request.url) else None)

    def make(**options: Any) -> BrowserContext:
        context = browser.new_context(**{"base_url": server, "reduced_motion": "reduce", **options})
        context.set_default_timeout(PATIENCE)
        context.on("page", listen)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()
    assert [line for line in loud if not is_expected(line)] == []


def is_foreign(url: str) -> bool:
    """Return whether a request goes to another machine."""
    return not url.startswith(("http://127.0.0.1:", "data:", "blob:", "file:"))


def is_expected(line: str) -> bool:
    """Return whether ``line`` is what Chromium itself prints when a server refuses a request."""
    return line.startswith(
        (
            "Failed to load resource: the server responded with a status of 4",
            "Failed to load resource: the server responded with a status of 502",
            "Failed to load resource: net::ERR_FAILED",
            "Framing '",
        )
    )


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    """A tab of a wide window."""
    return new_context(viewport={"width": 1440, "height": 900}).new_page()
