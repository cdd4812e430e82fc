"""The values of Keras's own Inception v3 with godeeper's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from godeeper.blueprint.address import Tensor, stages
from godeeper.blueprint.sites import sites
from godeeper.engine.plan import Key
from godeeper.weights.file import Parameters, WeightsFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


PARTS = ("beta", "moving_mean", "moving_variance")


def activations(weights: WeightsFile, x: NDArray[np.float32]) -> dict[Key, Any]:
    """Return godeeper's key -> value, (B, C, H, W) or (B, C) float32: convolutions at all stages, pools, joins, softmax."""
    keras = pytest.importorskip("keras")
    keras.utils.clear_session()
    model = keras.applications.InceptionV3(weights=None)
    layers: dict[str | None, Any] = {layer.name: layer for layer in model.layers}
    with weights.parameters() as numbers:
        fill(layers, weights, numbers)
    outputs = {}
    for site in sites(weights.blueprint):
        for stage in stages(site):
            name = Tensor(site, stage).names.keras
            if name in layers and site.kind != "multiply":
                outputs[f"{site.index} {stage}"] = layers[name].output
    values = keras.Model(model.input, outputs).predict(x.transpose(0, 2, 3, 1), verbose=0)
    seen = {key_of(text): planes(value) for text, value in values.items()}
    pooled = next(site.index for site in sites(weights.blueprint) if site.kind == "average")
    seen[Key(pooled)] = seen[Key(pooled)][:, :, None, None]  # Keras pools and reshapes in one layer
    return seen


def fill(layers: dict[str | None, Any], weights: WeightsFile, numbers: Parameters) -> None:
    """Copy godeeper's weights into Keras's layers."""
    for site in sites(weights.blueprint):
        if site.kind == "conv":
            scope = f"{site.address}/batchnorm"
            layers[Tensor(site, "conv").names.keras].set_weights([numbers.kernel(site).transpose(2, 3, 1, 0)])
            layers[Tensor(site, "batchnorm").names.keras].set_weights(
                [numbers.values(f"{scope}/{part}") for part in PARTS]
            )
    layers["predictions"].set_weights(list(numbers.dense()))


def key_of(text: str) -> Key:
    """Convert ``12 relu`` to (12, "relu")."""
    index, stage = text.split()
    return Key(int(index), None if stage == "None" else stage)  # type: ignore[arg-type]  # written by activations above


def planes(value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert channels last to channels first."""
    return value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
