"""Cached graphs are reused, rebuilt if they are damaged, and safe to share between processes."""

from __future__ import annotations

import multiprocessing
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnxruntime import GraphOptimizationLevel

from godeeper.blueprint.address import resolve_one
from godeeper.disk_cache import SEAL_BYTES, DiskCache, cache_folder
from godeeper.engine.graph_cache import graph_inputs
from godeeper.engine.onnxruntime import OnnxRuntimeEngine
from godeeper.engine.plan import NETWORK_INPUT, Plan, key_of, plan
from godeeper.errors import WeightsError
from godeeper.weights.registry import find

ADDRESS = "conv_2"
PHOTO = np.linspace(-1, 1, 3 * 299 * 299, dtype=np.float32).reshape(1, 3, 299, 299)


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "graphs")


def small_plan() -> Plan:
    weights = find("bundled")
    return plan(weights.blueprint, [key_of(resolve_one(weights.blueprint, ADDRESS))])


def run(cache: DiskCache) -> np.ndarray:
    (value,) = OnnxRuntimeEngine(find("bundled"), cache).run(small_plan(), {NETWORK_INPUT: PHOTO}).values()
    return value


@pytest.mark.parametrize(("photos", "pooled", "many"), [(1, False, False), (2, False, True), (1, True, True)])
def test_the_layout_is_converted_for_many_photos(cache: DiskCache, *, photos: int, pooled: bool, many: bool) -> None:
    """Weights are converted to the blocked layout only for many photos; values are the same up to rounding."""
    weights = find("bundled")
    steps = plan(weights.blueprint, [key_of(resolve_one(weights.blueprint, ADDRESS))], pooled=pooled)
    engine = OnnxRuntimeEngine(weights, cache)
    (value,) = engine.run(steps, {NETWORK_INPUT: np.repeat(PHOTO, photos, axis=0)}).values()
    (session,) = engine.sessions.sessions.values()
    level = session.session.get_session_options().graph_optimization_level
    assert level == (GraphOptimizationLevel.ORT_ENABLE_ALL if many else GraphOptimizationLevel.ORT_ENABLE_EXTENDED)
    other = OnnxRuntimeEngine(weights, cache).session(replace(steps, many_photos=not many))
    (expected,) = other.run(graph_inputs(steps, {NETWORK_INPUT: PHOTO}))
    np.testing.assert_allclose(value[:1], expected, rtol=1e-4, atol=1e-5)


def entries(cache: DiskCache) -> list[Path]:
    return list(cache.folder.glob("*.graph"))


def test_a_second_run_builds_nothing(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run needs neither onnx nor the weights, and gives the same bits."""
    first = run(cache)
    monkeypatch.setitem(sys.modules, "godeeper.engine.onnx_graph", None)  # an import would fail
    np.testing.assert_array_equal(run(cache), first)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_entry_is_rebuilt(cache: DiskCache, damage: str) -> None:
    """A cached graph that was damaged is built again."""
    first = run(cache)
    (path,) = entries(cache)
    whole = path.read_bytes()
    flipped = whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:]
    path.write_bytes({"cut": whole[:-7], "flip": flipped, "empty": b""}[damage])
    np.testing.assert_array_equal(run(cache), first)
    assert path.read_bytes() == whole


def test_an_entry_is_an_onnx_file(cache: DiskCache) -> None:
    """A cache entry is a valid ONNX file that contains its own hash."""
    import hashlib

    import onnx

    run(cache)
    (path,) = entries(cache)
    model = onnx.load(path)
    onnx.checker.check_model(model)
    [said] = model.metadata_props
    assert said.key == "sha256"
    assert said.value == hashlib.sha256(path.read_bytes()[:-SEAL_BYTES]).hexdigest()


def test_a_cache_that_is_cleared_meanwhile(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another process removes a file between lookup and opening, the graph is built again."""
    first = run(cache)
    find = DiskCache.find

    def cleared(self: DiskCache, key: str) -> Path | None:
        found = find(self, key)
        if found:
            found.unlink()
        return found

    monkeypatch.setattr(DiskCache, "find", cleared)
    np.testing.assert_array_equal(run(cache), first)


def test_another_plan_or_weights_is_another_entry() -> None:
    """The key contains everything that determines the graph."""
    weights = find("bundled")
    runner = OnnxRuntimeEngine(weights)
    plans = [
        plan(weights.blueprint, [key_of(resolve_one(weights.blueprint, name))])
        for name in ("conv", "conv_1", "conv/Conv2D")
    ]
    assert len({runner.graphs.key(each) for each in plans}) == 3
    from dataclasses import replace

    other = replace(weights, description=replace(weights.description, sha256="0" * 64))
    assert OnnxRuntimeEngine(other).graphs.key(plans[0]) != runner.graphs.key(plans[0])


def run_in_process(folder: str) -> bytes:
    return run(DiskCache(Path(folder))).tobytes()


def test_two_processes_at_once(cache: DiskCache) -> None:
    """Processes that start together on an empty cache give the same result, and leave one intact entry."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(run_in_process, [str(cache.folder)] * 2)
    assert first == second == run(cache).tobytes()
    assert len(list(cache.folder.iterdir())) == 1


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    """If nothing can be cached, the graph is built again each time."""
    file = tmp_path / "file"
    file.write_text("not a folder")
    assert run(DiskCache(file / "graphs")).shape == (1, 64, 147, 147)


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    """The least recently used entries are removed, and the cache stays below its limit."""
    import os

    cache = DiskCache(tmp_path, most_bytes=3 * (100 + SEAL_BYTES))
    for age, key in enumerate(["a", "b", "c"]):
        cache.store(key, bytes(100))
        os.utime(cache.path(key), (age, age))
    assert cache.load("a") == bytes(100)  # reading "a" makes it the most recently used
    cache.store("d", bytes(100))
    assert cache.load("b") is None
    assert all(cache.load(key) for key in "acd")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cache folder is GODEEPER_CACHE, or the platform's cache folder."""
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("GODEEPER_CACHE")
    assert cache_folder().name == "godeeper"


def test_damaged_weights_are_found_when_a_graph_is_built(cache: DiskCache, tmp_path: Path) -> None:
    """Weights whose hash is wrong are refused when a graph is built."""
    damaged = tmp_path / "damaged.safetensors"
    content = bytearray(find("bundled").path.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    runner = OnnxRuntimeEngine(find(damaged), cache)
    with pytest.raises(WeightsError, match="damaged"):
        runner.run(small_plan(), {NETWORK_INPUT: np.zeros((1, 3, 299, 299), np.float32)})
    assert entries(cache) == []
