"""OpenVINO computes the same values as ONNX Runtime, caches compiled models, and is chosen where it is faster."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import godeeper
from godeeper.disk_cache import DiskCache
from godeeper.engine import openvino
from godeeper.engine.graph_cache import GraphCache
from godeeper.engine.onnxruntime import OnnxRuntimeEngine
from godeeper.engine.openvino import OpenVinoEngine
from godeeper.engine.plan import NETWORK_INPUT, Plan, key_of, plan
from godeeper.engine.quantization import shipped
from godeeper.errors import MissingExtra
from godeeper.network import Network

ADDRESSES = ["conv/Conv2D", "conv", "pool", "mixed/join", "mixed/tower_2/conv/batchnorm"]


def plan_for(net: Network, addresses: Sequence[str], *, pooled: bool) -> Plan:
    return plan(net.blueprint, [key_of(net.tensors(address)[0]) for address in addresses], pooled=pooled)


def noise(photos: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (photos, 3, 299, 299)).astype(np.float32)


@pytest.fixture(scope="module")
def runner(net: Network, tmp_path_factory: pytest.TempPathFactory) -> OpenVinoEngine:
    pytest.importorskip("openvino")
    return OpenVinoEngine(net.weights, DiskCache(tmp_path_factory.mktemp("graphs")))


def assert_close(got: dict[Any, np.ndarray], expected: dict[Any, np.ndarray], tolerance: float) -> None:
    """Assert that no value of a tensor differs by more than ``tolerance`` times the tensor's largest value."""
    assert list(got) == list(expected)
    for key, values in expected.items():
        assert got[key].shape == values.shape
        assert got[key].dtype == np.float32
        assert np.abs(got[key] - values).max() <= tolerance * np.abs(values).max()


@pytest.mark.peers
@pytest.mark.parametrize("pooled", [False, True], ids=["grids", "means"])
def test_values_are_onnxruntimes(net: Network, runner: OpenVinoEngine, pooled: bool) -> None:  # noqa: FBT001
    """Every stage, as a grid or a mean, equals ONNX Runtime's up to single-precision rounding."""
    steps = plan_for(net, ADDRESSES, pooled=pooled)
    expected = OnnxRuntimeEngine(net.weights).run(steps, {NETWORK_INPUT: noise(2)})
    assert_close(runner.run(steps, {NETWORK_INPUT: noise(2)}), expected, 1e-5)


@pytest.mark.peers
def test_the_deepest_module_agrees(net: Network, runner: OpenVinoEngine) -> None:
    """At the end of the network the values are those of ONNX Runtime, so nothing was computed in 16 bits."""
    steps = plan_for(net, ["mixed_10/join"], pooled=True)
    expected = net.engine.run(steps, {NETWORK_INPUT: noise(1)})
    assert_close(runner.run(steps, {NETWORK_INPUT: noise(1)}), expected, 2e-5)


@pytest.mark.peers
@pytest.mark.parametrize("photos", [1, 3, 8, 19])
def test_photos_keep_their_order(net: Network, runner: OpenVinoEngine, photos: int) -> None:
    """Parts of a batch may finish in any order, but the results are in the order of the photos."""
    steps = plan_for(net, ["conv_1"], pooled=True)
    (together,) = runner.run(steps, {NETWORK_INPUT: noise(photos)}).values()
    for place in range(photos):
        (alone,) = runner.run(steps, {NETWORK_INPUT: noise(photos)[place : place + 1]}).values()
        np.testing.assert_allclose(together[place : place + 1], alone, rtol=1e-4, atol=1e-6)


@pytest.mark.peers
def test_several_threads_may_ask(net: Network, runner: OpenVinoEngine) -> None:
    """If several threads run one engine, each thread gets its own result."""
    steps = plan_for(net, ["conv_1"], pooled=True)
    photos = [noise(8)[place : place + 1] for place in range(8)]
    alone = [next(iter(runner.run(steps, {NETWORK_INPUT: photo}).values())) for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda photo: next(iter(runner.run(steps, {NETWORK_INPUT: photo}).values())), photos))
    np.testing.assert_array_equal(together, alone)


@pytest.mark.peers
def test_a_run_resumes_from_inner_tensors(net: Network) -> None:
    """A run can be fed an inner tensor by its name."""
    pytest.importorskip("openvino")
    fed = np.random.default_rng(0).uniform(0, 1, (2, 35, 35, 192)).astype(np.float32)
    by_openvino = godeeper.load(engine="openvino").run("mixed/join", {"pool_1": fed})
    np.testing.assert_allclose(by_openvino, net.run("mixed/join", {"pool_1": fed}), rtol=1e-4, atol=1e-5)


@pytest.mark.peers
@pytest.mark.parametrize("damage", [None, "cut", "foreign"])
def test_what_was_compiled_is_kept(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str | None
) -> None:
    """A second engine reuses the stored model unless that is damaged or foreign, and computes the same values either way."""
    pytest.importorskip("openvino")
    cache = DiskCache(tmp_path)
    steps = plan_for(net, ["conv_1"], pooled=True)
    first = OpenVinoEngine(net.weights, cache)
    expected = first.run(steps, {NETWORK_INPUT: noise(2)})
    key = first.compiled_key(steps)
    assert cache.load(key) is not None
    if damage == "cut":
        cache.path(key).write_bytes(cache.path(key).read_bytes()[:-9])
    elif damage == "foreign":
        cache.store(key, b"not a compiled model")
    second = OpenVinoEngine(net.weights, cache)
    assert second.is_ready(steps)
    asked: list[Plan] = []
    graph = GraphCache.graph

    def counting(graphs: GraphCache, plan: Plan) -> bytes:
        asked.append(plan)
        return graph(graphs, plan)

    monkeypatch.setattr(GraphCache, "graph", counting)
    got = second.run(steps, {NETWORK_INPUT: noise(2)})
    assert len(asked) == bool(damage)
    for key_, values in expected.items():
        np.testing.assert_array_equal(got[key_], values)


@pytest.mark.peers
def test_eight_bits_are_computed_as_integers(net: Network) -> None:
    """OpenVINO recognises the rounding in an int8 graph, and compiles all convolutions but the first for 8-bit integers."""
    pytest.importorskip("openvino")
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("OpenVINO compiles differently for other processors")
    small = OpenVinoEngine(net.weights, calibration=shipped(net.weights))
    steps = plan_for(net, ["mixed_10/join"], pooled=True)
    model = small.core.compile_model(small.core.read_model(small.graphs.graph(steps)), "CPU")
    kinds = [
        operation.get_rt_info()["primitiveType"].astype(str)
        for operation in model.get_runtime_model().get_ordered_ops()
        if operation.get_rt_info()["layerType"].astype(str) == "Convolution"
    ]
    assert len(kinds) == 94
    assert sum(kind.endswith("_I8") for kind in kinds) == 93


@pytest.mark.peers
def test_eight_bits_are_the_same_by_both_engines(net: Network, chelsea: Path) -> None:
    """The int8 features of OpenVINO have a high cosine to those of ONNX Runtime."""
    pytest.importorskip("openvino")
    steps = plan_for(net, ["mixed_2/join", "mixed_10/join"], pooled=True)
    planes = net.preprocess(godeeper.decode(chelsea))
    one, other = (
        godeeper.load(engine=engine, precision="int8").engine.run(steps, {NETWORK_INPUT: planes})
        for engine in ("onnxruntime", "openvino")
    )
    for key, values in one.items():
        cosine = (values * other[key]).sum() / np.linalg.norm(values) / np.linalg.norm(other[key])
        assert cosine >= 0.999


def test_openvino_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """If OpenVINO is not installed, the error names the missing package."""

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(openvino, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"godeeper\[openvino\]"):
        godeeper.load(engine="openvino")


@pytest.mark.parametrize("installed", [False, True])
def test_auto_chooses_by_the_work(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:  # noqa: FBT001
    """``auto`` selects OpenVINO for folders in int8, if it is installed, and ONNX Runtime for everything else."""
    if installed:
        pytest.importorskip("openvino")
    else:
        monkeypatch.setattr("godeeper.engine.engines.find_spec", lambda _: None)
    networks = [godeeper.load(precision=precision) for precision in ("fp32", "int8")]
    chosen = [str(engine.identity()) for each in networks for engine in (each.engine, each.batch_engine)]
    for_folders = "openvino int8" if installed else "onnxruntime int8"
    assert chosen == ["onnxruntime fp32", "onnxruntime fp32", "onnxruntime int8", for_folders]


@pytest.mark.parametrize("engine", ["onnxruntime", pytest.param("openvino", marks=pytest.mark.peers)])
def test_what_is_ready(net: Network, tmp_path: Path, engine: str) -> None:
    """A plan is ready once any process with the same cache has run it, and remains ready when sessions are closed."""
    if engine == "openvino":
        pytest.importorskip("openvino")
    kind = {"onnxruntime": OnnxRuntimeEngine, "openvino": OpenVinoEngine}[engine]
    steps = plan_for(net, ["conv"], pooled=True)
    first, second = (kind(net.weights, DiskCache(tmp_path)) for _ in range(2))
    assert not first.is_ready(steps)
    first.run(steps, {NETWORK_INPUT: noise(1)})
    assert first.is_ready(steps)
    assert second.is_ready(steps)
    first.close()
    assert first.is_ready(steps)
    assert not first.is_ready(plan_for(net, ["conv"], pooled=False))


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_after_several_engines(chelsea: Path) -> None:
    """A process whose engines end in the order of their creation can still be interrupted."""
    pytest.importorskip("openvino")
    script = f"""
        import signal, time
        import godeeper
        first, second = (godeeper.load(engine="openvino") for _ in range(2))
        for network in (first, second):
            network.peek({str(chelsea)!r}, "conv")
        del network, first
        del second
        try:
            signal.raise_signal(signal.SIGINT)
            time.sleep(10)
        except KeyboardInterrupt:
            print("interrupted")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


def test_auto_imports_nothing_it_does_not_use(chelsea: Path) -> None:
    """With the default engine ``auto``, a peek does not open the engine for batches."""
    auto = godeeper.load()
    auto.peek(chelsea, "conv")
    assert isinstance(auto.engine, OnnxRuntimeEngine)
    assert "batch_engine" not in vars(auto)
    auto.close()
    assert not auto.engine.sessions
