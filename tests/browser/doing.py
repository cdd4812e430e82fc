"""Actions on the page that the tests share, named as a user would describe them."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

DEMO = "/photo/demo"
CONV = f"{DEMO}/tensor/mixed/tower_2/conv"

GUTTER = 2  # pixels between tiles

DROP = """([encoded, name, type]) => {
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""


def drop(page: Page, payload: bytes, name: str = "photo.png", kind: str = "image/png") -> None:
    """Drop a file anywhere on the window."""
    page.evaluate(DROP, [base64.b64encode(payload).decode(), name, kind])


def photo(seed: int, size: tuple[int, int] = (320, 240)) -> bytes:
    """Return a PNG of soft stripes in random colours, different for each seed."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (6, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


def open_map(page: Page, path: str = DEMO) -> None:
    """Go to a map, and wait until its last picture is shown."""
    page.goto(path)
    wait_for_pictures(page)


def wait_for_pictures(page: Page) -> None:
    """Wait until every box that has room for a picture shows it."""
    page.wait_for_selector("#sheet[data-ready]")


def open_mosaic(page: Page, path: str = CONV) -> None:
    """Go to a mosaic, and wait until it is drawn and its values are loaded."""
    page.goto(path)
    wait_for_mosaic(page)


def wait_for_mosaic(page: Page) -> None:
    """Wait until the script has drawn the mosaic and loaded the values."""
    page.wait_for_selector("#mosaic[data-ready]")


def point_at(page: Page, position: int, row: int, column: int, side: int = 35) -> None:
    """Move the mouse to a cell of the tile at ``position``; tiles have ``side`` cells per side."""
    zoom = int(page.locator("#zoom").inner_text().rstrip("×"))
    canvas = page.locator("#mosaic canvas").first.bounding_box()
    assert canvas is not None
    pitch = side * zoom + GUTTER
    across = round((canvas["width"] + GUTTER) / pitch)
    x = canvas["x"] + (position % across) * pitch + (column + 0.5) * zoom
    y = canvas["y"] + (position // across) * pitch + (row + 0.5) * zoom
    page.mouse.move(x, y)


def fact(page: Page, name: str) -> str:
    """Return the value that the readout shows under ``name``."""
    return str(page.locator(f"[data-fact={name}]").inner_text())


def violations(page: Page) -> list[Any]:
    """Return (rule, elements) for each violation that axe-core finds."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page).response["violations"]
    return [(rule["id"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in found]
