"""Random weights that are the same on every machine and with every version of NumPy.

``RandomState`` is NumPy's frozen generator.  Each tensor has its own seed, so that two dialects have equal values in
common tensors, and kernels are scaled so that activations neither vanish nor explode.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.disk_cache import DiskCache
from godeeper.engine.onnxruntime import OnnxRuntimeEngine
from godeeper.engine.plan import NETWORK_INPUT, Key, plan
from godeeper.weights.file import Description, WeightsFile, expected_tensors, write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RANGES = {
    "gamma": (0.5, 1.5),
    "beta": (-0.2, 0.2),
    "moving_mean": (-0.2, 0.2),
    "moving_variance": (0.5, 1.5),
    "biases": (-0.1, 0.1),
}
"""Last part of a tensor's name -> minimum and maximum of its values.  All other tensors are kernels."""


def random_tensor(name: str, shape: tuple[int, ...], seed: int = 0) -> Floats:
    """Return uniform random values for the tensor that godeeper calls ``name``."""
    fan_in = np.prod(shape[1:] if name.endswith("conv2d_params") else shape[:1])
    reach = float(np.sqrt(6 / fan_in))
    low, high = RANGES.get(name.rpartition("/")[2], (-reach, reach))
    generator = np.random.RandomState((zlib.crc32(name.encode()) + seed) % 2**32)
    return (low + (high - low) * generator.random_sample(shape)).astype(np.float32)


def random_input(batch: int = 1) -> Floats:
    """Return (batch, 3, 299, 299) float32 in -1 … 1."""
    return (2 * np.random.RandomState(299).random_sample((batch, 3, 299, 299)) - 1).astype(np.float32)


def random_weights(folder: Path, dialect: str, seed: int = 0, architecture: str = "inception_v3") -> WeightsFile:
    """Return a weights file of that dialect with random weights, classifier included."""
    network = in_dialect(BLUEPRINTS[architecture], dialect)
    expected = expected_tensors(network, with_classifier=True)
    description = Description(
        name=f"random-{dialect}",
        architecture=network.name,
        dialect=dialect,
        preprocessing={"size": 299, "fit": "squash", "filter": "tf2015", "subtract": 128.0, "divide": 128.0},
        labels=tuple(f"class {number}" for number in range(network.classes)),
        source="tests",
        licence="none needed",
        notes="",
        quantised={},
    )
    tensors = {name: random_tensor(name, shape, seed) for name, shape in expected.items()}
    return write(folder / f"random-{dialect}.safetensors", tensors, description)


def ours(weights: WeightsFile, keys: list[Key], x: Floats, cache: Path) -> dict[Key, Floats]:
    """Return key -> value of the tensor, computed by godeeper's default engine."""
    runner = OnnxRuntimeEngine(weights, DiskCache(cache))
    return runner.run(plan(weights.blueprint, keys), {NETWORK_INPUT: x})


def relative_error(got: Floats, expected: Floats) -> float:
    """Return the largest difference, relative to the largest expected value."""
    assert got.shape == expected.shape
    return float(np.abs(got - expected).max() / np.abs(expected).max())
