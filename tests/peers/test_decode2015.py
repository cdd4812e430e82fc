"""The decoding of JPEGs, and the whole network from a JPEG's bytes, compared with TensorFlow."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.peers import graph2015
from tests.peers.random_weights import random_weights, relative_error

import godeeper
from godeeper.photos.decode import decode
from godeeper.photos.preprocess import Preprocess

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
tf = pytest.importorskip("tensorflow")

TF2015 = Preprocess(filter="tf2015", subtract=128.0, divide=128.0)
EQUAL = ("DecodeJpeg", "Cast", "ExpandDims", "ResizeBilinear", "Sub", "Mul")
BOUNDS = {
    "conv": 1e-6,
    "pool_1": 3e-6,
    "mixed_2/join": 5e-6,
    "mixed_4/tower_1/conv_4": 8e-6,
    "mixed_10/join": 8e-6,
    "pool_3": 3e-6,
    "softmax": 2e-5,
}
"""Address -> largest accepted difference, as a fraction of the tensor's largest value.  It is at least twice the difference
measured with three photos on two kinds of processor.
"""
SIZES = [(451, 300), (33, 17), (1, 1), (8, 9), (7, 640), (250, 201)]


def jpeg(chelsea: Path, size: tuple[int, int], mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    with Image.open(chelsea) as photo:
        photo.resize(size).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
def test_pixels_are_tensorflow_s(*, chelsea: Path, size: tuple[int, int], mode: str, progressive: bool) -> None:
    """Pixels equal TensorFlow's for every chroma subsampling, for grey photos, for odd sizes and for three qualities."""
    for subsampling in ("4:4:4", "4:2:2", "4:2:0") if mode == "RGB" else ("4:4:4",):
        for quality in (30, 90, 100):
            options = {"subsampling": subsampling} if mode == "RGB" else {}
            data = jpeg(chelsea, size, mode, progressive=progressive, quality=quality, **options)
            expected = tf.io.decode_jpeg(data, channels=3).numpy()
            np.testing.assert_array_equal(np.asarray(TF2015.image_of(decode(data))), expected)


def test_from_bytes_to_the_last_tensor(chelsea: Path, tmp_path: Path) -> None:
    """Values equal TensorFlow's bit for bit up to ``Mul``; later values differ only by rounding."""
    weights = random_weights(tmp_path, "2015")
    with weights.parameters() as numbers:
        graph = graph2015.build({name: numbers.values(name) for name in weights.expected})
    network = godeeper.load(weights=weights.path)
    assert network.preprocess.filter == "tf2015"
    names = [*EQUAL, *BOUNDS]
    for data in (
        chelsea.read_bytes(),
        jpeg(chelsea, (751, 563), quality=85, progressive=True),
        jpeg(chelsea, (120, 90), "L"),
    ):
        theirs = dict(zip(names, graph2015.run(graph, names, {"DecodeJpeg/contents:0": data}), strict=True))
        ours = dict(zip(names, network.run(names, {"DecodeJpeg/contents:0": data}), strict=True))
        for name in EQUAL:
            np.testing.assert_array_equal(np.asarray(ours[name]), theirs[name], err_msg=name)
        errors = {name: relative_error(ours[name], theirs[name]) for name in BOUNDS}
        assert not {name: error for name, error in errors.items() if error > BOUNDS[name]}
        peek = network.peek(data, "conv")
        assert relative_error(peek.activations.transpose(0, 2, 3, 1), theirs["conv"]) <= BOUNDS["conv"]
