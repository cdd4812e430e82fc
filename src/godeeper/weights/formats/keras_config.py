"""Finds the final activation of a Keras model in its configuration: JSON that is read as data; no model is built.

The configuration is the attribute ``model_config`` of an HDF5 file, or in ``config.json`` of a ``.keras`` archive.
"""

from __future__ import annotations

import json
from typing import Any

MODELS = ("Sequential", "Functional", "Model")
PASSING = ("Dropout", "Flatten", "Reshape", "Activation")
"""Layers that pass their input on, or only apply their own activation."""


def last_activation(config: bytes | str) -> str:
    """The final activation of a model, such as ``softmax``; empty if it is linear or unknown."""
    try:
        return activation_of(json.loads(config)) if config else ""
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return ""


def activation_of(layer: dict[str, Any]) -> str:
    """The activation of a layer; for a model, that of its last layer with one."""
    if layer["class_name"] in MODELS:
        return next((name for each in backwards(layer["config"]) if (name := activation_of(each)) != PASSED), "")
    if layer["class_name"] == "Softmax":
        return "softmax"
    name = name_of(layer["config"].get("activation") or "linear")
    if name != "linear":
        return name
    return PASSED if layer["class_name"] in PASSING else ""


PASSED = "passed on"
"""Stands for an activation: the layer before decides."""


def backwards(config: Any) -> list[dict[str, Any]]:
    """The layers of a model from its output backwards, as long as each has one input; Keras 1 stored a plain list."""
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
    """The names of the input layers of nodes: ``["name", 0, 0, …]``, in Keras 3 within a ``keras_history``."""
    if isinstance(nodes, dict):
        return set[str]().union(*map(sources_in, nodes.values()))
    if not isinstance(nodes, list):
        return set()
    if len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
        return {nodes[0]}
    return set[str]().union(*map(sources_in, nodes))


def name_of(activation: Any) -> str:
    """An activation's name, also if it is stored as an object, as in Keras 3."""
    if isinstance(activation, dict):
        inner = activation["config"]
        activation = inner if isinstance(inner, str) else activation["class_name"]
    return str(activation).lower()
