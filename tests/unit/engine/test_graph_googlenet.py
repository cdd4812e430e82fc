"""GoogLeNet in the default engine, compared with torchvision and with formulas."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import godeeper
from godeeper.blueprint.address import resolve, resolve_one
from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.googlenet import GOOGLENET
from godeeper.blueprint.sites import sites
from godeeper.disk_cache import DiskCache
from godeeper.engine.onnxruntime import OnnxRuntimeEngine
from godeeper.engine.plan import key_of, plan
from godeeper.errors import WeightsError
from godeeper.weights.file import Description, WeightsFile, expected_tensors, write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.float32]]

PREPROCESSING = {"size": 224, "fit": "squash", "filter": "antialias", "subtract": 127.5, "divide": 127.5}


def weights_file(folder: Path, dialect: str, tensors: Arrays) -> WeightsFile:
    """Return a weights file of GoogLeNet with these tensors."""
    labels = tuple(f"class {number}" for number in range(len(tensors["softmax/biases"])))
    description = Description("random", "googlenet", dialect, PREPROCESSING, labels, "random", "none", "", quantised={})
    return write(folder / "random.safetensors", tensors, description)


def random_tensors(dialect: str, seed: int = 0) -> Arrays:
    """Return random values for every tensor of a dialect, scaled so that activations keep their order of magnitude."""
    random = np.random.default_rng(seed)
    shapes = expected_tensors(in_dialect(GOOGLENET, dialect), with_classifier=True)
    return {
        name: (random.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))).astype(np.float32)
        for name, shape in shapes.items()
    }


def computed(file: WeightsFile, names: list[str], image: NDArray[np.float32], folder: Path) -> Arrays:
    """Return address -> value of several tensors for an input (B, C, H, W)."""
    tensors = resolve(file.blueprint, names)
    data = key_of(resolve_one(file.blueprint, "data"))
    made = plan(file.blueprint, [key_of(tensor) for tensor in tensors], [data])
    values = OnnxRuntimeEngine(file, DiskCache(folder / "graphs")).run(made, {data: image})
    return {tensor.name: values[key_of(tensor)] for tensor in tensors}


@pytest.fixture
def bvlc(tmp_path: Path) -> WeightsFile:
    return weights_file(tmp_path, "bvlc", random_tensors("bvlc"))


@pytest.fixture
def image() -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((1, 3, 224, 224)).astype(np.float32)


def test_verifies(bvlc: WeightsFile) -> None:
    """A weights file with biases instead of batch normalisation passes verification."""
    bvlc.verify()


def test_bias(bvlc: WeightsFile, image: NDArray[np.float32], tmp_path: Path) -> None:
    """A convolution's stages are the raw value, the raw value plus bias, and the ReLU of that."""
    names = ["conv2d0_pre_relu/conv", "conv2d0_pre_relu", "conv2d0"]
    raw, biased, rectified = computed(bvlc, names, image, tmp_path).values()
    with bvlc.parameters() as numbers:
        bias = numbers.values("conv1/7x7_s2/bias")
    np.testing.assert_allclose(biased, raw + bias[:, None, None], atol=1e-5)
    np.testing.assert_array_equal(rectified, np.maximum(biased, 0))


def test_ceil_pool(bvlc: WeightsFile, image: NDArray[np.float32], tmp_path: Path) -> None:
    """At the border, the last window of a pool covers only cells that exist."""
    given, pooled = computed(bvlc, ["conv1/7x7_s2", "pool1/3x3_s2"], image, tmp_path).values()
    assert (given.shape[2:], pooled.shape[2:]) == ((112, 112), (56, 56))
    np.testing.assert_array_equal(pooled[0, :, 55, 55], given[0, :, 110:, 110:].max(axis=(1, 2)))
    np.testing.assert_array_equal(pooled[0, :, 0, 54], given[0, :, :3, 108:111].max(axis=(1, 2)))


def test_response_normalisation(bvlc: WeightsFile, image: NDArray[np.float32], tmp_path: Path) -> None:
    """A channel is divided by a function of its five neighbours: Krizhevsky's formula as implemented in Caffe."""
    x, y = computed(bvlc, ["pool1/3x3_s2", "pool1/norm1"], image * 30, tmp_path).values()
    squares = np.pad(x.astype(np.float64) ** 2, ((0, 0), (2, 2), (0, 0), (0, 0)))
    around = np.stack([squares[:, start : start + 64] for start in range(5)]).sum(axis=0)
    expected = x / (1 + 1e-4 / 5 * around) ** 0.75
    assert np.abs(expected - x).max() > 0.1, "the numbers are so small that normalisation would not show"
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_inception5h_runs(image: NDArray[np.float32], tmp_path: Path) -> None:
    """Google's release, with TensorFlow's padding, gives 1008 probabilities."""
    file = weights_file(tmp_path, "inception5h", random_tensors("inception5h"))
    probabilities = computed(file, ["softmax2"], image, tmp_path)["prob"]
    assert probabilities.shape == (1, 1008)
    np.testing.assert_allclose(probabilities.sum(), 1, rtol=1e-5)


def test_peek(bvlc: WeightsFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``peek`` accepts any name of a GoogLeNet tensor."""
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "cache"))
    photo = np.random.default_rng(2).integers(0, 256, (60, 80, 3), np.uint8)
    peek = godeeper.load("googlenet", weights=bvlc.path).peek(photo, "mixed3a_5x5_bottleneck:0")
    assert (peek.address, peek.shape) == ("inception_3a/5x5_reduce", (1, 16, 28, 28))


def test_network_of_the_weights(bvlc: WeightsFile) -> None:
    """If no network is given, the weights determine it."""
    assert godeeper.load(weights=bvlc.path).blueprint == GOOGLENET


def test_wrong_network() -> None:
    """Weights of another network are refused, and the error names that network."""
    with pytest.raises(WeightsError, match=re.escape("weights 'bundled' are for inception_v3, not for googlenet")):
        godeeper.load("googlenet")


@pytest.mark.peers
def test_torchvision(image: NDArray[np.float32], tmp_path: Path) -> None:
    """Every convolution, pool and module, and the classifier, equal those of torchvision with the same weights."""
    torch = pytest.importorskip("torch")
    network = torchvision_googlenet(torch)
    file = weights_file(tmp_path, "torchvision", taken_over(network))
    seen = hooked(torch, network, image)
    tensors = [site.address for site in sites(file.blueprint) if site.names.torchvision in seen]
    ours = computed(file, tensors, image, tmp_path)
    names = {site.address: str(site.names.torchvision) for site in sites(file.blueprint)}
    assert len(ours) == len(seen) == 57 + 13 + 9 + 1
    for address, value in ours.items():
        theirs = seen[names[address]]
        error = np.abs(value - theirs).max() / np.abs(theirs).max()
        assert error <= 1e-4, f"{address}: relative error {error:.1e}"


def taken_over(network: Any) -> Arrays:
    """Return the weights of torchvision's network under the blueprint's names."""
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    tensors = {"softmax/weights": np.ascontiguousarray(state["fc.weight"].T), "softmax/biases": state["fc.bias"]}
    parts = {"beta": "bias", "gamma": "weight", "moving_mean": "running_mean", "moving_variance": "running_var"}
    for site in sites(in_dialect(GOOGLENET, "torchvision")):
        if site.kind == "conv":
            tensors[f"{site.address}/conv2d_params"] = state[f"{site.names.torchvision}.conv.weight"]
            for ours, theirs in parts.items():
                tensors[f"{site.address}/batchnorm/{ours}"] = state[f"{site.names.torchvision}.bn.{theirs}"]
    return tensors


def hooked(torch: Any, network: Any, image: NDArray[np.float32]) -> Arrays:
    """Return torchvision's name -> value for every tensor of one run, and the logits as ``fc``."""
    seen: Arrays = {}

    def note(name: str) -> Any:
        return lambda _module, _inputs, output: seen.update({name: output.numpy().copy()})

    for name, child in network.named_modules():
        if type(child).__name__ in ("BasicConv2d", "Inception", "MaxPool2d") and not name.startswith("aux"):
            child.register_forward_hook(note(name))
    network.fc.register_forward_hook(note("fc"))
    with torch.no_grad():
        network(torch.from_numpy(image))
    return seen


def torchvision_googlenet(torch: Any) -> Any:
    """Return torchvision's network in evaluation mode, with random weights and statistics."""
    try:
        import torchvision
    except ImportError:
        pytest.skip("torchvision is not installed")
    except RuntimeError as error:
        pytest.skip(f"torchvision cannot be imported: {error}")
    torch.manual_seed(0)
    network = torchvision.models.googlenet(weights=None, init_weights=False, aux_logits=True).eval()
    for name, value in network.state_dict().items():
        if name.endswith(("bn.weight", "running_var")):
            value.uniform_(0.5, 1.5)
        elif name.endswith(("bn.bias", "running_mean")):
            value.normal_(0, 0.2)
    return network
