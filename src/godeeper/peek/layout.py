"""Lay out text, colour bars and images on one sheet; all framed pictures are drawn with these functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .colour import table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]


PAPER = (24, 25, 28)
INK = (236, 236, 232)
FAINT = (150, 152, 158)
MARGIN = 20  # this and the following are in pixels
SMALL, LARGE = 13, 20  # sizes of text
LINE = 20  # height of a line of small text
BAR = (220, 11)  # width and height of a colour bar
GAP = 10
PANEL_GAP = 20


@dataclass(frozen=True)
class Line:
    """A line of text with its size and colour (``ink``)."""

    text: str
    size: int
    ink: tuple[int, int, int]


class Column:
    """A column of text and colour bars; its ``height`` grows as they are added, and ``image`` draws it."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.height = 0
        self.marks: list[tuple[int, int, Line | Image.Image]] = []  # (left, top, text or image)

    def lines(self, lines: list[Line]) -> Column:
        """Add lines of text, wrapped to the column's width; return the column."""
        for line in lines:
            for text in wrap(line, self.width):
                self.marks.append((0, self.height, replace(line, text=text)))
                self.height += LINE if line.size == SMALL else LINE + 10
        return self

    def bar(self, low: str, high: str, colour: str) -> Column:
        """Add a colour bar between the labels of its ends; return the column."""
        ramp = table(colour)[np.linspace(0, 255, BAR[0]).round().astype(np.uint8)]
        strip = Image.fromarray(np.broadcast_to(ramp, (BAR[1], BAR[0], 3)).copy())
        start = round(font(SMALL).getlength(low)) + GAP
        self.marks += [
            (0, self.height, Line(low, SMALL, INK)),
            (start, self.height + 3, strip),
            (start + BAR[0] + GAP, self.height, Line(high, SMALL, INK)),
        ]
        self.height += LINE + 4
        return self

    def image(self) -> Image.Image:
        """The column as an image."""
        image = Image.new("RGB", (self.width, max(self.height, 1)), PAPER)
        pen = ImageDraw.Draw(image)
        for left, top, mark in self.marks:
            if isinstance(mark, Line):
                pen.text((left, top), mark.text, mark.ink, font(mark.size))
            else:
                image.paste(mark, (left, top))
        return image


def wrap(line: Line, width: int) -> list[str]:
    """Break the text at spaces into pieces that fit into ``width`` pixels."""
    if font(line.size).getlength(line.text) <= width:
        return [line.text]
    pieces = [""]
    for word in line.text.split(" "):
        longer = f"{pieces[-1]} {word}" if pieces[-1] else word
        if pieces[-1] and font(line.size).getlength(longer) > width:
            pieces.append(word)
        else:
            pieces[-1] = longer
    return pieces


@lru_cache(maxsize=4)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that Pillow includes."""
    return ImageFont.load_default(size)


def beside(images: list[Image.Image], width: int) -> Image.Image:
    """Images side by side, wrapped into rows of at most ``width`` pixels."""
    places = []
    left = top = tallest = 0
    for image in images:
        if left and left + image.width > width:
            left, top, tallest = 0, top + tallest + PANEL_GAP, 0
        places.append((left, top))
        left, tallest = left + image.width + PANEL_GAP, max(tallest, image.height)
    sheet = Image.new("RGB", (width, top + tallest), PAPER)
    for image, place in zip(images, places, strict=True):
        sheet.paste(image, place)
    return sheet


def stack(images: list[Image.Image], margin: int = MARGIN, gap: int = MARGIN // 2) -> Image.Image:
    """Images stacked vertically."""
    width, height = max(image.width for image in images), sum(image.height for image in images)
    sheet = Image.new("RGB", (width + 2 * margin, height + 2 * margin + gap * (len(images) - 1)), PAPER)
    top = margin
    for image in images:
        sheet.paste(image, (margin, top))
        top += image.height + gap
    return sheet
