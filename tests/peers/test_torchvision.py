"""Comparison with torchvision's Inception v3: same random weights and statistics, all tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.peers.random_weights import ours, random_input, random_weights, relative_error
from tests.peers.torch_peers import activations, import_torchvision

from godeeper.weights.file import WeightsFile

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightsFile:
    """Random weights of the torchvision dialect."""
    return random_weights(tmp_path_factory.mktemp("weights"), "torchvision")


@pytest.fixture(scope="module")
def model(weights: WeightsFile) -> Any:
    """The network of torchvision, with godeeper's weights loaded strictly."""
    inception = import_torchvision().models.inception_v3
    from godeeper.engine.torch.weights import to_torch

    built = inception(weights=None, aux_logits=False, init_weights=False).eval()
    built.load_state_dict(to_torch(weights).state_dict(), strict=True)
    return built


def test_every_tensor_is_torchvision_s(weights: WeightsFile, model: Any, tmp_path: Path) -> None:
    """94 convolutions at three stages, 13 pools, 15 joins, features and logits agree to a relative error of 1e-4."""
    x = random_input(2)
    theirs = activations(model, weights.blueprint, x, ("conv", "batchnorm", "relu"))
    computed = ours(weights, list(theirs), x, tmp_path)
    errors = {key: relative_error(computed[key], value) for key, value in theirs.items()}
    assert len(errors) == 3 * 94 + 13 + 15 + 2
    assert max(errors.values()) <= TOLERANCE


def test_our_module_is_torchvision_s(weights: WeightsFile, model: Any) -> None:
    """``to_torch`` gives torchvision's logits."""
    import torch

    from godeeper.engine.torch.weights import to_torch

    x = torch.from_numpy(random_input(2))
    with torch.no_grad():
        assert relative_error(to_torch(weights)(x).numpy(), model(x).numpy()) <= TOLERANCE


def test_parameters_have_torchvision_s_names_and_shapes() -> None:
    """With the auxiliary classifier, godeeper's network has torchvision's state-dict names, shapes and parameter count."""
    inception = import_torchvision().models.inception_v3
    from godeeper.blueprint.dialects import in_dialect
    from godeeper.blueprint.inception_v3 import INCEPTION_V3
    from godeeper.engine.torch.network import TorchNetwork

    theirs = inception(weights=None, aux_logits=True, init_weights=False)
    built = TorchNetwork(in_dialect(INCEPTION_V3, "torchvision"), auxiliary=True)
    assert shapes(built) == shapes(theirs)
    assert sum(parameter.numel() for parameter in built.parameters()) == 27_161_264


def shapes(module: Any) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of everything in a state dict."""
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def test_torchvision_s_state_dict_loads_with_its_side_classifier() -> None:
    """A state dict with ``AuxLogits`` loads strictly, and both classifiers give torchvision's values."""
    inception = import_torchvision().models.inception_v3
    import torch

    from godeeper.engine.torch.network import capture
    from godeeper.engine.torch.weights import from_state_dict

    torch.manual_seed(0)
    theirs = inception(weights=None, aux_logits=True, init_weights=False, num_classes=7).eval()
    built = from_state_dict(theirs.state_dict())
    x = torch.from_numpy(random_input())
    with torch.no_grad(), capture(built, "mixed_7/join") as seen:
        np.testing.assert_allclose(built(x).numpy(), theirs(x).numpy(), rtol=0, atol=1e-5)
        side = built.get_submodule("AuxLogits")(seen["mixed_7/join"])
        np.testing.assert_allclose(side.numpy(), theirs.AuxLogits(seen["Mixed_6e"]).numpy(), rtol=0, atol=1e-5)
