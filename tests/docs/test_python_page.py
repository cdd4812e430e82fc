"""docs/reference/python.md: public names cannot stay without a docstring.  That the page is fresh, tests/contract checks."""

from __future__ import annotations

import subprocess
import sys

from tests.docs.pages import ROOT

UNDOCUMENTED = """
import sys
sys.path.insert(0, "scripts")
import godeeper, make_docs
def load(): return None
godeeper.load = load
make_docs.python_page()
"""


def test_a_public_name_without_a_docstring_is_refused() -> None:
    """The page is not made, and the message names the function."""
    done = subprocess.run(
        [sys.executable, "-c", UNDOCUMENTED], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == "godeeper.load is public and has no docstring: write one\n"


def test_every_public_name_is_on_the_page() -> None:
    """Each name of ``godeeper.__all__`` has its section."""
    import godeeper

    page = (ROOT / "docs" / "reference" / "python.md").read_text("utf-8")
    for name in godeeper.__all__:
        assert name == "__version__" or f"## `godeeper.{name}`\n" in page, name
