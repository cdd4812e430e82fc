"""Make the sample pictures and their filter index, which ship with godeeper.

    pip download --no-deps scikit-image==0.26.0
    apt-get download openclipart-png=1:0.18+dfsg-19
    python scripts/make_sample_index.py scikit_image-0.26.0-*.whl openclipart-png_*.deb

``sample_pictures.csv`` lists the pictures with their sources and licences. All are CC0 or in the public domain. The
result, in src/godeeper/filters/sample, has the same bytes for the same packages, Pillow and engine. The folders of the
pictures are the classes of the index.
"""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

import godeeper
from godeeper.features.store import ResultStore
from godeeper.files import write_atomically
from godeeper.filters.build_index import build_index
from godeeper.filters.index_folder import named_sources
from godeeper.filters.sample import INDEX, PICTURES, TOP
from godeeper.photos.sources.find_photos import photos_in

TABLE = Path(__file__).with_name("sample_pictures.csv")
SIDE, QUALITY, MARGIN = 320, 85, 12
PACKAGES = {
    "scikit-image": "the Python package scikit-image 0.26.0, whose documentation (`skimage.data`) has the licence of each picture",
    "openclipart-png": "Debian's package openclipart-png 0.18, the Open Clip Art Library, whose authors dedicated all of it "
    "to the public domain",
}


def main(wheel: str, package: str) -> int:
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    sources = {"scikit-image": in_wheel(Path(wheel)), "openclipart-png": in_package(Path(package), rows)}
    shutil.rmtree(PICTURES, ignore_errors=True)
    for row in rows:
        picture = PICTURES / f"{row['picture']}.jpg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(picture, jpeg(sources[row["package"]][row["path"]]))
    write_atomically(PICTURES.parent / "README.md", readme(rows).encode())
    with tempfile.TemporaryDirectory() as folder, ResultStore(Path(folder) / "results.sqlite") as store:
        photos = named_sources(photos_in([PICTURES]), PICTURES)
        built = build_index(godeeper.load(engine="onnxruntime"), photos, store, TOP)
    write_atomically(INDEX, built.content)
    print(f"{built.photos} pictures, {len(built.content):,} bytes of index")
    return 0


def in_wheel(path: Path) -> Mapping[str, bytes]:
    """The files in a wheel's ``skimage/data``, by path."""
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist() if name.startswith("skimage/data/")}


def in_package(path: Path, rows: list[dict[str, str]]) -> Mapping[str, bytes]:
    """The listed files in a Debian package, by path."""
    wanted = {row["path"] for row in rows}
    content = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(path)], capture_output=True, check=True).stdout
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name in wanted and (file := archive.extractfile(member)) is not None:
                found[name] = file.read()
    return found


def jpeg(content: bytes) -> bytes:
    """A picture as a small JPEG; a transparent picture is trimmed and put on white."""
    image: Image.Image = Image.open(io.BytesIO(content))
    if image.mode in ("P", "LA", "RGBA"):
        clear = image.convert("RGBA")
        shown = clear.crop(clear.getchannel("A").getbbox())
        margin = round(max(shown.size) * MARGIN / SIDE)
        sheet = Image.new("RGB", (shown.width + 2 * margin, shown.height + 2 * margin), "white")
        sheet.paste(shown, (margin, margin), shown)
        image = sheet
    image = image.convert("L" if image.mode in ("1", "L") else "RGB")
    scale = SIDE / max(image.size)
    if scale < 1:
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def readme(rows: list[dict[str, str]]) -> str:
    """The list of the pictures, with source and licence of each."""
    lines = [
        "# Sample pictures",
        "",
        f"{len(rows)} pictures that are CC0 or in the public domain, scaled to {SIDE} pixels, and `sample.index`, their filter index",
        f"for the bundled weights with {TOP} pictures for each filter. `scripts/make_sample_index.py` makes them from two packages:",
        "",
        *(f"- {text}." for text in PACKAGES.values()),
        "",
        "| picture | package | file | licence |",
        "|---|---|---|---|",
        *(f"| {row['picture']}.jpg | {row['package']} | {row['path']} | {row['licence']} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
