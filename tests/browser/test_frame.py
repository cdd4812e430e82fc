"""The page in a frame of another page, as in a notebook."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

from tests.browser.conftest import serve
from tests.browser.doing import CONV, DEMO

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


class Notebook(BaseHTTPRequestHandler):
    """Serves a page with one frame; the query of the request is the address that the frame loads."""

    def do_GET(self) -> None:
        shown = self.path.partition("?")[2]
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(
            f'<!DOCTYPE html><link rel="icon" href="data:,"><iframe src="{shown}" width="1200" height="800"></iframe>'.encode()
        )

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


@contextmanager
def notebook() -> Iterator[str]:
    """Run a server that stands for a notebook's, and yield its origin."""
    with HTTPServer(("127.0.0.1", 0), Notebook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_page_works_in_a_frame(new_context: Callable[..., BrowserContext]) -> None:
    """With --frame, a map is computed inside a notebook's page, and a mosaic opened from it is drawn."""
    with notebook() as origin:
        running = serve(["--frame", origin])
        page = new_context(viewport={"width": 1440, "height": 900}).new_page()
        address = next(running)
        page.goto(f"{origin}/?{address}{DEMO}")
        inside = page.frame_locator("iframe")
        inside.locator("#sheet[data-ready]").wait_for()
        page.frames[1].goto(f"{address}{CONV}")
        inside.locator("#mosaic[data-ready]").wait_for()
        inside.get_by_label("Scale").select_option("signed")
        inside.locator(".ramp-blue-orange").wait_for()
        running.close()  # type: ignore[attr-defined]


def test_other_origins_frame_nothing(page: Page, server: str) -> None:
    """Unless ``--frame`` allows a page's origin, the browser does not show godeeper in that page's frame."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    with notebook() as origin:
        page.goto(f"{origin}/?{server}{DEMO}")
        while not said:
            page.wait_for_timeout(100)
    assert "frame-ancestors 'none'" in said[0]
    assert page.frame_locator("iframe").locator("#sheet").count() == 0
