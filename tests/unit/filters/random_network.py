"""Networks with random weights, for tests that need every architecture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import godeeper
from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.network import Network
from godeeper.weights.file import Description, expected_tensors, write


def random_network(folder: Path, architecture: str, dialect: str, zeros: tuple[str, ...] = ()) -> Network:
    """Return a network whose activations keep their order of magnitude; the convolutions ``zeros`` have kernels of zeros."""
    random = np.random.default_rng(0)
    blueprint = in_dialect(BLUEPRINTS[architecture], dialect)
    tensors = {}
    for name, shape in expected_tensors(blueprint, with_classifier=False).items():
        if len(shape) > 1:
            reach = 0.0 if name.removesuffix("/conv2d_params") in zeros else np.sqrt(6 / np.prod(shape[1:]))
            tensors[name] = (reach * random.uniform(-1, 1, shape)).astype(np.float32)
        else:
            low, high = (0.5, 1.5) if name.endswith(("gamma", "moving_variance")) else (-0.2, 0.2)
            tensors[name] = random.uniform(low, high, shape).astype(np.float32)
    preprocessing = {
        "size": blueprint.input_size,
        "fit": "squash",
        "filter": "antialias",
        "subtract": 127.5,
        "divide": 127.5,
    }
    description = Description("random", architecture, dialect, preprocessing, (), "random", "none", "", quantised={})
    path = folder / "random.safetensors"
    write(path, tensors, description)
    return godeeper.load(weights=path, engine="onnxruntime")
