"""The scaling given to ``weights add --scaling`` is used by peeks, the page, exports and ``to_torch``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import save_file
from tests.unit.classifier.handmade import classifier

from godeeper.classifier.classifier import Classifier
from godeeper.cli.main import main
from godeeper.export.targets import export
from godeeper.network import load
from godeeper.photos.decode import decode
from godeeper.web.application import make_backend
from godeeper.weights.file import WeightsFile
from godeeper.weights.registry import find

PIXELS = np.random.default_rng(7).integers(0, 256, (299, 299, 3), np.uint8)
"""A photo of the size of the network's input, so it is not resized."""

EXPECTED: dict[str, Any] = {
    "unit": PIXELS / 255,
    "10,20,30/2": (PIXELS - [10.0, 20.0, 30.0]) / 2,
}
"""Scaling -> the network's input."""


@dataclass(frozen=True)
class Scaled:
    """Weights that were added with a scaling, and the expected input of the network (1, 3, H, W)."""

    file: WeightsFile
    planes: Any


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled weights as a third-party safetensors file, under the names of the 2015 graph."""
    tensors: dict[str, Any] = {}
    bundled = find("bundled")
    with bundled.parameters() as numbers:
        for name in bundled.expected:
            values = numbers.values(name)
            tensors[name] = np.ascontiguousarray(values.transpose(2, 3, 1, 0) if values.ndim == 4 else values)
            if name.endswith("/beta"):
                tensors[f"{name.removesuffix('beta')}gamma"] = np.ones_like(values)
    path = tmp_path_factory.mktemp("theirs") / "theirs.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module", params=EXPECTED)
def scaled(theirs: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Scaled]:
    """The third-party weights, added with each scaling in turn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GODEEPER_CACHE", str(tmp_path_factory.mktemp("cache")))
        assert main(["weights", "add", str(theirs), "--name", "mine", "--scaling", request.param]) == 0
        yield Scaled(find("mine"), np.float32(EXPECTED[request.param].transpose(2, 0, 1)[None]))


def test_looks_and_the_page_use_it(scaled: Scaled) -> None:
    """A peek and the page both feed the network the photo with that scaling."""
    for network in (load(weights="mine"), make_backend(None, "mine").network):
        np.testing.assert_allclose(network.preprocess(decode(PIXELS)), scaled.planes, atol=1e-5)


def test_exports_use_it(scaled: Scaled, tmp_path: Path) -> None:
    """An exported ONNX file contains the scaling, and returns the probabilities of the classifier."""
    like = classifier()
    made = Classifier(like.head, "mine", scaled.file.sha256, scaled.file.description.preprocessing)
    export(made, tmp_path / "x.onnx", "onnx", [PIXELS])
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx", providers=["CPUExecutionProvider"])
    got = session.run(["probabilities"], {"photo": PIXELS})[0]
    addresses = list(made.head.addresses)
    tensors = load(weights="mine").run(addresses, {"Mul:0": scaled.planes.transpose(0, 2, 3, 1)})
    features = {address: values.mean((1, 2)) for address, values in zip(addresses, tensors, strict=True)}
    np.testing.assert_allclose(got, made.head.probabilities(features)[0], atol=1e-4)


@pytest.mark.peers
def test_to_torch_takes_it(scaled: Scaled) -> None:
    """With the scaled photo as input, the module gives the same values as a peek at the photo."""
    torch = pytest.importorskip("torch")
    network = load(weights="mine")
    with torch.no_grad():
        got = network.to_torch("conv_2").eval()(torch.from_numpy(scaled.planes)).numpy()
    expected = network.peek(PIXELS, "conv_2").activations
    np.testing.assert_allclose(got, expected, atol=1e-4 * expected.max())
