"""A poster's page in a real browser, opened as a file."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from godeeper.network import Network
from godeeper.peek.poster import Poster

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def poster(net: Network, chelsea: Path, tmp_path_factory: pytest.TempPathFactory) -> Poster:
    """The poster of the demonstration photo."""
    return net.poster(chelsea, tmp_path_factory.mktemp("posters") / "poster")


def shown(poster: Poster, place: str) -> str:
    """The page's document after its script has run."""
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
    address = f"{poster.page.as_uri()}#{place}"
    done = subprocess.run([CHROMIUM, *options, address], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def test_it_opens_from_a_disk(poster: Poster) -> None:
    """Every tile of the first view is read, and no error is said."""
    page = shown(poster, "")
    assert 'data-waiting="0"' in page
    assert re.search(r'<output id="said"[^>]*></output>', page)
    assert "125 tensors, 42883 filters" in page


@pytest.mark.parametrize(
    "name", ["mixed/tower_2/conv", "Mixed_5b.branch_pool", "activation_12", "MIXED/TOWER_2/CONV:0"]
)
def test_any_name_leads_to_the_tensor(poster: Poster, name: str) -> None:
    """The address after # may be of any convention; the legend has the tensor's own ends."""
    page = shown(poster, f"{name}[12]")
    assert '<h1 id="name">mixed/tower_2/conv[12]</h1>' in page
    tensor = next(each for each in poster.record["tensors"] if each["address"] == "mixed/tower_2/conv")
    assert f'<span id="high">{tensor["high"]:.4g}, all filters' in page
    assert 'data-waiting="0"' in page
