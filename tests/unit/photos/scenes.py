"""Generated photos: each number gives a different scene that is smooth, like a photo."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (160, 120)


def scene(number: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture of soft patches of colour, the same for the same number."""
    patches = np.random.default_rng(number).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC)


def sharp(image: Image.Image) -> Image.Image:
    """Return the picture with a dark, sharp-edged object in front."""
    dark = image.copy()
    dark.paste((20, 20, 20), (30, 30, 70, 80))
    return dark


def write(path: Path, image: Image.Image, **options: Any) -> Path:
    """Write the picture to ``path``, create the folder if needed, and return ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Return the picture after JPEG compression."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Return the middle of the picture, with width and height reduced by ``share``."""
    width, height = image.size
    left, top = round(width * share / 2), round(height * share / 2)
    return image.crop((left, top, width - left, height - top))


def shot_at(second: int, camera: str = "Cam One") -> Image.Exif:
    """Return EXIF data with a capture time of ``second`` seconds after 12:00."""
    exif = Image.Exif()
    make, model = camera.split()
    exif[0x010F], exif[0x0110] = make, model
    exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 12:{second // 60:02d}:{second % 60:02d}"
    return exif
