"""Loads weights into torch networks, from a weights file or from another project's state dict; all parameters must fit."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...blueprint.dialects import in_dialect
from ...blueprint.networks import blueprint_named
from ...blueprint.ops import Blueprint
from ...blueprint.sites import sites
from ...errors import WeightsError
from ...weights.file import Parameters, WeightsFile
from .network import AUXILIARY, TorchNetwork
from .operations import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEFT_OUT = {"googlenet": ("aux1.", "aux2.")}
"""Architecture -> prefixes of parameters in its state dicts that ``TorchNetwork`` does not have."""

COUNTER = "num_batches_tracked"  # not used in evaluation, and missing in older files


def to_torch(weights: WeightsFile, *, end: str | None = None) -> TorchNetwork:
    """The network with these weights, in evaluation mode on the CPU.

    Args:
        weights: an opened weights file.
        end: the address of its output; by default the logits, or ``pool_3/_reshape`` if the weights have no classifier.

    Raises:
        WeightsError: the weights are damaged, or ``end`` needs a classifier and they have none.
        AddressError: the network cannot end there.
    """
    default = "dense" if weights.description.labels else "reshape"
    module = TorchNetwork(weights.blueprint, end=end or site_of_kind(weights.blueprint, default))
    with weights.parameters() as parameters:
        parameters.check()
        state = {
            name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in stored(module, parameters).items()
        }
    module.load_state_dict(state, strict=True)
    return module


def site_of_kind(blueprint: Blueprint, kind: str) -> str:
    """The address of the first site of that kind."""
    return next(site.address for site in sites(blueprint) if site.kind == kind)


def stored(module: TorchNetwork, parameters: Parameters) -> dict[str, NDArray[np.float32]]:
    """Name of a parameter of ``module`` -> its value in the weights file."""
    all_sites = sites(module.blueprint)
    state: dict[str, NDArray[np.float32]] = {}
    for (index, stage), path in module.paths.items():
        site = all_sites[index]
        if stage == "conv":
            state[f"{path}.weight"] = parameters.kernel(site)
        elif stage == "batchnorm":
            state |= {
                f"{path}.{part}": value for part, value in batchnorm(parameters, f"{site.address}/batchnorm").items()
            }
        elif stage == "bias":
            state[f"{path}.bias"] = parameters.values(f"{site.address}/bias")
        elif site.kind == "dense":
            matrix, biases = parameters.dense()
            state |= {f"{path}.weight": matrix.T, f"{path}.bias": biases}
    return state


def batchnorm(parameters: Parameters, scope: str) -> dict[str, NDArray[np.float32]]:
    """The four vectors (C,) of a batch normalisation by their names in torch; the weight is 1 if no gamma is stored."""
    beta = parameters.values(f"{scope}/beta")
    gamma = f"{scope}/gamma"
    return {
        "weight": parameters.values(gamma) if gamma in parameters.file.expected else np.ones_like(beta),
        "bias": beta,
        "running_mean": parameters.values(f"{scope}/moving_mean"),
        "running_var": parameters.values(f"{scope}/moving_variance"),
    }


def from_state_dict(
    state: Mapping[str, torch.Tensor], dialect: str = "torchvision", architecture: str = "inception_v3"
) -> TorchNetwork:
    """A network with the parameters of a state dict from torchvision, timm or pytorch-fid.

    The state dict determines the number of classes.  Without ``fc.*`` the network ends at ``pool_3/_reshape``, and with
    ``AuxLogits.*`` it has the auxiliary classifier.

    Args:
        state: the result of ``torch.load(path, weights_only=True)`` or ``safetensors.torch.load_file(path)``.
        dialect: the dialect of the release: ``torchvision`` for torchvision and timm, ``2015`` for pytorch-fid.
        architecture: ``inception_v3``, or ``googlenet``, whose auxiliary classifiers (``aux1.*``, ``aux2.*``) are left out.

    Raises:
        UnknownName: the dialect or the architecture is unknown.
        WeightsError: parameters are missing, unknown or of another shape.

    >>> network = TorchNetwork(in_dialect(blueprint_named("inception_v3"), "torchvision"))
    >>> len(list(from_state_dict(network.state_dict()).parameters()))
    284
    """
    network = in_dialect(blueprint_named(architecture), dialect)
    check_tensors(state)
    state = {name: value for name, value in state.items() if not name.startswith(LEFT_OUT.get(architecture, ()))}
    if "fc.weight" in state and state["fc.weight"].ndim:
        network = replace(network, classes=len(state["fc.weight"]))
    end = site_of_kind(network, "dense" if "fc.weight" in state else "reshape")
    auxiliary = network.auxiliary is not None and any(name.startswith(f"{AUXILIARY}.") for name in state)
    module = TorchNetwork(network, end=end, auxiliary=auxiliary)
    check_state(state, module.state_dict(), network.name)
    module.load_state_dict(dict(state), strict=True)
    return module


def check_tensors(state: Mapping[str, torch.Tensor]) -> None:
    """Raise ``WeightsError`` if a value is not a tensor, for example in a checkpoint that contains a state dict."""
    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise WeightsError(
                f"{name!r} in the state dict is a {type(value).__name__}: expected a tensor; if this is a checkpoint, pass the state dict in it"
            )


def check_state(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], network: str) -> None:
    """Raise ``WeightsError``, which names a few of the wrong parameters, if ``state`` does not fit."""
    faults = {
        "missing": [name for name in expected if name not in state and not name.endswith(COUNTER)],
        "unknown": [name for name in state if name not in expected],
        "of another shape": [
            f"{name} {tuple(value.shape)}, expected {tuple(expected[name].shape)}"
            for name, value in state.items()
            if name in expected and value.shape != expected[name].shape
        ],
    }
    parts = [f"{len(names)} {what} ({'; '.join(names[:3])})" for what, names in faults.items() if names]
    if parts:
        raise WeightsError(f"this state dict does not fit {network}: {', '.join(parts)}")
