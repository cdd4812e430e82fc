"""The page's modules as one script, for the HTML file that works without a server.

A file opened from a disk cannot import others, so they stand one after the other in one module:
imports are dropped, and what is exported is simply there.  No two of them may use a name twice,
which a test in the browser would show.
"""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
MODULES = ("again.js", "legend.js", "numbers.js", "photo.js", "tiles.js", "mosaic.js")
STYLE = "app.css"


def script() -> str:
    """What the offline page runs."""
    joined = "\n".join((STATIC / name).read_text("utf-8") for name in MODULES)
    return re.sub(r"^export ", "", re.sub(r"^import .*\n", "", joined, flags=re.MULTILINE), flags=re.MULTILINE)


def style() -> str:
    """The style that is not computed."""
    return (STATIC / STYLE).read_text("utf-8")
