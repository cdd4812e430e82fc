"""Torch modules from the blueprint, captured tensors, and the torch engine."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import godeeper
from godeeper.blueprint.address import Tensor, resolve_one, stages
from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.inception_v3 import INCEPTION_V3, grid8, grid17, grid35, shrink17, shrink35
from godeeper.blueprint.ops import Conv, Module, Pool, branch, module
from godeeper.blueprint.sites import sites
from godeeper.engine.plan import NETWORK_INPUT, Key, key_of, plan
from godeeper.errors import AddressError, OptionError, UnknownAddress, WeightsError

if TYPE_CHECKING:
    from godeeper.network import Network

SMALL = 107  # pixels: enough for every grid to have cells

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; import godeeper; from godeeper.errors import GodeeperError\n"


def python(code: str) -> str:
    """Run ``code`` in a new Python process, and return its output."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_godeeper_imports_no_torch() -> None:
    """Neither the package nor a network loaded with the default engine imports torch."""
    assert python("import sys, godeeper; godeeper.load(); print('torch' in sys.modules)") == "False\n"


@pytest.mark.parametrize(
    "use", ["godeeper.load(engine='torch')", "godeeper.load().to_torch()", "import godeeper.engine.torch.network"]
)
def test_a_missing_torch_is_one_line_that_says_what_to_install(use: str) -> None:
    """If torch is requested but not installed, the error gives the command that installs it."""
    answer = python(f"{WITHOUT_TORCH}try:\n    {use}\nexcept GodeeperError as error:\n    print(error)")
    assert answer.startswith("torch is not installed: run pip install -e '.[torch]' in the clone")


@pytest.fixture(scope="module")
def bundled() -> Network:
    """Inception v3 with the bundled weights and the default engine."""
    return godeeper.load()


@pytest.fixture(scope="module")
def network(bundled: Network) -> Any:
    """Inception v3 with the bundled weights as a torch module."""
    pytest.importorskip("torch")
    return bundled.to_torch()


@pytest.fixture(scope="module")
def x() -> Any:
    """A small input, (2, 3, H, W) float32 in -1 … 1."""
    torch = pytest.importorskip("torch")
    return torch.rand(2, 3, SMALL, SMALL, generator=torch.Generator().manual_seed(0)) * 2 - 1


def default_keys(net: Network) -> list[Key]:
    """Return every tensor at every stage, up to the features."""
    inner = [site for site in sites(net.blueprint) if not site.is_photo_step and site.kind not in ("dense", "softmax")]
    return [Key(site.index, stage) for site in inner for stage in stages(site)]


def names(net: Network, keys: list[Key]) -> list[str]:
    """Return the addresses of ``keys``."""
    return [Tensor(sites(net.blueprint)[index], stage).address for index, stage in keys]


def relative_error(got: Any, expected: Any) -> float:
    """Return the largest difference, relative to the largest expected value."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


@pytest.mark.peers
def test_every_operation_is_hooked_by_its_address(bundled: Network, network: Any) -> None:
    """A hook at each address sees the default engine's values, to a relative error of 1e-4."""
    import torch

    from godeeper.engine.torch.network import capture

    keys = default_keys(bundled)
    batch = (2 * np.random.default_rng(0).random((1, 3, 299, 299)) - 1).astype(np.float32)
    expected = bundled.engine.run(plan(bundled.blueprint, keys), {NETWORK_INPUT: batch})
    addresses = names(bundled, keys)
    with torch.no_grad(), capture(network, addresses) as seen:
        network(torch.from_numpy(batch))
    assert len(seen) == len(keys) == 3 * 94 + 13 + 15 + 2
    errors = {key: relative_error(seen[name].numpy(), expected[key]) for key, name in zip(keys, addresses, strict=True)}
    assert max(errors.values()) <= 1e-4


@pytest.mark.peers
@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("mixed/tower_2/conv:0", "Mixed_5b.branch_pool.relu"),
        ("InceptionV3/InceptionV3/Mixed_5b/Branch_3/Conv2d_0b_1x1/Relu", "Mixed_5b.branch_pool.relu"),
        ("Mixed_5b.branch_pool", "Mixed_5b.branch_pool.relu"),
        ("activation_11", "Mixed_5b.branch_pool.relu"),
        ("conv2d_11", "Mixed_5b.branch_pool.conv"),
        ("mixed/tower_2/conv/batchnorm", "Mixed_5b.branch_pool.bn"),
        ("mixed/tower_2/pool", "Mixed_5b.pool"),
        ("mixed9", "Mixed_7b.join"),
        ("Mixed_7b.cat", "Mixed_7b.branch3x3_2"),
        ("pool_1", "maxpool2"),
        ("pool_3", "avgpool"),
    ],
)
def test_every_convention_finds_the_same_operation(network: Any, address: str, path: str) -> None:
    """``at`` accepts any name of a tensor and returns the submodule that computes it."""
    assert network.at(address) is network.get_submodule(path)


@pytest.mark.peers
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("Mul", "Mul is not computed by this module, which goes from its input to pool_3/_reshape"),
        ("softmax", "softmax is not computed by this module"),
        ("mixed/tower_2/conv[3]", "expected a whole tensor; leave out the channels"),
    ],
)
def test_addresses_outside_the_module_are_refused(network: Any, address: str, message: str) -> None:
    """The photo's steps, tensors after the end, and slices of tensors have no submodule."""
    with pytest.raises(AddressError, match=message.replace("[", r"\[")):
        network.at(address)


@pytest.mark.peers
def test_no_operation_works_in_place(network: Any, x: Any) -> None:
    """No tensor changes after its operation has returned it."""
    import torch

    versions: list[tuple[Any, int]] = []
    handles = [
        part.register_forward_hook(lambda _, __, output: versions.append((output, output._version)))
        for part in network.modules()
    ]
    with torch.no_grad():
        network(x)
    for handle in handles:
        handle.remove()
    assert len(versions) == len(list(network.modules()))
    assert all(output._version == version for output, version in versions)


@pytest.mark.peers
def test_captured_tensors_are_found_by_all_their_names(network: Any, x: Any) -> None:
    """A tensor captured by one name is found by its other names, and with a slice of channels."""
    import torch

    from godeeper.engine.torch.network import capture

    with torch.no_grad(), capture(network, "mixed/tower_2/*") as seen:
        network(x)
    assert list(seen) == ["mixed/tower_2/pool", "mixed/tower_2/conv"]
    assert torch.equal(seen["activation_11[3,7:9]"], seen["Mixed_5b.branch_pool"][:, [3, 7, 8]])
    with pytest.raises(KeyError, match="mixed/conv was not captured"):
        seen["mixed/conv"]


def hooks(network: Any) -> int:
    """Return the number of hooks in a module."""
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in network.modules())


@pytest.mark.peers
def test_capturing_leaves_no_hook_behind(network: Any) -> None:
    """Hooks for capturing exist only inside the ``with`` block."""
    from godeeper.engine.torch.network import capture

    with capture(network, "mixed_*/join"):
        assert hooks(network) == 10
    assert hooks(network) == 0


@pytest.mark.peers
def test_capturing_leaves_no_hook_behind_after_an_error(network: Any, x: Any) -> None:
    """A failed run, an exception in the block and an unknown address leave no hook."""
    from godeeper.engine.torch.network import capture

    with pytest.raises(RuntimeError), capture(network, "mixed_*/join"):
        network(x[:, :2])
    with pytest.raises(ZeroDivisionError), capture(network, "**"):
        _ = 1 / 0
    with pytest.raises(AddressError), capture(network, ["mixed/conv", "softmax"]):
        pass
    assert hooks(network) == 0


@pytest.mark.peers
def test_gradients_reach_what_was_captured(network: Any, x: Any) -> None:
    """Captured tensors keep their graph, so gradients with respect to them can be computed."""
    import torch

    from godeeper.engine.torch.network import capture

    with capture(network, "mixed/tower_2/conv") as seen:
        score = network(x).sum()
    (gradient,) = torch.autograd.grad(score, seen["mixed/tower_2/conv"])
    assert gradient.abs().sum() > 0


@pytest.mark.peers
def test_a_network_can_end_at_any_module(bundled: Network, network: Any, x: Any) -> None:
    """``end`` cuts off everything after a module."""
    import torch

    from godeeper.engine.torch.network import capture

    cut = bundled.to_torch("Mixed_6b")
    with torch.no_grad(), capture(network, "mixed_4/join") as seen:
        network(x)
        np.testing.assert_array_equal(cut(x).numpy(), seen["mixed_4/join"].numpy())
    assert cut.order[-1] == "Mixed_6b"
    with pytest.raises(AddressError, match="the network cannot end at mixed_4/conv"):
        bundled.to_torch("mixed_4/conv")
    with pytest.raises(UnknownAddress):
        bundled.to_torch("mixed_11/join")
    with pytest.raises(WeightsError, match="have no classifier"):
        bundled.to_torch("softmax")


@pytest.mark.peers
def test_a_network_comes_ready_for_evaluation(network: Any) -> None:
    """The module is in evaluation mode, with trainable parameters, the released epsilon, and gamma 1 if none is stored."""
    assert not network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert network.Conv2d_1a_3x3.bn.eps == 0.001
    assert (network.Conv2d_1a_3x3.bn.weight == 1).all()


@pytest.mark.peers
def test_a_network_survives_copying(network: Any, x: Any) -> None:
    """Deep copies, pickles and state dicts give the same values as the original."""
    import torch

    from godeeper.engine.torch.network import TorchNetwork

    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    loaded = TorchNetwork(network.blueprint, end=network.end)
    loaded.load_state_dict(torch.load(file, weights_only=True), strict=True)
    copies = [copy.deepcopy(network), pickle.loads(pickle.dumps(network)), loaded]  # noqa: S301 (our own bytes)
    with torch.no_grad():
        expected = network(x).numpy()
        for made in copies:
            np.testing.assert_array_equal(made(x).numpy(), expected)
    assert copies[0].at("mixed/conv") is not network.at("mixed/conv")


WAYS = """
import godeeper, torch
network = godeeper.load().to_torch()
x = torch.rand(2, 3, 107, 107, generator=torch.Generator().manual_seed(0)) * 2 - 1
with torch.no_grad():
    expected = network(x)
    made = {
        "export": torch.export.export(network, (x,)).module(),
        "compile": torch.compile(network, backend="eager", fullgraph=True),
        "trace": torch.jit.trace(network, x),
        "fx": torch.fx.symbolic_trace(network),
    }
    for way, module in made.items():
        torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-5, msg=lambda said: f"{way}: {said}")
print("agreed:", *made)
"""


@pytest.mark.peers
def test_a_network_can_be_exported_and_compiled() -> None:
    """``torch.export``, ``torch.compile`` without graph breaks, and tracing give the same values.

    This runs in a separate process, because PyTorch's and TensorFlow's compilers cannot be loaded into one process.
    """
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", WAYS], capture_output=True, text=True, check=False)
    assert done.stdout == "agreed: export compile trace fx\n", done.stderr


NAIVE = module(
    branch("1x1", Conv(64, (1, 1))),
    branch("3x3", Conv(128, (3, 3))),
    branch("5x5", Conv(32, (5, 5))),
    branch("_pool", Pool("max")),
)


@pytest.mark.peers
@pytest.mark.parametrize(
    ("in_channels", "blueprint", "shape"),
    [
        (192, grid35(32), (256, 17, 17)),
        (288, shrink35(), (768, 8, 8)),
        (768, grid17(128), (768, 17, 17)),
        (768, shrink17(), (1280, 8, 8)),
        (1280, grid8(), (2048, 17, 17)),
        (192, NAIVE, (416, 17, 17)),
    ],
)
def test_a_module_stands_alone(in_channels: int, blueprint: Module, shape: tuple[int, int, int]) -> None:
    """Any module of a blueprint can be a layer of a user's own network, and states its number of output channels."""
    torch = pytest.importorskip("torch")
    from godeeper.engine.torch.network import InceptionModule

    layer = InceptionModule(in_channels, blueprint)
    answer = torch.nn.Sequential(layer, torch.nn.ReLU())(torch.rand(1, in_channels, 17, 17))
    assert answer.shape[1:] == shape
    assert layer.out_channels == shape[0]
    answer.sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


@pytest.mark.peers
def test_branches_of_one_name_are_refused() -> None:
    """Two operations cannot share a submodule's name."""
    pytest.importorskip("torch")
    from godeeper.engine.torch.network import InceptionModule

    with pytest.raises(OptionError, match="two operations of an Inception module are called branch1x1"):
        InceptionModule(8, module(branch("1x1", Conv(4, (1, 1))), branch("1x1", Conv(4, (1, 1)))))


@pytest.mark.peers
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("Mixed_5b.branch_pool.conv.weight"),
            r"1 missing \(Mixed_5b.branch_pool.conv.weight\)",
        ),
        (lambda state: state.update({"layer4.weight": state["fc.bias"]}), r"1 unknown \(layer4.weight\)"),
        (
            lambda state: state.update({"fc.bias": state["fc.bias"][:5]}),
            r"1 of another shape \(fc.bias \(5,\), expected \(1000,\)\)",
        ),
        (
            lambda state: state.update({"fc.weight": state["fc.bias"][0]}),
            r"1 of another shape \(fc.weight \(\), expected",
        ),
        (lambda state: state.update({"epoch": 7}), "'epoch' in the state dict is a int: expected a tensor"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused(change: Any, message: str) -> None:
    """A state dict that does not fit raises a one-line error that names the parameters."""
    pytest.importorskip("torch")
    from godeeper.engine.torch.network import TorchNetwork
    from godeeper.engine.torch.weights import from_state_dict

    state = dict(TorchNetwork(in_dialect(INCEPTION_V3, "torchvision")).state_dict())
    change(state)
    with pytest.raises(WeightsError, match=message):
        from_state_dict(state)


@pytest.mark.peers
def test_a_dialect_without_a_side_classifier_has_none_to_build() -> None:
    """The auxiliary classifier cannot be built in the 2015 dialect, which has none."""
    pytest.importorskip("torch")
    from godeeper.engine.torch.network import TorchNetwork

    with pytest.raises(OptionError, match="the 2015 dialect of inception_v3 has no auxiliary classifier"):
        TorchNetwork(in_dialect(INCEPTION_V3, "2015"), auxiliary=True)


@pytest.fixture(scope="module")
def by_torch() -> Network:
    """Inception v3 with the bundled weights and the torch engine."""
    pytest.importorskip("torch")
    return godeeper.load(engine="torch")


@pytest.mark.peers
def test_both_engines_give_the_same_peeks(bundled: Network, by_torch: Network) -> None:
    """Every tensor of a photo, at all stages, agrees to a relative error of 1e-4."""
    photo = np.random.default_rng(1).integers(0, 256, (120, 100, 3), np.uint8)
    addresses = names(bundled, default_keys(bundled))
    pairs = zip(bundled.peeks(photo, addresses), by_torch.peeks(photo, addresses), strict=True)
    errors = {ours.address: relative_error(theirs.activations, ours.activations) for ours, theirs in pairs}
    assert len(errors) == len(addresses)
    assert max(errors.values()) <= 1e-4


@pytest.mark.peers
@pytest.mark.parametrize(
    ("fed", "fetched"),
    [
        ("mixed_4/join", "mixed_10/join"),
        ("mixed/tower_2/conv/Conv2D", "mixed/tower_2/conv"),
        ("mixed/tower_2/conv/batchnorm", "mixed/tower_2/conv"),
    ],
)
def test_the_torch_engine_resumes_from_what_is_fed(bundled: Network, by_torch: Network, fed: str, fetched: str) -> None:
    """Inner tensors, including raw convolutions, can be fed to the torch engine as to the default engine."""
    channels, *grid = bundled.tensors(fed)[0].shape
    value = np.random.default_rng(2).random((2, *grid, channels), np.float32)
    expected = bundled.run(fetched, {fed: value})
    assert relative_error(by_torch.run(fetched, {fed: value}), expected) <= 1e-4


@pytest.mark.peers
def test_the_torch_engine_computes_only_what_is_asked(by_torch: Network) -> None:
    """A peek at the first module computes only the module and its ancestors."""
    from godeeper.engine.torch.engine import TorchEngine

    assert isinstance(by_torch.engine, TorchEngine)
    module, ran = by_torch.engine.module, set()
    handles = [
        module.get_submodule(path).register_forward_hook(lambda *_, path=path: ran.add(path))
        for path in module.paths.values()
    ]
    by_torch.peek(np.zeros((80, 80, 3), np.uint8), "mixed/tower_2/conv")
    for handle in handles:
        handle.remove()
    units = {path.rpartition(".")[0] for path in ran if path.endswith(".conv")}
    stem = {"Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"}
    assert units == {*stem, "Mixed_5b.branch_pool"}
    assert "Mixed_5b.pool" in ran
    assert "Mixed_5b.join" not in ran
    assert not any(parameter.is_inference() for parameter in module.parameters())


@pytest.mark.peers
def test_the_torch_engine_gives_the_same_bits_on_any_number_of_cores(by_torch: Network) -> None:
    """Features of many photos do not depend on the number of threads; the engine restores that number afterwards."""
    import torch

    blueprint = by_torch.blueprint
    steps = plan(blueprint, [key_of(resolve_one(blueprint, "mixed_4/tower/conv"))], pooled=True)
    planes = np.random.default_rng(0).uniform(-1, 1, (2, 3, 299, 299)).astype(np.float32)
    before = torch.get_num_threads()
    features: list[np.ndarray] = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            features += by_torch.batch_engine.run(steps, {NETWORK_INPUT: planes}).values()
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(features[0], features[1])


def test_the_torch_engine_needs_a_classifier_for_softmax(by_torch: Network) -> None:
    """For weights without a classifier, the torch engine raises the same error as the other engines."""
    with pytest.raises(WeightsError, match="have no classifier"):
        by_torch.peek(np.zeros((80, 80, 3), np.uint8), "softmax")


@pytest.mark.peers
def test_the_torch_engine_takes_cuda_where_there_is_one(bundled: Network, by_torch: Network) -> None:
    """On CUDA the engine computes in full single precision, with a relative error of at most 1e-4."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    from godeeper.engine.torch.engine import TorchEngine

    assert isinstance(by_torch.engine, TorchEngine)
    assert by_torch.engine.device.type == "cuda"
    photo = np.random.default_rng(3).integers(0, 256, (90, 90, 3), np.uint8)
    expected = bundled.peek(photo, "mixed_10/join").activations
    assert relative_error(by_torch.peek(photo, "mixed_10/join").activations, expected) <= 1e-4
