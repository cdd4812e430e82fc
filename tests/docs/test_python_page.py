"""docs/reference/python.md: public names need a docstring with shapes, errors and an example.  tests/contract checks that the page is fresh."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.docs.pages import ROOT

MAKE_THE_PAGE = """
import sys
sys.path.insert(0, "scripts")
import godeeper, make_docs
{function}
godeeper.load = load
make_docs.python_page()
"""

INCOMPLETE = {
    "has no docstring: write one": "def load(): return None",
    "shows no example: add one to its docstring": "def load():\n    'Loads.'",
    "does not say what it raises: add it to its docstring": "def load(name):\n    '>>> load(1)'",
    "returns an array, but states no shape: add one, such as (B, C, H, W)": "def load() -> 'NDArray[Any]':\n    '>>> load()'",
}
"""Reason of a refusal -> the source of a function that is refused for that reason."""


@pytest.mark.parametrize("reason", INCOMPLETE)
def test_an_incomplete_docstring_is_refused(reason: str) -> None:
    """For an incomplete docstring the page is not made, and the error names the function and the missing part."""
    code = MAKE_THE_PAGE.format(function=INCOMPLETE[reason])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.strip().removeprefix("godeeper.load is public and ") == reason


def test_every_public_name_is_on_the_page() -> None:
    """Each name in ``godeeper.__all__`` has a section."""
    import godeeper

    page = (ROOT / "docs" / "reference" / "python.md").read_text("utf-8")
    for name in godeeper.__all__:
        assert name == "__version__" or f"## `godeeper.{name}`\n" in page, name
