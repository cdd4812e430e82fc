"""The values of the PyTorch implementations of Inception v3: torchvision's, timm's and pytorch-fid's.

The three have the same submodule names, so one function works for all.  The output of a functional operation is read
as the input of the next convolution, or as a part of the concatenation.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from godeeper.blueprint.address import Stage
from godeeper.blueprint.sites import Site, sites
from godeeper.engine.plan import Key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from godeeper.blueprint.ops import Blueprint

MISSING_OPERATORS = ("nms", "qnms")


def import_torchvision() -> Any:
    """Return torchvision, imported without its compiled operators if these do not match PyTorch; the tests need none of them."""
    torch = pytest.importorskip("torch")
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed here; `make test-peers` installs it")
    try:
        import torchvision
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        KEPT.append(library)
        for name in MISSING_OPERATORS:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision
    return torchvision


KEPT: list[
    Any
] = []  # keeps the library objects alive: the operators they define are unregistered when they are deleted


def activations(model: Any, network: Blueprint, x: NDArray[np.float32], stages: tuple[Stage, ...]) -> dict[Key, Any]:
    """Return godeeper's key -> value of every tensor that ``model`` and ``network`` share, (B, C, H, W) or (B, C) float32."""
    import torch

    every = sites(network)
    seen: dict[Key, Any] = {}
    endings = {"relu": "", "batchnorm": ".bn", "conv": ".conv"}
    handles = []
    for site in every:
        name = site.names.torchvision
        if site.kind == "conv":
            for stage in stages:
                module = model.get_submodule(f"{name}{endings[stage]}")
                handles.append(module.register_forward_hook(keep_output(seen, Key(site.index, stage))))
            source = every[site.inputs[0]]
            if source.kind == "pool":
                handles.append(model.get_submodule(name).register_forward_pre_hook(keep_input(seen, Key(source.index))))
        elif site.kind == "concat" and site.place.branch is None:
            handles.append(model.get_submodule(name).register_forward_hook(keep_output(seen, Key(site.index))))
        elif site.kind == "dense":
            handles.append(model.register_forward_hook(keep_output(seen, Key(site.index))))
            handles.append(model.fc.register_forward_pre_hook(keep_input(seen, Key(site.inputs[0]))))
    try:
        with torch.no_grad():
            model(torch.from_numpy(x))
    finally:
        for handle in handles:
            handle.remove()
    for site in every:
        if site.kind == "concat":
            cut_join(seen, every, site)
    return seen


def keep_output(seen: dict[Key, Any], key: Key) -> Callable[[Any, Any, Any], None]:
    """Return a hook that copies a module's output before a later operation changes it in place."""

    def hook(module: Any, inputs: Any, output: Any) -> None:
        seen[key] = output.numpy().copy()

    return hook


def keep_input(seen: dict[Key, Any], key: Key) -> Callable[[Any, Any], None]:
    """Return a hook that copies a module's input."""

    def hook(module: Any, inputs: Any) -> None:
        seen[key] = inputs[0].numpy().copy()

    return hook


def cut_join(seen: dict[Key, Any], every: tuple[Site, ...], join: Site) -> None:
    """Add the pools and inner joins that are inputs of ``join``, as slices of its value."""
    if Key(join.index) not in seen:
        return
    first = 0
    for source in (every[index] for index in join.inputs):
        end = first + source.shape[0]
        if source.kind in ("pool", "concat"):
            seen[Key(source.index)] = seen[Key(join.index)][:, first:end]
        first = end
