"""Every network in every dialect as a torch module, compared with the default engine, and GoogLeNet with torchvision's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.peers.random_weights import random_tensor, relative_error
from tests.peers.torch_peers import import_torchvision

from godeeper.blueprint.address import stages
from godeeper.blueprint.dialects import in_dialect, known_dialects
from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.blueprint.sites import sites
from godeeper.disk_cache import DiskCache
from godeeper.engine.onnxruntime import OnnxRuntimeEngine
from godeeper.engine.plan import NETWORK_INPUT, Key, plan
from godeeper.weights.file import Description, expected_tensors, write

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TOLERANCE = 1e-4
OTHERS = [
    (name, dialect) for name in ("googlenet", "inception_v4") for dialect in known_dialects(BLUEPRINTS[name].family)
]


@pytest.mark.parametrize(("architecture", "dialect"), OTHERS)
def test_both_engines_agree_on_every_tensor(architecture: str, dialect: str, tmp_path: Path) -> None:
    """With random weights, all stages agree to a relative error of 1e-4, and so does the module's softmax."""
    torch = pytest.importorskip("torch")
    from godeeper.engine.torch.engine import TorchEngine

    network = in_dialect(BLUEPRINTS[architecture], dialect)
    description = Description(
        name="random",
        architecture=architecture,
        dialect=dialect,
        preprocessing={
            "size": network.input_size,
            "fit": "squash",
            "filter": "tf2015",
            "subtract": 128.0,
            "divide": 128.0,
        },
        labels=tuple(f"class {number}" for number in range(network.classes)),
        source="tests",
        licence="none needed",
        notes="",
        quantised={},
    )
    expected = expected_tensors(network, with_classifier=True)
    tensors = {name: random_tensor(name, shape) for name, shape in expected.items()}
    weights = write(tmp_path / "random.safetensors", tensors, description)
    keys = [Key(site.index, stage) for site in sites(network) if not site.is_photo_step for stage in stages(site)]
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, network.input_size, network.input_size)).astype(np.float32)
    ours = OnnxRuntimeEngine(weights, DiskCache(tmp_path)).run(plan(network, keys), {NETWORK_INPUT: x})
    runner = TorchEngine(weights, device="cpu")
    theirs = runner.run(plan(network, keys), {NETWORK_INPUT: x})
    assert max(relative_error(theirs[key], ours[key]) for key in keys) <= TOLERANCE
    with torch.no_grad():
        assert relative_error(runner.module(torch.from_numpy(x)).numpy(), ours[keys[-1]]) <= TOLERANCE


def test_torchvision_s_googlenet_loads_strictly() -> None:
    """The state dict of torchvision without the auxiliary classifiers gives torchvision's logits."""
    googlenet = import_torchvision().models.googlenet
    import torch

    from godeeper.engine.torch.weights import from_state_dict

    torch.manual_seed(0)
    theirs = googlenet(weights=None, aux_logits=True, init_weights=False).eval()
    for name, buffer in theirs.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    built = from_state_dict(theirs.state_dict(), "torchvision", "googlenet")
    x = torch.rand(2, 3, 224, 224) * 2 - 1
    with torch.no_grad():
        assert relative_error(built(x).numpy(), theirs(x).numpy()) <= TOLERANCE
