"""The code of docs/how-to/use-an-exported-model.md runs unchanged, and agrees with the command line."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.classifier.handmade import classifier

from godeeper.cli.main import main

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "use-an-exported-model.md"
WITHOUT_GODEEPER = "import sys; sys.modules['godeeper'] = sys.modules['onnx'] = sys.modules['torch'] = None\n"


def blocks(language: str) -> list[str]:
    """Return the page's code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("threshold", [None, 1.0], ids=["without a threshold", "none of these"])
def test_the_ten_lines_say_what_the_command_says(
    tmp_path: Path,
    chelsea: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    threshold: float | None,
) -> None:
    """The page's Python, run without godeeper, agrees with `godeeper classify`."""
    monkeypatch.chdir(tmp_path)
    Path("holiday").mkdir()
    shutil.copy(chelsea, "photo.jpg")
    shutil.copy(chelsea, "holiday/1.jpg")
    classifier(threshold=threshold).save("my.godeeper")
    command = next(block for block in blocks("sh") if "--to onnx" in block)
    assert main(shlex.split(command)[1:]) == 0
    capsys.readouterr()
    assert main(["classify", "my.godeeper", "photo.jpg", "--json"]) == 0
    (expected,) = json.loads(capsys.readouterr().out)["photos"]
    (code,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", WITHOUT_GODEEPER + code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    verdict, _, probability = done.stdout.strip().rpartition(" ")
    assert verdict == (expected["verdict"] or "none of these")
    assert float(probability) == pytest.approx(max(expected["probabilities"].values()), abs=1e-4)
