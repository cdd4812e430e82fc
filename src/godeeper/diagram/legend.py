"""Lays out the legend, which explains shades, shapes and labels."""

from __future__ import annotations

from dataclasses import dataclass

from .card import MARGIN, Frame, Text
from .labels import Role
from .palette import STEPS

WIDTH = 380
SWATCH = 50, 16
LINE = 17


@dataclass(frozen=True)
class Swatch:
    """A sample of a shade, by its number, or of a kind without shades (``pool``, ``concat``)."""

    frame: Frame
    shade: int | str


@dataclass(frozen=True)
class Legend:
    """The legend, drawn from (0, 0)."""

    width: float
    height: float
    swatches: tuple[Swatch, ...]
    texts: tuple[Text, ...]


def make_legend(total: int, notes: tuple[str, ...] = ()) -> Legend:
    """The legend for a network with ``total`` multiply-adds; ``notes`` are further lines, for example about pictures."""
    width, height = SWATCH
    texts: list[Text] = []

    def write(text: str, x: float, y: float, role: Role = "small") -> None:
        texts.append(Text(x, y, text, role, "start"))

    write("Shade and percent: the share of multiply-adds", MARGIN, 20, "note")
    write(f"of the network's convolutions, {total / 1e9:.3f} G for one photo", MARGIN, 35)
    swatches = [Swatch(Frame(MARGIN + shade * width, 45, width, height), shade) for shade in range(len(STEPS) + 1)]
    texts += [
        Text(MARGIN + number * width, 45 + height + 13, f"{step * 100:g}%") for number, step in enumerate(STEPS, 1)
    ]
    y = 92.0
    for shape, meaning in (
        ("pool", "pools and other steps: no convolution"),
        ("concat", "concatenate: branches joined into one tensor"),
    ):
        swatches.append(Swatch(Frame(MARGIN, y, width, height), shape))
        write(meaning, MARGIN + width + 10, y + 12)
        y += height + 8
    y += 10
    for line in (
        "1×7: height × width of the window; /2: stride 2",
        "35×35×64: height × width × channels of a tensor",
        "sees 47×47: one cell's receptive field, in pixels of the input",
        *notes,
    ):
        write(line, MARGIN, y)
        y += LINE
    return Legend(WIDTH, y - 2, tuple(swatches), tuple(texts))
