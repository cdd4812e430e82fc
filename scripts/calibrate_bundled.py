"""Compute the quantization ranges that ship with the bundled weights: the int8 range of each tensor.

    pip install scikit-image==0.26.0
    python scripts/calibrate_bundled.py            # writes src/godeeper/weights/bundled/inception_v3.int8.json
    python scripts/calibrate_bundled.py --check    # computes the ranges again and compares

The pictures are examples/chelsea.jpg and the photos and scans in scikit-image's wheel (free to use, see its
data/README). Mirrored, darkened, cropped and shrunk variants of each are used too. None of them is used to test the
ranges.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

from godeeper.engine.quantization import read
from godeeper.features.int8_ranges import calibrate
from godeeper.network import load
from godeeper.photos.decode import decode
from godeeper.weights.registry import BUNDLED_RANGES

CHELSEA = Path(__file__).parents[1] / "examples" / "chelsea.jpg"
PICTURES = (
    "astronaut.png", "brick.png", "camera.png", "cell.png", "coffee.png", "coins.png", "color.png", "grass.png",
    "gravel.png", "hubble_deep_field.jpg", "ihc.png", "logo.png", "moon.png", "motorcycle_left.png", "page.png",
    "retina.jpg", "rocket.jpg", "text.png",
)  # fmt: skip
DARKER = 0.6
WHITE = (255, 255, 255)
TOLERANCE = 1e-3  # relative; another processor may round differently and choose a neighbouring candidate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare with the file in the repository")
    options = parser.parse_args()
    network = load("inception_v3", weights="bundled", engine="onnxruntime")
    made = calibrate(network.weights, network.preprocess, photos())
    if not options.check:
        made.save(BUNDLED_RANGES)
    kept = read(BUNDLED_RANGES)
    apart = [address for address, high in made.maxima.items() if abs(kept.maxima[address] / high - 1) > TOLERANCE]
    print(
        f"{BUNDLED_RANGES}: {len(kept.ranges)} tensors, {len(kept.photos)} photos, {len(apart)} range ends differ from this run"
    )
    return 1 if apart or kept.photos != made.photos else 0


def photos() -> Iterator[Image.Image]:
    """Yield every picture with its variants."""
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        sys.exit("scikit-image is not installed: pip install scikit-image==0.26.0")
    data = Path(found.origin).parent / "data"
    for path in [*(data / name for name in PICTURES), CHELSEA]:
        photo = decode(path).image
        yield photo
        yield ImageOps.mirror(photo)
        yield ImageEnhance.Brightness(photo).enhance(DARKER)
        yield middle(photo)
        yield on_white(photo)


def middle(photo: Image.Image) -> Image.Image:
    """Return the middle quarter."""
    width, height = photo.size
    return photo.crop((width // 4, height // 4, width - width // 4, height - height // 4))


def on_white(photo: Image.Image) -> Image.Image:
    """Return the photo on a white page of twice its sides."""
    width, height = photo.size
    page = Image.new("RGB", (2 * width, 2 * height), WHITE)
    page.paste(photo, (width // 2, height // 2))
    return page


if __name__ == "__main__":
    sys.exit(main())
