"""The page's modules as one script, for the HTML file that works without a server.

An HTML file opened from a disk cannot import modules, so they are joined into one script, without imports and the keyword
``export``.  Therefore no two modules may define the same name at the top level; a browser test checks this.
"""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
MODULES = ("again.js", "legend.js", "numbers.js", "photo.js", "tiles.js", "mosaic.js")
STYLE = "app.css"


def script() -> str:
    """The script of the offline page."""
    joined = "\n".join((STATIC / name).read_text("utf-8") for name in MODULES)
    return re.sub(r"^export ", "", re.sub(r"^import .*\n", "", joined, flags=re.MULTILINE), flags=re.MULTILINE)


def style() -> str:
    """The static style sheet."""
    return (STATIC / STYLE).read_text("utf-8")
