"""The stamp on a picture that is not trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ...peek.layout import font

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXT = "DOUBTFUL"
PAPER, INK = (176, 24, 24), (255, 255, 255)


def stamped(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of a picture (size, size, 3 or 4) with the stamp in its lower left corner; the stamp takes a twelfth of the height."""
    picture = Image.fromarray(image)
    height = max(9, picture.height // 12)
    letters = font(max(7, height * 2 // 3))
    width = min(picture.width, int(letters.getlength(TEXT)) + height // 2)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, picture.height - height, width, picture.height), fill=PAPER)
    draw.text((width / 2, picture.height - height / 2), TEXT, fill=INK, font=letters, anchor="mm")
    return np.asarray(picture)
