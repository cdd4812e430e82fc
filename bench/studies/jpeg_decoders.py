"""Compare simplejpeg, which raises if pixels are missing, with Pillow: equality of the pixels, and time in alternation.

In the table, "simplejpeg" decodes instead of Pillow.  "checked" is Pillow after simplejpeg has checked the file at 1/8 of the size.

    python -m bench.studies.jpeg_decoders [--rounds 40]
"""

from __future__ import annotations

import argparse
import io
import statistics
from collections.abc import Sequence
from functools import partial
from itertools import product

import numpy as np
import simplejpeg
from bench.common.places import PHOTO
from bench.common.turns import in_turn
from PIL import Image

MEGAPIXELS, PARTS = (0.15, 0.5, 12.0), (1, 2, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    print("megapixels  kind         size  equal  Pillow ms  relative to Pillow [quartiles]:  simplejpeg     checked")
    for megapixels, progressive, part in product(MEGAPIXELS, (False, True), PARTS):
        data = jpeg(megapixels, progressive=progressive)
        equal = np.array_equal(np.asarray(through_pillow(data, part)), np.asarray(through_simplejpeg(data, part)))
        calls = {
            "pillow": partial(through_pillow, data, part),
            "simplejpeg": partial(through_simplejpeg, data, part),
            "checked": partial(checked, data, part),
        }
        times = in_turn(calls, options.rounds)
        pillow = times["pillow"].wall
        ratios = "  ".join(ratio(times[name].wall, pillow) for name in ("simplejpeg", "checked"))
        kind = "progressive" if progressive else "baseline"
        print(
            f"{megapixels:10.2f}  {kind:11}  1/{part}   {equal!s:5}  {1e3 * statistics.median(pillow):9.2f}  {ratios}",
            flush=True,
        )


def ratio(other: Sequence[float], pillow: Sequence[float]) -> str:
    """Return median and quartiles of the paired ratios."""
    low, middle, high = statistics.quantiles([a / b for a, b in zip(other, pillow, strict=True)], n=4)
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def jpeg(megapixels: float, *, progressive: bool) -> bytes:
    """Return the demonstration photo at this size."""
    with Image.open(PHOTO) as photo:
        scale = (megapixels * 1e6 / (photo.width * photo.height)) ** 0.5
        larger = photo.convert("RGB").resize((round(photo.width * scale), round(photo.height * scale)))
    buffer = io.BytesIO()
    larger.save(buffer, "JPEG", quality=90, progressive=progressive)
    return buffer.getvalue()


def through_pillow(data: bytes, part: int) -> Image.Image:
    """Decode with Pillow."""
    image = opened(data, part)
    image.load()
    return image


def through_simplejpeg(data: bytes, part: int) -> Image.Image:
    """Decode with simplejpeg to the same Pillow image."""
    image = opened(data, part)  # Pillow reads size, EXIF and profile in both cases
    return Image.fromarray(simplejpeg.decode_jpeg(data, min_width=image.width, min_height=image.height))


def checked(data: bytes, part: int) -> Image.Image:
    """Decode with Pillow, after the cheapest check with simplejpeg."""
    simplejpeg.decode_jpeg(data, "GRAY", fastdct=True, fastupsample=True, min_width=1, min_height=1)
    return through_pillow(data, part)


def opened(data: bytes, part: int) -> Image.Image:
    """Return the opened file, set to decode at this reduced size."""
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    if part > 1:
        image.draft(None, (image.width // part, image.height // part))
    return image


if __name__ == "__main__":
    main()
