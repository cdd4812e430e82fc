"""Generate training folders, with one folder per class, from available pictures; the same seed gives the same files.

- *crops* of a few pictures, one class per picture (examples/chelsea.jpg, and scikit-image's own if it is installed).  Noise
  determines how hard they are to separate.
- *drawings*: the categories of Debian's ``openclipart-png`` (``apt-get install openclipart-png``).
- *tiny* photos, for tests that need many photos; *photos* are crops of 0.1 to 1 megapixel.
- *stamps*: real photos of eleven kinds of objects, most of them cut out of their background, from Debian's
  ``tuxpaint-stamps-default``.  Install it, or unpack it and pass its folder ``stamps`` as ``--stamps``.

    python -m bench.common.datasets photos|tiny|crops|drawings|stamps FOLDER --count N [--noise 0.7] [--stamps FOLDER]
"""

from __future__ import annotations

import argparse
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from bench.common.places import PHOTO
from PIL import Image, ImageEnhance, ImageOps

DRAWINGS = Path("/usr/share/openclipart/png")
CATEGORIES = ("animals", "buildings", "food", "people", "plants", "tools", "transportation")
PICTURES = (
    "astronaut.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg", "ihc.png", "retina.jpg", "motorcycle_left.png",
    "camera.png", "coins.png", "brick.png", "grass.png", "gravel.png",
)  # fmt: skip
STAMPS = Path("/usr/share/tuxpaint/stamps")
KINDS = {
    "birds": "animals/birds", "mammals": "animals/mammals", "insects": "animals/insects", "fruit": "food/fruit",
    "vegetables": "food/vegetables", "flowers": "plants/flowers", "household": "household", "clothes": "clothes",
    "money": "symbols/money", "hands": "symbols/alphabets/asl", "vehicles": "vehicles",
}  # fmt: skip
"""Class -> folder of stamps.  Its subfolders ``cartoon`` hold drawings and are left out."""
QUALITY = 88

Size = tuple[int, int]
Task = tuple[Image.Image, Path, float, tuple[int, ...], Size]  # picture, output path, noise, seed, width and height


def sources() -> dict[str, Image.Image]:
    """Return the pictures that crops are cut from, by name."""
    found = {"chelsea": Image.open(PHOTO).convert("RGB")}
    package = find_spec("skimage")
    folder = (
        Path(package.submodule_search_locations[0]) / "data" if package and package.submodule_search_locations else None
    )
    for name in PICTURES if folder else ():
        assert folder is not None
        if (folder / name).exists():
            found[Path(name).stem] = Image.open(folder / name).convert("RGB")
    return found


def crops(root: Path, each: int, noise: float, seed: int = 0, size: Size = (250, 200), most: int = 12) -> None:
    """Write ``each`` crops of up to ``most`` sources, one class per source; ``noise``, 0 to 1, is the weight of the noise."""
    write(
        [(picture, path, share, of, size) for picture, path, share, of, _ in crop_tasks(root, each, noise, seed, most)]
    )


def crop_tasks(root: Path, each: int, noise: float, seed: int, most: int = 12) -> Iterator[Task]:
    """Yield a task for each crop; with fewer than three pictures, their quarters are the classes."""
    pictures = sources()
    if len(pictures) < 3:
        pictures = {f"{name} {corner}": part for name, whole in pictures.items() for corner, part in quarters(whole)}
    for place, (name, picture) in enumerate(list(pictures.items())[:most]):
        for number in range(each):
            yield picture, root / name / f"{number:05}.jpg", noise, (seed, place, number), (250, 200)


def write(tasks: Sequence[Task]) -> None:
    """Write all crops in parallel."""
    for folder in {path.parent for _, path, *_ in tasks}:
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda task: crop(*task), tasks))


def quarters(picture: Image.Image) -> list[tuple[str, Image.Image]]:
    """Return a picture's four quarters by name."""
    width, height = picture.width // 2, picture.height // 2
    corners = {
        "upper left": (0, 0),
        "upper right": (width, 0),
        "lower left": (0, height),
        "lower right": (width, height),
    }
    return [(name, picture.crop((x, y, x + width, y + height))) for name, (x, y) in corners.items()]


def crop(picture: Image.Image, path: Path, noise: float, seed: Sequence[int], size: Size) -> None:
    """Write one crop: a part of the picture, randomly mirrored, of random brightness, blended with soft patches of colour."""
    chance = np.random.default_rng(list(seed))
    side = chance.uniform(0.3, 0.7)
    width, height = round(picture.width * side), round(picture.height * side)
    left, top = int(chance.integers(picture.width - width + 1)), int(chance.integers(picture.height - height + 1))
    part = picture.crop((left, top, left + width, top + height)).resize(size, Image.Resampling.BICUBIC)
    part = ImageOps.mirror(part) if chance.random() < 0.5 else part
    part = ImageEnhance.Brightness(part).enhance(chance.uniform(0.7, 1.3))
    patches = Image.fromarray(chance.integers(0, 256, (7, 9, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = Image.fromarray(chance.integers(0, 256, (size[1] // 2, size[0] // 2, 3), np.uint8)).resize(size)
    hidden = Image.blend(patches, grain, 0.3)
    Image.blend(part, hidden, noise).save(path, quality=QUALITY)


def drawings(root: Path, each: int, categories: Sequence[str] = CATEGORIES, seed: int = 0) -> None:
    """Write up to ``each`` random drawings of each category."""
    for category in categories:
        paths = sorted(
            path for path in (DRAWINGS / category).rglob("*.png") if path.is_file() and not path.is_symlink()
        )
        random.Random(seed).shuffle(paths)
        (root / category).mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(paths[:each]):
            shutil.copyfile(path, root / category / f"{number:05} {path.name}")


def stamps(root: Path, most: int, place: Path = STAMPS) -> None:
    """Write up to ``most`` photos of each of ``KINDS``."""
    for label, folder in KINDS.items():
        paths = sorted(
            path for path in (place / folder).rglob("*.png") if "cartoon" not in path.parts and not path.is_symlink()
        )
        (root / label).mkdir(parents=True, exist_ok=True)
        for path in paths[:most]:
            shutil.copyfile(path, root / label / path.relative_to(place / folder).as_posix().replace("/", " "))


def have_drawings() -> bool:
    """Return whether openclipart is installed."""
    return DRAWINGS.is_dir()


def photos(root: Path, count: int, seed: int = 0) -> None:
    """Write ``count`` crops with much noise, of 0.1 to 1 megapixel, in six classes."""
    share = -(-count // (6 if len(sources()) >= 6 else 4))
    chance = random.Random(seed)
    tasks = list(crop_tasks(root, share, 0.4, seed, 6))
    chance.shuffle(tasks)
    sized = []
    for picture, path, noise, of, _ in tasks[:count]:
        scale = chance.uniform(0.1, 1.0) ** 0.5
        sized.append((picture, path, noise, of, (round(1155 * scale), round(866 * scale))))
    write(sized)


def tiny(root: Path, count: int, seed: int = 0, classes: int = 5) -> None:
    """Write ``count`` different photos of 64 x 48 pixels, in classes that have one hue each."""
    for label in range(classes):
        (root / f"hue {label}").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        chance = np.random.default_rng([seed, number])
        patches = Image.fromarray(chance.integers(0, 256, (6, 8, 3), np.uint8)).resize(
            (64, 48), Image.Resampling.BICUBIC
        )
        label = number % classes
        hue = Image.new("HSV", (64, 48), (255 * label // classes, 200, 180)).convert("RGB")
        Image.blend(patches, hue, 0.35).save(root / f"hue {label}" / f"{number:05}.jpg", quality=QUALITY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("photos", "tiny", "crops", "drawings", "stamps"))
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--count",
        type=int,
        default=1000,
        help="number of photos; for drawings and stamps, the maximum number (default: 1000)",
    )
    parser.add_argument("--noise", type=float, default=0.7, help="share of each crop that noise hides (default: 0.7)")
    parser.add_argument(
        "--stamps", type=Path, default=STAMPS, metavar="FOLDER", help=f"folder of the stamps (default: {STAMPS})"
    )
    options = parser.parse_args()
    make: dict[str, Callable[[Path, int], None]] = {
        "photos": photos,
        "tiny": tiny,
        "crops": lambda root, count: crops(root, -(-count // min(12, len(sources()))), options.noise),
        "drawings": lambda root, count: drawings(root, -(-count // len(CATEGORIES))),
        "stamps": lambda root, count: stamps(root, -(-count // len(KINDS)), options.stamps),
    }
    make[options.kind](options.folder, options.count)


if __name__ == "__main__":
    main()
