"""The page of one filter: complete, offline, without scripts, and with names escaped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from godeeper.cli.main import main
from godeeper.filters.visualisation import visualise


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use two steps of gradient ascent, which are enough for these tests."""
    made = visualise.Settings
    monkeypatch.setattr(visualise, "Settings", lambda: made(steps=2))


def test_the_page_shows_every_part(tmp_path: Path) -> None:
    page = tmp_path / "filter.html"
    arguments = ["filter", "mixed/join[86]", "--photo", "examples/chelsea.jpg", "--out", str(page)]
    assert main(arguments) == 0
    text = page.read_text("utf-8")
    for heading in (
        "On your photo",
        "What feeds it",
        "What it feeds",
        "In the sample pictures",
        "What it responds to",
        "What it wants",
    ):
        assert f"<h2>{heading}</h2>" in text
    assert "mixed/tower/conv_1[22]" in text
    assert text.count("<figure>") >= 2 + 10 + 6 + 3 + 1
    assert "missing or changed" not in text
    assert not re.search(r"<script|https?://|<link|@import|url\(", text)
    anchors = re.findall(r'href="#([^"]+)"', text)
    assert len(anchors) > 15
    assert all(text.count(f'id="{each}"') == 1 for each in anchors), "each filter that is named has its section"
    assert main(arguments) == 0, "our own page is replaced"


def test_a_first_filter_shows_its_kernel_and_without_a_photo_the_best_one(tmp_path: Path) -> None:
    page = tmp_path / "filter.html"
    assert main(["filter", "conv[3]", "--out", str(page)]) == 0
    text = page.read_text("utf-8")
    assert "<h2>Its kernel</h2>" in text
    assert "<h2>On its best photo</h2>" in text


def test_names_of_photos_and_classes_are_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "photos" / "<b>bold"
    folder.mkdir(parents=True)
    (folder / "<i>cat.jpg").write_bytes(Path("examples/chelsea.jpg").read_bytes())
    index, page = tmp_path / "my.index", tmp_path / "filter.html"
    assert main(["index", str(tmp_path / "photos"), "--out", str(index)]) == 0
    assert main(["filter", "mixed/join[86]", "--index", str(index), "--out", str(page)]) == 0
    text = page.read_text("utf-8")
    assert "<i>cat" not in text
    assert "&lt;i&gt;cat" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--out", "filter.png"], "ends in .html"),
        (["--out", "filter.html", "--index-only"], "leave out --index-only"),
    ],
)
def test_a_page_that_cannot_be_made_is_refused(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["filter", "mixed/join[86]", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_ours_stays(tmp_path: Path) -> None:
    page = tmp_path / "filter.html"
    page.write_text("mine")
    assert main(["filter", "mixed/join[86]", "--out", str(page)]) == 2
    assert page.read_text() == "mine"
