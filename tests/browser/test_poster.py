"""A poster's page in a real browser, opened as a file."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.conftest import PATIENCE

from godeeper.network import Network
from godeeper.poster.poster import Poster

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = os.environ.get("GODEEPER_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def poster(net: Network, chelsea: Path, tmp_path_factory: pytest.TempPathFactory) -> Poster:
    """The poster of the demonstration photo."""
    return net.poster(chelsea, tmp_path_factory.mktemp("posters") / "poster")


def shown(browser: Browser, poster: Poster, place: str) -> str:
    """Return the page's document, once every visible tile is loaded."""
    page = browser.new_page()
    try:
        page.goto(f"{poster.page.as_uri()}#{place}")
        page.wait_for_selector('body[data-waiting="0"]', timeout=PATIENCE)
        return page.content()
    finally:
        page.close()


def test_it_opens_from_a_disk(browser: Browser, poster: Poster) -> None:
    """Every tile of the first view is loaded, and no error is shown."""
    page = shown(browser, poster, "")
    assert re.search(r'<output id="said"[^>]*></output>', page)
    assert "125 tensors, 42883 filters" in page


@pytest.mark.parametrize(
    "name", ["mixed/tower_2/conv", "Mixed_5b.branch_pool", "activation_11", "MIXED/TOWER_2/CONV:0"]
)
def test_any_name_leads_to_the_tensor(browser: Browser, poster: Poster, name: str) -> None:
    """The address after # may be in any convention, and the legend has the ends of the tensor's scale."""
    page = shown(browser, poster, f"{name}[12]")
    assert '<h1 id="name">mixed/tower_2/conv[12]</h1>' in page
    tensor = next(each for each in poster.record["tensors"] if each["address"] == "mixed/tower_2/conv")
    assert f'<span id="high">{tensor["high"]:.4g}, all filters' in page


GESTURES = {
    "the wheel zooms about the pointer": (
        "fire('wheel', {deltaY: -200, clientX: 300, clientY: 200})",
        "view.scale > before.scale && Math.abs(place(before, 300, 200)[0] - place(view, 300, 200)[0]) < 1",
    ),
    "a drag moves": (
        ("fire('pointerdown', {pointerId: 1, clientX: 300, clientY: 300}); fire('pointermove', {pointerId: 1, clientX: 340, clientY: 310});"
        "fire('pointerup', {pointerId: 1})"),
        "Math.abs((before.x - view.x) * view.scale - 40) < 1 && Math.abs((before.y - view.y) * view.scale - 10) < 1",
    ),
    "two fingers zoom": (
        ("for (const [id, x] of [[1, 300], [2, 400]]) fire('pointerdown', {pointerId: id, clientX: x, clientY: 300});"
        "fire('pointermove', {pointerId: 2, clientX: 500, clientY: 300})"),
        "Math.abs(view.scale / before.scale - 2) < 0.01 && Math.abs(place(before, 300, 300)[0] - place(view, 300, 300)[0]) < 2",
    ),
    "arrows move": ("key('ArrowRight')", "view.x > before.x"),
    "plus zooms": ("key('+')", "view.scale > before.scale"),
    "minus zooms out": ("key('-')", "view.scale < before.scale"),
    "zero shows all": ("key('0')", "Math.abs(view.scale - whole().scale) < 1e-6"),
    "L hides the labels": ("key('l')", "!labels"),
    "a search flies": (
        "element('search').value = 'activation_11'; search()",
        "marked.tensor.address === 'mixed/tower_2/conv' && location.hash === '#mixed/tower_2/conv'",
    ),
    "a name that is none is told": ("element('search').value = 'nothing'; search()", "element('said').textContent !== ''"),
    "pointing tells": (
        ("const it = record.tensors[40]; go(it, 7, true); const at = corner(it, 7), [x, y] = screen(at.x + 1, at.y + 1);"
        "fire('pointermove', {pointerId: 9, clientX: x, clientY: y})"),
        "element('name').textContent === record.tensors[40].address + '[7]'",
    ),
}  # fmt: skip

DRIVER = """
const calls = %s, verdicts = {};
canvas.setPointerCapture = () => {};
const fire = (kind, fields) => canvas.dispatchEvent(new (kind === 'wheel' ? WheelEvent : PointerEvent)(kind, {bubbles: true, cancelable: true, ...fields}));
const key = name => dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true}));
const place = (seen, x, y) => [seen.x + x / seen.scale, seen.y + y / seen.scale];
for (const [name, [act, check]] of Object.entries(calls)) {
  set({x: 1000, y: 2000, scale: 1}); marked = null; labels = true; pointers.clear();
  const before = {...view};
  try { verdicts[name] = Boolean(new Function('before', 'fire', 'key', 'place', `${act}; return ${check}`)(before, fire, key, place)); }
  catch (error) { verdicts[name] = String(error); }
}
document.title = JSON.stringify(verdicts);
"""


def test_every_gesture_does_what_the_page_says(poster: Poster) -> None:
    """Mouse, touch and keys move, zoom, search and show values."""
    assert CHROMIUM is not None
    text = poster.page.read_text().replace("script-src 'unsafe-inline'", "script-src 'unsafe-inline' 'unsafe-eval'")
    driven = poster.folder / "driven.html"
    driver = DRIVER.replace("%s", json.dumps(GESTURES))
    driven.write_text(text.replace("</body>", f"<script>{driver}</script></body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--force-prefers-reduced-motion", "--dump-dom"]
    command = [CHROMIUM, *options, "--virtual-time-budget=5000", driven.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    assert json.loads(html.unescape(title[1])) == dict.fromkeys(GESTURES, True)
