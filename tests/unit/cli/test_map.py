"""``godeeper map``: both formats, with and without a photo, and invalid arguments."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from godeeper.cli.main import main

PHOTO = Path(__file__).parents[3] / "examples" / "chelsea.jpg"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a separate cache folder for each test."""
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "cache"))


def check_parses(text: str) -> None:
    """Raise if ``text``, an SVG or HTML file that godeeper wrote, is not well-formed."""
    ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))  # noqa: S314 (we wrote it)


@pytest.mark.parametrize("name", ["map.svg", "map.html", "MAP.SVG"])
def test_writes(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The extension sets the format, and a line states what was written."""
    out = tmp_path / name
    assert main(["map", "--out", str(out)]) == 0
    text = out.read_text("utf-8")
    assert text.startswith("<?xml" if name.lower().endswith("svg") else "<!DOCTYPE html>")
    assert capsys.readouterr().out.startswith(f"{out}: Inception v3, 133 boxes")


def test_one_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The drawing of one module has the boxes of that module only."""
    out = tmp_path / "module.svg"
    assert main(["map", "--module", "Mixed_6e", "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "out": str(out),
        "network": "inception_v3",
        "modules": ["mixed_7"],
        "boxes": 12,
        "photo": None,
        "bytes": out.stat().st_size,
    }


def test_same_bytes(tmp_path: Path) -> None:
    """The same request gives the same bytes."""
    first, second = tmp_path / "first.html", tmp_path / "second.html"
    assert main(["map", "--out", str(first)]) == main(["map", "--out", str(second)]) == 0
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["photo.svg", "photo.html"])
def test_photo(name: str, tmp_path: Path) -> None:
    """With a photo every box that can show a picture has one, and the file stays below 2 MB."""
    out = tmp_path / name
    assert main(["map", "--photo", str(PHOTO), "--out", str(out)]) == 0
    text = out.read_text("utf-8")
    check_parses(text)
    assert text.count("<image ") == 133 - 6 - 3  # none for other steps of the photo, flatten, fully connected, softmax
    assert len(text) < 2_000_000
    assert "Photo chelsea.jpg, weights bundled." in text


def test_picture_is_of_the_activations(tmp_path: Path) -> None:
    """The first tile shows the filter with the greatest variation, on the scale that the tile's title names."""
    import godeeper

    out = tmp_path / "photo.svg"
    assert main(["map", "--module", "mixed", "--photo", str(PHOTO), "--out", str(out)]) == 0
    box = re.search(r'<g id="mixed/tower_2/conv".*?</g>', out.read_text("utf-8"), re.DOTALL)
    assert box
    values = godeeper.load().peek(PHOTO, "mixed/tower_2/conv").activations[0]
    first = int(values.std(axis=(1, 2)).argmax())
    assert f"picture: filters {first}, " in box[0]
    assert f"dark 0, bright {values.max():.4g}" in box[0]
    encoded = re.search(r"base64,([^\"]+)", box[0])
    assert encoded
    tile = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded[1]))))[:35, :35]
    np.testing.assert_allclose(
        tile, values[first] / values.max() * 255, rtol=0, atol=1.51
    )  # values are rounded, and level 1 is reserved for transparency, so a value at level 1 is drawn as level 0


def test_unreadable_name_of_a_photo(tmp_path: Path) -> None:
    """A photo whose name looks like markup leaves the file well-formed."""
    odd = tmp_path / "a<b>&'quoted'.jpg"
    odd.write_bytes(PHOTO.read_bytes())
    out = tmp_path / "odd.svg"
    assert main(["map", "--module", "photo", "--photo", str(odd), "--out", str(out)]) == 0
    check_parses(out.read_text("utf-8"))


def test_dialect_of_the_weights(tmp_path: Path) -> None:
    """If ``--weights`` is given without ``--photo``, it sets the dialect of the drawing."""
    out = tmp_path / "map.svg"
    assert main(["map", "--weights", "bundled", "--module", "mixed_10", "--out", str(out)]) == 0
    assert "average pool 3×3, stride 1" in out.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "map.png"], "expected a name that ends in .svg or .html"),
        (["--out", "map"], "expected a name that ends in .svg or .html"),
        (["--out", "map.svg", "--module", "mixed_99"], "no module is called 'mixed_99'; nearest: mixed_9"),
        (["--out", "map.svg", "--module", ""], "no module is called ''; nearest: photo"),
        (["--out", "map.svg", "--module", "*" * 22 + "a"], "no module is called '***"),
        (["--out", "map.svg", "--network", "inception_v9"], "unknown network 'inception_v9': expected one of"),
        (["--out", "map.svg", "--weights", "nobodys"], "unknown weights 'nobodys'"),
        (["--out", "map.svg", "--photo", "missing.jpg"], "missing.jpg: no such file"),
        (["--out", "map.svg", "--photo", __file__], "test_map.py"),
        (["--out", "file/map.svg"], "cannot write file/map.svg"),
    ],
)
def test_errors(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An invalid argument gives one line and exit code 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert main(["map", *arguments]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["file"]


def test_out_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    """``--out`` is required."""
    with pytest.raises(SystemExit, match="2"):
        main(["map"])
    assert "--out" in capsys.readouterr().err


def test_an_unknown_extension(capsys: pytest.CaptureFixture[str]) -> None:
    """The error shows the file name exactly as the user typed it."""
    assert main(["map", "--out", "a b"]) == 2
    assert "cannot tell the format of 'a b': expected" in capsys.readouterr().err
