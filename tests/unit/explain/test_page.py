"""docs/how-to/explain-a-verdict.md: its commands and its Python do what the page says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from godeeper.cli.main import main

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "how-to" / "explain-a-verdict.md"


def blocks(language: str) -> str:
    """The page's code of one language."""
    return "".join(re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL))


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command, then the Python; the picture that the page shows is among what they write."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    for line in blocks("sh").splitlines():
        program, *words = shlex.split(line)
        if program == "python":
            subprocess.run([sys.executable, *words], check=True, timeout=60)
        else:
            assert main(words) == 0, line
    subprocess.run([sys.executable, "-c", blocks("python")], check=True, timeout=60)
    (shown,) = re.findall(r"\(\.\./pictures/(\S+)\)", PAGE.read_text())
    assert (tmp_path / shown).is_file()
