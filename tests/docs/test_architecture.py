"""docs/architecture.md: its picture and its names match the source."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from scripts.draw_architecture import PICTURE, drawn_graph, svg

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
TOP = {path.stem for path in (PAGE.parents[1] / "src" / "godeeper").iterdir()}
NAMES = sorted(
    {name for name in re.findall(r"`(\w+(?:\.\w+)+)`", PAGE.read_text("utf-8")) if name.split(".")[0] in TOP}
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_on_the_page_exists(name: str) -> None:
    """Each dotted name is a module below ``godeeper``, or a class, function or method in one."""
    value, path = import_module("godeeper"), "godeeper"
    for part in name.split("."):
        path = f"{path}.{part}"
        if not hasattr(value, part):
            import_module(path)
        value = getattr(value, part)


def test_there_are_names() -> None:
    """Each of the page's six sections names functions."""
    assert len(NAMES) > 50


def test_the_picture_is_fresh() -> None:
    """``make docs`` would draw the same picture."""
    assert PICTURE.read_text("utf-8") == svg(drawn_graph()), "run make docs"
