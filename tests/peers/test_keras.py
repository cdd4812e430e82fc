"""Against Keras's own Inception v3 with the bundled numbers in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from godeeper.blueprint.address import Tensor
    from godeeper.network import Network

pytestmark = pytest.mark.peers
keras = pytest.importorskip("keras")

TOLERANCE = 1e-4


def relative_error(got: Any, expected: Any) -> float:
    """The greatest difference, as a share of the greatest expected value."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


@pytest.fixture(scope="module")
def model(net: Network) -> Any:
    """Keras's network, each convolution and normalisation in order of creation given ours."""
    built = keras.applications.InceptionV3(weights=None)
    convs = numbered(built, keras.layers.Conv2D)
    norms = numbered(built, keras.layers.BatchNormalization)
    ours = [tensor.site for tensor in net.tensors() if tensor.site.kind == "conv"]
    with net.weights.numbers() as numbers:
        for site, conv, norm in zip(ours, convs, norms, strict=True):
            scope = f"{site.address}/batchnorm"
            conv.set_weights([numbers.kernel(site).transpose(2, 3, 1, 0)])
            norm.set_weights([numbers.values(f"{scope}/{part}") for part in ("beta", "moving_mean", "moving_variance")])
    return built


def numbered(model: Any, kind: type) -> list[Any]:
    """The model's layers of one kind in order of creation: by the number at the end of the name, none first."""
    layers = [layer for layer in model.layers if isinstance(layer, kind)]
    return sorted(
        layers,
        key=lambda layer: int(
            "0" + layer.name.rpartition("_")[2] if layer.name[-1].isdigit() and "_" in layer.name else "0"
        ),
    )


@pytest.fixture(scope="module")
def theirs(model: Any, net: Network, chelsea: Path) -> dict[str, Any]:
    """Every layer's output for the demonstration photo by our Keras name, (1, C, H, W)."""
    kinds = {
        "conv2d": keras.layers.Conv2D,
        "batch_normalization": keras.layers.BatchNormalization,
        "activation": keras.layers.Activation,
        "max_pooling2d": keras.layers.MaxPooling2D,
        "average_pooling2d": keras.layers.AveragePooling2D,
    }
    outputs = {}
    for kind, layer_type in kinds.items():
        for number, layer in enumerate(numbered(model, layer_type), start=1):
            outputs[f"{kind}_{number}"] = layer.output
    outputs |= {layer.name: layer.output for layer in model.layers if layer.name.startswith("mixed")}
    outputs["avg_pool"] = model.get_layer("avg_pool").output
    joins = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Concatenate) and not layer.name.startswith("mixed")
    ]
    joins.sort(key=lambda layer: len(layer.name) and layer.name)
    outputs |= {f"concatenate_{number}": layer.output for number, layer in enumerate(joins, start=1)}
    from godeeper.photos.decode import decode

    batch = net.preprocess.scaled(net.preprocess.centred(net.preprocess.resized(decode(chelsea))))
    values = keras.Model(model.input, outputs).predict(batch, verbose=0)
    return {
        name: value.transpose(0, 3, 1, 2) if value.ndim == 4 else value[:, :, None, None]
        for name, value in values.items()
    }


@pytest.fixture(scope="module")
def compared(net: Network) -> list[Tensor]:
    """Every tensor that Keras has too, at all stages."""
    every = [*net.tensors(), *net.tensors("**/Conv2D"), *net.tensors("**/batchnorm")]
    return [
        tensor for tensor in every if tensor.names.keras and tensor.site.kind in ("conv", "pool", "concat", "average")
    ]


def test_every_tensor_is_keras_s(net: Network, theirs: dict[str, Any], compared: list[Tensor], chelsea: Path) -> None:
    """94 convolutions at three stages, 14 pools and 15 joins agree to a relative error of 1e-4."""
    peeks = net.peeks(chelsea, [tensor.address for tensor in compared])
    errors = {peek.address: relative_error(peek.activations, theirs[str(peek.tensor.names.keras)]) for peek in peeks}
    assert len(errors) == 3 * 94 + 14 + 15
    assert max(errors.values()) <= TOLERANCE, max(errors, key=lambda address: errors[address])
