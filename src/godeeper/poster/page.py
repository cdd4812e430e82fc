"""The page that shows a poster: one HTML file with inline script, style and data, so that it can be opened from disk.

In a browser, a page opened as a file can show pictures but cannot read files.  So the page contains the record, and its
script reads no values from the tiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from ..escaping import escaped, json_text
from ..escaping import escaped_html as escape

POLICY = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(record: Mapping[str, Any], paper: str) -> str:
    """The page for a poster's record; ``paper``: the colour of the background."""
    title = f"{record.get('photo', 'A photo')} in {record.get('network', 'a network')}"
    shown = {key: escaped(value) for key, value in record.items() if isinstance(value, str)}
    parts = {
        "POLICY": POLICY,
        "TITLE": escape(title),
        "STYLE": source("poster.css").replace("PAPER", paper),
        "DATA": json_text({**record, **shown}).replace("<", "\\u003c"),
        "SCRIPT": source("poster.js"),
    }
    pieces = source("poster.html").split("@@")  # every second piece is a name between two marks
    return "".join(parts[piece] if place % 2 else piece for place, piece in enumerate(pieces))


@cache
def source(name: str) -> str:
    """The text of a file in this package."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
