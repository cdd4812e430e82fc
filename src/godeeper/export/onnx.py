"""A classifier as one ONNX graph: a photo's pixels in, probabilities out, everything between inside.

``photo`` is (H, W, 3) uint8, upright sRGB, of any size; ``probabilities`` is (classes,) float32.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from ..blueprint.address import resolve_one
from ..blueprint.sites import sites
from ..engine.onnx_graph import build
from ..engine.onnxruntime import Session
from ..engine.plan import NETWORK_INPUT, key_of, name, plan
from ..training.ood import POWER, OodModel
from .graph_photo import Nodes, photo_nodes
from .parity import Export, Predict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..classifier.classifier import Classifier

PHOTO, PROBABILITIES = "photo", "probabilities"
FLAT = ("reshape", "dense", "softmax")  # sites without a grid


def made(classifier: Classifier) -> Export:
    """The classifier as one ONNX file."""
    model = to_onnx(classifier)
    return Export(
        predict=runner(model.SerializeToString()),
        files=lambda said: {".onnx": described(model, said)},
        packages=("onnx", "onnxruntime", "pillow", "numpy"),
    )


def to_onnx(classifier: Classifier) -> onnx.ModelProto:
    """The whole of ``classifier`` as an ONNX model (opset 17); ``described`` adds what it says of itself."""
    file = classifier.weights_file
    every = sites(file.network)
    keys = {address: key_of(resolve_one(file.network, address)) for address in classifier.head.addresses}
    steps = plan(file.network, list(dict.fromkeys(keys.values())))
    with file.parameters() as numbers:
        numbers.check()
        model = onnx.load_model_from_string(
            build(steps, numbers, classifier.calibration.maxima if classifier.calibration else None)
        )
    before = photo_nodes(PHOTO, name(every, NETWORK_INPUT), classifier.preprocess)
    after = head_nodes(classifier, {name(every, key): every[key[0]].kind not in FLAT for key in keys.values()})
    graph = helper.make_graph(
        [*before.nodes, *model.graph.node, *after.nodes],
        "classifier",
        [helper.make_tensor_value_info(PHOTO, TensorProto.UINT8, ["H", "W", 3])],
        [helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, [len(classifier.head.classes)])],
        [*before.constants.values(), *model.graph.initializer, *after.constants.values()],
    )
    model.graph.CopyFrom(graph)
    return model


def head_nodes(classifier: Classifier, activations: Mapping[str, bool]) -> Nodes:
    """From the network's activations, and whether each has a grid, to probabilities."""
    head = classifier.head
    nodes = Nodes("head")
    means = [
        nodes.add("Flatten", nodes.add("GlobalAveragePool", value)) if grid else value
        for value, grid in activations.items()
    ]
    features = nodes.add("Concat", *means, axis=1)  # (1, features)
    centred = nodes.add("Sub", features, nodes.constant(head.mean, np.float32))
    standard = nodes.add("Div", centred, nodes.constant(head.scale, np.float32))
    speaks = nodes.add("MatMul", standard, nodes.constant(head.coefficients.T, np.float32))
    logits = nodes.add("Add", speaks, nodes.constant(head.intercepts, np.float32))
    calibrated = nodes.add("Div", logits, nodes.constant(head.temperature, np.float32))
    if head.familiarity:
        calibrated = nodes.add("Div", calibrated, strangeness(nodes, standard, head.familiarity))
    likely = nodes.add("Softmax", calibrated, axis=1)
    nodes.add("Squeeze", likely, nodes.constant([0]), output=PROBABILITIES)
    return nodes


def strangeness(nodes: Nodes, standard: str, familiarity: OodModel) -> str:
    """(1, 1): how many times the temperature is higher, from standardised features."""
    directions = nodes.constant(familiarity.directions.T, np.float32)
    within = nodes.add("ReduceSumSquare", nodes.add("MatMul", standard, directions), axes=[1])
    whole = nodes.add("ReduceSumSquare", standard, axes=[1])
    reached = nodes.add("Mul", whole, nodes.constant(familiarity.reach, np.float32))
    distance = nodes.add("Max", nodes.add("Sub", reached, within), nodes.constant(1, np.float32))
    return nodes.add("Pow", distance, nodes.constant(POWER, np.float32))


def described(model: onnx.ModelProto, said: Mapping[str, Any]) -> bytes:
    """The file's bytes, with ``said`` in its metadata, each entry as JSON."""
    helper.set_model_props(model, {key: json.dumps(value, ensure_ascii=False) for key, value in said.items()})
    payload: bytes = model.SerializeToString()
    return payload


def runner(payload: bytes) -> Predict:
    """What a graph says of a photo's pixels (H, W, 3) uint8: (classes,) float32."""
    session = Session(payload, [PROBABILITIES], many_photos=True)

    def predict(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        answer: NDArray[Any] = session.session.run([PROBABILITIES], {PHOTO: pixels})[0]
        return answer

    return predict
