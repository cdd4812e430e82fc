"""Is simplejpeg's JPEG decoder, with the accurate IDCT, equal to Pillow's and faster?  Paired, in one process, in turn.

python bench/jpeg_decoders.py [--rounds 40]
"""

from __future__ import annotations

import argparse
import io
import statistics
from functools import partial

import numpy as np
import simplejpeg
from PIL import Image

from places import PHOTO
from turns import in_turn

MEGAPIXELS = (0.5, 12.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    print("megapixels  kind         equal  Pillow ms  simplejpeg ms  ratio of pairs, median [quartiles]")
    for megapixels in MEGAPIXELS:
        for progressive in (False, True):
            data = jpeg(megapixels, progressive=progressive)
            equal = np.array_equal(np.asarray(through_pillow(data)), np.asarray(through_simplejpeg(data)))
            calls = {"pillow": partial(through_pillow, data), "simplejpeg": partial(through_simplejpeg, data)}
            times = in_turn(calls, options.rounds)
            pillow, other = times["pillow"].wall, times["simplejpeg"].wall
            low, middle, high = statistics.quantiles([a / b for a, b in zip(other, pillow, strict=True)], n=4)
            kind = "progressive" if progressive else "baseline"
            print(
                f"{megapixels:10.1f}  {kind:11}  {equal!s:5}  {1e3 * statistics.median(pillow):9.2f}  "
                f"{1e3 * statistics.median(other):13.2f}  {middle:.3f} [{low:.3f}, {high:.3f}]"
            )


def jpeg(megapixels: float, *, progressive: bool) -> bytes:
    """The demonstration photo at this size."""
    with Image.open(PHOTO) as photo:
        scale = (megapixels * 1e6 / (photo.width * photo.height)) ** 0.5
        larger = photo.convert("RGB").resize((round(photo.width * scale), round(photo.height * scale)))
    buffer = io.BytesIO()
    larger.save(buffer, "JPEG", quality=90, progressive=progressive)
    return buffer.getvalue()


def through_pillow(data: bytes) -> Image.Image:
    """As godeeper decodes."""
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    image.load()
    return image


def through_simplejpeg(data: bytes) -> Image.Image:
    """The same picture for what follows, which takes Pillow's."""
    Image.open(io.BytesIO(data), formats=("JPEG",))  # size, EXIF and profile are read either way
    return Image.fromarray(simplejpeg.decode_jpeg(data))


if __name__ == "__main__":
    main()
