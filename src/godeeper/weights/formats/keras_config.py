"""What a Keras model ends in, from its configuration: JSON that is read as data, and never built.

The configuration lies in the attribute ``model_config`` of an HDF5 file, or in ``config.json`` of a ``.keras`` archive.
"""

from __future__ import annotations

import json
from typing import Any

MODELS = ("Sequential", "Functional", "Model")
PASSING = ("Dropout", "Flatten", "Reshape", "Activation")
"""Layers that compute nothing, or only the activation that they name."""


def last_activation(config: bytes | str) -> str:
    """The last activation of a model, such as ``softmax``; empty where it is linear or cannot be told."""
    try:
        return activation_of(json.loads(config)) if config else ""
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return ""


def activation_of(layer: dict[str, Any]) -> str:
    """The activation that a layer ends in, of a model that of its last layer that has one."""
    if layer["class_name"] in MODELS:
        return next((name for each in backwards(layer["config"]) if (name := activation_of(each)) != PASSED), "")
    if layer["class_name"] == "Softmax":
        return "softmax"
    name = name_of(layer["config"].get("activation") or "linear")
    if name != "linear":
        return name
    return PASSED if layer["class_name"] in PASSING else ""


PASSED = "passed on"
"""In the place of an activation: the layer before decides."""


def backwards(config: Any) -> list[dict[str, Any]]:
    """The layers of a model, from its output back as long as each reads one other; Keras 1 had a plain list."""
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
    """The layers that nodes read: ``["name", 0, 0, …]``, in Keras 3 within a ``keras_history``."""
    if isinstance(nodes, dict):
        return set[str]().union(*map(sources_in, nodes.values()))
    if not isinstance(nodes, list):
        return set()
    if len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
        return {nodes[0]}
    return set[str]().union(*map(sources_in, nodes))


def name_of(activation: Any) -> str:
    """An activation's name, also where Keras 3 writes it as an object."""
    if isinstance(activation, dict):
        inner = activation["config"]
        activation = inner if isinstance(inner, str) else activation["class_name"]
    return str(activation).lower()
