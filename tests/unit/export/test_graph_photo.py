"""Preprocessing as an ONNX graph, compared with preprocessing by Pillow."""

from __future__ import annotations

from itertools import product

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from godeeper.export import graph_photo
from godeeper.export.graph_photo import photo_nodes
from godeeper.photos.decode import decode
from godeeper.photos.preprocess import Preprocess

PREPROCESSES = {
    "squash": Preprocess(),
    "crop": Preprocess(fit="crop"),
    "tf2015": Preprocess(filter="tf2015", subtract=128.0, divide=128.0),
    "three shades, cropped, 2015": Preprocess(
        size=224, fit="crop", filter="tf2015", subtract=(123.675, 116.28, 103.53), divide=(58.4, 57.1, 57.4)
    ),
    "another size": Preprocess(size=224),
}
SIZES = [(1, 1), (1, 7), (120, 90), (299, 299), (300, 299), (300, 451), (1301, 800), (1302, 800), (2000, 31), (31, 900)]


def session(preprocess: Preprocess) -> onnxruntime.InferenceSession:
    """Return an ONNX Runtime session that runs only the steps of ``preprocess``."""
    nodes = photo_nodes("photo", "planes", preprocess)
    graph = helper.make_graph(
        nodes.nodes,
        "photo",
        [helper.make_tensor_value_info("photo", TensorProto.UINT8, ["H", "W", 3])],
        [helper.make_tensor_value_info("planes", TensorProto.FLOAT, [1, 3, "S", "S"])],
        list(nodes.constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", PREPROCESSES)
def test_the_graph_gives_the_same_bits(name: str) -> None:
    """For any photo size the graph gives the same bits as Pillow and NumPy."""
    preprocess = PREPROCESSES[name]
    opened = session(preprocess)
    random = np.random.default_rng(0)
    for height, width in SIZES:
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        (got,) = opened.run(None, {"photo": pixels})
        np.testing.assert_array_equal(got, preprocess(decode(pixels)), err_msg=f"{height} x {width}")


def test_extremes_stay_within_bytes() -> None:
    """Black and white photos stay within the range of a byte."""
    opened = session(Preprocess(subtract=0.0, divide=1.0))
    for shade, (height, width) in product((0, 255), ((700, 450), (20, 30))):
        (got,) = opened.run(None, {"photo": np.full((height, width, 3), shade, np.uint8)})
        np.testing.assert_array_equal(got, np.full((1, 3, 299, 299), shade, np.float32))


def test_an_older_pillow_takes_the_width_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow before version 13 resizes the width first, so the graph for it never transposes the photo."""
    kinds = {node.op_type for node in photo_nodes("photo", "planes", Preprocess()).nodes}
    monkeypatch.setattr(graph_photo, "pillow_version", lambda: 12)
    older = {node.op_type for node in photo_nodes("photo", "planes", Preprocess()).nodes}
    assert kinds - older >= {"If", "Where"}
