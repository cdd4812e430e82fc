"""Networks that godeeper cannot read yet are identified by their tensor names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from godeeper.errors import WeightsError
from godeeper.weights.install import add
from godeeper.weights.unsupported import NOT_YET, known_network

OURS = {
    "GoogLeNet with torchvision's names": "inception3a.branch1.conv.weight",
    "GoogLeNet as Google released it in 2015 (inception5h)": "mixed3a_1x1_w",
    "GoogLeNet with Caffe's names": "inception_3a/1x1/weights",
    "GoogLeNet with slim's names": "InceptionV1/InceptionV1/Mixed_3b/Branch_0/Conv2d_0a_1x1/weights",
    "Inception v4 with timm's names": "features.3.conv.conv.weight",
    "Inception v4 with slim's names": "InceptionV4/InceptionV4/Mixed_3a/Branch_1/Conv2d_0a_3x3/weights",
}


@pytest.mark.parametrize("what", OURS)
def test_networks_without_a_reader_are_named(tmp_path: Path, safetensors_file: Callable[..., Path], what: str) -> None:
    """A one-line error names the network and the tensor that identified it, and says that its weights cannot be read yet."""
    name = OURS[what]
    with pytest.raises(WeightsError) as caught:
        add(safetensors_file({name: np.ones((1, 1, 2, 3), np.float32)}))
    said = str(caught.value)
    assert f"weights of {what}; {NOT_YET} (it has {name})" in said
    assert "\n" not in said


@pytest.mark.parametrize("prefix", ["", "module.", "model.net."])
def test_a_wrapper_hides_no_network(prefix: str) -> None:
    """Tensor names of known networks are recognised behind any prefix."""
    assert "GoogLeNet" in known_network([f"{prefix}inception3a.branch1.conv.weight"])
    assert "Inception v4" in known_network([f"{prefix}features.3.conv.conv.weight"])


@pytest.mark.parametrize(
    "name", ["conv.weight", "features.3.conv.weight", "Mixed_5b.branch1x1.conv.weight", "x" * 9999]
)
def test_unknown_networks_have_no_name(name: str) -> None:
    """Tensor names of unknown networks, and of Inception v3, are not taken for one of the networks without a reader."""
    assert known_network([name]) == ""
