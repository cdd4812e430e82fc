"""Tensors as JSON, for ``godeeper tensors --json`` and the HTTP API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .address import Tensor
from .cost import macs_share, tensor_macs
from .ops import Blueprint
from .remarks import remark


def document(blueprint: Blueprint, tensors: Iterable[Tensor]) -> dict[str, Any]:
    """The JSON document of several tensors of one network."""
    return {"network": blueprint.name, "tensors": [record(blueprint, tensor) for tensor in tensors]}


def record(blueprint: Blueprint, tensor: Tensor) -> dict[str, Any]:
    """A tensor as JSON.

    ``macs``: multiply-adds of the tensor and all its ancestors.  ``remark``: a warning about names of other tensors that
    look like this one's, or None.
    """
    return {
        "address": tensor.address,
        "names": tensor.names.as_dict(),
        "remark": remark(blueprint, tensor),
        "kind": tensor.site.kind,
        "stage": tensor.stage,
        "shape": [side or None for side in tensor.shape],
        "macs": tensor_macs(blueprint, [tensor.site.index]),
        "macs_share": macs_share(blueprint, [tensor.site.index]),
        "receptive_field": list(tensor.field.size),
    }
