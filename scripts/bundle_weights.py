"""Build the weights that ship with godeeper from their npm package.

    python scripts/bundle_weights.py                     # downloads the package with npm
    python scripts/bundle_weights.py nsfwjs-4.3.0.tgz    # uses a local tarball
    python scripts/bundle_weights.py --check             # rebuilds the file and compares it with the one in the repository

The package nsfwjs 4.3.0 (MIT, Infinite Red) contains Inception v3 in TensorFlow.js's 8-bit format. The convolutions
come from the Keras release, unchanged up to ``mixed_5`` and fine-tuned in later modules. The classifier (three dense
layers) is dropped. The 8-bit numbers are kept as they are; only the layout of the kernels changes, from HWIO to OIHW.
No code of the package is executed: the shards are base64 text, and the manifest is read with one strict pattern.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import math
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.blueprint.sites import sites
from godeeper.weights.file import Description, write
from godeeper.weights.registry import BUNDLED

PACKAGE = "nsfwjs@4.3.0"
TARBALL_SHA256 = "4496790efc9bdc6f3e85a826a8e482c1fa1e9db4b3d18c095e98cc0c73cfb12f"
WEIGHTS_SHA256 = "8a457f3fdec7db18b16e44323454db0eaeb8f314eda0046b2e293e58a5bfabf4"
FOLDER = "package/dist/models/inception_v3"
SHARDS = 6
TENSORS = 382

NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?"
ENTRY = re.compile(
    r'\{name:"(?P<name>[\w/]+)",shape:\[(?P<shape>[\d,]+)\],dtype:"float32",'
    rf'quantization:\{{min:(?P<min>{NUMBER}),scale:(?P<scale>{NUMBER}),dtype:"uint8"\}}\}}'
)

Quantised = tuple[NDArray[np.uint8], float, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tarball", nargs="?", type=Path, help=f"the tarball of {PACKAGE}; downloaded if not given")
    parser.add_argument("--check", action="store_true", help="only compare with the file in the repository")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tarball = options.tarball or fetch(Path(folder))
        target = Path(folder) / BUNDLED.name if options.check else BUNDLED
        build(tarball, target)
        if options.check and target.read_bytes() != BUNDLED.read_bytes():
            print(f"{BUNDLED} differs from the file built from {PACKAGE}", file=sys.stderr)
            return 1
    print(f"{BUNDLED}: {BUNDLED.stat().st_size:,} bytes, SHA-256 {sha256(BUNDLED.read_bytes())}")
    return 0


def fetch(folder: Path) -> Path:
    """Download the package's tarball from the npm registry."""
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*.tgz"))


def build(tarball: Path, target: Path) -> None:
    """Read the package, rename its tensors and change their layout, and write the weights file."""
    expect("tarball", sha256(tarball.read_bytes()), TARBALL_SHA256)
    stored = read_package(tarball)
    network = in_dialect(INCEPTION_V3, "keras")
    tensors: dict[str, NDArray[Any]] = {}
    quantised: dict[str, tuple[float, float]] = {}
    for number, site in enumerate((site for site in sites(network) if site.kind == "conv"), start=1):
        for theirs, ours in (
            (f"conv2d_{number}/kernel", "conv2d_params"),
            (f"batch_normalization_{number}/beta", "batchnorm/beta"),
            (f"batch_normalization_{number}/moving_mean", "batchnorm/moving_mean"),
            (f"batch_normalization_{number}/moving_variance", "batchnorm/moving_variance"),
        ):
            values, scale, minimum = stored[theirs]
            name = f"{site.names.tf2015}/{ours}"
            tensors[name] = np.ascontiguousarray(values.transpose(3, 2, 0, 1)) if values.ndim == 4 else values
            quantised[name] = scale, minimum
    write(target, tensors, describe(quantised)).verify()


def describe(quantised: dict[str, tuple[float, float]]) -> Description:
    """Return the description in the bundled file."""
    return Description(
        name="bundled",
        architecture=INCEPTION_V3.name,
        dialect="keras",
        preprocessing={"size": 299, "fit": "squash", "filter": "antialias", "subtract": 127.5, "divide": 127.5},
        labels=(),
        source=f"npm package {PACKAGE}, dist/models/inception_v3, tarball SHA-256 {TARBALL_SHA256}",
        licence="MIT, Copyright (c) 2019 Infinite Red, Inc.",
        notes=(
            "Modules mixed to mixed_5: the Keras release's ImageNet weights, rounded to 8 bits. "
            "Modules mixed_6 to mixed_10: fine-tuned from ImageNet by the NSFWJS project. No classifier: its classes are dropped."
        ),
        quantised=quantised,
    )


def read_package(tarball: Path) -> dict[str, Quantised]:
    """Return Keras name -> (8-bit values, scale, minimum) of every tensor of the package."""
    with tarfile.open(tarball) as archive:
        data = b"".join(
            shard_bytes(member_text(archive, f"group1-shard{number}of{SHARDS}.min.js"))
            for number in range(1, SHARDS + 1)
        )
        manifest = member_text(archive, "model.min.js")
    expect("joined shards", sha256(data), WEIGHTS_SHA256)
    tensors: dict[str, Quantised] = {}
    start = 0
    for entry in ENTRY.finditer(manifest):
        shape = tuple(map(int, entry["shape"].split(",")))
        end = start + math.prod(shape)
        values = np.frombuffer(data[start:end], np.uint8).reshape(shape)
        tensors[entry["name"]] = values, float(entry["scale"]), float(entry["min"])
        start = end
    expect("tensors", len(tensors), TENSORS)
    expect("bytes used", start, len(data))
    return tensors


def member_text(archive: tarfile.TarFile, name: str) -> str:
    """Return one text file of the package."""
    file = archive.extractfile(f"{FOLDER}/{name}")
    if file is None:
        raise SystemExit(f"the package has no {name}")
    return file.read().decode()


def shard_bytes(module: str) -> bytes:
    """Return the bytes of one shard: the only long string of its JavaScript module, in base64."""
    (text,) = re.findall(r'"([A-Za-z0-9+/=]{1000,})"', module)
    return base64.b64decode(text, validate=True)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def expect(what: str, got: object, expected: object) -> None:
    """Exit with one line if the package differs from the one that this script was written for."""
    if got != expected:
        raise SystemExit(f"{what}: got {got}, expected {expected}")


if __name__ == "__main__":
    sys.exit(main())
