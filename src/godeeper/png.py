"""Encode PNG files with provenance in their text chunks."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .escaping import escaped

if TYPE_CHECKING:
    from PIL import Image

COMPRESSION = 4  # zlib's level


def encode_png(image: Image.Image, texts: Mapping[str, str], compression: int = COMPRESSION) -> bytes:
    """The bytes of a PNG.

    Args:
        image: the picture.
        texts: keyword -> text of each ``iTXt`` chunk; control characters are escaped.
        compression: zlib's level, from 0 to 9.
    """
    from PIL import PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        chunks.add_itxt(keyword, escaped(text))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=chunks, compress_level=compression)
    return buffer.getvalue()
