"""godeeper's values for graphs from TensorFlow's retrain.py equal those of TensorFlow for the same file.

The graphs are tested as retrain.py writes them, and as graph_transforms rewrites them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.peers import graph2015
from tests.peers.random_weights import random_input, random_weights, relative_error

import godeeper
from godeeper.weights.install import Added, Options, add

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

CLASSES = ("collie", "dalmatian", "pug")
OPS = "final_training_ops"
PHOTO = "examples/chelsea.jpg"


@pytest.fixture(scope="module")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NDArray[np.float32]]:
    """Random weights of the 2015 dialect."""
    weights = random_weights(tmp_path_factory.mktemp("weights"), "2015")
    with weights.parameters() as numbers:
        return {name: numbers.values(name) for name in weights.expected}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "godeeper"))


def head_numbers() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(2016)
    return random.normal(0, 0.05, (2048, 3)).astype(np.float32), random.normal(0, 0.1, 3).astype(np.float32)


def retrained(
    tensors: dict[str, Any], *, scope: str = "", weights: str = f"{OPS}/weights/final_weights", final: str = "final_result",
    reads: bool = True, softmax: bool = True,
) -> bytes:  # fmt: skip
    """Return the serialised 2015 graph with the nodes that retrain.py adds."""
    import tensorflow as tf

    single = tf.float32.as_datatype_enum
    builder = graph2015.GraphBuilder()
    builder.graph = type(builder.graph).FromString(graph2015.build(tensors))
    if not softmax:
        kept = [node for node in builder.graph.node if not node.name.startswith("softmax")]
        del builder.graph.node[:]
        builder.graph.node.extend(kept)
    for node in builder.graph.node:
        node.name = scope + node.name
        node.input[:] = [scope + name for name in node.input]
    matrix, biases = head_numbers()
    features = f"{scope}pool_3/_reshape"
    builder.node("input/BottleneckInputPlaceholder", "PlaceholderWithDefault", [features], dtype=single)
    shape = builder.graph.node[-1].attr["shape"].shape
    shape.dim.add(size=-1)
    shape.dim.add(size=2048)
    names = [builder.constant(weights, matrix), builder.constant(weights.replace("weights", "biases"), biases)]
    if reads:
        names = [builder.node(f"{name}/read", "Identity", [name], T=single) for name in names]
    inputs = ["input/BottleneckInputPlaceholder", names[0]]
    builder.node(f"{OPS}/Wx_plus_b/MatMul", "MatMul", inputs, T=single, transpose_a=False, transpose_b=False)
    builder.node(f"{OPS}/Wx_plus_b/add", "Add", [f"{OPS}/Wx_plus_b/MatMul", names[1]], T=single)
    builder.node(final, "Softmax", [f"{OPS}/Wx_plus_b/add"], T=single)
    payload: bytes = builder.graph.SerializeToString()
    return payload


def installed(path: Path, graph: bytes, name: str = "mine") -> Added:
    path.write_bytes(graph)
    path.with_name("retrained_labels.txt").write_bytes("\ufeffcollie\r\ndalmatian\r\n\r\npug\r\n".encode())
    return add(path, Options(name=name, replace=True))


@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"softmax": False},
        {"scope": "import/"},
        {"weights": f"{OPS}/weights/Variable", "final": "dogs"},
        {"weights": "final_weights", "reads": False},
    ],
    ids=["as written", "without the old softmax", "under import/", "own names", "of 2015"],
)
def test_a_retrained_graph_gives_tensorflow_s_classes(
    tensors: dict[str, Any], tmp_path: Path, variant: dict[str, Any]
) -> None:
    """A retrained graph is added with the labels next to it; its classes, logits and an inner tensor equal TensorFlow's."""
    graph = retrained(tensors, **variant)
    added = installed(tmp_path / "retrained_graph.pb", graph)
    assert added.file.description.labels == CLASSES
    assert any("retrained_labels.txt" in note for note in added.notes)
    scope, final = variant.get("scope", ""), variant.get("final", "final_result")
    x = random_input()
    names = [final, f"{OPS}/Wx_plus_b/add", "input/BottleneckInputPlaceholder", f"{scope}mixed_4/tower_1/conv_4"]
    theirs = graph2015.run(graph, names, {f"{scope}Mul:0": x.transpose(0, 2, 3, 1)})
    ours = godeeper.load(weights="mine").run(
        [f"{name}:0" for name in names], {f"{scope}Mul:0": x.transpose(0, 2, 3, 1)}
    )
    for name, value, expected in zip(names, ours, theirs, strict=True):
        assert relative_error(np.asarray(value).ravel(), np.asarray(expected).ravel()) <= 1e-4, name
    guesses = godeeper.load(weights="mine").classify(PHOTO)
    assert sorted(guess.label for guess in guesses) == sorted(CLASSES)


def test_folded_normalisations_give_tensorflow_s_values(tensors: dict[str, Any], tmp_path: Path) -> None:
    """A graph whose batch norms are folded, as by graph_transforms' fold_old_batch_norms, gives TensorFlow's values."""
    folded, graph = fold(retrained(tensors))
    added = installed(tmp_path / "folded.pb", graph)
    assert any("94 batch normalisations are folded" in note for note in added.notes)
    assert folded == 94
    x = random_input()
    names = ["final_result", "mixed/tower_2/conv", "conv_1/Conv2D"]
    theirs = graph2015.run(graph, names, {"Mul:0": x.transpose(0, 2, 3, 1)})
    ours = godeeper.load(weights="mine").run([f"{name}:0" for name in names], {"Mul:0": x.transpose(0, 2, 3, 1)})
    for name, value, expected in zip(names, ours, theirs, strict=True):
        assert relative_error(np.asarray(value).ravel(), np.asarray(expected).ravel()) <= 1e-4, name


def fold(graph: bytes) -> tuple[int, bytes]:
    """Fold the normalisations as graph_transforms/fold_old_batch_norms.cc does; return their number and the new graph."""
    import tensorflow as tf
    from tensorflow.core.framework import graph_pb2

    definition = graph_pb2.GraphDef.FromString(graph)
    nodes = {node.name: node for node in definition.node}
    norms = [node for node in definition.node if node.op == "BatchNormWithGlobalNormalization"]
    for norm in norms:
        mean, variance, beta, gamma = (tf.make_ndarray(nodes[name].attr["value"].tensor) for name in norm.input[1:])
        scale = gamma / np.sqrt(variance + 0.001)
        kernel = nodes[nodes[norm.input[0]].input[1]]
        values = tf.make_ndarray(kernel.attr["value"].tensor) * scale
        kernel.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values.astype(np.float32)))
        offset = definition.node.add(name=f"{norm.input[0]}_bn_offset", op="Const")
        offset.attr["dtype"].type = tf.float32.as_datatype_enum
        offset.attr["value"].tensor.CopyFrom(tf.make_tensor_proto((beta - mean * scale).astype(np.float32)))
        gone = set(norm.input[1:])
        norm.op, norm.input[:] = "BiasAdd", [norm.input[0], offset.name]
        for key in ("variance_epsilon", "scale_after_normalization"):
            del norm.attr[key]
        for name in gone:
            definition.node.remove(nodes[name])
    payload: bytes = definition.SerializeToString()
    return len(norms), payload
