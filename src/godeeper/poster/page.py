"""The page that shows a poster: one HTML file with script, style and data inline, so that it opens from disk.

A page opened as a file may not read other files, only show pictures: hence the record is in it, and no
value is read back from the tiles.
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
    """The page of a poster's record; ``paper``: the colour around the blocks."""
    title = f"{record.get('photo', 'A photo')} in {record.get('network', 'a network')}"
    shown = {key: escaped(value) for key, value in record.items() if isinstance(value, str)}
    parts = {
        "POLICY": POLICY,
        "TITLE": escape(title),
        "STYLE": source("poster.css").replace("PAPER", paper),
        "DATA": json_text({**record, **shown}).replace("<", "\\u003c"),
        "SCRIPT": source("poster.js"),
    }
    pieces = source("poster.html").split("@@")  # names stand between marks: every second piece is one
    return "".join(parts[piece] if place % 2 else piece for place, piece in enumerate(pieces))


@cache
def source(name: str) -> str:
    """The text of a file beside this one."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
