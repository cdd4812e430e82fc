"""Exports a classifier as one ONNX graph, from a photo's pixels to probabilities, including preprocessing.

Input ``photo``: (H, W, 3) uint8, upright sRGB, of any size; output ``probabilities``: (classes,) float32.
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
FLAT = ("reshape", "dense", "softmax")  # sites without spatial axes


def make_export(classifier: Classifier) -> Export:
    """The classifier as one ONNX file."""
    model = to_onnx(classifier)
    return Export(
        predict=runner(model.SerializeToString()),
        files=lambda metadata: {".onnx": with_metadata(model, metadata)},
        packages=("onnx", "onnxruntime", "pillow", "numpy"),
    )


def to_onnx(classifier: Classifier) -> onnx.ModelProto:
    """``classifier`` as an ONNX model (opset 17) without metadata, which ``with_metadata`` adds."""
    file = classifier.weights_file
    all_sites = sites(file.blueprint)
    keys = {address: key_of(resolve_one(file.blueprint, address)) for address in classifier.head.addresses}
    steps = plan(file.blueprint, list(dict.fromkeys(keys.values())))
    with file.parameters() as parameters:
        parameters.check()
        model = onnx.load_model_from_string(
            build(steps, parameters, classifier.calibration.maxima if classifier.calibration else None)
        )
    before = photo_nodes(PHOTO, name(all_sites, NETWORK_INPUT), classifier.preprocess)
    after = head_nodes(
        classifier, {name(all_sites, key): all_sites[key.site].kind not in FLAT for key in keys.values()}
    )
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
    """The nodes from activations to probabilities; ``activations``: name of a value -> whether the value has spatial axes."""
    head = classifier.head
    nodes = Nodes("head")
    means = [
        nodes.add("Flatten", nodes.add("GlobalAveragePool", value)) if grid else value
        for value, grid in activations.items()
    ]
    features = nodes.add("Concat", *means, axis=1)  # (1, features)
    centred = nodes.add("Sub", features, nodes.constant(head.mean, np.float32))
    standard = nodes.add("Div", centred, nodes.constant(head.scale, np.float32))
    scores = nodes.add("MatMul", standard, nodes.constant(head.coefficients.T, np.float32))
    logits = nodes.add("Add", scores, nodes.constant(head.intercepts, np.float32))
    calibrated = nodes.add("Div", logits, nodes.constant(head.temperature, np.float32))
    if head.ood_model:
        calibrated = nodes.add("Div", calibrated, strangeness(nodes, standard, head.ood_model))
    likely = nodes.add("Softmax", calibrated, axis=1)
    nodes.add("Squeeze", likely, nodes.constant([0]), output=PROBABILITIES)
    return nodes


def strangeness(nodes: Nodes, standard: str, ood_model: OodModel) -> str:
    """The nodes that compute the factor (1, 1) by which the temperature is raised, from standardised features."""
    directions = nodes.constant(ood_model.directions.T, np.float32)
    within = nodes.add("ReduceSumSquare", nodes.add("MatMul", standard, directions), axes=[1])
    whole = nodes.add("ReduceSumSquare", standard, axes=[1])
    reached = nodes.add("Mul", whole, nodes.constant(ood_model.reach, np.float32))
    distance = nodes.add("Max", nodes.add("Sub", reached, within), nodes.constant(1, np.float32))
    return nodes.add("Pow", distance, nodes.constant(POWER, np.float32))


def with_metadata(model: onnx.ModelProto, metadata: Mapping[str, Any]) -> bytes:
    """The serialised model with ``metadata``, each entry as JSON."""
    helper.set_model_props(model, {key: json.dumps(value, ensure_ascii=False) for key, value in metadata.items()})
    payload: bytes = model.SerializeToString()
    return payload


def runner(payload: bytes) -> Predict:
    """A function from a photo's pixels (H, W, 3) uint8 to the graph's probabilities (classes,) float32."""
    session = Session(payload, [PROBABILITIES], many_photos=True)

    def predict(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        probabilities: NDArray[Any] = session.session.run([PROBABILITIES], {PHOTO: pixels})[0]
        return probabilities

    return predict
