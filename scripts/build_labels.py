"""Build the file of ImageNet's class names from two PyPI packages.

    python scripts/build_labels.py                              # downloads the packages with pip
    python scripts/build_labels.py torchvision.whl timm.whl     # uses local wheels
    python scripts/build_labels.py --check                      # rebuilds the file and compares it with the one in the repository

The names come from torchvision (torchvision/models/_meta.py, BSD-3-Clause), and the synsets from timm
(timm/data/_info/imagenet_synsets.txt, Apache-2.0).  No code of the packages is executed: the list
of names is read as a literal.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from godeeper.weights.labels import DATA, IMAGENET_CLASSES

TORCHVISION = "torchvision==0.28.0"
TIMM = "timm==1.0.31"
NAMES_MEMBER = "torchvision/models/_meta.py"
SYNSETS_MEMBER = "timm/data/_info/imagenet_synsets.txt"

HEADING = f"""\
# ImageNet's 1000 classes (ILSVRC 2012) in the order of their WordNet synsets: synset, name.
# Names: {NAMES_MEMBER} of {TORCHVISION}, Copyright (c) Soumith Chintala 2016, BSD-3-Clause.
# Synsets: {SYNSETS_MEMBER} of {TIMM}, Copyright Ross Wightman, Apache-2.0.
# Rebuild: python scripts/build_labels.py
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "wheels", nargs="*", type=Path, help="the wheels of torchvision and timm; downloaded if not given"
    )
    parser.add_argument("--check", action="store_true", help="only compare with the file in the repository")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheels = options.wheels or fetch(Path(folder))
        text = build(*wheels)
    if options.check:
        same = DATA.read_text(encoding="utf-8") == text
        print(f"{DATA}: {'up to date' if same else 'differs from the file built from the packages'}")
        return 0 if same else 1
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_text(text, encoding="utf-8")
    print(f"{DATA}: {len(text.encode()):,} bytes")
    return 0


def fetch(folder: Path) -> list[Path]:
    """Download both wheels from the package index, without their dependencies."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d", str(folder)]
    subprocess.run([*pip, TORCHVISION, TIMM], check=True)
    return [next(folder.glob("torchvision*.whl")), next(folder.glob("timm*.whl"))]


def build(torchvision: Path, timm: Path) -> str:
    """Return the text of the data file."""
    names = read_names(member_text(torchvision, NAMES_MEMBER))
    synsets = member_text(timm, SYNSETS_MEMBER).split()
    for what, got in (("names", names), ("synsets", synsets)):
        if len(set(got)) != IMAGENET_CLASSES:
            raise SystemExit(f"{len(set(got))} different {what}, expected {IMAGENET_CLASSES}")
    if synsets != sorted(synsets):
        raise SystemExit("the synsets are not in order")
    return HEADING + "".join(f"{synset}\t{name}\n" for synset, name in zip(synsets, names, strict=True))


def read_names(source: str) -> list[str]:
    """Return the list of names, which is a literal in torchvision's module."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "_IMAGENET_CATEGORIES":
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise SystemExit(f"no list of names in {NAMES_MEMBER}")


def member_text(wheel: Path, name: str) -> str:
    """Return one text file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name).decode()


if __name__ == "__main__":
    sys.exit(main())
