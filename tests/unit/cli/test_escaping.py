"""Names that a terminal, a browser or a spreadsheet would interpret are escaped in all output."""

from __future__ import annotations

import csv
import io
import json
import shutil
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from godeeper.escaping import csv_cell, escaped, escaped_html, json_text

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

HOSTILE = "\x1b[31mred", "b\nnew\rline", "\u202egpj.exe", "=1+1", "a\x85b\x7f\u200b\u2066\ufeff"
NAMES = dict(enumerate(HOSTILE))


def hidden(text: str) -> list[str]:
    """Return the control and invisible characters in ``text``, except line ends and tabs."""
    return [
        each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp", "Cs") and each not in "\n\t"
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cat", "cat"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\u202egpj", r"\u202egpj"),
        ("\x85\x9b\x7f", r"\x85\x9b\x7f"),
        ("\u2028\ufeff\U000e0041", r"\u2028\ufeff\U000e0041"),
        ("caf\udce9.jpg", r"caf\xe9.jpg"),
        ("\ud800", r"\ud800"),
        ("Brot\u00a0und\u3000日本 ñ", "Brot\u00a0und\u3000日本 ñ"),
    ],
)
def test_escaped(text: str, shown: str) -> None:
    """Letters of all scripts and spaces of all widths stay; control and format characters and lone surrogates are escaped."""
    assert escaped(text) == shown
    assert escaped_html(f"<{text}>") == f"&lt;{shown}&gt;"
    assert json.loads(json_text({text: [text]})) == {text: [text]}
    assert not hidden(json_text({text: [text]}))


def test_json_for_a_narrow_encoding() -> None:
    """A character that the terminal's encoding lacks is escaped, and parsing the JSON restores it."""
    text = json_text(["é", "日"], encoding="latin-1")
    assert text == '["é","\\u65e5"]'
    assert json.loads(text) == ["é", "日"]


@pytest.mark.parametrize("start", "=+-@")
def test_formulas(start: str) -> None:
    """A spreadsheet reads a cell with a formula as text; a single sign is not a formula."""
    assert csv_cell(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"
    assert csv_cell(start) == start


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders and photos with hostile names."""
    folder = tmp_path_factory.mktemp("hostile")
    random = np.random.default_rng(0)
    for number, name in enumerate(HOSTILE):
        (folder / "photos" / name).mkdir(parents=True)
        for photo in range(4):
            pixels = np.clip(random.integers(0, 150, (8, 8, 3)) + 25 * number, 0, 255).astype(np.uint8)
            file = folder / "photos" / name / f"{photo}{HOSTILE[(number + photo) % 5]}.png"
            Image.fromarray(pixels).resize((40, 40)).save(file)
    shutil.copy(file, folder / "photos" / f"{HOSTILE[2]}.png")
    shutil.copy(file, folder / f"{HOSTILE[0]}{HOSTILE[1]}{HOSTILE[2]}.png")
    return folder


COMMANDS = {
    "retrain": ["retrain", "photos", "--features", "conv", "--out", "out/made.godeeper"],
    "explain": ["explain", "made.godeeper", "PHOTO", "--out", "out"],
    "peek": ["peek", "PHOTO", "conv", "--out", "out"],
    "map": ["map", "--module", "mixed_7", "--photo", "PHOTO", "--out", "out/map.svg"],
    "page": ["map", "--module", "mixed_7", "--photo", "PHOTO", "--out", "out/map.html"],
    "poster": ["poster", "PHOTO", "--out", "out"],
    "top": ["top", "photos", "conv[3]", "--out", "out"],
    "contributions": ["contributions", "PHOTO", "conv[3]", "--out", "out"],
    "doctor": ["doctor", "photos"],
    "classify": ["classify", "made.godeeper", "photos"],
    "export": ["export", "made.godeeper", "--to", "onnx", "--photos", "PHOTO", "--out", "out/c.onnx"],
}


@pytest.fixture(scope="module")
def made(here: Path) -> Path:
    """A classifier that was trained on these folders, so its classes have the hostile names."""
    from godeeper.retraining import retrain

    retrain(here / "photos", features="conv").save(here / "made.godeeper")
    return here


@pytest.mark.parametrize("command", COMMANDS)
def test_files_and_json(run: Run, made: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON and text files contain no control or invisible characters, and SVG is well-formed XML."""
    monkeypatch.chdir(made)
    shutil.rmtree("out", ignore_errors=True)
    photo = next(path.name for path in made.glob("*.png"))
    code, out, err = run(*[photo if word == "PHOTO" else word for word in COMMANDS[command]], "--json")
    assert code in (0, 1), err
    assert not hidden(out)
    json.loads(out)
    for path in Path("out").rglob("*") if Path("out").exists() else ():
        if path.suffix in (".html", ".svg", ".json", ".dzi"):
            assert not hidden(path.read_text("utf-8")), path
        if path.suffix == ".svg":
            ElementTree.parse(path)  # noqa: S314 (our own)
        if path.suffix == ".png" and "poster_files" not in path.parts:
            with Image.open(path) as picture:
                assert not hidden("".join(map(str, picture.info.values()))), path
            assert not hidden(path.name)


def test_the_report_shows_the_escapes(run: Run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report shows the escape sequences as text, instead of the characters."""
    monkeypatch.chdir(made)
    shutil.rmtree("out", ignore_errors=True)
    run(*COMMANDS["retrain"])
    page = Path("out/made.html").read_text("utf-8")
    for shown in (r"\x1b[31mred", r"b\nnew\rline", r"\u202egpj.exe", r"a\x85b\x7f\u200b\u2066\ufeff"):
        assert shown in page
    assert json.loads(Path("out/made.json").read_text("utf-8"))["classes"] == sorted(HOSTILE)


def test_csv(run: Run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CSV follows RFC 4180, has no line break or formula in a cell, and has the same columns in every row."""
    monkeypatch.chdir(made / "photos" / HOSTILE[3])
    (photo,) = Path().glob("0*")
    photo.rename("=2+2.png")
    code, out, _ = run(
        "classify", made / "made.godeeper", *sorted(map(str, Path().iterdir())), "missing,\n.jpg", "--csv"
    )
    assert code == 1
    assert not hidden(out)
    rows = list(csv.reader(io.StringIO(out), strict=True))
    assert {len(row) for row in rows} == {4 + len(HOSTILE)}
    assert len(rows) == out.count("\n") == 1 + 5
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert any(row[0] == "'=2+2.png" for row in rows)
    assert any(row[0] == r"missing,\n.jpg" and "missing" in row[2] for row in rows)
