"""The official releases of Inception v3 weights: their addresses and published checksums.

Each project published these checksums itself, at the place given in ``published``; none was computed by us.  If a
project does not publish a full SHA-256, the SHA-256 of the first download is pinned in ``pins.json`` beside the
weights.  Later downloads must match it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DownloadError, UnknownName
from ..files import open_regular, write_atomically

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

SCALINGS: dict[str, dict[str, Any]] = {
    "unit": {"subtract": 0.0, "divide": 255.0},
    "raw": {"subtract": 0.0, "divide": 1.0},
    "caffe": {"subtract": [123.68, 116.779, 103.939], "divide": 1.0},
    "inception": {"subtract": 127.5, "divide": 127.5},
    "2015": {"subtract": 128.0, "divide": 128.0},
    "imagenet": {
        "subtract": [255 * mean for mean in IMAGENET_MEAN],
        "divide": [255 * deviation for deviation in IMAGENET_DEVIATION],
    },
}
"""Name -> scaling (x - subtract) / divide of a pixel x from 0 to 255.

``caffe`` subtracts ImageNet's mean colour, as in Caffe and Keras's mode ``caffe``; ``imagenet`` normalises each channel
with ImageNet's mean and standard deviation.
"""

BGR = "bgr-"
"""The prefix of a scaling for a network that was trained on BGR input; ``caffe`` means BGR even without it."""

LARGEST_NUMBER = 1e6  # in a scaling


@dataclass(frozen=True)
class Scaling:
    """The scaling of photos in training.  ``bgr``: whether their channels were in BGR order, as in Caffe and OpenCV."""

    preprocessing: Mapping[str, Any]
    bgr: bool

    @property
    def summary(self) -> str:
        order = ", BGR input: the first kernels were reordered to RGB" if self.bgr else ""
        subtract, divide = (numbers_text(self.preprocessing[name]) for name in ("subtract", "divide"))
        return f"scaling as given: (x - {subtract}) / {divide}{order}"


def scaling_named(text: str) -> Scaling:
    """The scaling that a user gave; raises ``UnknownName`` if it cannot be read.

    ``text``: a name in ``SCALINGS``, or the number to subtract and the number to divide by: ``127.5/127.5``.  Three
    numbers (red, green, blue) can replace one: ``123,117,104/1``.  Both forms may have the prefix ``bgr-``.
    """
    bgr, name = text.startswith(BGR) or text == "caffe", text.removeprefix(BGR)
    if name in SCALINGS:
        return Scaling(SCALINGS[name], bgr)
    parts = [parse_numbers(part) for part in name.split("/")]
    if len(parts) != 2 or None in parts or 0.0 in as_list(parts[1]):
        known = [*SCALINGS, f"{BGR}unit (BGR input)", "SUBTRACT/DIVIDE, such as 127.5/127.5 or 123,117,104/1"]
        raise UnknownName("scaling", text[:80], known)
    return Scaling({"subtract": parts[0], "divide": parts[1]}, bgr)


def numbers_text(numbers: float | list[float]) -> str:
    """One number as text, or three in brackets."""
    return f"[{', '.join(f'{each:g}' for each in numbers)}]" if isinstance(numbers, list) else f"{numbers:g}"


def parse_numbers(text: str) -> float | list[float] | None:
    """One number, or three separated by commas; None for any other text."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    if len(values) not in (1, 3) or not all(abs(value) <= LARGEST_NUMBER for value in values):
        return None
    return values if len(values) == 3 else values[0]


def as_list(numbers: float | list[float] | None) -> list[float]:
    """One number or three numbers as a list; None as zero."""
    return numbers if isinstance(numbers, list) else [numbers or 0.0]


@dataclass(frozen=True)
class Release:
    """One official file.

    ``sha256``: the published hexadecimal digits, all 64 or the first 8.  ``md5``: the published MD5.  ``published``: the
    place where they are published.  ``size``: the size that the project states, for display; empty if it states none.
    ``preprocessing``: fields that differ from the dialect's.  ``needs``: the Python package that reads the file.
    """

    name: str
    address: str
    summary: str
    licence: str
    published: str
    sha256: str = ""
    md5: str = ""
    size: str = ""
    needs: str = ""
    preprocessing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """The name of the file in the address."""
        return self.address.rpartition("/")[2]

    @property
    def check(self) -> str:
        """The kind of published checksum that the file is checked against, for display."""
        if self.sha256:
            return "SHA-256" if len(self.sha256) == 64 else f"first {len(self.sha256)} digits of SHA-256"
        return "MD5" if self.md5 else "none published, pinned on first use"


KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels"

OFFICIAL = {
    release.name: release
    for release in (
        Release(
            "imagenet-2015",
            "https://storage.googleapis.com/download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz",
            "Google's graph of December 2015, with its own 1008 classes and their names",
            "Apache-2.0 (TensorFlow)",
            "no hash; tensorflow/models, tutorials/image/imagenet/classify_image.py gives the address",
        ),
        Release(
            "imagenet-torchvision",
            "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
            "torchvision's Inception_V3_Weights.IMAGENET1K_V1",
            "BSD-3-Clause (torchvision); the training data has terms of its own",
            "pytorch/vision, torchvision/models/inception.py: digits in the file's name, _file_size",
            sha256="0cc3c7bd",
            size="103.903 MB",
        ),
        Release(
            "imagenet-timm",
            "https://huggingface.co/timm/inception_v3.tv_in1k/resolve/main/model.safetensors",
            "timm's inception_v3.tv_in1k: torchvision's weights as timm keeps them",
            "Apache-2.0 (timm)",
            "huggingface.co/timm/inception_v3.tv_in1k, Git LFS details of model.safetensors",
            sha256="9c452c63a67fd03a38a78c401ba12d4be0e926df63c93403de3a29f6df20fefb",
            size="95.5 MB",
        ),
        Release(
            "imagenet-timm-gluon",
            "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/gluon_inception_v3-9f746940.pth",
            "timm's inception_v3.gluon_in1k: trained by the authors of MXNet Gluon",
            "Apache-2.0 (timm)",
            "huggingface/pytorch-image-models, timm/models/inception_v3.py (v0.1 to v0.6): digits in the file's name",
            sha256="9f746940",
            preprocessing=SCALINGS["imagenet"],
        ),
        Release(
            "imagenet-keras",
            f"{KERAS}.h5",
            "Keras's InceptionV3(weights='imagenet')",
            "Apache-2.0 (Keras)",
            "keras-team/keras, keras/src/applications/inception_v3.py: file_hash",
            md5="9a0d58056eeedaa3f26cb7ebd46da564",
            needs="h5py",
        ),
        Release(
            "imagenet-keras-notop",
            f"{KERAS}_notop.h5",
            "Keras's InceptionV3(weights='imagenet', include_top=False): no classifier",
            "Apache-2.0 (Keras)",
            "keras-team/keras, keras/src/applications/inception_v3.py: file_hash",
            md5="bcbd6486424b2319ff4ef7d526e38f63",
            needs="h5py",
        ),
        Release(
            "fid-2015",
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
            "the 2015 graph as pytorch-fid ports it, for the Fréchet Inception Distance",
            "Apache-2.0 (pytorch-fid)",
            "mseitzer/pytorch-fid, src/pytorch_fid/inception.py: digits in the file's name",
            sha256="6726825d",
        ),
    )
}


@dataclass(frozen=True)
class Digests:
    """The checksums of a file, and its size in bytes."""

    sha256: str
    md5: str
    bytes: int


def digests(path: Path) -> Digests:
    """The SHA-256 and MD5 of a file, computed in one pass."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    size = 0
    with open_regular(path) as file:
        while block := file.read(1 << 20):
            sha256.update(block)
            md5.update(block)
            size += len(block)
    return Digests(sha256.hexdigest(), md5.hexdigest(), size)


def is_published(release: Release, got: Digests) -> bool:
    """Whether a file matches the release's published checksum; False if none is published."""
    if release.sha256:
        return got.sha256.startswith(release.sha256)
    return bool(release.md5) and got.md5 == release.md5


def recognise(got: Digests) -> Release | None:
    """The official release with these checksums; None if there is none."""
    return next((release for release in OFFICIAL.values() if is_published(release, got)), None)


def check(release: Release, got: Digests, folder: Path) -> None:
    """Raise ``DownloadError`` if a file does not match the published checksum or the pinned one."""
    if (release.sha256 or release.md5) and not is_published(release, got):
        wrong, expected = (got.sha256, release.sha256) if release.sha256 else (got.md5, release.md5)
        raise DownloadError(
            f"{release.file_name}: {release.check} {wrong[: len(expected)]}, expected {expected} "
            f"({release.published}); it is not the published file: download it again from {release.address}"
        )
    pinned = pins(folder).get(release.name, {}).get("sha256", got.sha256)
    if pinned != got.sha256:
        raise DownloadError(
            f"{release.file_name}: SHA-256 {got.sha256[:16]}…, the first download had {pinned[:16]}…; "
            f"if you trust the new one, remove {release.name!r} from {folder / 'pins.json'} and add it again"
        )


def pin(release: Release, got: Digests, folder: Path) -> bool:
    """Pin the SHA-256 of a first download; returns False if it was pinned before or is published."""
    known = pins(folder)
    if release.name in known or len(release.sha256) == 64:
        return False
    known[release.name] = {"sha256": got.sha256, "bytes": got.bytes, "address": release.address}
    write_atomically(folder / "pins.json", (json.dumps(known, indent=2, sort_keys=True) + "\n").encode())
    return True


def pins(folder: Path) -> dict[str, dict[str, Any]]:
    """Name of a release -> its pin; empty without a pin file.  Raises ``DownloadError`` if the file cannot be read."""
    path = folder / "pins.json"
    try:
        known: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
        if not all(isinstance(entry["sha256"], str) for entry in known.values()):
            raise ValueError("an entry without a SHA-256")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError(f"{path}: cannot read it ({error}); repair or remove it") from None
    return known
