"""Finds the final activation of a Keras model in its configuration, without building the model.

The configuration is JSON: the attribute ``model_config`` of an HDF5 file, or ``config.json`` in a ``.keras`` archive.
"""

from __future__ import annotations

import json
from typing import Any

MODELS = ("Sequential", "Functional", "Model")
PASSING = ("Dropout", "Flatten", "Reshape", "Activation")
"""Layers that return their input unchanged, reshaped, or after an activation."""


def last_activation(config: bytes | str) -> str:
    """The final activation of a model, such as ``softmax``; empty if it is linear or unknown."""
    try:
        return activation_of(json.loads(config)) if config else ""
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return ""


def activation_of(layer: dict[str, Any]) -> str:
    """The activation of a layer, or ``PASSED``; for a model, the last one that is not ``PASSED``."""
    if layer["class_name"] in MODELS:
        return next((name for each in backwards(layer["config"]) if (name := activation_of(each)) != PASSED), "")
    if layer["class_name"] == "Softmax":
        return "softmax"
    name = name_of(layer["config"].get("activation") or "linear")
    if name != "linear":
        return name
    return PASSED if layer["class_name"] in PASSING else ""


PASSED = "passed on"
"""The result for a layer in ``PASSING`` without an activation: the layer before it determines the final activation."""


def backwards(config: Any) -> list[dict[str, Any]]:
    """The layers of a model from its output backwards, while each layer has a single input.

    In Keras 1, the configuration of a model is a list of layers.
    """
    layers: list[dict[str, Any]] = config if isinstance(config, list) else config["layers"]
    if isinstance(config, list) or "output_layers" not in config:
        return layers[::-1]
    named = {layer["config"]["name"]: layer for layer in layers}
    chain: list[dict[str, Any]] = []
    sources = sources_in(config["output_layers"])
    while len(sources) == 1 and len(chain) < len(layers):
        chain.append(named[sources.pop()])
        sources = sources_in(chain[-1].get("inbound_nodes", []))
    return chain


def sources_in(nodes: Any) -> set[str]:
    """The names of the layers that nodes refer to by ``["name", 0, 0, …]``, which Keras 3 nests in a ``keras_history``."""
    if isinstance(nodes, dict):
        return set[str]().union(*map(sources_in, nodes.values()))
    if not isinstance(nodes, list):
        return set()
    if len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
        return {nodes[0]}
    return set[str]().union(*map(sources_in, nodes))


def name_of(activation: Any) -> str:
    """The name of an activation, which may be an object in Keras 3."""
    if isinstance(activation, dict):
        inner = activation["config"]
        activation = inner if isinstance(inner, str) else activation["class_name"]
    return str(activation).lower()
