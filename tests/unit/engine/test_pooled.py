"""Pooled plans return only each channel's mean over the grid, and other plans are unchanged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from godeeper.engine.engines import engine_named
from godeeper.engine.onnxruntime import OnnxRuntimeEngine
from godeeper.engine.plan import NETWORK_INPUT, Plan, key_of, plan, result_names
from godeeper.network import Network

ADDRESSES = ["conv/Conv2D", "conv", "pool", "mixed/join"]


def plan_for(net: Network, addresses: Sequence[str], *, pooled: bool) -> Plan:
    return plan(net.blueprint, [key_of(net.tensors(address)[0]) for address in addresses], pooled=pooled)


def noise(photos: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (photos, 3, 299, 299)).astype(np.float32)


@pytest.mark.parametrize("engine", ["onnxruntime", pytest.param("torch", marks=pytest.mark.peers)])
def test_means_of_every_stage(net: Network, engine: str) -> None:
    """For raw and rectified convolutions, pools and joins the result is (B, C), the means over the grid."""
    if engine == "torch":
        pytest.importorskip("torch")
    runner = engine_named(engine, net.weights)
    whole = runner.run(plan_for(net, ADDRESSES, pooled=False), {NETWORK_INPUT: noise(2)})
    pooled = runner.run(plan_for(net, ADDRESSES, pooled=True), {NETWORK_INPUT: noise(2)})
    assert list(pooled) == list(whole)
    for key, values in pooled.items():
        np.testing.assert_allclose(values, whole[key].mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_a_photo_has_the_same_means_in_any_batch(net: Network) -> None:
    """Rounded to half precision, a photo's means are equal alone, as the first of three and as the last of eight photos."""
    run = plan_for(net, ["mixed_2/join"], pooled=True)
    (together,) = net.engine.run(run, {NETWORK_INPUT: noise(8)}).values()
    for part in (slice(0, 1), slice(5, 8)):
        (apart,) = net.engine.run(run, {NETWORK_INPUT: noise(8)[part]}).values()
        np.testing.assert_allclose(apart, together[part], rtol=5e-4, atol=1e-7)


def test_pooled_plans_are_entries_of_their_own(net: Network) -> None:
    """The cache distinguishes means from grids."""
    runner = OnnxRuntimeEngine(net.weights)
    keys = {runner.graphs.key(plan_for(net, ["mixed/join"], pooled=pooled)) for pooled in (False, True)}
    assert len(keys) == 2


def test_names_of_results(net: Network) -> None:
    """The mean of a tensor has its own name; a tensor without a grid keeps its name."""
    assert result_names(plan_for(net, ["mixed/join"], pooled=False)) == ["mixed/join"]
    assert result_names(plan_for(net, ["pool_3", "pool_3/_reshape"], pooled=True)) == ["pool_3/mean", "pool_3/_reshape"]
