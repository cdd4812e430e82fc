"""Gradients in every network and dialect, compared with PyTorch's automatic differentiation, and with finite differences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.peers.random_weights import random_weights, relative_error

from godeeper import load
from godeeper.blueprint.address import Stage, resolve_one
from godeeper.blueprint.dialects import known_dialects
from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.blueprint.ops import Conv
from godeeper.blueprint.sites import Site, sites
from godeeper.disk_cache import DiskCache
from godeeper.engine.gradient.gradient import GradientEngine
from godeeper.engine.gradient.plan import Parameter, ParameterName, Target, backward_plan
from godeeper.engine.plan import NETWORK_INPUT, Key, is_flat, key_of, output, plan
from godeeper.photos.decode import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from godeeper.weights.file import WeightsFile

    Floats = NDArray[np.float32]

TOLERANCE = 1e-4  # of the greatest value of a gradient
SIZE = 107  # pixels; large enough for every network, and quick
INPUTS = 3
THOROUGH = (
    "torchvision",
    "timm",
    "bvlc",
)  # 5 tensors for one dialect of each network, and 2 for each other dialect; bench.studies.gradients tests more
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ALL = [(name, dialect) for name, network in BLUEPRINTS.items() for dialect in known_dialects(network.family)]


def spread(weights: WeightsFile, count: int) -> list[Site]:
    """Return ``count`` evenly spaced sites, from the first to the last."""
    every = [site for site in sites(weights.blueprint) if not site.is_photo_step and site.kind != "input"]
    return [every[int(each)] for each in np.linspace(0, len(every) - 1, count)]


def targets_before(all_sites: tuple[Site, ...], site: Site) -> list[Target]:
    """Return the network's input, and all parameters of the nearest convolution at or before ``site``."""
    nearest = site
    while nearest.kind != "conv":
        nearest = all_sites[nearest.inputs[0]]
    assert isinstance(nearest.op, Conv)
    names: tuple[ParameterName, ...] = ("scale", "shift", "kernel") if nearest.op.normalise else ("shift", "kernel")
    return [NETWORK_INPUT, *(Parameter(nearest.index, name) for name in names)]


def torch_gradients(module: Any, x: Floats, key: Key, given: Floats, targets: list[Target]) -> dict[Target, Floats]:
    """Return target -> gradient with respect to that target, computed by PyTorch."""
    import torch

    module.zero_grad()
    fed = torch.from_numpy(x.copy()).requires_grad_()
    kept = []
    handle = module.get_submodule(module.paths[key]).register_forward_hook(
        lambda _module, _inputs, value: kept.append(value)
    )
    module(fed)
    handle.remove()
    kept[0].backward(torch.from_numpy(given).reshape(kept[0].shape))
    found: dict[Target, Floats] = {}
    for target in targets:
        if not isinstance(target, Parameter):
            found[target] = fed.grad.numpy()
            continue
        stage: Stage = (
            "conv" if target.name == "kernel" else ("batchnorm" if module_has(module, target.site) else "bias")
        )
        submodule = module.get_submodule(module.paths[Key(target.site, stage)])
        found[target] = (submodule.bias if target.name == "shift" else submodule.weight).grad.numpy()
    return found


def module_has(module: Any, site: int) -> bool:
    """Return whether the convolution ``site`` has batch normalisation."""
    return Key(site, "batchnorm") in module.paths


@pytest.mark.parametrize(("architecture", "dialect"), ALL)
def test_gradients_are_pytorchs(architecture: str, dialect: str, tmp_path: Path) -> None:
    """Gradients with respect to the input and to the scale, shift and kernel of the nearest convolution equal PyTorch's.

    At a kink (a ReLU at 0, equal values in a max pool), rounding can make the two engines choose different sides.  So the test
    passes if the gradients agree for one of several inputs; gradients from a wrong adjoint agree for none.
    """
    pytest.importorskip("torch")
    from godeeper.engine.torch.weights import to_torch

    weights = random_weights(tmp_path, dialect, architecture=architecture)
    network = replace(weights.blueprint, input_size=SIZE)
    every = sites(network)
    engine, module = GradientEngine(weights, DiskCache(tmp_path / "graphs")), to_torch(weights, end=every[-1].address)
    random = np.random.default_rng(0)
    for site in spread(weights, 5 if dialect in THOROUGH else 2):
        site, key = every[site.index], output(site)
        shape = site.shape[:1] if is_flat(site) else site.shape
        targets = targets_before(every, site)
        planned = backward_plan(network, [key], targets)
        for _ in range(INPUTS):
            x = random.uniform(-1, 1, (2, 3, SIZE, SIZE)).astype(np.float32)
            given = random.standard_normal((2, *shape)).astype(np.float32)
            got = engine.run(planned, x, {key: given}).gradients
            expected = torch_gradients(module, x, key, given, targets)
            errors = {target: relative_error(got[target], expected[target]) for target in targets}
            if max(errors.values()) < TOLERANCE:
                break
        else:
            pytest.fail(f"{site.address}: {errors}")
        engine.close()


def test_gradients_are_finite_differences() -> None:
    """Gradients with respect to the input, a scale and a shift agree with finite differences along random directions."""
    net = load()
    photo = net.preprocess(decode("examples/chelsea.jpg"))
    address, number = "mixed/tower_1/conv_2", 7
    tensor = resolve_one(net.blueprint, f"{address}[{number}]")
    key = key_of(tensor)

    def total(x: Floats) -> float:
        value = net.engine.run(plan(net.blueprint, [key]), {NETWORK_INPUT: x})[key]
        return float(value[:, number].sum(dtype=np.float64))

    gradient = net.gradient("examples/chelsea.jpg", f"{address}[{number}]")
    random = np.random.default_rng(0)
    for _ in range(3):
        direction = gradient + np.abs(gradient).mean() * random.standard_normal(gradient.shape).astype(np.float32)
        step = np.float32(1e-4 / np.abs(direction).max())  # larger steps cross kinks
        slope = (total(photo + step * direction) - total(photo - step * direction)) / (2 * float(step))
        assert slope == pytest.approx(float((gradient.astype(np.float64) * direction).sum()), rel=0.02)
