"""Only supported formats are opened, regardless of file names, and no decoder starts a program."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, features
from tests.conftest import ROOT

import godeeper
from godeeper.errors import PhotoError
from godeeper.photos.decode import decode
from godeeper.photos.formats import FORMATS, RAW, describe, identify
from godeeper.photos.opening import peek_header

EPS = ROOT / "tests" / "data" / "photos" / "eps_named.jpg"


def test_pillow_itself_would_start_it(ghostscript: Path) -> None:
    """Without godeeper's checks, Pillow opens a PostScript file and starts Ghostscript."""
    with Image.open(EPS) as opened:
        opened.load()
    assert ghostscript.exists()


def test_python_starts_no_program(ghostscript: Path) -> None:
    """No program is started for a path, for bytes, or for an image that the caller opened as EPS."""
    with Image.open(EPS) as opened:
        for source in (EPS, EPS.read_bytes(), opened):
            with pytest.raises(PhotoError, match=r"PostScript|opened as EPS"):
                decode(source)
            with pytest.raises(PhotoError):
                godeeper.load().peek(source, "conv")
    assert peek_header(EPS) == (None, 0)
    assert not ghostscript.exists()


@pytest.mark.parametrize("format", [each.name for each in FORMATS])
def test_each_format_on_the_list_is_opened(format: str) -> None:
    """Each supported format is recognised by its content."""
    assert format != "AVIF" or features.check("avif")
    buffer = io.BytesIO()
    Image.new("RGB", (40, 24), "red").save(buffer, format)
    assert identify(buffer.getvalue()) == format
    assert abs(decode(buffer.getvalue()).pixels[0, 0].astype(int) - (255, 0, 0)).max() < 8


def test_no_other_format_is_opened() -> None:
    """Files in every other format that Pillow can write are refused."""
    Image.init()
    listed = {each.name for each in FORMATS} | {"MPO"}
    tried = 0
    for name in sorted(set(Image.SAVE) - listed):
        buffer = io.BytesIO()
        try:
            Image.new("L" if name in ("MSP", "XBM", "SPIDER") else "RGB", (64, 64)).save(buffer, name)
        except Exception:  # noqa: S112  # some formats can be written only with a third-party handler
            continue
        if identify(buffer.getvalue()) not in ("JPEG", "PNG", "BMP", "JPEG2000"):
            tried += 1
            with pytest.raises(PhotoError, match="not a photo"):
                decode(buffer.getvalue())
    assert tried >= 10


def test_refusals_say_what_it_is() -> None:
    """The most common unsupported formats have their own messages."""
    for start, words in [
        (b"%PDF-1.7", "PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypcrx ", RAW),
        (b"FUJIFILMCCD-RAW 0201", RAW),
        (b"IIU\0\x18\0\0\0", RAW),
        (b"IIRO\x08\0\0\0", RAW),
        (b"II*\0\x10\0\0\0CR\2\0", RAW),
        (b"\xd7\xcd\xc6\x9a", "metafile"),
    ]:
        assert identify(start) is None
        assert words in describe(start)


def test_the_list_is_in_the_docs() -> None:
    """The table in the documentation has a row for each supported format, and no other rows."""
    page = (ROOT / "docs" / "reference" / "photos.md").read_text()
    page = page.partition("## ")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| format")]
    assert rows == [f"| {each.name} | {', '.join(each.suffixes)} | {each.remark} |" for each in FORMATS]
