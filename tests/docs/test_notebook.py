"""examples/peek.ipynb runs from its first cell to its last, without Jupyter."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT

NOTEBOOK = ROOT / "examples" / "peek.ipynb"


def test_the_notebook_runs(tmp_path: Path, chelsea: Path) -> None:
    """The code cells run in order, in one process, in a folder with the photo, and write the stated picture."""
    cells = [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells)
    shutil.copy(chelsea, tmp_path)
    code = "\n".join("".join(cell["source"]) for cell in cells)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "(1, 32, 35, 35) 0 filters are zero all over this photo",
        "mixed/tower_2/conv (1, 32, 35, 35)",
        "mixed_1/join (1, 288, 35, 35)",
        "mixed_10/join (1, 2048, 8, 8)",
    ]
    assert (tmp_path / "peek.png").is_file()
