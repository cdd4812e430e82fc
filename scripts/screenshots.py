"""Take the screenshots of the web page for docs/, with a server on loopback and Chromium.

    python scripts/screenshots.py    # writes docs/pictures/serve-*.png

Needs the test group's playwright and a Chromium
(apt-get install chromium, or name one in GODEEPER_CHROMIUM).  The classifier is trained here, on crops of two photos.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, sync_playwright

import godeeper
from godeeper.files import write_atomically

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
CHROMIUM = os.environ.get("GODEEPER_CHROMIUM") or shutil.which("chromium")
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
MOST_BYTES = 300_000
CONV = "/photo/demo/tensor/mixed/tower_2/conv"
CIRCUIT = (
    "/photo/demo/tensor/mixed_4/tower_1/conv_2/filter/38?at=0,3"
    "&via=mixed_4/tower_1/conv_4[17]@3,1&via=mixed_4/tower_1/conv_3[125]@3,3#feeds"
)
ALL_DECODED = (
    "Promise.all([...document.querySelectorAll('#sheet image[href]')].map((image) => image.decode())).then(() => 0)"
)
SHOTS = (  # name, path, window, dark, position of the mouse
    ("empty", "/", WIDE, False, None),
    ("map", "/photo/demo", WIDE, False, None),
    ("module", "/photo/demo#card-mixed_4", WIDE, True, None),
    ("mosaic", f"{CONV}?sort=strength", WIDE, False, (330, 420)),
    ("filter", f"{CONV}/filter/15", WIDE, True, None),
    ("photos", "/photo/demo/tensor/mixed_9/join/filter/754#indexed", WIDE, False, None),
    ("circuit", CIRCUIT, WIDE, False, None),
    ("verdict", "/photo/BOTH/verdict?class=cat", WIDE, False, None),
)
PHONES = (
    "/photo/demo#card-mixed",
    f"{CONV}?sort=strength",
    "/photo/demo/tensor/conv/filter/5",
    "/photo/BOTH/verdict?class=flower",
)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, serving(train(Path(folder))) as address, browsing() as browser:
        both = send(browser, address, Path(folder) / "both.png")
        for name, path, window, dark, mouse in SHOTS:
            keep(name, shot(browser, address + path.replace("BOTH", both), window, dark=dark, mouse=mouse))
        phones = [
            shot(browser, address + path.replace("BOTH", both), PHONE, dark=bool(k % 2), mouse=None)
            for k, path in enumerate(PHONES)
        ]
        keep("phone", side_by_side(phones))
    return 0


def train(folder: Path) -> Path:
    """Train a classifier for a cat and a flower; the photo of both is next to the classifier."""
    subprocess.run([sys.executable, str(ROOT / "examples" / "collage.py"), str(folder)], check=True)
    classifier = folder / "pets.godeeper"
    godeeper.retrain(folder / "photos", features="mixed/join,mixed_5/join,mixed_8/join").save(classifier)
    return classifier


@contextmanager
def serving(classifier: Path) -> Iterator[str]:
    """Run a server on a free port, and yield its address."""
    command = [sys.executable, "-m", "godeeper", "serve", "--port", "0", "--json", str(classifier)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        document = ""
        for line in server.stdout or ():
            document += line
            if line.startswith("}"):
                break
        try:
            yield json.loads(document)["url"].rstrip("/")
        finally:
            server.terminate()


@contextmanager
def browsing() -> Iterator[Browser]:
    """Yield Chromium without a window."""
    if not CHROMIUM:
        sys.exit("no Chromium: apt-get install chromium, or name one in GODEEPER_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def send(browser: Browser, address: str, path: Path) -> str:
    """Upload a photo, and return its id."""
    with browser.new_context() as context:
        file = FilePayload(name=path.name, mimeType="image/png", buffer=path.read_bytes())
        return str(context.request.post(f"{address}/api/photos", multipart={"photo": file}).json()["photo"])


def shot(
    browser: Browser, url: str, window: dict[str, int], *, dark: bool, mouse: tuple[int, int] | None
) -> Image.Image:
    """Return a screenshot of a page in a window of the given size."""
    page: Page = browser.new_page(
        viewport={"width": window["width"], "height": window["height"]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page.goto(url)
    if "/tensor/" in url and "/filter/" not in url:
        page.wait_for_selector("#mosaic[data-ready]")
    elif page.locator("#sheet").count():
        page.wait_for_selector("#sheet[data-ready]")
        page.evaluate(ALL_DECODED)
    page.wait_for_load_state("networkidle")
    if mouse:
        page.mouse.move(*mouse)
    page.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return picture


def side_by_side(pictures: list[Image.Image], gap: int = 16) -> Image.Image:
    """Return the pictures in a row on a grey background."""
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) + 1)
    row = Image.new("RGB", (width, pictures[0].height + 2 * gap), "#8a8f94")
    left = gap
    for picture in pictures:
        row.paste(picture, (left, gap))
        left += picture.width + gap
    return row


def keep(name: str, picture: Image.Image) -> None:
    """Write the picture with as many colours as ``MOST_BYTES`` allows."""
    for colours in (256, 128, 64, 32):
        buffer = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MOST_BYTES:
            break
    path = PICTURES / f"serve-{name}.png"
    write_atomically(path, buffer.getvalue())
    print(f"{path.relative_to(ROOT)}: {picture.width} x {picture.height}, {colours} colours, {buffer.tell():,} bytes")


if __name__ == "__main__":
    sys.exit(main())
