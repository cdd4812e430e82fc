"""Tensors as JSON: what ``godeeper tensors --json`` prints and the web page's interface answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .address import Tensor
from .cost import macs_share, tensor_macs
from .ops import Blueprint
from .remarks import remark


def document(network: Blueprint, tensors: Iterable[Tensor]) -> dict[str, Any]:
    """Several tensors of one network."""
    return {"network": network.name, "tensors": [record(network, tensor) for tensor in tensors]}


def record(network: Blueprint, tensor: Tensor) -> dict[str, Any]:
    """A tensor as JSON; ``macs`` are those of the tensor and all its ancestors, ``remark`` what its names can be mistaken for."""
    return {
        "address": tensor.address,
        "names": tensor.names.as_dict(),
        "remark": remark(network, tensor),
        "kind": tensor.site.kind,
        "stage": tensor.stage,
        "shape": [side or None for side in tensor.shape],
        "macs": tensor_macs(network, [tensor.site.index]),
        "macs_share": macs_share(network, [tensor.site.index]),
        "receptive_field": list(tensor.field.size),
    }
