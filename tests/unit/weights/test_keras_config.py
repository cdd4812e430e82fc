"""The last activation of a model is read from the configurations of all Keras versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from godeeper.weights.formats.keras_config import last_activation


def layer(kind: str, name: str = "x", reads: Any = (), **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}, "inbound_nodes": reads}


def functional(*layers: dict[str, Any], ends: Any, kind: str = "Functional") -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": "m", "layers": list(layers), "output_layers": ends}}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}


def keras3(name: str) -> Any:
    """Return the inputs of a Keras 3 node."""
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 3], "keras_history": [name, 0, 0]}}
    return [{"args": [tensor], "kwargs": {"mask": None}}]


SIGMOID = layer("Dense", "head", activation="sigmoid")
LINEAR = layer("Dense", "head", activation="linear")
BASE = functional(layer("GlobalAveragePooling2D", "pool"), ends=[["pool", 0, 0]])

CONFIGS = {
    "sequential": (sequential(BASE, layer("Dropout"), SIGMOID), "sigmoid"),
    "Keras 1": ({"class_name": "Sequential", "config": [SIGMOID]}, "sigmoid"),
    "an activation of its own": (sequential(LINEAR, layer("Activation", activation="softmax")), "softmax"),
    "a Softmax layer": (sequential(LINEAR, layer("Softmax", axis=-1)), "softmax"),
    "dropout at the end": (sequential(SIGMOID, layer("Dropout")), "sigmoid"),
    "linear": (sequential(SIGMOID, LINEAR), ""),
    "none": (sequential(layer("Dense", activation=None)), ""),
    "a layer that is not known": (sequential(SIGMOID, layer("Lambda")), ""),
    "an object": (sequential(layer("Dense", activation={"class_name": "function", "config": "sigmoid"})), "sigmoid"),
    "an object of a class": (sequential(layer("Dense", activation={"class_name": "Sigmoid", "config": {}})), "sigmoid"),
    "functional": (functional(SIGMOID, layer("Dense", "side", activation="relu"), ends=[["head", 0, 0]]), "sigmoid"),
    "one end in Keras 3": (functional(SIGMOID, ends=["head", 0, 0]), "sigmoid"),
    "Keras 2 in steps": (
        functional(SIGMOID, layer("Reshape", "r", [[["head", 0, 0, {}]]]), ends=[["r", 0, 0]], kind="Model"),
        "sigmoid",
    ),
    "Keras 3 in steps": (functional(SIGMOID, layer("Reshape", "r", keras3("head")), ends=["r", 0, 0]), "sigmoid"),
    "two ends": (functional(SIGMOID, LINEAR, ends=[["head", 0, 0], ["x", 0, 0]]), ""),
    "nested": (sequential(functional(SIGMOID, ends=["head", 0, 0])), "sigmoid"),
    "in a circle": (functional(layer("Reshape", "r", keras3("r")), ends=["r", 0, 0]), ""),
    "nobody of that name": (functional(SIGMOID, ends=["other", 0, 0]), ""),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_the_last_activation_is_found(case: str) -> None:
    """The last activation is found in each configuration; the result is empty if it is linear or unknown."""
    config, expected = CONFIGS[case]
    assert last_activation(json.dumps(config)) == expected


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "1", "null", '{"class_name": "Sequential"}', "[" * 99999])
def test_an_invalid_configuration_is_ignored(text: str) -> None:
    """A damaged configuration is ignored, so that the weights can still be read."""
    assert last_activation(text) == ""
