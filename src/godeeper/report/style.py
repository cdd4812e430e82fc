"""The report's style sheet: fixed rules, and the colours of both palettes as custom properties."""

from __future__ import annotations

from pathlib import Path

from ..diagram.palette import DARK, LIGHT, custom_properties

FOLDER = Path(__file__).parent / "templates"


def file_style() -> str:
    """The rules for a report in a separate file, light or dark as the reader's system prefers."""
    palettes = (
        f":root{{{custom_properties(LIGHT)}}}\n"
        f"@media(prefers-color-scheme:dark){{:root{{{custom_properties(DARK)}}}}}\n"
        ":root{color-scheme:light dark}\n"
    )
    return palettes + read("file.css") + article_style()


def article_style() -> str:
    """The rules for the report's content, with the colours of ``diagram.palette`` as custom properties."""
    return read("report.css")


def read(name: str) -> str:
    """A style sheet of this package."""
    return (FOLDER / name).read_text("utf-8")
