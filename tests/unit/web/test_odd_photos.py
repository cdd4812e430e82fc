"""Photos from untrusted clients are decoded without starting a program."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import ROOT

if TYPE_CHECKING:
    from tests.unit.web.client import Client

EPS = ROOT / "tests" / "data" / "photos" / "eps_named.jpg"


def test_the_page_starts_no_program(ghostscript: Path, client: Client) -> None:
    """An upload of PostScript is refused with a one-line error that contains no local path, and no program is started."""
    answer = client.send([("photo", "cat.jpg", EPS.read_bytes())])
    assert answer.status == 422
    assert "PostScript" in answer.text
    assert tempfile.gettempdir() not in answer.text
    assert not ghostscript.exists()
