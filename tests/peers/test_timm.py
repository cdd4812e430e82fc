"""Comparison with timm's Inception v3: same random weights and statistics, all tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.peers.random_weights import ours, random_input, random_weights, relative_error
from tests.peers.torch_peers import activations, import_torchvision

from godeeper.weights.file import WeightsFile

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightsFile:
    """Random weights of the torchvision dialect, which timm uses too."""
    return random_weights(tmp_path_factory.mktemp("weights"), "torchvision")


@pytest.fixture(scope="module")
def model(weights: WeightsFile) -> Any:
    """The network of timm, with godeeper's weights loaded strictly."""
    import_torchvision()  # timm imports torchvision
    timm = pytest.importorskip("timm")
    from godeeper.engine.torch.weights import to_torch

    built = timm.create_model("inception_v3", pretrained=False).eval()
    built.load_state_dict(to_torch(weights).state_dict(), strict=True)
    return built


def test_every_tensor_is_timm_s(weights: WeightsFile, model: Any, tmp_path: Path) -> None:
    """94 convolutions raw and rectified, 13 pools, 15 joins, features and logits agree to a relative error of 1e-4."""
    x = random_input(2)
    theirs = activations(model, weights.blueprint, x, ("conv", "relu"))  # timm's normalisation includes the ReLU
    computed = ours(weights, list(theirs), x, tmp_path)
    errors = {key: relative_error(computed[key], value) for key, value in theirs.items()}
    assert len(errors) == 2 * 94 + 13 + 15 + 2
    assert max(errors.values()) <= TOLERANCE


def test_timm_s_state_dict_loads_strictly(model: Any) -> None:
    """A state dict of timm gives timm's logits."""
    import torch

    from godeeper.engine.torch.weights import from_state_dict

    x = torch.from_numpy(random_input())
    with torch.no_grad():
        assert relative_error(from_state_dict(model.state_dict())(x).numpy(), model(x).numpy()) <= TOLERANCE
