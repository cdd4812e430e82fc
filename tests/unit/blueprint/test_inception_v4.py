"""Inception v4's blueprint compared with timm's network and slim's names."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from godeeper.blueprint import cost
from godeeper.blueprint.address import resolve, resolve_one
from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.inception_v4 import INCEPTION_V4
from godeeper.blueprint.sites import sites
from godeeper.errors import UnknownAddress

GOLDEN = Path(__file__).parents[2] / "golden" / "inception_v4_timm_shapes.json"
TIMM_PARAMETERS = 42_679_816

ROWS = [
    # slim, timm
    ("Conv2d_2b_3x3", "features.2"),
    ("Mixed_3a/Branch_0/MaxPool_0a_3x3", "features.3.maxpool"),
    ("Mixed_3a/Branch_1/Conv2d_0a_3x3", "features.3.conv"),
    ("Mixed_4a/Branch_0/Conv2d_1a_3x3", "features.4.branch0.1"),
    ("Mixed_5a/Branch_0/Conv2d_1a_3x3", "features.5.conv"),
    ("Mixed_5b/Branch_0/Conv2d_0a_1x1", "features.6.branch0"),
    ("Mixed_5e/Branch_3/AvgPool_0a_3x3", "features.9.branch3.0"),
    ("Mixed_6a/Branch_2/MaxPool_1a_3x3", "features.10.branch2"),
    ("Mixed_6h/Branch_2/Conv2d_0e_1x7", "features.17.branch2.4"),
    ("Mixed_7a/Branch_1/Conv2d_1a_3x3", "features.18.branch1.3"),
    ("Mixed_7b/Branch_1/Conv2d_0c_3x1", "features.19.branch1_1b"),
    ("Mixed_7d/Branch_2/Conv2d_0d_1x3", "features.21.branch2_3a"),
    ("Mixed_7d/Branch_2/concat", None),
    ("Mixed_7d/concat", "features.21"),
]


@pytest.mark.parametrize(("slim", "timm"), ROWS)
def test_names(slim: str, timm: str | None) -> None:
    """A site has the name that each release gives it."""
    assert next(site for site in sites(INCEPTION_V4) if site.names.slim == slim).names.timm == timm


def test_scopes() -> None:
    """The full name of an operation in slim's graph and the name of its end point mean the same tensor."""
    assert resolve(INCEPTION_V4, "InceptionV4/InceptionV4/Mixed_5b/concat") == resolve(INCEPTION_V4, "Mixed_5b")


def test_timm_normalisation() -> None:
    """In timm the normalisation includes the ReLU, so its output is the site's rectified value."""
    network = in_dialect(INCEPTION_V4, "timm")
    assert resolve_one(network, "features.0.bn").stage == "relu"
    assert resolve_one(network, "Conv2d_1a_3x3/BatchNorm").names.timm is None


def test_unknown_name() -> None:
    """The error for an unknown name says which network was searched."""
    with pytest.raises(UnknownAddress, match=re.escape("godeeper tensors --network inception_v4")):
        resolve(INCEPTION_V4, "mixed/tower_2/conv")


def test_parameters() -> None:
    """The number of parameters is that of timm's network."""
    assert cost.parameters(in_dialect(INCEPTION_V4, "timm")) == TIMM_PARAMETERS


def test_auxiliary() -> None:
    """The auxiliary classifier of slim is attached to the last module of the 17x17 grid."""
    network = in_dialect(INCEPTION_V4, "slim")
    fed = [site.names.slim for site in sites(network) if site.place.module in network.auxiliary_after and not site.op]
    assert fed == ["Mixed_6h/concat"]


def test_shapes() -> None:
    """Every shape equals that of timm's network, as recorded in tests/golden."""
    all_sites = sites(in_dialect(INCEPTION_V4, "timm"))
    inner = [site for site in all_sites if site.kind in ("conv", "pool", "concat") and site.names.timm]
    assert {str(site.names.timm): list(site.shape) for site in inner} == json.loads(GOLDEN.read_text())


@pytest.mark.peers
def test_recorded_shapes() -> None:
    """The recorded shapes are those of timm's network, measured with hooks."""
    assert hooked_shapes() == json.loads(GOLDEN.read_text())


@pytest.mark.peers
def test_counted_parameters() -> None:
    """The network of timm has the expected number of parameters."""
    assert sum(parameter.numel() for parameter in timm_network().parameters()) == TIMM_PARAMETERS


def hooked_shapes() -> dict[str, list[int]]:
    """Return name in timm -> [C, H, W], recorded by hooks during one run, in order of execution."""
    torch = pytest.importorskip("torch")
    network = timm_network()
    shapes: dict[str, list[int]] = {}

    def note(name: str) -> Any:
        return lambda _module, _inputs, output: shapes.update({name: list(output.shape[1:])})

    for name, child in network.named_modules():
        whole = type(child).__name__ in ("ConvNormAct", "MaxPool2d", "AvgPool2d")
        if name.startswith("features.") and (whole or name.count(".") == 1):
            child.register_forward_hook(note(name))
    with torch.no_grad():
        network(torch.zeros(1, 3, 299, 299))
    return shapes


@cache
def timm_network() -> Any:
    """Return timm's network in evaluation mode, with random weights."""
    pytest.importorskip("torch")
    try:
        timm = pytest.importorskip("timm")
    except RuntimeError as error:  # torchvision, which timm imports, was built for another version of PyTorch
        pytest.skip(f"timm cannot be imported: {error}")
    return timm.create_model("inception_v4", pretrained=False).eval()
