"""Finds the classifiers of a TensorFlow graph, and batch normalisations that were folded into kernels.

A classifier is found by its operations, not by the names of its nodes.  Users of TensorFlow's retrain.py can choose
these names, and the defaults differ between versions.  Sources: tensorflow/examples/image_retraining/retrain.py,
tensorflow/tools/graph_transforms/fold_old_batch_norms.cc.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .foreign import GraphHead

if TYPE_CHECKING:
    from .frozen_graph import Node

THROUGH = ("Identity", "PlaceholderWithDefault", "CheckNumerics", "StopGradient", "Enter")
"""Operations that return their first input unchanged."""

ADDING = ("Add", "AddV2", "BiasAdd")
ENDS = ("Softmax", "Sigmoid")
FEATURES = "pool_3/_reshape"
MOST_STEPS = 16
MOST_READERS = 64


class Links:
    """The nodes of a graph, by name and by input."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.readers: dict[str, list[Node]] = defaultdict(list)
        for node in nodes:
            for name in dict.fromkeys(node.inputs):
                self.readers[name].append(node)

    def source(self, name: str) -> str:
        """The name of the node that computes the value of ``name``; identity nodes are skipped."""
        for _ in range(MOST_STEPS):
            node = self.nodes.get(name)
            if node is None or node.operation not in THROUGH or not node.inputs:
                break
            name = node.inputs[0]
        return name

    def only_reader(self, name: str, operations: Collection[str]) -> Node | None:
        """The only node with one of these operations that reads ``name``; None if there is none, or more than one.

        Identity nodes between them are skipped.
        """
        for _ in range(MOST_STEPS):
            if len(self.readers.get(name, ())) > MOST_READERS:
                return None
            matches = [node for node in self.readers[name] if node.operation in operations]
            passing = [node for node in self.readers[name] if node.operation in THROUGH]
            if matches or len(passing) != 1:
                return matches[0] if len(matches) == 1 else None
            name = passing[0].name
        return None


def heads(links: Links, constants: Collection[str]) -> Iterator[GraphHead]:
    """Yield the classifiers: products of the network's features and a constant matrix, to which a constant is added."""
    for product in links.nodes.values():
        if product.operation != "MatMul" or len(product.inputs) != 2:
            continue
        features, weights = map(links.source, product.inputs)
        adding = links.only_reader(product.name, ADDING)
        added = [links.source(name) for name in adding.inputs] if adding else []
        biases = next((name for name in added if name in constants), "")
        if adding is None or weights not in constants or not biases or not reads_features(links, features):
            continue
        end = links.only_reader(adding.name, ENDS)
        names = {adding.name: "softmax/logits", **({end.name: "softmax"} if end else {})}
        names |= dict.fromkeys(feature_names(links, product.inputs[0]), FEATURES)
        yield GraphHead(weights, biases, end.operation if end else "", names)


def reads_features(links: Links, name: str) -> bool:
    """Whether a value is the network's features: the flattened output of its last pool, or a placeholder for it."""
    node = links.nodes.get(name)
    return name.endswith(FEATURES) or node is None or node.operation == "Placeholder"


def feature_names(links: Links, name: str) -> Iterator[str]:
    """Yield ``name`` and the nodes before it that have the same value, up to the features."""
    for _ in range(MOST_STEPS):
        node = links.nodes.get(name)
        if node is None or node.name.endswith(FEATURES):
            return
        yield name
        if node.operation not in THROUGH or not node.inputs:
            return
        name = node.inputs[0]


def folded(links: Links, constants: Mapping[str, object]) -> dict[str, str]:
    """Kernel -> the bias that is added after it, for convolutions without batch normalisation."""
    pairs: dict[str, str] = {}
    for node in list(links.nodes.values()):
        if node.operation != "Conv2D" or len(node.inputs) != 2:
            continue
        kernel, adding = links.source(node.inputs[1]), links.only_reader(node.name, ADDING)
        added = [links.source(name) for name in adding.inputs] if adding else []
        bias = next((name for name in added if name in constants), "")
        if kernel in constants and bias:
            pairs[kernel] = bias
    return pairs
