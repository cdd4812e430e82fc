"""Comparison with Keras's own Inception v3, with the bundled weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from godeeper.blueprint.address import resolve_one
from godeeper.blueprint.inception_v3 import INCEPTION_V3 as NETWORK
from godeeper.blueprint.ops import Conv
from godeeper.blueprint.sites import sites

if TYPE_CHECKING:
    from godeeper.blueprint.address import Tensor
    from godeeper.network import Network

pytestmark = pytest.mark.peers
keras = pytest.importorskip("keras")

TOLERANCE = 1e-4


def relative_error(got: Any, expected: Any) -> float:
    """Return the largest difference, relative to the largest expected value."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


@pytest.fixture(scope="module")
def model(net: Network) -> Any:
    """Keras's network with godeeper's weights, assigned to convolutions and normalisations in order of creation."""
    keras.utils.clear_session()  # a second model in one session continues the numbering
    built = keras.applications.InceptionV3(weights=None)
    convs = numbered(built, keras.layers.Conv2D)
    norms = numbered(built, keras.layers.BatchNormalization)
    ours = [tensor.site for tensor in net.tensors() if tensor.site.kind == "conv"]
    with net.weights.parameters() as numbers:
        for site, conv, norm in zip(ours, convs, norms, strict=True):
            scope = f"{site.address}/batchnorm"
            conv.set_weights([numbers.kernel(site).transpose(2, 3, 1, 0)])
            norm.set_weights([numbers.values(f"{scope}/{part}") for part in ("beta", "moving_mean", "moving_variance")])
    return built


def numbered(model: Any, kind: type) -> list[Any]:
    """Return the model's layers of one kind in order of creation: sorted by the number in the name, a name without one first."""
    layers = [layer for layer in model.layers if isinstance(layer, kind)]
    return sorted(
        layers,
        key=lambda layer: int(
            "0" + layer.name.rpartition("_")[2] if layer.name[-1].isdigit() and "_" in layer.name else "0"
        ),
    )


@pytest.fixture(scope="module")
def theirs(model: Any, net: Network, chelsea: Path) -> dict[str, Any]:
    """Name of a Keras layer -> its output for the demonstration photo, (1, C, H, W)."""
    outputs = {layer.name: layer.output for layer in model.layers if layer.name not in ("input_layer", "predictions")}
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


KINDS = {
    "Conv2D": ("conv", "conv"),
    "BatchNormalization": ("conv", "batchnorm"),
    "Activation": ("conv", "relu"),
    "MaxPooling2D": ("pool", None),
    "AveragePooling2D": ("pool", None),
    "Concatenate": ("concat", None),
    "GlobalAveragePooling2D": ("average", None),
}
COUNTS = {
    "Conv2D": 94,
    "BatchNormalization": 94,
    "Activation": 94,
    "MaxPooling2D": 4,
    "AveragePooling2D": 9,
    "Concatenate": 15,
    "GlobalAveragePooling2D": 1,
}


@pytest.fixture(scope="module")
def layers(model: Any) -> dict[str, Any]:
    """The layers of a new network by name, except input and classifier."""
    found = {layer.name: layer for layer in model.layers if type(layer).__name__ in KINDS}
    assert Counter(type(layer).__name__ for layer in found.values()) == COUNTS
    return found


@pytest.mark.parametrize("prefix", ["", "keras:"])
def test_every_layer_by_its_own_name(prefix: str, layers: dict[str, Any]) -> None:
    """Each layer's name resolves to a tensor of its kind, shape and window, and godeeper prints that name."""
    for name, layer in layers.items():
        tensor = resolve_one(NETWORK, prefix + name)
        assert (tensor.site.kind, tensor.stage) == KINDS[type(layer).__name__], name
        assert tensor.names.keras == name
        if tensor.site.kind != "average":
            assert tuple(layer.output.shape[1:]) == (*tensor.shape[1:], tensor.shape[0]), name
        if isinstance(tensor.site.op, Conv) and tensor.stage == "conv":
            assert (layer.kernel_size, layer.strides[0]) == (tensor.site.op.kernel, tensor.site.op.stride), name


def test_every_layer_reads_what_its_name_says(layers: dict[str, Any]) -> None:
    """Layers that are connected in Keras's network correspond to sites that are connected in godeeper's."""
    checked = 0
    for name, layer in layers.items():
        tensor = resolve_one(NETWORK, name)
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        sources = [each._keras_history.operation.name for each in given]
        if tensor.stage in ("batchnorm", "relu"):
            assert resolve_one(NETWORK, sources[0]).site == tensor.site, name
        else:
            meant = [resolve_one(NETWORK, source).site.index for source in sources]
            assert leaves(meant) == leaves(tensor.site.inputs), name
        checked += 1
    assert checked == sum(COUNTS.values())


def leaves(indices: Iterable[int]) -> list[int]:
    """Return the sites with joins replaced by their parts, because Keras nests joins that are flat in godeeper's blueprint."""
    every = sites(NETWORK)
    found: list[int] = []
    for index in indices:
        found += leaves(every[index].inputs) if every[index].kind == "concat" else [index]
    return found


def test_the_old_count_is_one_more(layers: dict[str, Any]) -> None:
    """In the convention ``keras2.2``, the numbers that Keras assigns are one higher, and explicit names are the same."""
    for name in layers:
        stem, _, number = name.rpartition("_")
        if not name.startswith(("mixed", "avg_pool")):
            counted = f"{stem}_{int(number) + 1}" if number.isdigit() else f"{name}_1"
            assert resolve_one(NETWORK, f"keras2.2:{counted}") == resolve_one(NETWORK, name)
        else:
            assert resolve_one(NETWORK, f"keras2.2:{name}") == resolve_one(NETWORK, name)
