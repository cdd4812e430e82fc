"""The report's style sheet: static rules, and both palettes' colours as custom properties."""

from __future__ import annotations

from pathlib import Path

from ..diagram.palette import DARK, LIGHT, custom_properties

FOLDER = Path(__file__).parent / "templates"


def file_style() -> str:
    """All the rules of a report that is a file of its own, light or dark as the reader's system prefers."""
    palettes = (
        f":root{{{custom_properties(LIGHT)}}}\n"
        f"@media(prefers-color-scheme:dark){{:root{{{custom_properties(DARK)}}}}}\n"
        ":root{color-scheme:light dark}\n"
    )
    return palettes + read("file.css") + article_style()


def article_style() -> str:
    """The rules of the report's content; its colours are the custom properties of ``diagram.palette``."""
    return read("report.css")


def read(name: str) -> str:
    """A style sheet of this package."""
    return (FOLDER / name).read_text("utf-8")
