"""Comparison with pytorch-fid's patched network (the 2015 dialect): same random weights and statistics, all tensors."""

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
    """Random weights of the 2015 dialect."""
    return random_weights(tmp_path_factory.mktemp("weights"), "2015")


@pytest.fixture(scope="module")
def model(weights: WeightsFile) -> Any:
    """pytorch-fid's network with godeeper's weights, loaded strictly."""
    import_torchvision()  # pytorch-fid patches torchvision
    fid = pytest.importorskip("pytorch_fid.inception")
    from godeeper.engine.torch.weights import to_torch

    state = to_torch(weights).state_dict()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fid, "load_state_dict_from_url", lambda *_, **__: state)
        return fid.fid_inception_v3().eval()


def test_every_tensor_is_pytorch_fid_s(weights: WeightsFile, model: Any, tmp_path: Path) -> None:
    """94 convolutions at three stages, 13 pools, 15 joins, features and logits agree to a relative error of 1e-4."""
    x = random_input(2)
    theirs = activations(model, weights.blueprint, x, ("conv", "batchnorm", "relu"))
    computed = ours(weights, list(theirs), x, tmp_path)
    errors = {key: relative_error(computed[key], value) for key, value in theirs.items()}
    assert len(errors) == 3 * 94 + 13 + 15 + 2
    assert max(errors.values()) <= TOLERANCE


def test_pytorch_fid_s_state_dict_loads_strictly(model: Any) -> None:
    """A state dict of pytorch-fid with 1008 classes gives pytorch-fid's logits in the 2015 dialect."""
    import torch

    from godeeper.engine.torch.weights import from_state_dict

    x = torch.from_numpy(random_input())
    with torch.no_grad():
        assert relative_error(from_state_dict(model.state_dict(), "2015")(x).numpy(), model(x).numpy()) <= TOLERANCE


def test_the_wrong_dialect_is_seen(model: Any) -> None:
    """The same weights in torchvision's dialect give other features, so the comparison can fail."""
    import torch

    from godeeper.engine.torch.weights import from_state_dict

    x = torch.from_numpy(random_input())
    with torch.no_grad():
        wrong = from_state_dict(model.state_dict(), "torchvision")(x).numpy()
        assert relative_error(wrong, model(x).numpy()) > 100 * TOLERANCE
